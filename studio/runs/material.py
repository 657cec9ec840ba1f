"""What a run works on, read before any model looks at it, and written into the run's folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.clip.backbone import Backbone
from studio.coft.events import Warned
from studio.files import write_json
from studio.images.canvases import Canvases
from studio.images.folder import Folder, propose_class_names, truth
from studio.prompts.prompt_set import PromptSet
from studio.runs.checking import claimed, keep_labels
from studio.runs.given import Given
from studio.runs.given_table import keep_given
from studio.runs.inputs import images_for, prompts_of
from studio.runs.report import Report
from studio.runs.request import JobRequest, nothing_to_measure
from studio.runs.run import Run
from studio.runs.scoring import Labels
from studio.runs.table import REFUSED_FILE, safe_path, write_csv


@dataclass(frozen=True)
class TestSet:
    """Images that a run is measured on: n canvases and (n,) true classes, -1 = unknown."""

    folder: Folder
    canvases: Canvases
    truth: Labels


@dataclass(frozen=True)
class Material:
    """N images, C class names, and what is said about them.

    folder, canvases: the images; truth: (N,) true classes, -1 = unknown, None = of none: for
    scoring only; prompts: what is read about each class; given: what a person or a judge said;
    claims: (N,) labels that are to be checked, -1 = none; None: there are none; test: None: nothing
    is measured elsewhere.
    """

    folder: Folder
    canvases: Canvases
    class_names: list[str]
    truth: Labels | None
    prompts: PromptSet
    given: Given
    claims: NDArray[np.int64] | None
    test: TestSet | None

    @property
    def paths(self) -> list[str]:
        """Of the N images, relative to the folder."""
        return [image.path for image in self.folder.images]


def gather(
    request: JobRequest,
    run: Run,
    report: Report,
    *,
    backbone: Backbone,
    mark: str,
    cache_dir: Path,
    stop: Callable[[], bool],
) -> Material:
    """Read all of it.

    Args:
        request: What is asked for.
        run: Its folder gets images.json, prompts.json and copies of what was given.
        report: Told how far it is, and of what cannot be used.
        backbone: The run's own model, for whose size images are read.
        mark: The folder's fingerprint.
        cache_dir: Where decoded images are kept.
        stop: Asked often.

    Raises:
        Stopped: `stop` said so.
        StudioError: Something of it cannot be used.
    """

    def note(text: str) -> None:
        report(Warned(text))

    folder, canvases = images_for(
        backbone, request.folder, cache_dir=cache_dir, progress=report.progress("reading images"),
        stop=stop, note=note, follow_links=request.follow_links,
    )  # fmt: skip
    names = list(request.class_names or propose_class_names(folder))
    true_labels = truth(folder, names, aliases=request.aliases)
    _describe(run, folder, names, true_labels, mark=mark)
    prompts = prompts_of(request.settings, backbone, request.prompts, names)
    write_json(run.path / "prompts.json", prompts.to_dict())
    paths, roots = [image.path for image in folder.images], (request.folder, folder.root)
    given = keep_given(
        run.path, request.corrections, paths=paths, class_names=names, roots=roots
    )  # fmt: skip
    if given.missing:
        note(given.warning)
    test = _test_set(request, names, report, backbone=backbone, cache_dir=cache_dir, stop=stop)
    claims = None
    if request.labels:
        claims, warning = claimed(
            request.labels, paths=paths, class_names=names, aliases=request.aliases, roots=roots
        )
        keep_labels(run.path, request.labels)
        if warning:
            note(warning)
    return Material(folder, canvases, names, true_labels, prompts, given, claims, test)


def _test_set(
    request: JobRequest,
    names: list[str],
    report: Report,
    *,
    backbone: Backbone,
    cache_dir: Path,
    stop: Callable[[], bool],
) -> TestSet | None:
    if request.test_folder is None:
        return None
    folder, canvases = images_for(
        backbone, request.test_folder, cache_dir=cache_dir,
        progress=report.progress("reading test images"), stop=stop,
        follow_links=request.follow_links,
    )  # fmt: skip
    true_labels = truth(folder, names, aliases=request.aliases)
    if true_labels is None:
        raise nothing_to_measure(request.test_folder)
    return TestSet(folder, canvases, true_labels)


def _describe(
    run: Run, folder: Folder, names: list[str], true_labels: Labels | None, *, mark: str
) -> None:
    """Write down what the run works on, once that is clear."""
    run.update_info(class_names=names, truth_known=true_labels is not None)
    images = {
        "root": str(folder.root),
        "mark": mark,
        "images": [image.path for image in folder.images],
        "refused": [dataclasses.asdict(refused) for refused in folder.refused],
    }
    write_json(run.path / "images.json", images)
    if folder.refused:
        rows = ((safe_path(item.path), item.reason, item.detail) for item in folder.refused)
        write_csv(run.path / REFUSED_FILE, ("path", "reason", "detail"), rows)
