"""What is exported: a run's labels, its images, and what is known about both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from studio.errors import RunError
from studio.places import default_cache_dir
from studio.progress import Begin, unheard
from studio.runs.outcome import Outcome
from studio.runs.reader import RunReader
from studio.runs.result import RunResult
from studio.runs.resume import what_to_do
from studio.runs.run import Run

EVERYTHING, CLEAN = "everything", "clean"
ONLY = (EVERYTHING, CLEAN)
"""Which images are exported: all but rejected ones, or of those only the clean ones."""
READING, COPYING = "Reading the run", "Copying the images"
"""Steps, as they are told."""


@dataclass(frozen=True)
class Subject:
    """A run with final labels, and which of its images are wanted.

    Attributes:
        run: The run.
        reader: It, read.
        outcome: Its final labels, with corrections beside them.
        only: One of `ONLY`.
        cache_dir: Where what was decoded and encoded for it is kept.
        most: Images at most, evenly spread: to tell how large an export would be; 0 = all.
        begin: Told of each step while files are made, and how far it is. What it raises ends that.
    """

    run: Run
    reader: RunReader
    outcome: Outcome
    only: str = EVERYTHING
    cache_dir: Path = field(default_factory=default_cache_dir)
    most: int = 0
    begin: Begin = unheard

    @classmethod
    def of(
        cls,
        run: Run,
        *,
        only: str = EVERYTHING,
        cache_dir: Path | None = None,
        reader: RunReader | None = None,
        begin: Begin = unheard,
    ) -> Subject:
        """A run as something to export. cache_dir: None = the usual one; reader: of this run, up to
        date; None: it is read now; begin: see the class.

        Raises:
            RunError: It has no final labels yet, or `only` is not one of `ONLY`.
        """
        if only not in ONLY:
            raise RunError(f"Only {' or '.join(ONLY)} can be exported, not {only!r}.")
        reading = begin(READING)
        reading(0, 1)
        if reader is None:
            reader = RunReader(run)
            reader.refresh()
        outcome = reader.final()
        reading(1, 1)
        if outcome is None:
            raise RunError(f"run {run.id} has no final labels: {what_to_do(run)}")
        return cls(run, reader, outcome, only, cache_dir or default_cache_dir(), begin=begin)

    @cached_property
    def indices(self) -> list[int]:
        """The images that are wanted, by number, in their order."""
        kept = np.ones(len(self.outcome), bool) if self.only != CLEAN else self.outcome.final_clean
        given = self.outcome.corrections
        rejected = {path for path, said in given.items() if said.verdict == "rejected"}
        if rejected:
            kept = kept & ~np.array([path in rejected for path in self.outcome.paths], bool)
        chosen = np.flatnonzero(kept)
        if self.most and len(chosen) > self.most:
            chosen = chosen[np.linspace(0, len(chosen) - 1, self.most).astype(np.int64)]
        found: list[int] = chosen.tolist()
        return found

    @cached_property
    def listed(self) -> Sequence[int]:
        """The images that tables have a row for: with `EVERYTHING` rejected ones as well."""
        return self.indices if self.only == CLEAN else range(len(self.outcome))

    @property
    def class_names(self) -> tuple[str, ...]:
        """The C class names, in the order of the classifier, and those that a person added."""
        return self.outcome.class_names

    @cached_property
    def result(self) -> RunResult:
        """What came of the run."""
        return self.run.result() or RunResult()

    @property
    def root(self) -> Path:
        """The folder of the images."""
        return self.reader.root

    @property
    def refused(self) -> list[dict[str, str]]:
        """Files that could not be used: path, reason, detail."""
        return list(self.run.images().get("refused", []))

    def file(self, index: int) -> Path:
        """Where an image lies.

        Raises:
            RunError: It is there no more, or its path leads out of the folder.
        """
        path = self.outcome.paths[index]
        file = self.root / path
        if not file.is_file():
            raise RunError(f"{path} is not in {self.root} any more; exports with images need it")
        return file

    def row(self, index: int) -> dict[str, Any]:
        """What is known of an image: the columns of labels.csv, typed; None = not known."""
        outcome, path = self.outcome, self.outcome.paths[index]
        one, two = outcome.model_labels[:, index].tolist()
        combined, strange = outcome.combined, outcome.strangers
        said = outcome.corrections.get(path)
        return {
            "path": path,
            "label": outcome.name(int(outcome.final_labels[index])),
            "clean_probability": round(float(outcome.clean_probability[index]), 6),
            "model_1_label": outcome.name(one),
            "model_2_label": outcome.name(two),
            "clean": bool(outcome.final_clean[index]),
            "confidence": round(float(outcome.confidence[index]), 6),
            "combined_score": None if combined is None else round(float(combined[index]), 6),
            "of_none": None if strange is None else round(float(strange[index]), 6),
            "correction": None if said is None else said.verdict,
            "judged_label": None if said is None else said.judged_label,
        }

    def rows(self) -> Iterator[dict[str, Any]]:
        """`row` of every image that is wanted."""
        return map(self.row, self.indices)

    def likely(self, index: int) -> list[tuple[str, float]]:
        """The classifier's best classes of an image, at most five, with their probabilities."""
        names = map(self.outcome.name, self.outcome.top_labels[index].tolist())
        shares = self.outcome.top_probabilities[index].tolist()
        return [(name, round(share, 6)) for name, share in zip(names, shares, strict=True)]


def image_names(subject: Subject, *, by_class: bool) -> dict[int, str]:
    """A name for each wanted image's file in an export, by the image's number.

    by_class: in a folder that is called like its class; else all in one folder, under a name that
    is made of its path. No two are equal, also where a disk does not tell upper from lower case.
    """
    folders = _folders(subject.class_names)
    names: dict[int, str] = {}
    taken: set[str] = set()
    for index in subject.indices:
        path = subject.outcome.paths[index]
        name = path.replace("/", "__")
        if by_class:
            name = f"{folders[int(subject.outcome.final_labels[index])]}/{name}"
        stem, dot, ending = name.rpartition(".")
        number, free = 2, name
        while free.casefold() in taken:
            free = f"{stem}-{number}{dot}{ending}" if dot else f"{name}-{number}"
            number += 1
        taken.add(free.casefold())
        names[index] = free
    return names


def _folders(class_names: tuple[str, ...]) -> list[str]:
    """A folder's name for each class, such as every system can have; no two are equal."""
    names: list[str] = []
    taken: set[str] = set()
    for name in class_names:
        plain = "".join(c if c.isalnum() or c in " ._-()," else "_" for c in name)
        plain = free = plain.strip(" .") or "_"
        number = 2
        while free.casefold() in taken:
            free, number = f"{plain}-{number}", number + 1
        taken.add(free.casefold())
        names.append(free)
    return names
