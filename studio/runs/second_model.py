"""The images and class names of a run as its second model, that of Phase II, sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from studio.clip.backbone import Backbone
from studio.clip.texts import TextTower
from studio.coft.student import Student
from studio.images.canvases import Canvases
from studio.images.folder import Folder
from studio.runs.inputs import at_size, encode, prompts_of
from studio.runs.report import Report
from studio.runs.request import JobRequest


def student_of(
    backbone: Backbone,
    *,
    request: JobRequest,
    class_names: Sequence[str],
    folder: Folder,
    canvases: Canvases,
    cache_dir: Path,
    report: Report,
    stop: Callable[[], bool],
) -> Student:
    """What Phase II is given.

    Args:
        backbone: the second model.
        request: its settings and prompts.
        class_names: the C names.
        folder: the images.
        canvases: they, as the first model sees them.
        cache_dir: where images and features are kept.
        report: told how far it is.
        stop: asked often.

    Raises:
        Stopped: `stop` said so.
        FolderError: the folder has changed meanwhile.
    """
    seen = at_size(
        folder, canvases, backbone, cache_dir=cache_dir,
        progress=report.progress("reading images for Phase II"), stop=stop,
    )  # fmt: skip
    features = encode(
        backbone, folder, seen, cache_dir, report.progress("encoding images for Phase II"), stop
    )
    prompts = prompts_of(request.settings, backbone, request.prompts, class_names)
    vectors = TextTower(backbone).class_vectors(prompts.texts(class_names))
    return Student(backbone, seen, features, vectors)
