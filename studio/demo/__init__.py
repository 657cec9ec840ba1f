"""The demo set: pictures of a few everyday things, drawn on the user's machine in seconds.

Nothing is downloaded or shipped. Every picture is drawn by a seed of its own, so the set is the
same everywhere. The sub-folders carry the class names, which only the scoring looks at.
"""

from __future__ import annotations

import io
import os
import shutil
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from studio.demo import food, things, vessels
from studio.demo.scene import Subject, photograph
from studio.errors import FolderError
from studio.leftovers import held
from studio.progress import Progress
from studio.room import CACHE, writing

PER_CLASS = 38

_EDITION = 1  # to be raised when the drawings change: older sets in the cache are not used then

_SUBJECTS: dict[str, Subject] = {
    "banana": Subject(food.banana, ("table", "cloth"), turn=3.1),
    "hot air balloon": Subject(
        vessels.balloon, ("sky", "meadow", "sea"), turn=0.15, many=3, shadow=False
    ),
    "lemon": Subject(food.lemon, ("table", "cloth", "ground"), turn=3.1, many=3),
    "mushroom": Subject(food.mushroom, ("meadow", "bokeh", "ground"), turn=0.3, many=3),
    "pizza": Subject(food.pizza, ("table", "cloth", "wall"), turn=0.3),
    "sailboat": Subject(vessels.sailboat, ("sea",), turn=0.15, many=2, shadow=False),
    "soccer ball": Subject(things.soccer_ball, ("meadow", "ground", "street"), turn=3.1),
    "strawberry": Subject(food.strawberry, ("table", "cloth", "bokeh"), turn=1.2, many=4),
    "traffic light": Subject(
        things.traffic_light, ("street", "sky", "night"), turn=0.1, shadow=False
    ),
    "umbrella": Subject(things.umbrella, ("street", "ground", "sea", "sky"), turn=0.6, many=2),
    "wall clock": Subject(things.wall_clock, ("wall", "street"), turn=0.15, mirror=False),
}

DEMO_CLASSES: tuple[str, ...] = tuple(_SUBJECTS)


def draw(
    folder: Path, *, seed: int = 0, per_class: int = 0, progress: Progress | None = None
) -> Path:
    """Draws the demo set into `folder` (made if need be): one sub-folder of JPEG files a class.

    per_class: how many pictures of each class, 0: PER_CLASS; progress: called with (pictures drawn,
    pictures in all) from this thread. Returns `folder`.
    """
    pictures = range(per_class or PER_CLASS)
    jobs = [(number, picture) for picture in pictures for number in range(len(_SUBJECTS))]
    for name in DEMO_CLASSES:
        (folder / _folder_name(name)).mkdir(parents=True, exist_ok=True)

    def work(job: tuple[int, int]) -> None:
        number, picture = job
        name = DEMO_CLASSES[number]
        rng = np.random.default_rng([seed, number, picture])
        photo = photograph(_SUBJECTS[name], rng)
        stem = _folder_name(name)
        path = folder / stem / f"{stem}_{picture + 1:03d}.jpg"
        data = io.BytesIO()  # first, for Pillow hides what the disk says
        photo.save(data, "JPEG", quality=int(rng.integers(60, 93)))
        path.write_bytes(data.getbuffer())

    with ThreadPoolExecutor(2, thread_name_prefix="draw") as pool:
        for done, _ in enumerate(pool.map(work, jobs), start=1):
            if progress is not None:
                progress(done, len(jobs))
    return folder


def demo_folder(cache_dir: Path, *, per_class: int = 0, progress: Progress | None = None) -> Path:
    """The demo set in the cache folder, drawn on the first call.

    Drawn under another name and renamed when complete: a killed process leaves no half set, and of
    two processes that draw at once the second uses what the first has finished.
    per_class: as for `draw`. Raises FolderError when the cache folder cannot be written.
    """
    target = cache_dir / (f"demo-{_EDITION}-{per_class}" if per_class else f"demo-{_EDITION}")
    if target.is_dir():
        return target
    temporary = cache_dir / f".demo-{uuid.uuid4().hex}"
    try:
        with writing(cache_dir, what=CACHE):
            temporary.mkdir(parents=True)
            with held(temporary):
                draw(temporary, per_class=per_class, progress=progress)
                os.rename(temporary, target)
    except OSError as error:
        if not target.is_dir():
            raise FolderError(f"Cannot draw the demo set: {error}.") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def _folder_name(class_name: str) -> str:
    return class_name.replace(" ", "_")
