"""From plain Python values to the request of a run, with what each may be."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from studio.errors import FolderError, RunError, SettingsError
from studio.images.names import (
    canonical,
    parse_aliases,
    parse_class_names,
    read_aliases,
    read_class_names,
)
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

Classes = Iterable[str] | Mapping[str, str] | str | Path
"""Class names; or folder name -> class name; or a text of names; or a file of them."""


def classes_of(classes: Classes | None) -> tuple[tuple[str, ...] | None, dict[str, str]]:
    """Class names, None = those of the sub-folders, and the aliases (folder -> class) with them.

    Raises:
        FolderError: They are fewer than two, or the file cannot be read.
    """
    if classes is None:
        return None, {}
    if isinstance(classes, Path):
        return tuple(read_class_names(classes)), read_aliases(classes)
    if isinstance(classes, str):
        return tuple(parse_class_names(classes)), parse_aliases(classes)
    names = tuple(dict.fromkeys(classes.values() if isinstance(classes, Mapping) else classes))
    if not all(isinstance(name, str) and name.strip() for name in names):
        raise FolderError("Class names are texts, and none of them is empty.")
    alike: dict[str, str] = {}
    for name in names:
        first = alike.setdefault(canonical(name), name)
        if first != name:
            raise FolderError(f"{first!r} and {name!r} are the same class name; leave one out.")
    if len(names) < 2:
        raise FolderError("Give at least two class names.")
    return names, dict(classes) if isinstance(classes, Mapping) else {}


def corrections_in(
    corrections: Mapping[str, str | None] | str | Path | Run | None, *, runs: Path | None = None
) -> dict[str, Correction]:
    """Corrections by path: from {path: class name, or None to leave the image out}, a CSV or a run.

    runs: where a run is looked for that is named by its id.

    Raises:
        RunError: There are none, or they cannot be read.
    """
    if corrections is None:
        return {}
    if isinstance(corrections, Mapping):
        return {
            path: Correction("rejected") if label is None else Correction("relabelled", label)
            for path, label in corrections.items()
        }
    if isinstance(corrections, Run):
        return corrections_from(corrections)
    table = Path(corrections).expanduser()
    if table.is_file():
        return corrections_from(table)
    if runs is None:
        raise RunError(f"{corrections} is no file; give a CSV with the columns path,label")
    return corrections_from(RunStore(runs).find(str(corrections)))


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
    names, aliases = classes_of(classes)
    if classes is None:
        names, aliases = base.class_names, dict(base.aliases)
    path = base.folder if folder is None else Path(folder).expanduser()
    if folder == DEMO and not path.exists():
        from studio.demo import DEMO_CLASSES, demo_folder

        path, name = demo_folder(cache, progress=progress), name or DEMO
        names = names or tuple(DEMO_CLASSES)
    if prompts is not None and not isinstance(prompts, PromptSet):
        prompts = PromptSet.load(Path(prompts))
    if labels is not None and not isinstance(labels, Mapping):
        labels = read_labels(Path(labels).expanduser())
    request = dataclasses.replace(
        base,
        folder=path,
        class_names=names,
        aliases=aliases,
        method=method or base.method,
        model=model or base.model,
        settings=chosen,
        prompts=prompts or base.prompts,
        test_folder=Path(test).expanduser() if test is not None else base.test_folder,
        name=name or base.name,
        corrections=corrections_in(corrections, runs=runs),
        labels=base.labels if labels is None else labels,
    )
    return _named(request)


def _settings(changes: Mapping[str, Any], base: Settings) -> Settings:
    """Settings of `base`, some of them replaced; a preset replaces them all."""
    defaults = Settings().to_dict()
    kept = {key: value for key, value in base.to_dict().items() if value != defaults[key]}
    texts = {key: _text(value) for key, value in changes.items()}
    if "preset" not in texts:
        texts = {**{key: _text(value) for key, value in kept.items()}, **texts}
    return Settings.from_overrides(texts)


def _named(request: JobRequest) -> JobRequest:
    """The request, with class names from its labels where neither it nor sub-folders have any."""
    from studio.images.folder import propose_class_names, scan

    if request.class_names is not None or propose_class_names(scan(request.folder)):
        return request
    if not request.labels:
        raise FolderError(
            f"{request.folder} has no sub-folders to take class names from; give them with "
            "--names FILE or --classes a,b,c (in Python: classes=[...])."
        )
    names = tuple(sorted(set(request.labels.values())))
    return dataclasses.replace(request, class_names=names)


def _text(value: Any) -> str:
    """A setting's value as one types it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        raise SettingsError("A setting cannot be None; leave it out to have its default.")
    return str(value)
