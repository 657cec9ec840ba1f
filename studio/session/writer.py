"""A language model at work for the page: one call at a time, with what came so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from studio.errors import FolderError, PromptError
from studio.forking import Lock
from studio.prompts.ask import Ask
from studio.prompts.endpoint import Endpoint, address, find_endpoint, has_key
from studio.prompts.llm import Written, write
from studio.prompts.prompt_set import PromptSet
from studio.session.keys import Keys
from studio.session.prompts import Prompts
from studio.session.tasks import Lane, Task

OTHER_CLASSES = (
    "The classes have changed meanwhile, and nothing was sent: look at what would be sent now, and "
    "press again."
)


@dataclass(frozen=True)
class Writing:
    """How a call stands. host: who is asked; error: one line when nothing came; proposal: sentences
    that are not taken yet, because their effect is shown first; decided: "taken" or "left" once
    the user said what is to become of them.
    """

    busy: bool = False
    stopping: bool = False
    host: str = ""
    written: Written | None = None
    error: str = ""
    proposal: PromptSet | None = None
    decided: str = ""


@dataclass
class Writer:
    """See the module.

    public: strangers share this page, so that each has to bring a key with every call; keys: those
    that were typed.
    """

    book: Prompts
    cache_dir: Path
    public: bool = False
    write: Callable[..., Written] = write
    keys: Keys = field(default_factory=Keys, repr=False)
    _task: Task | None = None
    _host: str = ""
    _written: Written | None = None
    _proposal: PromptSet | None = None
    _decided: str = ""
    _calls: int = 0
    _lock: Lock = field(default_factory=Lock)
    _lane: Lane = field(default_factory=lambda: Lane("writer"))

    @property
    def view(self) -> Writing:
        """How things stand; never changes once taken."""
        with self._lock:
            if self._task is None:
                return Writing()
            state = self._task.state
            return Writing(
                not state.ended, state.stopping and not state.ended, self._host, self._written,
                state.error, self._proposal if state.ended else None, self._decided,
            )  # fmt: skip

    def key_from(self, base_url: str) -> str:
        """Where a key for the typed address would come from: "typed", "environment" or "".

        Raises:
            PromptError: the address cannot be used.
        """
        base = address(base_url=base_url, public=self.public)
        if self.keys.of(base):
            return "typed"
        return "environment" if not self.public and has_key(base_url=base) else ""

    def forget(self) -> None:
        """Forget all keys that were typed."""
        self.keys.forget()

    def start(self, *, key: str, names: object) -> None:
        """Have written what the data set's `LlmForm` asks for. Returns at once.

        Args:
            key: as typed; empty: the one known for this address.
            names: the classes that the user saw would be sent. Another page may have opened
                another folder since.

        Raises:
            StudioError: there is no key, there are no classes, or others than the user saw, nothing
                is asked for, or a call is under way.
        """
        view = self.book.data.state
        llm_form = view.llm_form
        if not view.names:
            raise FolderError("Name the classes on the Data tab first: at least two.")
        if names != view.names:
            raise PromptError(OTHER_CLASSES)
        ask = llm_form.ask(view.names, view.prompts, self.pairs())
        ask.questions()  # says what is wrong with it
        base = address(base_url=llm_form.base_url, public=self.public)
        endpoint = find_endpoint(
            model=llm_form.model,
            base_url=llm_form.base_url,
            key=key.strip() or self.keys.of(base),
            public=self.public,
        )
        # What goes wrong might quote the key.
        task = Task("Asking", lambda task: self._write(task, ask, endpoint), secret=True)
        with self._lock:
            self._lane.start(
                task, busy="A language model is at work already; wait for it or stop it."
            )
            self._task, self._host, self._written = task, endpoint.host, None
            self._proposal, self._decided = None, ""
            self._calls += 1
            if key.strip() and not self.public:
                self.keys.keep(base, endpoint.key)

    def pairs(self) -> tuple[tuple[str, str], ...] | None:
        """The classes that would be asked about because they are mixed up; () if others are, None
        where nothing is labelled.
        """
        return self.book.confused() if self.book.data.state.llm_form.apart else ()

    def take(self) -> None:
        """Add the proposed sentences to the prompts; one step that can be undone."""
        if (proposal := self._decide("taken")) is not None:
            self.book.edit(lambda old: old.adding(proposal), what=f"call {self._calls}")

    def leave(self) -> None:
        """Forget the proposed sentences."""
        self._decide("left")

    def _decide(self, what: str) -> PromptSet | None:
        """The proposed sentences, once: of two pages that both take them one does."""
        with self._lock:
            proposal, self._proposal = self._proposal, None
            self._decided = what if proposal is not None else self._decided
        return proposal

    def stop(self) -> None:
        """Hang up; what came is kept."""
        self._lane.stop()

    def wait(self, seconds: float = 60) -> None:
        """Wait for the call under way to end; for tests."""
        self._lane.wait(seconds)

    def _write(self, task: Task, ask: Ask, endpoint: Endpoint) -> None:
        taken: set[str] = set()

        def listen(written: Written) -> None:
            """Take over what is new: what the user edits meanwhile is not overwritten later."""
            new = {n: s for n, s in written.prompts.sentences.items() if n not in taken}
            templates = () if "" in taken else written.prompts.templates
            taken.update(new, [""] if templates else [])
            if ask.pairs:
                with self._lock:
                    self._proposal = written.prompts if written.prompts.sentences else None
            elif new or templates:
                self.book.edit(
                    lambda old: old.merged(PromptSet(templates, new)), what=f"call {self._calls}"
                )
            with self._lock:
                self._written = written

        listen(
            self.write(ask, endpoint, cache_dir=self.cache_dir, stop=task.stopping, listen=listen)
        )
        if (proposal := self._proposal) is not None:  # shown from the end of the task on
            self.book.would(proposal, judged=True)
