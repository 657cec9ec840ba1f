"""Twenty images at a time: which are asked about, how far a person is, and what follows.

They are those whose answers say most about all others, or those that are drawn to check the labels
(`studio.ask.accuracy.checks`), in the order in which they were drawn.

The answers themselves are corrections, on disk like all others (`runs.corrections`). What is kept
here is the order in which images come: those that were shown stay as they are, so that one can go
back to them, and the rest is chosen anew every few answers. A page that is loaded again goes on
where it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from studio.cache import Cache
from studio.forking import Lock
from studio.runs.corrections import Corrections
from studio.runs.given import Correction
from studio.runs.outcome import Outcome
from studio.runs.question import Followed, Progress, Question
from studio.session.drawn import drawn_questions, held_out
from studio.session.source import Source
from studio.session.tasks import Lane, Task
from studio.session.weighing import ASKED_AMONG, Subject

SIZE = 20
"""Images at a time: as many as people answer without a pause."""
EVERY = 4
"""Answers after which the labels follow, and the images that come next are chosen anew."""

_KEPT = 4


@dataclass
class Asking:
    """One set of images. images: the paths of all N; subject, corrections: of them; lane: where
    labels are made to follow; labels: the mark of those without answers, see `session.source`;
    draw: the order in which images are checked; after: told whenever labels have followed.
    """

    images: tuple[str, ...]
    subject: Subject
    corrections: Corrections
    lane: Lane
    labels: str = ""
    draw: Callable[[], Sequence[int] | NDArray[np.int64]] | None = None
    after: Callable[[], object] | None = None
    checking: bool = False  # drawn images come, not those whose answers say most
    checked: Mapping[int, int] = field(default_factory=dict)  # see `session.drawn.held_out`
    _shown: list[Question] = field(default_factory=list)
    _next: list[Question] = field(default_factory=list)
    _end: int = 0  # how many are shown until a person is asked whether to go on
    _finished: bool = False
    _followed: Followed | None = None
    _made: tuple[Outcome, Outcome] | None = None
    _mark: str | None = None
    _first: NDArray[np.int64] | None = None  # labels when this began
    _changed: int = 0  # labels that are others now
    _weighed: Mapping[str, Correction] = field(default_factory=dict)
    _task: Task | None = None
    _lock: Lock = field(default_factory=Lock)

    # What comes ---------------------------------------------------------------------------------

    def renew(self, subject: Subject) -> None:
        """Go on with more class names, or other prompts, and begin anew where names were taken
        away; the images are the same, but for those that are gone. Waits for the labels.
        """
        with self._lock:
            before, rows, self.subject = self.subject.class_names, self.subject.rows, subject
            if not np.array_equal(rows, subject.rows):
                self._first = None  # some images are gone: what changes is counted anew
            if subject.class_names[: len(before)] != before:
                self._shown, self._next, self._end, self._first = [], [], 0, None
                self.checked = {}  # labels are numbers of names
        self.weigh()

    def begin(self, *, checking: bool = False) -> None:
        """Choose the first images, or twenty more where all were shown; waits for it.

        checking: drawn images are to come; where others were under way, those end here.
        """
        with self._lock:
            if self.here is not None and checking == self.checking:
                return
            if checking != self.checking:
                self.checking, self._next = checking, []
                if self._shown and not self._answered(self._shown[-1].image):
                    self._shown.pop()  # it was not answered, and may come again
            self._end = len(self._shown) + SIZE
        self.weigh()

    @property
    def walk(self) -> NDArray[np.int64]:
        """(n,) images in the order in which they come: those that were shown, and the next ones."""
        with self._lock:
            return np.array([q.image for q in (*self._shown, *self._next)], np.int64)

    @property
    def here(self) -> int | None:
        """The image to go on with: the last one that was shown, if nothing was said of it, else the
        next one; None when there is none left.
        """
        with self._lock:
            last = self._shown[-1] if self._shown else None
            if last is not None and not self._finished and not self._answered(last.image):
                return last.image
            return self._next[0].image if self._next else None

    def finish(self) -> None:
        """All were shown, and the last one was left behind as well."""
        self._finished = True

    @property
    def over(self) -> bool:
        """Whether all that were to be asked about have been shown."""
        with self._lock:
            return not self._next

    def show(self, image: int) -> Question | None:
        """Note that an image is shown; the question about it, None where it is not one of these."""
        with self._lock:
            for place, question in enumerate(self._next):
                if question.image == image:
                    self._finished = False
                    self._shown += self._next[: place + 1]
                    del self._next[: place + 1]
                    return question
            return next((q for q in self._shown if q.image == image), None)

    @property
    def progress(self) -> Progress:
        """How far a person is with these twenty, and what follows."""
        with self._lock:
            first = max(0, self._end - SIZE)
            mine, whole = self._shown[first:], len(self._shown) + len(self._next)
            known = self.corrections.current()
            free = sum(path not in known for path in self.subject.paths)
            skipped = sum(not self._answered(q.image) for q in self._shown)
            return Progress(
                done=sum(self._answered(q.image) for q in mine),
                shown=len(mine),
                skipped=sum(not self._answered(q.image) for q in mine[:-1]),
                whole=whole - first,
                left=max(0, min(SIZE, free - skipped - len(self._next))),
                changed=self._changed,
                pending=self.pending,
                followed=self.followed,
                among=len(self.subject.rows) if len(self.images) > ASKED_AMONG else 0,
                images=len(self.images),
            )

    # What follows -------------------------------------------------------------------------------

    def answered(self) -> None:
        """Something was said, or taken back: the labels follow every few answers, and at the end;
        in the background.
        """
        with self._lock:
            current = self.corrections.current()
            new = sum(
                self._weighed.get(path) != current.get(path) for path in {*self._weighed, *current}
            )
            if not new or (new < EVERY and not self.over):
                return
            if self._task is not None and self._task.pending:
                self._task.stop()
            self._task = self.lane.add(Task("The labels follow", lambda _: self.weigh(settle=True)))

    @property
    def pending(self) -> bool:
        """Whether labels are being made to follow."""
        return self._task is not None and self._task.pending

    @property
    def followed(self) -> Followed | None:
        """The labels that follow what was said; None while nothing was."""
        with self._lock:
            return self._followed if self._weighed else None

    def outcome(self, before: Outcome) -> Outcome | None:
        """All images with those labels; before: what was known of them."""
        followed = self.followed
        if followed is None:
            return None
        with self._lock:
            made = self._made
            if made is None or made[0] is not before:
                made = self._made = before, self.subject.outcome(before, followed)
            return made[1]

    @property
    def mark(self) -> str:
        """Changes with those labels."""
        with self._lock:
            followed = self.followed
            if followed is not None and self._mark is None:
                labels = np.ascontiguousarray(followed.probabilities.argmax(1))
                self._mark = hashlib.sha256(labels.tobytes()).hexdigest()[:12]
            return self._mark or ""

    def weigh(self, *, settle: bool = False) -> None:
        """Make the labels follow all that was said, and choose anew what comes next; settle: and
        tell `after`, with what the answers about drawn images say of these labels.
        """
        current, subject = self.corrections.current(), self.subject
        said = subject.said(current)
        followed = subject.weighs.follow(said)
        with self._lock:
            shown, checking = {q.image for q in self._shown}, self.checking
            most = self._end - len(self._shown)
        rows = subject.rows
        if checking:
            questions = drawn_questions(
                subject, self._order(), followed, said, without=shown, most=most
            )
        else:
            without = np.flatnonzero(np.isin(rows, list(shown)))
            chosen = subject.weighs.choose(followed, said, most=most, without=set(without.tolist()))
            questions = [q._replace(image=int(rows[q.image])) for q in chosen]
        with self._lock:
            if self.subject is not subject or self.checking != checking:
                return  # a class was added meanwhile, or other images are asked about
            shown = {q.image for q in self._shown}  # some more meanwhile
            left = self._end - len(self._shown)
            self._next = [q for q in questions if q.image not in shown][:left]
            labels = followed.probabilities.argmax(1)
            self._first = labels if self._first is None else self._first
            self._changed = int((labels != self._first).sum())
            self._followed, self._weighed, self._made, self._mark = followed, current, None, None
        if settle and self.after is not None:
            checked, names = held_out(subject, self._order(), said), subject.class_names
            with self._lock:
                if self.subject.class_names[: len(names)] == names:  # none was taken away meanwhile
                    self.checked = checked
            self.after()

    def _order(self) -> Sequence[int] | NDArray[np.int64]:
        return () if self.draw is None else self.draw()

    def _answered(self, image: int) -> bool:
        said = self.corrections.current().get(self.images[image])
        return said is not None and said.by_person


class Askings:
    """Those of a session, by what they are about; the last few are kept."""

    def __init__(self) -> None:
        self._lane = Lane("answers")
        self._kept: Cache[str, Asking] = Cache(most=_KEPT)
        self._orders: Cache[str, NDArray[np.int64]] = Cache(most=_KEPT)

    def get(
        self,
        source: Source,
        outcome: Outcome,
        subject: Subject,
        corrections: Corrections,
        *,
        known: Asking | None = None,
    ) -> Asking:
        """The asking about these images, made now where there is none; it goes on where only names
        or prompts are others.

        known: the asking that was found for this source; None: `source` says which labels these are
        without answers.
        """
        found = self._kept.get(
            source.choice,
            lambda: Asking(outcome.paths, subject, corrections, self._lane),
            mark=outcome.paths,
        )
        if found is not known:
            found.labels = source.labels
        if found.subject is not subject:
            found.renew(subject)
        return found

    def peek(self, source: Source, outcome: Outcome) -> Asking | None:
        """The asking about these images and names; None where nobody has begun one."""
        found = self._kept.peek(source.choice)
        if found is None or (found.images, found.labels) != (outcome.paths, source.labels):
            return None
        return found if found.subject.class_names == outcome.class_names else None

    def order(
        self, source: Source, mark: object, make: Callable[[], NDArray[np.int64]]
    ) -> NDArray[np.int64]:
        """The order in which images are checked, made once for the labels of a mark."""
        return self._orders.get(source.choice, make, mark=mark)

    def wait(self, seconds: float = 60) -> None:
        """Wait for labels that are being made to follow; for tests."""
        self._lane.wait(seconds)
