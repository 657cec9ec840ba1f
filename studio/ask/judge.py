"""A vision-language model says what images show: each is asked about twice, and only an answer
that stays the same when the names change places counts.

The questions are in `judge_question`, the images that are sent in `judge_image`, what it takes in
`judge_cost`; one question's way, its repeats and its errors are those of `studio.prompts.client`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from studio.ask.judge_cost import judge_budget
from studio.ask.judge_question import NONE, TIMES, PictureQuestion, questions
from studio.ask.judge_questioner import Questioner
from studio.ask.judge_said import Choose, Item, JudgeAsking, Judgement
from studio.errors import PromptError, Stopped, StudioError
from studio.progress import Stop, never
from studio.prompts.answers import Answers
from studio.prompts.ask import UnusableAnswerError
from studio.prompts.client import Client, Halt, Limits, Meter
from studio.prompts.crew import Crew
from studio.prompts.endpoint import Endpoint

__all__ = ["NONE", "ROUND", "Choose", "Item", "JudgeAsking", "Judgement", "Listen", "ask_judge"]

ROUND = 8
"""Images that are asked about before it is chosen again which are next."""
_IN_VAIN = 6
"""Images in a row that come to nothing, after which asking on is of no use."""
_TRIES = 2
"""How often an image is taken up when the server fails; each time is what `Limits` says."""

Listen = Callable[[JudgeAsking, Judgement | None], None]
"""Told how an asking stands, and what the image was that is done with now."""


def ask_judge(
    choose: Choose,
    endpoint: Endpoint,
    *,
    budget: int,
    cache_dir: Path,
    about: str = "",
    before: Sequence[Judgement] = (),
    stop: Stop = never,
    listen: Listen | None = None,
    limits: Limits | None = None,
) -> JudgeAsking:
    """Ask about as many images as the budget allows.

    Args:
        choose: See `Choose`; asked again after every ROUND images.
        endpoint: Who is asked.
        budget: How many images, those of `before` included.
        cache_dir: Where answers are kept, by the content of image and question.
        about: The user's words about the set; sent with each image.
        before: What came in the same asking before it was stopped.
        stop: Asked several times a second; true hangs up, what came is kept.
        listen: Told before anything is sent and after each image, in the calling thread.
        limits: Time-outs and repeats.

    Returns:
        What came, also when some of it failed: `problems` says so.

    Raises:
        PromptError: Nothing came at all; one line without the key.
    """
    with Answers(cache_dir, base_url=endpoint.base_url, model=endpoint.model) as answers:
        work = _Work(choose, endpoint, budget, about, before, stop, limits or Limits())
        return work.run(answers, listen or (lambda _asking, _new: None))


@dataclass(eq=False)
class _Part:
    """An image under way. said: its answers by question; left: questions without an answer yet;
    again: the server failed, so that nothing is known of it.
    """

    item: Item
    said: list[str | None] = field(default_factory=lambda: [None] * TIMES)
    left: int = TIMES
    fault: str = ""
    again: bool = False

    @property
    def lost(self) -> bool:
        """Whether it cannot count whatever else is answered: to ask on is paid for nothing."""
        return bool(self.fault) and not self.again

    def judgement(self) -> Judgement:
        return Judgement(self.item.path, self.item.shortlist, tuple(self.said), self.fault)


_Put = tuple[_Part, int, PictureQuestion]


class _Work:
    """One call of `ask_judge`."""

    def __init__(
        self, choose: Choose, endpoint: Endpoint, budget: int, about: str,
        before: Sequence[Judgement], stop: Stop, limits: Limits,
    ) -> None:  # fmt: skip
        self._choose, self._endpoint, self._budget = choose, endpoint, budget
        self._about, self._stop, self._limits = about, stop, limits
        new = max(0, budget - len(before))
        self._meter = Meter(judge_budget(new, model=endpoint.model, limits=limits).at_most)
        self._done = list(before)
        self._problems: list[str] = []
        self._failed: dict[int, int] = {}  # image -> how often the server failed
        self._cached = self._in_vain = 0
        self._stopped = False

    def run(self, answers: Answers, listen: Listen) -> JudgeAsking:
        """Ask everything; see `ask_judge`."""
        crew: Crew[_Put, str] = Crew(
            self._put,
            parallel=self._limits.parallel,
            stop=self._stop,
        )
        client = Client(self._endpoint, meter=self._meter, stop=crew.is_over, limits=self._limits)
        self._questioner = Questioner(client, answers, self._endpoint)
        listen(self._asking(), None)
        first = len(self._done)
        try:
            for judgement in self._judgements(crew):
                self._done.append(judgement)
                listen(self._asking(), judgement)
        except Stopped:
            self._stopped = True
        except StudioError as error:  # it is of no use to ask on
            self._problems.insert(0, str(error))
        finally:
            crew.dismiss()
            client.close()
        if not self._stopped and len(self._done) == first and self._problems:
            raise PromptError(self._problems[0])
        return self._asking(over=True)

    def _judgements(self, crew: Crew[_Put, str]) -> Iterator[Judgement]:
        """What comes, image after image, until the budget is used up or nothing helps.

        Raises:
            Stopped: The user stopped it.
            PromptError: It is of no use to ask on.
        """
        looked = False
        while len(self._done) < self._budget:
            if self._stop():
                raise Stopped
            most = min(ROUND, self._budget - len(self._done))
            items = self._choose(tuple(self._done), most)[:most]
            if items and not looked:
                self._questioner.check_eyes()
                looked = True
            elif not items:
                return
            for part in self._round(crew, items):
                if self._came_to_something(part):
                    yield part.judgement()

    def _round(self, crew: Crew[_Put, str], items: Sequence[Item]) -> Iterator[_Part]:
        """Some images with what was said of them, in their order."""
        parts = [_Part(item) for item in items]
        put = [new for part in parts for new in self._new(part)]
        halt: Halt | None = None
        waiting = iter(parts)
        part = next(waiting, None)
        for (of, number, _), result in crew.results(put):
            if isinstance(result, Halt):
                halt = halt or result
            elif not isinstance(result, Stopped):
                _take(of, number, result)
            while part is not None and not part.left:
                yield part
                part = next(waiting, None)
        while part is not None:
            if not part.left:
                yield part
            part = next(waiting, None)
        if self._stop():
            raise Stopped
        if halt is not None:
            raise halt

    def _new(self, part: _Part) -> list[_Put]:
        """The questions about an image that are to be put; the others are answered already."""
        try:
            asked = questions(part.item.picture(), part.item.shortlist, about=self._about)
        except StudioError as error:
            part.fault, part.left = str(error), 0
            return []
        new = []
        for number, question in enumerate(asked):
            try:
                known = self._questioner.known(question)
            except UnusableAnswerError as error:
                known, part.fault = None, str(error)
            else:
                if known is None:
                    new.append((part, number, question))
                    continue
            part.said[number] = known
            part.left -= 1
            self._cached += 1
        if part.lost:
            part.left = 0
            return []
        return new

    def _put(self, put: _Put) -> str:
        """Put a question, unless the image's other one has told by now that it cannot count."""
        part, _, question = put
        if part.lost:
            raise UnusableAnswerError(part.fault)
        try:
            return self._questioner.ask(question)
        except UnusableAnswerError as error:
            part.fault = str(error)  # now, and not once it is collected: this thread asks on
            raise

    def _came_to_something(self, part: _Part) -> bool:
        """Whether an image is done with; if not, it is taken up another time.

        Raises:
            PromptError: Too many in a row came to nothing.
        """
        if part.fault:
            line = f"{part.fault.rstrip('.')} ({part.item.path})."
            self._problems += [line] if line not in self._problems else []
        self._in_vain = self._in_vain + 1 if part.fault else 0
        if self._in_vain >= _IN_VAIN:
            raise PromptError(
                f"{self._in_vain} images in a row came to nothing: {part.fault.rstrip('.')}. "
                "So nothing more is asked."
            )
        if part.again:
            self._failed[part.item.image] = self._failed.get(part.item.image, 0) + 1
            return self._failed[part.item.image] >= _TRIES
        return True

    def _asking(self, *, over: bool = False) -> JudgeAsking:
        meter = self._meter
        return JudgeAsking(
            judgements=tuple(self._done), total=self._budget, problems=tuple(self._problems),
            requests=meter.requests, tokens_in=meter.tokens_in, tokens_out=meter.tokens_out,
            cached=self._cached, stopped=self._stopped, over=over,
        )  # fmt: skip


def _take(part: _Part, number: int, result: str | StudioError) -> None:
    part.left -= 1
    if isinstance(result, str):
        part.said[number] = result
        return
    part.fault = str(result)
    # An answer that cannot be used, or a file that cannot be read, is the same another time.
    failed = isinstance(result, PromptError) and not isinstance(result, UnusableAnswerError)
    part.again = part.again or failed
