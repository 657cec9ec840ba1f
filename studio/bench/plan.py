"""What a benchmark consists of: labelled sets, entrants (a method with settings), seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.ask.judge_cost import images_wanted
from studio.bench.subsets import Subset
from studio.errors import FolderError, SettingsError, StudioError
from studio.methods import method_of
from studio.runs.request import JobRequest, check_named_models
from studio.settings import Settings


@dataclass(frozen=True)
class Entrant:
    """One row of the table.

    label: as it was asked for, METHOD or METHOD:key=value,key=value; it is the name in the results.
    shots: true labels a class that the fit is given, as the paper's Figure 2 does.
    judge: a simulated judge's budget, a number or 2C for two a class; empty: none. judge_error: the
        share of its answers that are wrong; judge_random: it is asked about random images.
    prompts: a folder with a prompts file for each set, SET.json.
    model: a preset or a local checkpoint, empty: that of the whole benchmark.
    """

    label: str
    method: str
    settings: tuple[str, ...]
    shots: int = 0
    prompts: Path | None = None
    model: str = ""
    judge: str = ""
    judge_error: float = 0.0
    judge_random: bool = False

    @classmethod
    def parse(cls, text: str) -> Entrant:
        """From METHOD or METHOD:key=value,key=value; `shots`, `prompts`, `model`, `judge`,
        `judge_error` and `judge_random` are keys too.

        Raises:
            SettingsError: no such method, or settings that cannot be.
        """
        method, _, rest = text.strip().partition(":")
        method_of(method)
        pairs = tuple(part.strip() for part in rest.split(",") if part.strip())
        if faulty := [pair for pair in pairs if not pair.partition("=")[1]]:
            raise SettingsError(f"After {method}: come settings as key=value, not {faulty[0]!r}.")
        values = dict(_split(pair) for pair in pairs)
        shots, prompts = values.pop("shots", "0"), values.pop("prompts", None)
        model = values.pop("model", "")
        judge = values.pop("judge", "")
        error = values.pop("judge_error", "0")
        by_chance = values.pop("judge_random", "false")
        if judge:
            images_wanted(judge, classes=1)
        if not shots.isdecimal():
            raise SettingsError(f"shots must be a whole number, not {shots!r}.")
        if not _is_share(error):
            raise SettingsError(f"judge_error must be from 0 to 1, not {error!r}.")
        Settings.from_overrides(values)
        return cls(
            text.strip(),
            method,
            tuple(f"{key}={value}" for key, value in values.items()),
            int(shots),
            None if prompts is None else Path(prompts),
            model,
            judge,
            float(error),
            by_chance == "true",
        )


def check_models(entrants: Sequence[Entrant], *, model: str) -> None:
    """Raise where one would fail at once: the others may take hours before it is its turn.

    model: that of entrants which name none.

    Raises:
        StudioError: Models cannot be used as named; the entrant is told.
    """
    for entrant in entrants:
        values = dict(_split(pair) for pair in entrant.settings)
        request = JobRequest(
            Path(), method=entrant.method, model=entrant.model or model,
            settings=Settings.from_overrides(values),
        )  # fmt: skip
        try:
            check_named_models(request)
        except StudioError as error:
            raise type(error)(f"{entrant.label}: {error}") from None


@dataclass(frozen=True)
class LabelledSet:
    """A folder with train/ and test/, in sub-folders by class, and classes.txt."""

    root: Path

    @property
    def name(self) -> str:
        """What it is called in the results."""
        return self.root.name

    @property
    def train(self) -> Path:
        """Images to fit, without their labels."""
        return self.root / "train"

    @property
    def test(self) -> Path:
        """Images to measure on."""
        return self.root / "test"

    @property
    def names(self) -> Path:
        """Class names, see `studio.images.names`."""
        return self.root / "classes.txt"


@dataclass(frozen=True)
class Cell:
    """One fit of the benchmark."""

    data: LabelledSet
    entrant: Entrant
    seed: int

    @property
    def key(self) -> tuple[str, str, int]:
        """What tells it from all others in the results."""
        return self.data.name, self.entrant.label, self.seed


def labelled_sets(folders: Sequence[Path]) -> list[LabelledSet]:
    """The sets at these places; a folder that is none itself stands for all sets in it.

    Raises:
        FolderError: a place without any set; lists all such places.
    """
    found: list[LabelledSet] = []
    empty = []
    for folder in folders:
        if not folder.is_dir():
            raise FolderError(
                f"{folder} is a file; give the folder of a set."
                if folder.is_file()
                else f"There is no folder {folder}; check the path."
            )
        inside = sorted(folder.iterdir()) if not _is_set(folder) else [folder]
        sets = [LabelledSet(path) for path in inside if _is_set(path)]
        found += sets
        if not sets:
            empty.append(str(folder))
    if empty:
        raise FolderError(
            f"No labelled set in {', '.join(empty)}: a set has train/, test/ and classes.txt."
        )
    return found


def cells(
    sets: Sequence[LabelledSet], entrants: Sequence[Entrant], seeds: Sequence[int]
) -> Iterator[Cell]:
    """All fits. Seeds outside, sets inside: broken off, it has every set at least once."""
    for seed in seeds:
        for entrant in entrants:
            for data in sets:
                yield Cell(data, entrant, seed)


def subsets(
    sets: Sequence[LabelledSet], subset: Subset, *, into: Path, seeds: Sequence[int]
) -> dict[int, list[LabelledSet]]:
    """For each seed the sets as they are, or their subsets, cut into INTO/seed-N."""
    if not subset.suffix:
        return {seed: list(sets) for seed in seeds}
    return {
        seed: [
            LabelledSet(subset.cut(data.root, into / f"seed-{seed}", seed=seed)) for data in sets
        ]
        for seed in seeds
    }


def _is_set(folder: Path) -> bool:
    parts = LabelledSet(folder)
    return parts.train.is_dir() and parts.test.is_dir() and parts.names.is_file()


def _is_share(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False


def _split(pair: str) -> tuple[str, str]:
    name, _, value = pair.partition("=")
    return name.strip(), value.strip()
