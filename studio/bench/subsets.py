"""Sets whose list does not fit: classes that are not there, classes much smaller than others."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.errors import SettingsError
from studio.files import replace_file
from studio.room import writing

FEWEST = 2
"""Classes that stay, at least."""


@dataclass(frozen=True)
class Subset:
    """What is left of a set; its list of classes stays whole.

    present: share of the listed classes whose images stay, in (0, 1]. tail: how many times more
    images the largest class keeps than the smallest; those between fall geometrically. Which
    classes, and which of their images, is drawn by the seed of the fit.
    """

    present: float = 1.0
    tail: float = 1.0

    def __post_init__(self) -> None:
        faults = []
        if not 0 < self.present <= 1:
            faults.append(f"--present is a share of the classes, 0 to 1, not {self.present:g}")
        if not 1 <= self.tail < float("inf"):
            faults.append(f"--tail is how many times larger, 1 or more, not {self.tail:g}")
        if faults:
            raise SettingsError("; ".join(faults) + ".")

    @property
    def suffix(self) -> str:
        """What the name of a set gets; empty where all of it stays."""
        present = f"-present-{self.present:g}" if self.present < 1 else ""
        return present + (f"-tail-{self.tail:g}" if self.tail > 1 else "")

    def keep(self, sizes: Mapping[str, int], *, seed: int) -> dict[str, int]:
        """Images of each class that stay, from how many there are; absent ones are left out."""
        order = sorted(sizes)
        random.Random(seed).shuffle(order)
        stay = order[: max(FEWEST, round(len(order) * self.present))]
        last = max(1, len(stay) - 1)
        return {
            name: min(sizes[name], max(1, round(sizes[name] * self.tail ** (-place / last))))
            for place, name in enumerate(stay)
        }

    def cut(self, root: Path, into: Path, *, seed: int) -> Path:
        """The set at ROOT as its subset, a folder in INTO that links to ROOT's images.

        `train` and `test` keep the same classes and proportions. Where files cannot be linked they
        are copied. What was cut before is taken as it is.
        """
        target = into / f"{root.name}{self.suffix}"
        done = target / "classes.txt"
        if done.is_file():
            return target
        shutil.rmtree(target, ignore_errors=True)
        for part in ("train", "test"):
            images = {
                folder.name: sorted(path for path in folder.iterdir() if path.is_file())
                for folder in (root / part).iterdir()
                if folder.is_dir()
            }
            kept = self.keep({name: len(paths) for name, paths in images.items()}, seed=seed)
            for name, number in kept.items():
                drawn = random.Random(f"{seed} {part} {name}").sample(images[name], number)
                _link(drawn, target / part / name)
        replace_file(done, lambda path: shutil.copyfile(root / "classes.txt", path))
        return target


def _link(paths: Sequence[Path], folder: Path) -> None:
    with writing(folder):
        folder.mkdir(parents=True)
    for path in paths:
        try:
            os.link(path, folder / path.name)
        except OSError:  # another disk, or a file system without links
            shutil.copyfile(path, folder / path.name)
