"""What a user asks of a run, and what can be told about it at once."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from studio.clip.presets import IMAGE_ONLY
from studio.errors import FolderError, PromptError, SettingsError
from studio.images.folder import Folder, nothing_usable, propose_class_names, scan, truth
from studio.imports import import_torch
from studio.methods import method_of, two_phase_methods
from studio.prompts.prompt_set import PromptSet
from studio.runs.checking import claimed
from studio.runs.given import Correction, given_vector
from studio.runs.store import Run, RunStore
from studio.settings import Settings


@dataclass(frozen=True)
class JobRequest:
    """What a user asks for.

    Attributes:
        folder: The images.
        class_names: None takes the names of the sub-folders.
        aliases: Folder name -> class name, for sub-folders that are called otherwise; scoring only.
        method: A name in `studio.methods.METHODS`.
        model: A preset or a local checkpoint, see `studio.clip.backbone.load_backbone`.
        settings: Every choice of the fit, its seed included.
        prompts: What is read about each class for the first labels; None: as the settings say.
        test_folder: Images with known classes that the accuracies are measured on instead.
        name: What the run is called; None takes the folder's name.
        corrections: By image path, what a person said: labels that are given, and images that are
            left out. The fit is told them; the truth it is never told.
        labels: By image path, class names that came with the images and may be wrong: what is
            judged in place of pseudo-labels.
        follow_links: Whether links that leave the folder are followed, see `folder.scan`.
    """

    folder: Path
    class_names: tuple[str, ...] | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    method: str = "coft"
    model: str = "embedded"
    settings: Settings = field(default_factory=Settings)
    prompts: PromptSet | None = None
    test_folder: Path | None = None
    name: str | None = None
    corrections: Mapping[str, Correction] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    follow_links: bool = False


def create_run(request: JobRequest, store: RunStore, *, id: str | None = None) -> Run:
    """A new run for the request, "queued". id: its folder's name; None: one from time and name.

    Raises:
        RunError: Another run is at work, or there is something of that name.
        StudioError: The request cannot work, as far as that shows without reading any image.
    """
    check(request)
    return store.create(
        id=id,
        aliases=request.aliases,
        name=request.name or request.folder.resolve().name,
        method=request.method,
        model=request.model,
        folder=str(request.folder.resolve()),
        class_names=request.class_names or (),
        seed=request.settings.seed,
        test_folder=None if request.test_folder is None else str(request.test_folder.resolve()),
        follow_links=request.follow_links,
        settings=request.settings.to_dict(),
        versions=versions(),
        request=_more(request),
    )


def _more(request: JobRequest) -> dict[str, Any]:
    """What a run that is cut off needs to go on besides its run.json, see `runs.resume`."""
    return {
        "class_names": None if request.class_names is None else list(request.class_names),
        "prompts": None if request.prompts is None else request.prompts.to_dict(),
        "corrections": {path: asdict(said) for path, said in request.corrections.items()},
        "labels": dict(request.labels),
    }


def check(request: JobRequest) -> Folder:
    """Raise what can be told at once, before a model is loaded or an image is read.

    Returns:
        The folder as it was found.

    Raises:
        StudioError: The request cannot work.
    """
    method = method_of(request.method)
    if request.labels and not method.two_phases:
        raise SettingsError(
            f"Labels are checked by {two_phase_methods()}, not by {request.method}: choose one of "
            "them, or leave the labels out."
        )
    if method.needs_given and not any(given.label for given in request.corrections.values()):
        raise SettingsError(
            f"The method {method.name} learns from given labels alone, and there are none: give "
            "some on the Explore tab, or with --corrections FILE, or choose another method."
        )
    check_named_models(request)
    found = scan(request.folder, follow_links=request.follow_links)
    if not found.images:
        raise nothing_usable(found)
    if request.class_names is None and not propose_class_names(found):
        raise FolderError(
            f"{request.folder} has no sub-folders to take class names from; "
            "give the names, one a line (command line: --names FILE)."
        )
    if request.class_names is not None and len(request.class_names) < 2:
        raise FolderError("Give at least two class names.")
    if request.prompts is not None:
        names = request.class_names or propose_class_names(found)
        if strangers := request.prompts.strangers(names):
            raise PromptError(
                f"The prompts have sentences for {', '.join(strangers[:5])}"
                f"{' …' if len(strangers) > 5 else ''}, which is not among the class names; "
                "use the same names in both."
            )
    if request.test_folder is not None:
        test = scan(request.test_folder, follow_links=request.follow_links)
        if not test.images:
            raise nothing_usable(test)
        names = request.class_names or propose_class_names(found)
        if truth(test, names, aliases=request.aliases) is None:
            raise nothing_to_measure(request.test_folder)
    _check_said(request, found)
    return found


def nothing_to_measure(folder: Path) -> FolderError:
    """What to say of a test folder that tells the class of no image."""
    return FolderError(
        f"No sub-folder of {folder} is called like a class, so that nothing can be measured there; "
        "leave out the test folder, or name its sub-folders so."
    )


def _check_said(request: JobRequest, found: Folder) -> None:
    """Corrections and labels to check, of the images that were found: some of these may turn out to
    be none.
    """
    names = list(request.class_names or propose_class_names(found))
    paths, roots = [image.path for image in found.images], (request.folder, found.root)
    if request.corrections:
        given_vector(request.corrections, paths=paths, class_names=names, roots=roots)
    if request.labels:
        claimed(
            request.labels, paths=paths, class_names=names, aliases=request.aliases, roots=roots
        )


def check_named_models(request: JobRequest) -> None:
    """Raise where the models that a request names cannot be used, as far as that shows at once.

    Raises:
        SettingsError: One would not be used, or not so.
        ModelError: There is none of that name, or the studio cannot work with it.
    """
    _check_phase2_model(request)
    _check_consensus_model(request)
    settings = request.settings
    named = [request.model, settings.phase2_model, settings.consensus_model]
    if settings.consensus_model.startswith(IMAGE_ONLY):  # timm alone knows what it has
        named.pop()
    import_torch()
    from studio.clip.sources import check_name

    for name in filter(None, named):
        check_name(name)


def _check_phase2_model(request: JobRequest) -> None:
    settings = request.settings
    if not settings.phase2_model:
        return
    if not method_of(request.method).two_phases:
        raise SettingsError(
            f"phase2_model is for {two_phase_methods()}; {request.method} has one model."
        )
    if not settings.phase2_epochs:
        raise SettingsError("phase2_model needs a Phase II: set phase2_epochs to 1 or more.")
    if settings.phase2_init != "pretrained":
        raise SettingsError(
            "phase2_model starts from its own weights: leave phase2_init at pretrained."
        )


def _check_consensus_model(request: JobRequest) -> None:
    other = request.settings.consensus_model
    if not other:
        return
    if not method_of(request.method).two_phases:
        raise SettingsError(
            f"consensus_model is for {two_phase_methods()}; {request.method} has one model."
        )
    if other == request.model:
        raise SettingsError(
            f"consensus_model is {other}, as the run's own model is; name another one, for a model "
            "agrees with itself."
        )


def versions() -> dict[str, str]:
    """Versions of what a run's outcome depends on."""

    def found() -> Iterator[tuple[str, str]]:
        yield "python", platform.python_version()
        for name in ("torch", "torchvision", "open_clip_torch", "timm", "numpy", "pillow"):
            try:
                yield name, importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                continue

    return dict(found())
