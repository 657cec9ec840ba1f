"""A language model writes prompts: batches, several at a time, and what came is kept.

The questions are in `ask`, one question's way in `client`, answers on disk in `answers`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from studio.errors import PromptError, Stopped, StudioError
from studio.numbers import some
from studio.progress import Stop, never
from studio.prompts.answers import Answers
from studio.prompts.ask import Answer, Ask, Budget, Question, UnusableAnswerError
from studio.prompts.client import Client, Halt, Limits, Meter
from studio.prompts.crew import Crew
from studio.prompts.endpoint import Endpoint
from studio.prompts.prompt_set import MAX_SENTENCES, PromptSet

_ASKED_AGAIN = 2  # times that the classes of a question are asked about, the first included
_SIMPLER = 4  # requests in vain until a server's form of answer is known


@dataclass(frozen=True)
class Written:
    """What came of it.

    Attributes:
        prompts: What was written, and nothing else.
        missing: Classes that were asked about and have no sentences.
        problems: One line each; empty when all went well.
        done, total: Questions.
        cached: Questions whose answer was on disk already.
        requests, tokens_in, tokens_out: Spent; tokens as the server counts them, 0 if it does not.
        stopped: The user stopped it.
    """

    prompts: PromptSet = field(default_factory=PromptSet)
    missing: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    done: int = 0
    total: int = 0
    cached: int = 0
    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    stopped: bool = False


def budget(
    ask: Ask, *, base_url: str, model: str, cache_dir: Path, limits: Limits | None = None
) -> Budget:
    """What `write` would cost at most; nothing is sent, and no key is needed.

    Raises:
        PromptError: Nothing is asked for, or too much.
    """
    questions = ask.questions()
    with Answers(cache_dir, base_url=base_url, model=model) as answers:
        new = [question for question in questions if not _answered(answers, question)]
    sent = [question.tokens for question in new]
    return Budget(
        requests=len(new),
        at_most=_most(new, limits or Limits()),
        tokens_in=sum(tokens for tokens, _ in sent),
        tokens_out=sum(tokens for _, tokens in sent),
        cached=len(questions) - len(new),
        classes=len(ask.class_names) if new else 0,
    )


def write(
    ask: Ask,
    endpoint: Endpoint,
    *,
    cache_dir: Path,
    stop: Stop = never,
    listen: Callable[[Written], None] | None = None,
    limits: Limits | None = None,
) -> Written:
    """Have prompts written.

    Args:
        ask: What is wanted.
        endpoint: Who is asked.
        cache_dir: Where answers are kept; they hold class names and sentences, no key.
        stop: Asked several times a second; true hangs up, what came is kept.
        listen: Told after each answer, in the calling thread.
        limits: Time-outs and repeats.

    Returns:
        What came, also when some of it failed: `problems` says so.

    Raises:
        PromptError: Nothing came at all; one line without the key.
    """
    questions = ask.questions()
    with Answers(cache_dir, base_url=endpoint.base_url, model=endpoint.model) as answers:
        work = _Work(questions, endpoint, answers, stop, limits or Limits())
        return work.run(listen)


def _most(questions: Sequence[Question], limits: Limits) -> int:
    return len(questions) * limits.tries * _ASKED_AGAIN + (_SIMPLER if questions else 0)


def _answered(answers: Answers, question: Question) -> Answer | None:
    """The answer on disk, read and checked as if it had just come."""
    text = answers.get(question)
    if text is None:
        return None
    try:
        return question.read(text)
    except PromptError:
        return None


class _Work:
    """One call of `write`."""

    def __init__(
        self,
        questions: Sequence[Question],
        endpoint: Endpoint,
        answers: Answers,
        stop: Stop,
        limits: Limits,
    ) -> None:
        self._questions, self._endpoint, self._answers = questions, endpoint, answers
        self._stop, self._limits = stop, limits
        self._meter = Meter(_most(questions, limits))
        self._templates: tuple[str, ...] = ()
        self._sentences: dict[str, tuple[str, ...]] = {}
        self._problems: list[str] = []
        self._done = self._cached = 0
        self._stopped = False

    def run(self, listen: Callable[[Written], None] | None) -> Written:
        """Ask everything; see `write`."""
        listen = listen or (lambda _: None)
        new: list[Question] = []
        for question in self._questions:
            answer = _answered(self._answers, question)
            if answer is None:
                new.append(question)
                continue
            self._take(answer)
            self._cached, self._done = self._cached + 1, self._done + 1
        listen(self._written())
        if new:
            self._ask_all(new, listen)
        written = self._written()
        if not self._stopped and written.prompts.is_default:
            raise PromptError(self._problems[0] if self._problems else "No answer came.")
        return written

    def _ask_all(self, new: Sequence[Question], listen: Callable[[Written], None]) -> None:
        """Take up what the threads bring until all is done or nothing helps."""
        crew: Crew[Question, Answer] = Crew(
            lambda question: self._ask(client, question),
            parallel=self._limits.parallel,
            stop=self._stop,
        )
        client = Client(self._endpoint, meter=self._meter, stop=crew.is_over, limits=self._limits)
        try:
            for question, result in crew.results(new):
                self._collect(question, result)
                listen(self._written())
            short = self._done < len(self._questions)
            self._stopped = self._stopped or (short and self._stop())
        finally:
            crew.dismiss()
            client.close()

    def _collect(self, question: Question, result: Answer | StudioError) -> None:
        """Take a result."""
        self._done += 1
        if isinstance(result, Answer):
            self._take(result)
            if left_out := result.missing(question):
                self._problem(f"The answers leave out {some(left_out, 4)}.")
        elif isinstance(result, Halt):
            self._problem(str(result))
        elif isinstance(result, Stopped):
            self._stopped = self._stopped or self._stop()
        else:
            about = some(question.classes, 4) if question.classes else "the templates"
            self._problem(f"{str(result).rstrip('.')} ({about}).")

    def _ask(self, client: Client, question: Question) -> Answer:
        """The answer, with a second question about the classes that it left out.

        What nothing can be used of is asked again in halves: long answers are cut off, and a model
        that refuses one name refuses all that are asked with it.
        """
        try:
            answer, text = client.ask(question)
        except UnusableAnswerError:
            if len(question.classes) < 2:
                raise
            return self._halves(client, question)
        missing = answer.missing(question)
        if not missing:
            self._answers.put(question, text)  # whole answers only, or the gap would stay for ever
            return answer
        try:
            rest, _ = client.ask(question.again(missing))
        except StudioError:
            return answer
        return Answer(answer.templates, {**(answer.sentences or {}), **(rest.sentences or {})})

    def _halves(self, client: Client, question: Question) -> Answer:
        middle = len(question.classes) // 2
        sentences: dict[str, tuple[str, ...]] = {}
        fault: PromptError | None = None
        for part in (question.classes[:middle], question.classes[middle:]):
            try:
                sentences.update(client.ask(question.again(part))[0].sentences or {})
            except UnusableAnswerError as error:
                fault = error
        if not sentences and fault is not None:
            raise fault
        return Answer(sentences=sentences)

    def _take(self, answer: Answer) -> None:
        self._templates = answer.templates or self._templates
        own: Mapping[str, tuple[str, ...]] = answer.sentences or {}
        for name, texts in own.items():
            # A class of several pairs may be asked about more than once.
            before = self._sentences.get(name, ())
            self._sentences[name] = tuple(dict.fromkeys((*before, *texts)))[:MAX_SENTENCES]

    def _problem(self, line: str) -> None:
        if line not in self._problems:
            self._problems.append(line)

    def _written(self) -> Written:
        asked = [name for question in self._questions for name in question.classes]
        return Written(
            prompts=PromptSet(self._templates, dict(self._sentences)),
            missing=tuple(name for name in asked if name not in self._sentences),
            problems=tuple(self._problems),
            done=self._done,
            total=len(self._questions),
            cached=self._cached,
            requests=self._meter.requests,
            tokens_in=self._meter.tokens_in,
            tokens_out=self._meter.tokens_out,
            stopped=self._stopped,
        )
