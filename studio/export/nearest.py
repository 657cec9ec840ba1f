"""Which images a run was trained on are nearest to others that it labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from studio.progress import Progress, Stop
from studio.runs.run import Run
from studio.scores.neighbours import Floats, Indices, nearest_among

if TYPE_CHECKING:
    from studio.images.canvases import Canvases
    from studio.images.folder import Folder


@dataclass(frozen=True)
class Nearest:
    """The k training images nearest to each of n others, nearest first.

    paths: of the training images that are still there; indices: (n, k) into them; cosines: (n, k)
    in [-1, 1] around the training images' mean, 1 = the same direction, see `scores.neighbours`.
    """

    paths: tuple[str, ...]
    indices: Indices
    cosines: Floats

    def of(self, image: int) -> list[tuple[str, float]]:
        """Path and cosine of those nearest to image `image`."""
        pairs = zip(self.indices[image].tolist(), self.cosines[image].tolist(), strict=True)
        return [(self.paths[place], cosine) for place, cosine in pairs]


def nearest_trained(
    run: Run,
    folder: Folder,
    canvases: Canvases,
    *,
    k: int,
    cache_dir: Path,
    device: str | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
    follow_links: bool = False,
) -> Nearest:
    """The training images nearest to those of a folder, to the model as it was before training.

    Features of the training images come from the cache, where the run left them.

    Args:
        run: The run.
        folder: The images that are looked at.
        canvases: They, decoded.
        k: How many for each.
        cache_dir: Where decoded images and features are kept.
        device: A torch device; None takes the GPU when there is one.
        progress: Told (done, total) while training images have to be encoded again.
        stop: Asked now and then.
        follow_links: Whether links that leave the run's folder are followed.

    Raises:
        FolderError: The training images are gone.
        Stopped: `stop` said so.
    """
    from studio.clip.backbone import load_backbone
    from studio.clip.encode import encode_images
    from studio.runs.inputs import at_size, encode, images_for

    described = run.images()
    backbone = load_backbone(run.info.model, device=device)
    trained, decoded = images_for(
        backbone, Path(described["root"]), cache_dir=cache_dir, stop=stop,
        follow_links=follow_links,
    )  # fmt: skip
    features = encode(backbone, trained, decoded, cache_dir, progress, stop).numpy()
    wanted = set(described["images"])  # the folder may have grown since
    rows = np.array([i for i, image in enumerate(trained.images) if image.path in wanted], np.int64)
    # Not kept on disk: the file of a few images would stand for the newest set of this model.
    shown = at_size(folder, canvases, backbone, cache_dir=cache_dir, stop=stop)
    others = encode_images(backbone, shown, stop=stop).numpy()
    found = nearest_among(features[rows], others, k=k)
    paths = tuple(trained.images[i].path for i in rows)
    return Nearest(paths, found.indices, found.cosines)
