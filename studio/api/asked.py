"""From plain Python values to the request of a run, with what each may be."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from studio.api.classes import Classes, classes_of, listed
from studio.errors import FolderError, RunError, SettingsError
from studio.images.class_folders import Splits
from studio.images.folder import ClassList, nothing_usable, scan
from studio.images.image_names import ImageNames
from studio.methods import method_of
from studio.progress import Progress
from studio.prompts.prompt_set import PromptSet
from studio.runs.again import corrections_from, request_of
from studio.runs.checking import read_labels
from studio.runs.given import Correction
from studio.runs.request import JobRequest
from studio.runs.run import Run
from studio.runs.store import RunStore
from studio.settings import Settings

DEMO = "demo"
"""In the place of a folder: the set that the studio draws itself."""


def corrections_in(
    corrections: Mapping[str, str | None] | str | Path | Run | None,
    *,
    images: ImageNames,
    runs: Path | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Correction]:
    """Corrections by path: from {path: class name, or None to leave the image out}, a CSV or a run.

    Args:
        corrections: In one of these forms; None: none.
        images: The images, by whatever name.
        runs: Where a run is looked for that is named by its id.
        tell: Told what was guessed or passed over.

    Raises:
        RunError: There are none, or they cannot be read.
    """
    if corrections is None:
        return {}
    if isinstance(corrections, Mapping):
        return {
            images.find(path) or path: (
                Correction("rejected") if label is None else Correction("relabelled", label)
            )
            for path, label in corrections.items()
        }
    if isinstance(corrections, Run):
        return corrections_from(corrections)
    table = Path(corrections).expanduser()
    if table.is_file():
        return corrections_from(table, images=images, tell=tell)
    if runs is None:
        raise RunError(f"{corrections} is no file; give a CSV with the columns path,label")
    return corrections_from(
        RunStore(runs).find(str(corrections), others="and no such file"), images=images, tell=tell
    )


def asked(
    folder: Path | str | None,
    *,
    cache: Path,
    runs: Path | None = None,
    classes: Classes | None = None,
    model: str | None = None,
    method: str | None = None,
    prompts: PromptSet | Path | str | None = None,
    test: Path | str | None = None,
    corrections: Mapping[str, str | None] | str | Path | Run | None = None,
    labels: Mapping[str, str] | Path | str | None = None,
    like: Run | None = None,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    splits: Splits = "auto",
    follow_links: bool | None = None,
    tell: Callable[[str], None] = lambda _: None,
    progress: Progress | None = None,
) -> JobRequest:
    """The request of a run. None: as in `like`, else the studio's own default.

    Args:
        folder: The images; "demo" is the set that the studio draws itself.
        cache: Where the demo set is drawn.
        runs: Where a run that is named in `corrections` is looked for.
        classes: See `studio.fit`, as for all that follow but `like`, `settings` and `progress`.
        model: An image-text model.
        method: A name in `studio.methods`.
        prompts: For the first labels, or a file of them.
        test: Where accuracies are measured instead.
        corrections: What is taken as given.
        labels: What is checked.
        name: What the run is called.
        like: A run whose folder, names, prompts, model and settings are taken where nothing else
            is said.
        settings: By name, with values as `python -m studio settings` lists them.
        splits: Whether outer sub-folders are parts of a split set: auto, yes or no.
        follow_links: Whether links that leave the folder are followed.
        tell: Told the classes, and whatever was merged, left out or guessed.
        progress: Told while the demo is drawn.

    Raises:
        StudioError: Something cannot be used as given; which and why is said.
    """
    if folder is None and like is None:
        raise FolderError("Give a folder of images, or a run to do again with like=.")
    base = JobRequest(Path()) if like is None else request_of(like)
    chosen = _settings(settings or {}, base.settings)
    if method is not None:
        method_of(method)
    given = None if classes is None else listed(classes)
    if given is None and base.class_names is not None:
        given = ClassList(base.class_names, base.aliases)
    if prompts is not None and not isinstance(prompts, PromptSet):
        prompts = PromptSet.load(Path(prompts))
    path = base.folder if folder is None else Path(folder).expanduser()
    demo = folder == DEMO and not path.exists()
    if demo:
        from studio.demo import demo_folder

        path, name = demo_folder(cache, progress=progress), name or DEMO
    links = base.follow_links if follow_links is None else follow_links
    found = scan(path, follow_links=links)
    if not found.images:
        raise nothing_usable(found)
    images = ImageNames((image.path for image in found.images), roots=(path, found.root))
    if labels is None:
        labels = base.labels
    elif not isinstance(labels, Mapping):
        labels = read_labels(Path(labels).expanduser(), images=images, tell=tell)
    said = corrections_in(corrections, images=images, runs=runs, tell=tell)
    used = classes_of(given, found, labels, splits=splits, demo=demo, tell=tell)
    return dataclasses.replace(
        base,
        folder=path,
        class_names=used.names,
        aliases=used.aliases,
        method=method or base.method,
        model=model or base.model,
        settings=chosen,
        prompts=prompts or base.prompts,
        test_folder=Path(test).expanduser() if test is not None else base.test_folder,
        name=name or base.name,
        corrections=said,
        labels=labels,
        follow_links=links,
    )


def _settings(changes: Mapping[str, Any], base: Settings) -> Settings:
    """Settings of `base`, some of them replaced; a preset replaces them all."""
    defaults = Settings().to_dict()
    kept = {key: value for key, value in base.to_dict().items() if value != defaults[key]}
    texts = {key: _text(value) for key, value in changes.items()}
    if "preset" not in texts:
        texts = {**{key: _text(value) for key, value in kept.items()}, **texts}
    return Settings.from_overrides(texts)


def _text(value: Any) -> str:
    """A setting's value as one types it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        raise SettingsError("A setting cannot be None; leave it out to have its default.")
    return str(value)
