"""The part of the Prompts tab in which a language model is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any

import gradio as gr

from studio.errors import PromptError, StudioError
from studio.prompts.endpoint import DEFAULT_MODEL, address, find_endpoint, host_of
from studio.prompts.form import LlmForm
from studio.prompts.llm import budget
from studio.session.session import Session
from studio.session.state import DataState
from studio.ui.parts import POLL, Lazy, field_of, guard, page_of
from studio.views import prompts as look

_KEYS = {
    "typed": "A key was typed; it is kept in memory until the studio ends, and written nowhere.",
    "environment": "The key in OPENAI_API_KEY is used.",
    "": "No key: nothing is sent. Set OPENAI_API_KEY, or type one; servers that need none take "
    "any word.",
}
_FIELDS = tuple(field.name for field in fields(LlmForm))
_PUBLIC_KEY = "Your own key; it is used for this call only, and kept nowhere."


class LlmBox:
    """A box of fields; handlers are methods, so that tests call them without a browser."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def build(self) -> None:
        """Lay it out, inside of a column."""
        with gr.Column(elem_classes="box", elem_id="llm"):
            gr.HTML('<h3 class="box-title">Written by a language model</h3>')
            self.leaves = gr.HTML(elem_id="llm-leaves")
            off: dict[str, Any] = {"interactive": False}
            self.description = gr.Textbox(
                label="What the images show, in your words (optional)",
                lines=2,
                max_lines=6,
                max_length=1000,
                placeholder="products on a white table, seen from above",
                elem_id="llm-description",
                **off,
            )
            with gr.Row(elem_classes="inline"):
                number: dict[str, Any] = {"precision": 0, "minimum": 0, "maximum": 40, **off}
                self.sentences = gr.Number(
                    4, label="Sentences a class", elem_id="llm-sentences", min_width=120, **number
                )
                self.templates = gr.Number(
                    0, label="Templates", elem_id="llm-templates", min_width=120, **number
                )
            self.again = gr.Checkbox(
                label="Also for classes that have sentences", elem_id="llm-again", **off
            )
            with gr.Accordion("Server, model and key", open=False, elem_id="llm-server"):
                self.base_url = gr.Textbox(
                    label="Address, up to /v1 (empty: OPENAI_BASE_URL, else OpenAI)",
                    max_lines=1,
                    elem_id="llm-url",
                    visible=not self.session.options.public,
                    **off,
                )
                self.model = gr.Textbox(
                    label="Model",
                    max_lines=1,
                    placeholder=DEFAULT_MODEL,
                    elem_id="llm-model",
                    **off,
                )
                self.key = gr.Textbox(
                    label="Key", type="password", max_lines=1, elem_id="llm-key",
                    html_attributes=gr.InputHTMLAttributes(autocomplete="off"),
                )  # fmt: skip
                self.about_key = gr.HTML(elem_id="llm-about-key")
                self.forget = gr.Button(
                    "Forget the key", size="sm", visible=False, elem_id="llm-forget"
                )
            with gr.Row(elem_classes="inline"):
                self.write = gr.Button(
                    "Write sentences", variant="primary", elem_id="llm-write", min_width=140
                )
                self.stop = gr.Button(
                    "Stop", variant="stop", elem_id="llm-stop", min_width=90, visible=False
                )
            self.status = gr.HTML(elem_id="llm-status")
        self.fields: list[Any] = [
            self.description, self.model, self.base_url, self.sentences, self.templates, self.again
        ]  # as in _FIELDS  # fmt: skip
        self.outputs: list[Any] = [
            *self.fields, self.leaves, self.about_key, self.forget, self.write, self.stop,
            self.status,
        ]  # fmt: skip

    def wire(self, after: Callable[..., None], shown: gr.State) -> None:
        """Connect events. after(trigger, handler, ...): the poll follows what succeeds; shown: what
        the poll last told this page.
        """
        # Each field tells of itself alone: events of two fields may overtake each other.
        for name, field in zip(_FIELDS, self.fields, strict=True):
            after(
                field.change, self.see(name), inputs=[shown, field], trigger_mode="always_last",
                **POLL,
            )  # fmt: skip
            if isinstance(field, gr.Textbox):
                after(field.blur, self.remember(name), inputs=[field], **POLL)
        after(self.write.click, self.begin, inputs=[self.key, *self.fields], outputs=[self.key])
        after(self.stop.click, self.session.writer.stop)
        after(self.forget.click, self.session.writer.forget)

    # What its buttons do ----------------------------------------------------------------------

    def see(self, name: str) -> Callable[..., None]:
        """Handler for a field that changed: by its user, or by what the studio sent, which is no
        edit. name: the field of the llm_form.
        """

        def seen(request: gr.Request, shown: dict[str, Any], typed: Any) -> None:
            told = (shown or {}).get(_mark(name), typed)
            if getattr(LlmForm.from_dict({name: typed}), name) != told:
                self._take(request, {name: typed})

        return seen

    def remember(self, name: str) -> Callable[..., None]:
        """Handler that keeps what was typed, for a reload and for other pages."""

        def left(request: gr.Request, typed: Any) -> None:
            self._take(request, {name: typed})

        return left

    def begin(self, request: gr.Request, key: str, *typed: Any) -> Any:
        """Ask for what is typed (the fields, in their order), and for that alone. The key's field
        is emptied once the key is in memory.
        """
        self._take(request, dict(zip(_FIELDS, typed, strict=True)))
        guard(lambda: self.session.writer.start(key=key if isinstance(key, str) else ""))
        return gr.skip() if self.session.options.public else ""

    def _take(self, request: gr.Request, typed: dict[str, Any]) -> None:
        self.session.prompts.llm_form(typed, by=page_of(request, "prompts"))

    # How it looks -----------------------------------------------------------------------------

    def fresh(self, view: DataState, *, mine: bool) -> dict[str, tuple[Any, Any]]:
        """Marks and values of the outputs. mine: this page typed what is there."""
        llm_form, writing = view.llm_form, self.session.writer.view

        fields = {
            _mark(name): (value, gr.skip() if mine else field_of(value))
            for name, value in asdict(llm_form).items()
        }
        try:
            key = self.session.writer.key_from(llm_form.base_url)
        except PromptError:
            key = ""
        public = self.session.options.public
        told = f'<p class="quiet">{_PUBLIC_KEY if public else _KEYS[key]}</p>'
        state = (writing.busy, writing.stopping, id(writing.written), writing.error)
        asked = (llm_form, view.names_text, id(view.prompts), writing.busy)
        return {
            **fields,
            "leaves": (asked, Lazy(self._leaves, view)),
            "about_key": (told, told),
            "forget": (key, gr.update(visible=key == "typed")),
            "write": (writing.busy, gr.update(interactive=not writing.busy)),
            "stop": (
                (writing.busy, writing.stopping),
                gr.update(visible=writing.busy, interactive=not writing.stopping),
            ),
            "writing": (
                state,
                Lazy(
                    lambda: look.writing(
                        busy=writing.busy, stopping=writing.stopping, host=writing.host,
                        written=writing.written, error=writing.error,
                    )
                ),
            ),
        }  # fmt: skip

    def _leaves(self, view: DataState) -> str:
        """What leaves the machine and what it may cost, before anything does."""
        llm_form, public = view.llm_form, self.session.options.public
        host, fault, cost = "the server", "", None
        try:
            base = address(base_url=llm_form.base_url, public=public)
            host = host_of(base)
            if not view.names:
                raise PromptError("Name the classes on the Data tab first.")
            # A key only completes the endpoint here; a budget sends nothing.
            endpoint = find_endpoint(
                model=llm_form.model, base_url=llm_form.base_url, key="-", public=public
            )
            cost = budget(
                llm_form.ask(view.names, view.prompts), base_url=base, model=endpoint.model,
                cache_dir=self.session.options.cache_dir,
            )  # fmt: skip
        except StudioError as error:
            fault = str(error)
        return look.leaves(
            host=host, classes=len(view.names), described=bool(llm_form.description), budget=cost,
            fault=fault,
        )  # fmt: skip


def _mark(name: str) -> str:
    """What `fresh` calls a field of the llm_form; the tab itself has templates as well."""
    return f"wish_{name}"
