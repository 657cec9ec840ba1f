"""The Prompts tab: templates and sentences, by hand or by a language model, and their effect."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr
from markupsafe import Markup

from studio.errors import PromptError
from studio.images.uploads import reading
from studio.prompts.prompt_set import PromptSet, parse_sentences, parse_templates
from studio.prompts.templates import TEMPLATES
from studio.session.rooms import Whose
from studio.session.state import DataState
from studio.ui.handlers import InSession
from studio.ui.header import work_on
from studio.ui.parts import (
    POLL,
    PRIVATE,
    Lazy,
    Part,
    box,
    field_of,
    guarded,
    page_of,
    prompt_board,
    shown_by,
)
from studio.ui.polling import Polling
from studio.ui.prompts.llm import LlmBox
from studio.ui.uploaded import RAW, single
from studio.views import prompts
from studio.views.render import part, render

SAVE = """(text) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = "prompts.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}"""
"""The file is made in the browser: nothing is left behind on the server."""

PRESETS: dict[str, tuple[str, ...]] = {
    "The model's own": (),
    "One sentence": TEMPLATES["plain"],
    f"{len(TEMPLATES['ensemble'])} sentences": TEMPLATES["ensemble"],
}
_LONGEST_TEXT = 50_000


class PromptsTab(InSession):
    """Builds the tab; handlers are methods, so that tests call them without a browser."""

    def __init__(self, session: Whose) -> None:
        super().__init__(session)
        self.llm = LlmBox(session)

    # What is on it ----------------------------------------------------------------------------

    def build(self) -> None:
        """Lay the tab out, inside of gr.Tab."""
        with gr.Row(elem_classes="columns"):
            with gr.Column(scale=4, min_width=300, elem_classes="side"):
                with box("Templates"):
                    self.templates = gr.Textbox(
                        label="One on each line; {} stands for the class name",
                        lines=3,
                        max_lines=10,
                        placeholder="empty: the model's own",
                        elem_id="templates",
                        interactive=False,
                    )
                    self.fault = gr.HTML(elem_id="templates-fault")
                    with gr.Row(elem_classes="inline presets"):
                        self.presets = [
                            gr.Button(label, size="sm", min_width=90) for label in PRESETS
                        ]
                self.llm.build()
                with box("Steps and files"):
                    with gr.Row(elem_classes="inline"):
                        small: dict[str, Any] = {"size": "sm", "min_width": 110}
                        self.undo = gr.Button(
                            "Undo", elem_id="prompts-undo", interactive=False, **small
                        )
                        self.clear = gr.Button("Start over", elem_id="prompts-clear", **small)
                    with gr.Row(elem_classes="inline"):
                        self.save = gr.Button("Save as JSON", elem_id="prompts-save", **small)
                        self.load = gr.UploadButton(
                            "Load JSON", file_types=[".json"], elem_id="prompts-load", **small
                        )
            with gr.Column(scale=7, min_width=320, elem_classes="main"):
                self.effect = gr.HTML(elem_id="prompts-effect")
                self.label = gr.Button(
                    "Label now", elem_id="prompts-label", visible=False, variant="primary"
                )
                self.board = prompt_board(elem_id="prompts-board")
        self.file = gr.Textbox(visible=False)

    @property
    def outputs(self) -> dict[str, Any]:
        """The components that show the parts."""
        own = shown_by(self, "templates", "undo", "effect", "label", "board")
        return {**own, **self.llm.outputs}

    def wire(self, polling: Polling) -> None:
        """Connect events; whatever changes anything has the tab asked at once."""
        watched = polling.watch(self.parts, self.outputs)

        def after(trigger: Any, handler: Callable[..., Any], **more: Any) -> None:
            trigger(handler, **{"outputs": None, **PRIVATE, **more}).success(**watched.now)

        # Not `input`: a textbox raises it for keys that print, not for a paste or a backspace.
        # While one answer is on its way only the latest text waits for the next.
        after(
            self.templates.change, self.see_templates, trigger_mode="always_last",
            inputs=[self.templates, watched.shown], outputs=[self.fault], **POLL,
        )  # fmt: skip
        after(
            self.templates.blur, self.edit_templates,
            inputs=[self.templates], outputs=[self.fault], **POLL,
        )  # fmt: skip
        for button, templates in zip(self.presets, PRESETS.values(), strict=True):
            after(button.click, _preset(self, templates), outputs=[self.fault, self.templates])
        after(self.board.edit, self.edit_class, trigger_mode="multiple")
        after(self.undo.click, self.undo_edit)
        after(self.clear.click, self.start_over, outputs=[self.fault, self.templates])
        after(self.load.upload, single(self.take_file), inputs=[self.load], **RAW)
        after(self.label.click, self.label_now)
        self.save.click(self.to_json, outputs=[self.file], **PRIVATE).success(
            None, inputs=[self.file], js=SAVE, **PRIVATE
        )
        self.llm.wire(after, watched.shown)

    # What its buttons do ----------------------------------------------------------------------

    def see_templates(self, text: str, shown: dict[str, Any], request: gr.Request) -> Any:
        """The field changed: by its user, or by what the studio sent, which is no edit."""
        if not shown or shown.get("templates", text) == (text or ""):
            return gr.skip()
        return self.edit_templates(text, request)

    def edit_templates(self, text: str, request: gr.Request) -> str:
        """Take over the templates as typed; below the field stands what is wrong with them."""
        try:
            templates = parse_templates((text or "")[:_LONGEST_TEXT])
        except PromptError as error:
            return part("notice", str(error), kind="warn")
        self.session.prompts.edit(
            lambda old: old.with_templates(templates),
            what="templates",
            by=page_of(request, "prompts"),
        )
        return ""

    def use_templates(self, templates: tuple[str, ...]) -> list[str]:
        """Hand-written templates in the place of what stands there."""
        self.session.prompts.edit(
            lambda old: old.with_templates(templates), what=f"preset {templates}"
        )
        return ["", "\n".join(templates)]

    @guarded
    def edit_class(self, event: gr.EventData) -> None:
        """Take over the sentences of one class. What arrives may have been made up by anyone."""
        data = getattr(event, "_data", None)
        name, text = (data.get("name"), data.get("text")) if isinstance(data, dict) else ("", 0)
        names = self.session.data.state.names
        if not isinstance(text, str) or name not in names or len(text) > _LONGEST_TEXT:
            raise PromptError("That class is not among the names any more; open the tab again.")
        sentences = parse_sentences(text, where=str(name))
        self.session.prompts.edit(
            lambda old: old.with_sentences(str(name), sentences), what=f"class {name}"
        )

    def undo_edit(self) -> None:
        """Take the last edit back."""
        self.session.prompts.undo()

    def start_over(self) -> list[str]:
        """Back to the model's own template."""
        self.session.prompts.edit(lambda _: PromptSet(), what="start over")
        return ["", ""]

    @guarded
    def take_file(self, file: str | None) -> None:
        """Prompts from a JSON file."""
        with reading(file) as path:
            loaded = PromptSet.load(path)
        self.session.prompts.edit(lambda _: loaded, what=f"file {file}")

    def to_json(self) -> str:
        """The prompts as the text of a file; the model's own template is written out."""
        view = self.session.data.state
        prompts = view.prompts
        if not prompts.templates and view.preview is not None and view.preview.encoded is not None:
            prompts = prompts.with_templates([view.preview.encoded.template])
        return prompts.to_json()

    @guarded
    def label_now(self, request: gr.Request) -> None:
        """Let the model look at the images, so that effects can be shown."""
        data = self.session.data
        data.label(data.state.names_text, data.state.model, by=page_of(request, "prompts"))

    # How it looks -----------------------------------------------------------------------------

    def parts(self, shown: Any, request: gr.Request) -> dict[str, Part]:
        """Everything there is to see, see `fresh`."""
        view = self.session.data.state
        typed_here = bool(shown) and view.prompt_by == page_of(request, "prompts")
        # Labels that are on their way do not hide those that are there.
        labelled = view.preview is not None and not view.stale
        made_of = (
            id(view.preview), id(view.before), id(view.plain), id(view.prompts), view.names_text,
            view.model, view.stale,
        )  # fmt: skip
        can_label = view.folder is not None and bool(view.names) and not labelled
        can_label = can_label and not view.busy
        templates = "\n".join(view.prompts.templates)
        return {
            # By its text: what cannot be used yet stays in the field whatever else changes.
            "templates": (templates, gr.skip() if typed_here else field_of(templates)),
            "undo": (view.can_undo, gr.update(interactive=view.can_undo)),
            "effect": ((made_of, work_on(view)), Lazy(self._effect, view, labelled)),
            "label": (can_label, gr.update(visible=can_label)),
            "board": (made_of, Lazy(self._board, view, labelled)),
            **self.llm.parts(view, typed_here=typed_here),
        }

    def _board(self, view: DataState, labelled: bool) -> dict[str, Any]:
        return prompts.board(
            class_names=view.names,
            prompts=view.prompts,
            now=view.preview if labelled else None,
            before=view.before,
            plain=view.plain,
        )

    def _effect(self, view: DataState, labelled: bool) -> Markup:
        work = work_on(view)
        if work is not None:
            return render("page/progress.html", work=work)
        preview, folder, canvases = view.preview, view.folder, view.canvases
        if not labelled or preview is None or folder is None or canvases is None:
            return part("empty", _nothing(view))
        return prompts.effect(
            preview,
            before=view.before,
            plain=view.plain,
            doubt=view.doubt,
            picture=partial(self.session.pictures.small, folder, canvases),
            path=lambda i: folder.images[i].path,
            strangers=view.prompts.strangers(view.names),
        )


def _preset(tab: PromptsTab, templates: tuple[str, ...]) -> Callable[[], list[str]]:
    return lambda: tab.use_templates(templates)


def _nothing(view: DataState) -> str:
    """What to do while there are no labels to show an effect on."""
    if view.folder is None:
        return "Choose images on the Data tab first. Then this shows what each edit does."
    if not view.names:
        return "Name the classes on the Data tab first. Then this shows what each edit does."
    if view.preview is None:
        return "Press “Label now” once. Then this shows at once what each edit does."
    return "Names or model have changed since the images were labelled. Label them again."
