"""The images of a run as its model sees them: their features and small pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.errors import RunError
from studio.export.subject import Subject

if TYPE_CHECKING:
    from studio.images.canvases import Canvases
    from studio.scores.neighbours import Floats


@dataclass(frozen=True)
class Seen:
    """The images of a run.

    canvases: small pictures of the folder's images; place: (N,) where each of the run's images is
    among them; features: (N, d) of the run's model before training, in the run's order.
    """

    canvases: Canvases
    place: NDArray[np.int64]
    features: Floats


def seen(subject: Subject) -> Seen:
    """Look at the run's images again; what the cache holds is not made anew.

    Raises:
        StudioError: The folder or the model is gone.
        RunError: An image of the run is not there any more.
    """
    from studio.clip.backbone import load_backbone
    from studio.runs.encoding import ENCODING, LOADING
    from studio.runs.inputs import encode, images_for

    info, begin = subject.reader.info, subject.begin
    loading = begin(LOADING)
    loading(0, 1)
    backbone = load_backbone(info.model, begin=begin)
    loading(1, 1)
    folder, canvases = images_for(
        backbone, subject.root, cache_dir=subject.cache_dir, follow_links=info.follow_links,
        progress=begin("Reading the images"),
    )  # fmt: skip
    at = {image.path: number for number, image in enumerate(folder.images)}
    gone = [path for path in subject.outcome.paths if path not in at]
    if gone:
        raise RunError(f"{gone[0]} is not in {subject.root} any more; this export needs it")
    place = np.array([at[path] for path in subject.outcome.paths], np.int64)
    features = encode(backbone, folder, canvases, subject.cache_dir, begin(ENCODING))
    return Seen(canvases, place, features.numpy()[place])
