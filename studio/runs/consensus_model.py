"""What the further model of a run, whose opinion counts in the first labels, sees in its images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from studio.clip.backbone import Backbone
from studio.clip.image_only import image_space, reads_names
from studio.clip.texts import TextTower
from studio.coft.consensus import Opinion
from studio.coft.start import ZeroShotStart
from studio.images.canvases import Canvases
from studio.images.folder import Folder
from studio.runs.inputs import at_size, encode, prompts_of
from studio.runs.report import Report
from studio.runs.request import JobRequest


def opinion_of(
    backbone: Backbone,
    *,
    request: JobRequest,
    class_names: Sequence[str],
    folder: Folder,
    canvases: Canvases,
    cache_dir: Path,
    report: Report,
    stop: Callable[[], bool],
) -> Opinion:
    """What the fit is told of it.

    Args:
        backbone: the further model.
        request: its settings and prompts.
        class_names: the C names.
        folder: the images.
        canvases: they, as the run's own model sees them.
        cache_dir: where images and features are kept.
        report: told how far it is.
        stop: asked often.

    Raises:
        Stopped: `stop` said so.
        FolderError: the folder has changed meanwhile.
    """
    seen = at_size(
        folder, canvases, backbone, cache_dir=cache_dir,
        progress=report.progress("reading images for the further model"), stop=stop,
    )  # fmt: skip
    features = encode(
        backbone, folder, seen, cache_dir,
        report.progress("encoding images by the further model"), stop,
    )  # fmt: skip
    if not reads_names(backbone):
        return Opinion(image_space(features))
    prompts = prompts_of(request.settings, backbone, request.prompts, class_names)
    vectors = TextTower(backbone).class_vectors(prompts.texts(class_names))
    start = ZeroShotStart.of(backbone, features, vectors)
    return Opinion(start.pictures, start.probabilities)
