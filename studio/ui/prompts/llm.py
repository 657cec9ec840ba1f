"""The part of the Prompts tab in which a language model is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import gradio as gr
from markupsafe import Markup

from studio.errors import PromptError
from studio.prompts.endpoint import DEFAULT_MODEL
from studio.prompts.form import LlmForm
from studio.prompts.leaving import leaving
from studio.prompts.prompt_set import PromptSet
from studio.session.rooms import Whose
from studio.session.state import DataState
from studio.ui.handlers import InSession
from studio.ui.parts import (
    KEY_FOR_ONE_CALL,
    KEY_TYPED,
    POLL,
    Lazy,
    Part,
    box,
    field_of,
    guard,
    line,
    page_of,
)
from studio.views import prompts
from studio.views.render import part, render

_KEYS = {
    "typed": KEY_TYPED,
    "environment": "The key in OPENAI_API_KEY is used.",
    "": "No key: nothing is sent. Set OPENAI_API_KEY, or type one; servers that need none take "
    "any word.",
}
_OF_ALL_CLASSES = ("templates", "again")  # fields of an LlmForm


class LlmBox(InSession):
    """A box of fields; handlers are methods, so that tests call them without a browser."""

    def __init__(self, session: Whose) -> None:
        super().__init__(session)

    def build(self) -> None:
        """Lay it out, inside of a column."""
        with box("Written by a language model", elem_id="llm"):
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
                    4, label="Sentences per class", elem_id="llm-sentences", min_width=120, **number
                )
                self.templates = gr.Number(
                    0, label="Templates", elem_id="llm-templates", min_width=120, **number
                )
            self.again = gr.Checkbox(
                label="Also for classes that have sentences", elem_id="llm-again", **off
            )
            self.apart = gr.Checkbox(
                label="Only what tells apart the classes that are mixed up", elem_id="llm-apart",
                **off,
            )  # fmt: skip
            with gr.Accordion("Server, model and key", open=False, elem_id="llm-server"):
                self.base_url = line(
                    "Address, up to /v1 (empty: OPENAI_BASE_URL, else OpenAI)",
                    elem_id="llm-url",
                    visible=not self.session.options.public,
                    **off,
                )
                self.model = line("Model", elem_id="llm-model", placeholder=DEFAULT_MODEL, **off)
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
            self.proposal = gr.HTML(elem_id="llm-proposal")
            with gr.Row(elem_classes="inline"):
                small: dict[str, Any] = {"size": "sm", "min_width": 130, "visible": False}
                self.take = gr.Button("Use these", elem_id="llm-take", **small)
                self.leave = gr.Button("Leave them", elem_id="llm-leave", **small)
        self.seen = gr.State([])  # the classes that the page says would be sent
        typed = ("description", "model", "base_url", "sentences", "templates", "again", "apart")
        self.fields = {name: getattr(self, name) for name in typed}  # as of an LlmForm

    @property
    def outputs(self) -> dict[str, Any]:
        """The components that show the parts."""
        names = ("leaves", "seen", "about_key", "forget", "write", "stop", "status", "proposal",
                 "take", "leave")  # fmt: skip
        others = {f"llm_{name}": getattr(self, name) for name in names}
        return {**{_mark(name): field for name, field in self.fields.items()}, **others}

    def wire(self, after: Callable[..., None], shown: gr.State) -> None:
        """Connect events. after(trigger, handler, ...): the poll follows what succeeds; shown: what
        the poll last told this page.
        """
        # Each field tells of itself alone: events of two fields may overtake each other.
        for name, field in self.fields.items():
            after(
                field.change, self.see(name), inputs=[shown, field], trigger_mode="always_last",
                **POLL,
            )  # fmt: skip
            if isinstance(field, gr.Textbox):
                after(field.blur, self.remember(name), inputs=[field], **POLL)
        inputs = {self.key, self.seen, *self.fields.values()}
        after(self.write.click, self.begin_with, inputs=inputs, outputs=[self.key])
        after(self.stop.click, self.hang_up)
        after(self.forget.click, self.forget_keys)
        after(self.take.click, self.take_them)
        after(self.leave.click, self.leave_them)

    # What its buttons do ----------------------------------------------------------------------

    def see(self, name: str) -> Callable[..., None]:
        """Handler for a field that changed: by its user, or by what the studio sent, which is no
        edit. name: the field of the llm_form.
        """

        def seen(request: gr.Request, shown: dict[str, Any], typed: Any) -> None:
            sent = (shown or {}).get(_mark(name), (typed, True))[0]
            if getattr(LlmForm.from_dict({name: typed}), name) != sent:
                self._take(request, {name: typed})

        return seen

    def remember(self, name: str) -> Callable[..., None]:
        """Handler that keeps what was typed, for a reload and for other pages."""

        def left(request: gr.Request, typed: Any) -> None:
            self._take(request, {name: typed})

        return left

    def begin_with(self, values: Mapping[Any, Any], request: gr.Request) -> Any:
        """Ask for what is typed, as a page sent it."""
        typed = {name: values[field] for name, field in self.fields.items()}
        return self.begin(typed, values[self.key], request, seen=values[self.seen])

    def begin(self, typed: Mapping[str, Any], key: Any, request: gr.Request, *, seen: Any) -> Any:
        """Ask for what is typed, and for that alone. The key's field is emptied once the key is in
        memory. typed: by the field of the llm_form; seen: the classes that the page showed.
        """
        self._take(request, typed)
        typed_key = key if isinstance(key, str) else ""
        guard(lambda: self.session.writer.start(key=typed_key, names=seen))
        return gr.skip() if self.session.options.public else ""

    def hang_up(self) -> None:
        """Stop the call; what came is kept."""
        self.session.writer.stop()

    def forget_keys(self) -> None:
        """Forget the keys that were typed."""
        self.session.writer.forget()

    def take_them(self) -> None:
        """Use the proposed sentences."""
        self.session.writer.take()

    def leave_them(self) -> None:
        """Forget the proposed sentences."""
        self.session.writer.leave()

    def _take(self, request: gr.Request, typed: Mapping[str, Any]) -> None:
        self.session.prompts.llm_form(dict(typed), by=page_of(request, "prompts"))

    # How it looks -----------------------------------------------------------------------------

    def parts(self, view: DataState, *, typed_here: bool) -> dict[str, Part]:
        """Everything there is to see. typed_here: this page typed what is in the fields."""
        llm_form, writing = view.llm_form, self.session.writer.view
        fields: dict[str, Part] = {
            _mark(name): _field(name, value, apart=llm_form.apart, typed_here=typed_here)
            for name, value in asdict(llm_form).items()
        }
        try:
            key = self.session.writer.key_from(llm_form.base_url)
        except PromptError:
            key = ""
        about_key = KEY_FOR_ONE_CALL if self.session.options.public else _KEYS[key]
        proposed = writing.proposal is not None
        state = (writing.busy, writing.stopping, id(writing.written), writing.error, proposed,
                 writing.decided)  # fmt: skip
        # The labels have a say in what is sent only where what they mix up is asked about.
        labels = (id(view.preview), view.stale) if llm_form.apart else None
        asked = (llm_form, view.names_text, id(view.prompts), writing.busy, labels)
        effect = (id(writing.proposal), id(view.preview), id(view.prompts), view.stale)
        stop = gr.update(visible=writing.busy, interactive=not writing.stopping)
        return {
            **fields,
            "llm_leaves": (asked, Lazy(self._leaves, view)),
            "llm_seen": (view.names_text, view.names),
            "llm_about_key": (about_key, part("quiet", about_key)),
            "llm_forget": (key, gr.update(visible=key == "typed")),
            "llm_write": (writing.busy, gr.update(interactive=not writing.busy)),
            "llm_stop": (state[:2], stop),
            "llm_take": (proposed, gr.update(visible=proposed)),
            "llm_leave": (proposed, gr.update(visible=proposed)),
            "llm_proposal": (
                effect if proposed else "",
                Lazy(self._proposed, view, writing.proposal),
            ),
            "llm_status": (state, Lazy(lambda: render("prompts/writing.html", writing=writing))),
        }

    def _leaves(self, view: DataState) -> Markup:
        """What leaves the machine and what it may cost, before anything does."""
        options = self.session.options
        what = leaving(
            view.llm_form,
            names=view.names,
            prompts=view.prompts,
            public=options.public,
            cache_dir=options.cache_dir,
            pairs=self.session.writer.pairs(),
        )
        return render("prompts/leaves.html", **vars(what))

    def _proposed(self, view: DataState, proposal: PromptSet | None) -> Any:
        """What the proposed sentences are, and what they would do to the labels."""
        if proposal is None:
            return ""
        now, folder, canvases = view.preview, view.folder, view.canvases
        would = self.session.prompts.would(proposal)
        if would is None or now is None or folder is None or canvases is None:
            return part("quiet", "Label the images again to see what these sentences would do.")
        return prompts.proposal(
            would,
            now=now,
            sentences=proposal.sentences,
            picture=partial(self.session.pictures.small, folder, canvases),
            path=lambda i: folder.images[i].path,
        )


def _field(name: str, value: Any, *, apart: bool, typed_here: bool) -> Part:
    """What a field shows. Two of them have no say where only what is mixed up is asked about."""
    able = not (apart and name in _OF_ALL_CLASSES)
    own: dict[str, Any] = {} if typed_here else field_of(value)
    return (value, able), {**own, **gr.update(interactive=able)}


def _mark(name: str) -> str:
    """What `fresh` calls a field of the llm_form; the tab itself has templates as well."""
    return f"typed_{name}"
