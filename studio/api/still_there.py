"""The images of a run that are still in its folder, as its model sees them.

What asks about images goes on where some of them are gone: there is nothing to ask about those.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studio.errors import RunError
from studio.images.preparing import prepare
from studio.progress import Begin, Stop
from studio.runs.first_labels import encode_images
from studio.runs.outcome import Outcome
from studio.runs.reader import RunReader
from studio.runs.soft import Rows, Soft


@dataclass(frozen=True)
class StillThere:
    """M of a run's N images. features: (M, d); rows: (M,) which of the N they are, ascending;
    zero_shot: makes (N, C) probabilities before training, even ones for the images that are gone.
    """

    features: Soft
    rows: Rows
    zero_shot: Callable[[], Soft]


def still_there(
    reader: RunReader, outcome: Outcome, *, cache: Path, begin: Begin, stop: Stop
) -> StillThere:
    """Look at them; what the model saw before comes from the cache.

    Raises:
        RunError: None of them is there any more.
    """
    images, canvases = prepare(
        reader.root, cache_dir=cache, stop=stop, follow_links=reader.info.follow_links,
        progress=begin("Reading the images"),
    )  # fmt: skip
    encoded = encode_images(
        folder=images, canvases=canvases, model=reader.info.model, cache_dir=cache, begin=begin,
        stop=stop,
    )  # fmt: skip
    place = {image.path: number for number, image in enumerate(images.images)}
    rows = np.array([i for i, path in enumerate(outcome.paths) if path in place], np.int64)
    if not len(rows):
        raise RunError(f"None of the images of run {reader.run.id} is in {reader.root} any more.")
    own = [place[outcome.paths[i]] for i in rows]
    names = outcome.class_names

    def zero_shot() -> Soft:
        # As the run read them, for labels are what is asked about.
        soft = encoded.label_softly(names, reader.prompts, truth=None)[1]
        found = np.full((len(outcome), len(names)), 1 / len(names), np.float32)
        found[rows] = soft[own]
        return found

    return StillThere(encoded.features[own], rows, zero_shot)
