"""What a judge is asked for: to name groups of images, or to check how many labels are right.

The command and the page both plan an asking here: which images are left, whether a stopped asking
goes on, and which image comes next.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from studio.errors import PromptError
from studio.runs.corrections import Corrections
from studio.runs.judge_checks import Questioned, drawn_chooser, left_to_check
from studio.runs.judged import JudgeRecord
from studio.runs.judged_lines import AskedBefore
from studio.runs.judging import ChooseImages
from studio.runs.soft import Rows, Soft, chooser


class Purpose(Protocol):
    """See the module. checks: the asking only checks labels; nothing_left: what is said where no
    image can be asked about.
    """

    checks: ClassVar[bool]
    nothing_left: ClassVar[str]

    def left(self, asked: Collection[str] = ()) -> int:
        """How many images it can still be asked about. asked: paths of those that it was asked
        about in the same asking, which are not asked about again.
        """

    def chooser(self, probabilities: Soft, features: Soft, rows: Rows, /) -> ChooseImages:
        """What says which images come next.

        Args:
            probabilities: (N, C), see `runs.soft.soft_labels`.
            features: (M, d) of the images that are still there.
            rows: (M,) which of the N images these are, ascending.
        """


@dataclass(frozen=True)
class Naming:
    """Images are asked about whose answer is worth most. paths: of the N images; corrections: what
    has been said of them.
    """

    paths: Sequence[str]
    corrections: Corrections
    checks: ClassVar[bool] = False
    nothing_left: ClassVar[str] = "Every image has an answer already: there is nothing to ask."

    def left(self, asked: Collection[str] = ()) -> int:
        """See `Purpose`."""
        known = {*self.corrections.current(), *asked}
        return sum(path not in known for path in self.paths)

    def chooser(self, probabilities: Soft, features: Soft, rows: Rows, /) -> ChooseImages:
        """See `Purpose`."""
        return chooser(probabilities, features, rows)


@dataclass(frozen=True)
class Checking:
    """Images are asked about that are drawn by chance. of: the labels that are checked; before:
    paths of images that this judge has checked.
    """

    of: Questioned
    before: Collection[str]
    checks: ClassVar[bool] = True
    nothing_left: ClassVar[str] = (
        "This judge has checked every image already: there is nothing to ask."
    )

    def left(self, asked: Collection[str] = ()) -> int:
        """See `Purpose`."""
        return left_to_check(self.of, {*self.before, *asked})

    def chooser(self, probabilities: Soft, _features: Soft, rows: Rows, /) -> ChooseImages:
        """See `Purpose`."""
        return drawn_chooser(self.of, probabilities, rows, before=self.before)


@dataclass(frozen=True)
class Plan:
    """What is asked now. images: how many; go_on: a stopped asking that goes on with them."""

    images: int
    go_on: AskedBefore | None = None

    @property
    def budget(self) -> int:
        """Images of the whole asking, with those of before it was stopped."""
        return self.images + (len(self.go_on.judgements) if self.go_on else 0)


def plan(purpose: Purpose, record: JudgeRecord, *, model: str, host: str, wanted: int) -> Plan:
    """How many of the wanted images are asked about, and whether a stopped asking goes on.

    Args:
        purpose: What for.
        record: Earlier askings about these images.
        model: Who would be asked; only its own asking goes on.
        host: Where.
        wanted: Images that the user asked for.

    Raises:
        PromptError: There is nothing to ask.
    """
    before = record.open_one(checks=purpose.checks)
    if before is not None and (before.model, before.host) == (model, host):
        left = purpose.left({judgement.path for judgement in before.judgements})
        # Who stopped 200 may want ten of them; and others may have answered some meanwhile.
        if images := min(wanted, before.left, left):
            return Plan(images, before)
    images = min(wanted, purpose.left())
    if not images:
        raise PromptError(purpose.nothing_left)
    return Plan(images)
