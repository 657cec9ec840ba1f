"""A judge at work for the page: what would leave, one asking at a time, and what came so far."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from studio.ask.judge_cost import JudgeBudget, Price, images_wanted, judge_budget, price_of
from studio.ask.judge_endpoint import environment, find_judge, judge_address
from studio.ask.judge_said import JudgeAsking
from studio.errors import PromptError, StudioError
from studio.forking import Lock
from studio.prompts.endpoint import has_key, host_of, is_here, stays_here
from studio.runs.judge_checks import JudgeChecked, judge_checked
from studio.runs.judge_purpose import Checking, Naming, Plan, Purpose, plan
from studio.runs.judged import JudgedImage, JudgeRecord
from studio.runs.judging import ChooseImages, Order, judge_images
from studio.session.ask import questioned_of
from studio.session.keys import Keys
from studio.session.opened import Opened, open_seen
from studio.session.tasks import Lane, Task

if TYPE_CHECKING:
    from studio.session.session import Session
    from studio.session.source import Source

CHANGED = "What would be sent has changed meanwhile: look at it again, and say yes to that."
NOT_AGREED = "Nothing was sent: tick that the images may go to {} first."
_BUSY = "A judge is at work already; wait for it or stop it."
_SHORT, _LONG = 300, 1000
MEND, CHECK = "mend", "check"
"""What a judge is asked for: names of groups, or how many labels are right."""
USUAL_BUDGET = {MEND: "2C", CHECK: "60"}


@dataclass(frozen=True)
class JudgeForm:
    """What was typed for a judge; everything but the key. budget: images, or `2C`; model, base_url:
    empty = from the environment; about: the user's words about the set; price: see `Price.parse`;
    purpose: MEND, or CHECK: the images are drawn, to tell how many labels are right.
    """

    budget: str = "2C"
    model: str = ""
    base_url: str = ""
    about: str = ""
    price: str = ""
    purpose: str = MEND

    @property
    def checks(self) -> bool:
        """Whether the images are drawn to check the labels."""
        return self.purpose == CHECK

    @classmethod
    def of(cls, typed: dict[str, object]) -> JudgeForm:
        """From a page's fields; whatever is no text is empty."""

        def text(name: str, most: int = _SHORT) -> str:
            value = typed.get(name)
            return value.strip()[:most] if isinstance(value, str) else ""

        return cls(
            text("budget"), text("model"), text("base_url"), text("about", _LONG), text("price"),
            CHECK if text("purpose") == CHECK else MEND,
        )  # fmt: skip


@dataclass(frozen=True)
class Terms:
    """What would leave the machine, and what that takes: what the user says yes to.

    Attributes:
        host, model: Who would be asked.
        here: The server is on this machine; stays: and it hands nothing on.
        plan: How many images would be sent, and the stopped asking that would go on.
        budget: What that takes; None while there is nothing to ask, and `fault` says why.
        price: What the cost is worked out with; None: it is not known.
        about: Whether the user's words are sent too.
        checks: The images are drawn, to check the labels.
        whose: A mark of which images these are, and of the class names, which are sent too.
        mark: Changes with all that the user says yes to.
    """

    host: str = "the server"
    model: str = ""
    here: bool = False
    stays: bool = False
    plan: Plan = field(default_factory=lambda: Plan(0))
    budget: JudgeBudget | None = None
    price: Price | None = None
    about: bool = False
    checks: bool = False
    fault: str = ""
    whose: str = ""

    @property
    def mark(self) -> str:
        """See `Terms`."""
        yes = (self.whose, self.host, self.model, self.plan.images, self.stays, self.about,
               self.checks)  # fmt: skip
        return repr(yes)


@dataclass(frozen=True)
class JudgingView:
    """How an asking stands. host: who is asked; error: one line when nothing came; checks: it only
    checks labels.
    """

    busy: bool = False
    stopping: bool = False
    host: str = ""
    checks: bool = False
    asking: JudgeAsking | None = None
    error: str = ""


MakeChooser = Callable[[Opened, Task, Purpose], ChooseImages]
"""Makes what says which images come next, in the task's thread; it may have to encode them."""


@dataclass
class Judging:
    """See the module. session: whose images; keys: those that were typed; chooser: see
    `MakeChooser`; form: what the last asking was begun with.
    """

    session: Session
    keys: Keys
    chooser: MakeChooser
    form: JudgeForm = field(default_factory=JudgeForm)
    _task: Task | None = None
    _view: JudgingView = field(default_factory=JudgingView)
    _records: dict[str, JudgeRecord] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _lane: Lane = field(default_factory=lambda: Lane("judge"))

    @property
    def view(self) -> JudgingView:
        """How things stand; never changes once taken."""
        with self._lock:
            if self._task is None:
                return self._view
            state = self._task.state
            return replace(
                self._view, busy=not state.ended, stopping=state.stopping and not state.ended,
                error=state.error,
            )  # fmt: skip

    @property
    def step(self) -> str:
        """What is being done before the first answer, in words."""
        return "" if self._task is None else self._task.state.how_far

    def record(self, source: Source) -> JudgeRecord:
        """What was asked about these images before.

        Raises:
            StudioError: there are no such images.
        """
        corrections = self.session.corrections(source)
        key = str(corrections.folder)
        found = self._records.get(key)
        if found is None or found.corrections is not corrections:
            found = self._records[key] = JudgeRecord(corrections)
        return found

    def said(self, opened: Opened, index: int) -> JudgedImage | None:
        """What a judge said of an image."""
        return self.record(opened.source).of(opened.outcome.paths[index])

    def key_from(self, base_url: str) -> str:
        """Where a key for the typed address would come from: "typed", "environment", "here" for a
        server on this machine, which needs none, or "". Raises PromptError.
        """
        public = self.session.options.public
        base = judge_address(base_url=base_url, public=public)
        if self.keys.of(base):
            return "typed"
        if not public and has_key(base_url=base, environ=environment()):
            return "environment"
        return "here" if is_here(base) and not public else ""

    def terms(self, form: JudgeForm, run: object) -> Terms:
        """What would leave if this was asked now."""
        terms = Terms(checks=form.checks)
        try:
            terms = self._whom(form)
            return self._terms(form, open_seen(self.session, run))
        except StudioError as error:
            return replace(terms, fault=str(error))

    def start(self, form: JudgeForm, run: object, *, key: str, agreed: bool, mark: object) -> None:
        """Ask for what was agreed to. Returns at once.

        Args:
            form: What was typed.
            run: What is looked at, see `session.source`.
            key: As typed; empty: the one known for this address.
            agreed: The user has said yes.
            mark: Of the terms that the user saw.

        Raises:
            StudioError: nobody said yes to this, there is no key, or an asking is under way.
        """
        opened = open_seen(self.session, run)
        terms = self._terms(form, opened)
        if terms.budget is None:
            raise PromptError(terms.fault)
        if not agreed:
            raise PromptError(NOT_AGREED.format(terms.host))
        if mark != terms.mark:
            raise PromptError(CHANGED)
        public = self.session.options.public
        base = judge_address(base_url=form.base_url, public=public)
        endpoint = find_judge(
            model=form.model, base_url=form.base_url, key=key.strip() or self.keys.of(base),
            public=public,
        )  # fmt: skip
        # Both now: once it is at work, other images may be at hand.
        purpose, corrections = self._purpose(terms, opened), self.session.corrections(opened.source)

        def work(task: Task) -> None:
            order = Order(
                paths=opened.outcome.paths,
                class_names=opened.outcome.class_names,
                root=opened.root,
                corrections=corrections,
                choose=self.chooser(opened, task, purpose),
                endpoint=endpoint,
                budget=terms.plan.budget,
                cache_dir=self.session.options.cache_dir,
                about=form.about,
                go_on=terms.plan.go_on,
                checks=terms.checks,
            )
            self._listen(judge_images(order, stop=task.stopping, listen=self._listen))

        # What goes wrong might quote the key.
        task = Task("Choosing images", work, secret=True)
        with self._lock:
            self._lane.start(task, busy=_BUSY)
            self._task, self.form = task, form
            self._view = JudgingView(host=terms.host, checks=form.checks)
            if key.strip() and not public:
                self.keys.keep(base, endpoint.key)

    def stop(self) -> None:
        """Hang up; what came is kept."""
        self._lane.stop()

    def undo(self, source: Source) -> str:
        """Take back all that the last asking about these images said; what that was, in words.

        Raises:
            StudioError: there is none.
        """
        return self.record(source).undo()

    def checked(self, opened: Opened) -> JudgeChecked | None:
        """What a judge's checks say of the labels that are looked at; None where there are none."""
        record = self.record(opened.source)
        if not any(one.checks for one in record.askings()):
            return None  # the usual case, in which no order has to be made
        questioned = questioned_of(opened)
        return None if questioned is None else judge_checked(record, questioned)

    def wait(self, seconds: float = 60) -> None:
        """Wait for the asking under way to end; for tests."""
        self._lane.wait(seconds)

    def _whom(self, form: JudgeForm) -> Terms:
        public = self.session.options.public
        base = judge_address(base_url=form.base_url, public=public)
        # A key only completes the endpoint here; nothing is sent.
        endpoint = find_judge(model=form.model, base_url=form.base_url, key="-", public=public)
        return Terms(
            host=host_of(base), model=endpoint.model, here=is_here(base),
            stays=stays_here(base, endpoint.model), about=bool(form.about), checks=form.checks,
        )  # fmt: skip

    def _terms(self, form: JudgeForm, opened: Opened) -> Terms:
        terms = self._whom(form)
        price = Price.parse(form.price) or price_of(terms.model, terms.host)
        if not opened.there:
            raise PromptError(f"{opened.problem} A judge has nothing to look at.")
        wanted = images_wanted(form.budget, classes=len(opened.outcome.class_names))
        record = self.record(opened.source)
        record.take_up()
        purpose = self._purpose(terms, opened)
        asked = plan(purpose, record, model=terms.model, host=terms.host, wanted=wanted)
        budget = judge_budget(asked.images, model=terms.model, price=price, about=form.about)
        return replace(terms, plan=asked, budget=budget, price=price, whose=_whose(opened))

    def _purpose(self, terms: Terms, opened: Opened) -> Purpose:
        """Raises PromptError: there are no labels to check yet."""
        record = self.record(opened.source)
        if not terms.checks:
            return Naming(opened.outcome.paths, record.corrections)
        questioned = questioned_of(opened)
        if questioned is None:
            raise PromptError("Labels can be checked once the run has ended.")
        return Checking(questioned, record.checked(terms.model, terms.host))

    def _listen(self, asking: JudgeAsking) -> None:
        with self._lock:
            self._view = replace(self._view, asking=asking)


def _whose(opened: Opened) -> str:
    """See `Terms`: who has said yes to one folder has not said yes to the next one."""
    of = (replace(opened.source, labels="").key(), str(opened.root), opened.outcome.class_names)
    return hashlib.sha256(repr(of).encode("utf-8", "surrogateescape")).hexdigest()[:20]
