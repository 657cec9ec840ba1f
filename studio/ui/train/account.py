"""A Job on the visitor's own account: for sets and times that a shared Space has no room for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from studio.errors import RunError
from studio.runs.remote import FLAVORS
from studio.session.rooms import Whose
from studio.session.start import at_hand
from studio.ui.handlers import InSession
from studio.ui.parts import PRIVATE, guarded, line
from studio.ui.polling import Watched
from studio.ui.train.form import FormFields
from studio.views.render import part, render


class AccountBox(InSession):
    """Builds the box; the Train tab connects it."""

    def __init__(self, session: Whose) -> None:
        super().__init__(session)

    def build(self) -> None:
        """Lay the box out, below the form of a run."""
        there = bool(self.session.options.space)
        with gr.Accordion(
            "Train for real, on your own account", open=False, visible=there, elem_id="account"
        ):
            gr.HTML(render("train/account.html"))
            self.owner = line("Account", elem_id="account-owner", placeholder="your name there")
            # No form around it: browsers keep passwords of forms.
            self.token = gr.Textbox(
                label="Token", type="password", max_lines=1, elem_id="account-token",
                info="It may start Jobs and write to your buckets. It is kept nowhere.",
            )  # fmt: skip
            with gr.Row(elem_classes="inline"):
                self.flavor = gr.Dropdown(
                    [(f"{name}, {price:.2f} $ an hour", name) for name, price in FLAVORS.items()],
                    value=next(iter(FLAVORS)), label="Hardware", elem_id="account-flavor",
                    min_width=240,
                )  # fmt: skip
                self.minutes = gr.Number(
                    60, label="Minutes at most", precision=0, minimum=1, elem_id="account-minutes",
                    min_width=110,
                )  # fmt: skip
            self.cost = gr.HTML(elem_id="account-cost")
            with gr.Row(elem_classes="inline"):
                self.ask = gr.Button("What it costs", elem_id="account-ask", min_width=110)
                self.begin = gr.Button(
                    "Start the Job", variant="primary", elem_id="account-begin", min_width=110
                )

    def wire(self, form: FormFields, chosen: gr.State, watched: Watched) -> None:
        """Connect events. chosen: the run that is shown."""
        own = {self.owner, self.flavor, self.minutes}

        def say(values: Mapping[Any, Any]) -> str:
            return self.said(self._request(form, values), *self._read(values))

        def go(values: Mapping[Any, Any]) -> str:
            token = values[self.token] or ""
            return self.start(self._request(form, values), token, *self._read(values))

        self.ask.click(guarded(say), {*form.inputs, *own}, [self.cost], **PRIVATE)
        self.begin.click(
            guarded(go), {*form.inputs, *own, self.token}, [chosen], **PRIVATE
        ).success(lambda: "", None, [self.token], **PRIVATE).success(**watched.now)

    def said(self, request: Any, owner: str, flavor: str, minutes: int) -> str:
        """What a Job would be given and what it can cost; nothing is sent."""
        job = self.session.remote.plan(
            request, name="RUN", owner=owner, flavor=flavor, minutes=minutes
        )
        return part("notice", job.sentence)

    def start(self, request: Any, token: str, owner: str, flavor: str, minutes: int) -> str:
        """Start the Job; the run's id."""
        return self.session.remote.start(
            request, owner=owner, token=token, flavor=flavor, minutes=minutes
        )

    def _request(self, form: FormFields, values: Mapping[Any, Any]) -> Any:
        read = form.read(values)
        return at_hand(
            self.session, method=read.method, settings=read.settings(), name=read.name,
            names=read.names, model=read.model, given=read.given,
        )  # fmt: skip

    def _read(self, values: Mapping[Any, Any]) -> tuple[str, str, int]:
        owner, flavor, minutes = (values[p] for p in (self.owner, self.flavor, self.minutes))
        if not isinstance(minutes, (int, float)) or isinstance(minutes, bool):
            raise RunError("Say how many minutes the Job may take.")
        return str(owner or ""), str(flavor or ""), int(minutes)
