"""The part of the Explore tab in which a vision-language model is asked what images show.

It stands where the labels that it speaks of can be seen. Nothing is sent before its user has read
what would be, and has ticked that; whenever that changes, the tick is taken away.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import gradio as gr

from studio.ask.judge_cost import PRICES_OF
from studio.ask.judge_endpoint import DEFAULT_JUDGE
from studio.errors import PromptError, StudioError
from studio.numbers import plural
from studio.session.judging import CHECK, MEND, USUAL_BUDGET, JudgeForm, Terms
from studio.session.opened import open_run
from studio.session.rooms import Whose
from studio.session.source import parse
from studio.ui.explore.correct import CorrectPanel
from studio.ui.explore.scene import Filters, Indices, Scene
from studio.ui.handlers import InSession
from studio.ui.parts import (
    KEY_FOR_ONE_CALL,
    KEY_TYPED,
    POLL,
    PRIVATE,
    UNCHECKED,
    Lazy,
    Part,
    field_of,
    guard,
    line,
)
from studio.ui.polling import Polling, Watched
from studio.views.render import part, render

_ABOUT_KEY = {
    "typed": KEY_TYPED,
    "environment": "The key of the environment is used.",
    "here": "A server on this machine needs no key.",
    "": "No key: nothing is sent. Set JUDGE_API_KEY or OPENAI_API_KEY, or type one.",
}
_UNDER_WAY = "An asking is under way. It sends what was agreed to, and nothing else."
_FIELDS = ("budget", "about", "base_url", "model", "price", "purpose")
_PURPOSES = [
    ("Name groups: a few well-chosen images", MEND),
    ("Check how good these labels are: images drawn by chance", CHECK),
]


class JudgePanel(InSession):
    """Components and what they do; the Explore tab connects them."""

    def __init__(self, session: Whose, correct: CorrectPanel) -> None:
        super().__init__(session)
        self.correct = correct

    def build(self) -> None:
        """Lay the panel out, inside of the Explore tab."""
        off: dict[str, Any] = {"interactive": False}
        with gr.Accordion("Ask a vision-language model", open=False, elem_id="judge"):
            self.purpose = gr.Radio(
                _PURPOSES, value=MEND, label="What for", elem_id="judge-purpose", **off
            )
            self.leaves = gr.HTML(elem_id="judge-leaves")
            with gr.Row(elem_classes="inline"):
                self.budget = line(
                    "How many images (2C: two per class)", elem_id="judge-budget", scale=1,
                    min_width=170, **off,
                )  # fmt: skip
                self.about = gr.Textbox(
                    label="What the images show, in your words (optional)", elem_id="judge-about",
                    max_lines=4, max_length=1000, scale=3, min_width=220,
                    placeholder="products on a white table, seen from above", **off,
                )  # fmt: skip
            with gr.Accordion("Server, model and key", open=False, elem_id="judge-server"):
                self.base_url = line(
                    "Address, up to /v1 (empty: JUDGE_BASE_URL or OPENAI_BASE_URL, else OpenAI)",
                    elem_id="judge-url",
                    visible=not self.session.options.public, **off,
                )  # fmt: skip
                with gr.Row(elem_classes="inline"):
                    self.model = line(
                        "Model", elem_id="judge-model", placeholder=DEFAULT_JUDGE, min_width=160,
                        **off,
                    )  # fmt: skip
                    self.price = line(
                        "US dollars per million tokens, sent / written (optional)",
                        elem_id="judge-price", placeholder="0.40 / 1.60", min_width=200, **off,
                    )  # fmt: skip
                self.key = gr.Textbox(
                    label="Key", type="password", max_lines=1, elem_id="judge-key",
                    html_attributes=gr.InputHTMLAttributes(autocomplete="off"),
                )  # fmt: skip
                self.about_key = gr.HTML(elem_id="judge-about-key")
                self.forget = gr.Button(
                    "Forget the keys", size="sm", visible=False, elem_id="judge-forget"
                )
            self.agree = gr.Checkbox(label="Yes, send them", elem_id="judge-agree", **off)
            with gr.Row(elem_classes="inline"):
                self.ask = gr.Button(
                    "Ask", variant="primary", elem_id="judge-ask", min_width=140, scale=0, **off
                )
                self.stop = gr.Button(
                    "Stop",
                    variant="stop",
                    elem_id="judge-stop",
                    min_width=90,
                    scale=0,
                    visible=False,
                )
                small: dict[str, Any] = {"min_width": 190, "scale": 0, "visible": False}
                self.undo = gr.Button("Undo what it said", elem_id="judge-undo", **small)
                self.take = gr.Button("Select the judged", elem_id="judge-take", **small)
            self.status = gr.HTML(elem_id="judge-status")
            self.share = gr.HTML(elem_id="judge-share")
        self.seen = gr.State("")  # the mark of the terms that the page shows
        self.fields = {name: getattr(self, name) for name in _FIELDS}  # as of a JudgeForm

    def watch(self, polling: Polling, run: gr.State) -> Watched:
        """Have the panel asked whenever something of it may have changed.

        run: the text form of what the page shows; not the list of runs, whose value gradio checks.
        """
        names = ("leaves", "about_key", "forget", "agree", "ask", "stop", "undo", "take", "status",
                 "share", "seen")  # fmt: skip
        own: dict[str, Any] = {f"judge_{name}": getattr(self, name) for name in names}
        fields = {f"judge_field_{name}": field for name, field in self.fields.items()}
        outputs = {**own, **fields, "judge_said": self.correct.changed}
        return polling.watch(self.parts, outputs, [run, *self.fields.values()])

    def wire(self, watched: Watched, run: gr.State) -> None:
        """Connect events. watched: what `watch` gave."""
        for field in self.fields.values():
            field.change(trigger_mode="always_last", **watched.now)
        self.purpose.input(self.usual, [self.purpose, self.budget], [self.budget], **UNCHECKED)
        inputs = {run, self.key, self.agree, self.seen, *self.fields.values()}
        started = self.ask.click(
            self.begin_with(run), inputs, [self.key], **UNCHECKED
        )  # fmt: skip
        started.then(**watched.now)
        self.stop.click(self.hang_up, outputs=None, **PRIVATE).success(**watched.now)
        self.forget.click(self.forget_keys, outputs=None, **POLL).success(**watched.now)
        self.undo.click(self.take_back, [run], [self.correct.changed], **UNCHECKED).success(
            **watched.now
        )

    # What its buttons do ----------------------------------------------------------------------

    def begin_with(self, run: gr.State) -> Any:
        """Handler that asks for what the page shows. run: what is looked at."""

        def begin(values: Mapping[Any, Any]) -> Any:
            typed = {name: values[field] for name, field in self.fields.items()}
            return self.begin(
                typed, values[run], key=values[self.key], agreed=values[self.agree],
                seen=values[self.seen],
            )  # fmt: skip

        return begin

    def begin(self, typed: Mapping[str, Any], run: Any, *, key: Any, agreed: Any, seen: Any) -> Any:
        """Ask for what is typed. The key's field is emptied once the key is in memory."""
        guard(
            lambda: self.session.judging.start(
                JudgeForm.of(dict(typed)), run, key=key if isinstance(key, str) else "",
                agreed=agreed is True, mark=seen,
            )
        )  # fmt: skip
        return gr.skip() if self.session.options.public else ""

    def usual(self, purpose: Any, budget: Any) -> Any:
        """The usual number of images for what is asked for, where no other one was typed."""
        if budget not in USUAL_BUDGET.values() or purpose not in USUAL_BUDGET:
            return gr.skip()
        return USUAL_BUDGET[purpose]

    def hang_up(self) -> None:
        """Stop the asking; what came is kept."""
        self.session.judging.stop()

    def forget_keys(self) -> None:
        """Forget the keys that were typed."""
        self.session.judging.keys.forget()

    def take_back(self, run: Any) -> str:
        """Undo all that the last asking said; a mark of that."""
        undone = guard(lambda: self.session.judging.undo(parse(run)))
        gr.Info(f"Undone: {undone}.", duration=4)
        return f"undone {time.time()}"

    # How it looks -----------------------------------------------------------------------------

    def parts(self, _shown: Any, run: Any, *values: Any) -> dict[str, Part]:
        """Everything there is to see. values: the fields', in their order, and the request."""
        judging = self.session.judging
        form = JudgeForm.of(dict(zip(_FIELDS, values, strict=False)))
        view = judging.view
        mark = (run, form, view.busy, view.stopping, *self._standing(run))
        under_way = Terms(fault=_UNDER_WAY, checks=view.checks)
        terms = cache(lambda: under_way if view.busy else judging.terms(form, run))
        try:
            key = judging.key_from(form.base_url)
        except PromptError:
            key = ""
        about_key = KEY_FOR_ONE_CALL if self.session.options.public else _ABOUT_KEY[key]
        said = mark[-1]
        state = (*mark[2:4], view.error, id(view.asking), view.host, judging.step)
        ended = "" if view.busy or view.asking is None else f"judged {id(view.asking)}"
        return {
            **{f"judge_field_{n}": ("given", field_of(getattr(judging.form, n))) for n in _FIELDS},
            "judge_leaves": (mark, Lazy(lambda: self._leaves(terms()))),
            "judge_seen": (mark, Lazy(lambda: terms().mark)),
            "judge_agree": (mark, Lazy(lambda: _agree(terms(), view.busy))),
            "judge_ask": (mark, Lazy(lambda: _ask(terms(), view.busy))),
            "judge_about_key": (about_key, part("quiet", about_key)),
            "judge_forget": (key, gr.update(visible=key == "typed")),
            "judge_stop": (
                mark[2:4], gr.update(visible=view.busy, interactive=not view.stopping)
            ),
            "judge_undo": ((said, view.busy), gr.update(visible=said and not view.busy)),
            "judge_take": (mark[-2], gr.update(visible=mark[-2])),
            "judge_status": (
                state, Lazy(lambda: render("explore/judging.html", view=view, step=judging.step))
            ),
            "judge_share": ((mark, ended), Lazy(lambda: self._share(run))),
            "judge_said": (ended, ended or gr.skip()),
        }  # fmt: skip

    def _standing(self, run: Any) -> tuple[Any, ...]:
        """What terms depend on besides the form, last whether a judge has said something."""
        preview = self.session.data.state.preview
        try:
            record = self.session.judging.record(parse(run))
            last = record.last
            judged = any(one.action for one in record.askings())
            came = None if last is None else (last.id, len(last.judgements))
            return id(preview), record.corrections.mark, came, judged, last is not None
        except StudioError:
            return id(preview), None, None, False, False

    def _share(self, run: Any) -> str:
        """How many labels are right, as far as a judge's checks tell."""
        try:
            checked = self.session.judging.checked(open_run(self.session, run))
        except StudioError:
            return ""  # what is wrong is said above
        return "" if checked is None else render("explore/judge_share.html", lines=checked.lines)

    def _leaves(self, terms: Terms) -> str:
        """What leaves the machine and what it may cost, before anything does."""
        return render("explore/judge_leaves.html", terms=terms, prices_of=PRICES_OF)


def _agree(terms: Terms, busy: bool) -> Any:
    """The tick, taken away whenever what it stands for has changed."""
    images = plural(terms.plan.images, "image") if terms.plan.images else "the images"
    to = "a server on this machine" if terms.stays else terms.host
    able = terms.budget is not None and not busy
    return gr.update(value=False, interactive=able, label=f"Yes, show {images} to {to}")


def _ask(terms: Terms, busy: bool) -> Any:
    able = terms.budget is not None and not busy
    return gr.update(interactive=able, value="Go on" if terms.plan.go_on is not None else "Ask")


def all_judged(scene: Scene, _filters: Filters, _event: Any) -> tuple[Indices, str]:
    """All images that a judge spoke of, and what they are."""
    import numpy as np

    said, paths = scene.opened.corrections, scene.outcome.paths
    found = [
        i for i, path in enumerate(paths)
        if (one := said.get(path)) is not None and one.judged_label is not None
    ]  # fmt: skip
    return np.array(found, np.int64), plural(len(found), "judged image")
