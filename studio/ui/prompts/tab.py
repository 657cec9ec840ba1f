"""The Prompts tab: templates and sentences, by hand or by a language model, and their effect."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from studio.errors import PromptError
from studio.prompts.prompt_set import PromptSet, parse_sentences, parse_templates
from studio.prompts.templates import TEMPLATES
from studio.session.preview import Preview
from studio.session.session import Session
from studio.session.state import DataState
from studio.ui.parts import POLL, PRIVATE, Lazy, Part, field_of, fresh, guard, page_of, prompt_board
from studio.ui.polling import Polling
from studio.ui.prompts.llm import LlmBox
from studio.views import prompts as look
from studio.views.markup import empty, notice, progress

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


class PromptsTab:
    """Builds the tab; handlers are methods, so that tests call them without a browser."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.llm = LlmBox(session)

    # What is on it ----------------------------------------------------------------------------

    def build(self) -> None:
        """Lay the tab out, inside of gr.Tab."""
        with gr.Row(elem_classes="columns"):
            with gr.Column(scale=4, min_width=300, elem_classes="side"):
                with gr.Column(elem_classes="box"):
                    gr.HTML('<h3 class="box-title">Templates</h3>')
                    self.templates = gr.Textbox(
                        label="One a line; {} stands for the class name",
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
                with gr.Column(elem_classes="box"):
                    gr.HTML('<h3 class="box-title">Steps and files</h3>')
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
                    "Label the images", elem_id="prompts-label", visible=False, variant="primary"
                )
                self.board = prompt_board(elem_id="prompts-board")
        self.file = gr.Textbox(visible=False)
        self.shown = gr.State({})
        self.outputs: list[Any] = [
            self.shown, self.templates, self.undo, self.effect, self.label, self.board,
            *self.llm.outputs,
        ]  # fmt: skip

    def wire(self, beat: Polling) -> None:
        """Connect events; whatever changes anything has the tab asked at once."""
        poll = {"fn": self.poll, "inputs": [self.shown], "outputs": self.outputs, **POLL}
        ask = beat.watch(self.parts, poll)

        def after(trigger: Any, handler: Callable[..., Any], **more: Any) -> None:
            trigger(handler, **{"outputs": None, **PRIVATE, **more}).success(**ask)

        # Not `input`: a textbox raises it for keys that print, not for a paste or a backspace.
        # While one answer is on its way only the latest text waits for the next.
        after(
            self.templates.change, self.see_templates, trigger_mode="always_last",
            inputs=[self.templates, self.shown], outputs=[self.fault], **POLL,
        )  # fmt: skip
        after(
            self.templates.blur, self.edit_templates,
            inputs=[self.templates], outputs=[self.fault], **POLL,
        )  # fmt: skip
        for button, templates in zip(self.presets, PRESETS.values(), strict=True):
            after(button.click, _preset(self, templates), outputs=[self.fault, self.templates])
        after(self.board.edit, self.edit_class, trigger_mode="multiple")
        after(self.undo.click, self.session.prompts.undo)
        after(self.clear.click, self.start_over, outputs=[self.fault, self.templates])
        after(self.load.upload, self.take_file, inputs=[self.load])
        after(self.label.click, self.label_now)
        self.save.click(self.to_json, outputs=[self.file], **PRIVATE).success(
            None, inputs=[self.file], js=SAVE, **PRIVATE
        )
        self.llm.wire(after, self.shown)

    # What its buttons do ----------------------------------------------------------------------

    def see_templates(self, text: str, shown: dict[str, Any], request: gr.Request) -> Any:
        """The field changed: by its user, or by what the studio sent, which is no edit."""
        if not shown or shown.get("templates", text) == (text or ""):
            return gr.skip()
        return self.edit_templates(text, request)

    def edit_templates(self, text: str, request: gr.Request) -> str:
        """Take over the templates as typed; what is wrong with them is said below the field."""
        try:
            templates = parse_templates((text or "")[:_LONGEST_TEXT])
        except PromptError as error:
            return notice(str(error), kind="warn")
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

    def edit_class(self, event: gr.EventData) -> None:
        """Take over the sentences of one class. What arrives may have been made up by anyone."""

        def work() -> None:
            data = getattr(event, "_data", None)
            name, text = (data.get("name"), data.get("text")) if isinstance(data, dict) else ("", 0)
            names = self.session.data.state.names
            if not isinstance(text, str) or name not in names or len(text) > _LONGEST_TEXT:
                raise PromptError("That class is not among the names any more; open the tab again.")
            sentences = parse_sentences(text, where=str(name))
            self.session.prompts.edit(
                lambda old: old.with_sentences(str(name), sentences), what=f"class {name}"
            )

        guard(work)

    def start_over(self) -> list[str]:
        """Back to the model's own template."""
        self.session.prompts.edit(lambda _: PromptSet(), what="start over")
        return ["", ""]

    def take_file(self, file: str | None) -> None:
        """Prompts from a JSON file."""

        def work() -> None:
            if not file:
                raise PromptError("That file did not arrive; try again.")
            loaded = PromptSet.load(Path(file))
            self.session.prompts.edit(lambda _: loaded, what=f"file {file}")

        guard(work)

    def to_json(self) -> str:
        """The prompts as the text of a file; the model's own template is written out."""
        view = self.session.data.state
        prompts = view.prompts
        if not prompts.templates and view.preview is not None and view.preview.sight is not None:
            prompts = prompts.with_templates([view.preview.sight.template])
        return prompts.to_json()

    def label_now(self, request: gr.Request) -> None:
        """Let the model look at the images, so that effects can be shown."""
        data = self.session.data
        by = page_of(request, "prompts")
        guard(lambda: data.label(data.state.names_text, data.state.model, by=by))

    # How it looks -----------------------------------------------------------------------------

    def poll(self, shown: dict[str, Any], request: gr.Request) -> list[Any]:
        """Everything that has changed since this page last asked."""
        return fresh(shown, **self.parts(shown, request))

    def parts(self, shown: dict[str, Any], request: gr.Request) -> dict[str, Part]:
        """Everything there is to see."""
        view = self.session.data.state
        mine = bool(shown) and view.prompt_by == page_of(request, "prompts")
        # Labels that are on their way do not hide those that are there.
        seen = view.preview is not None and not view.stale
        mark = (
            id(view.preview), id(view.before), id(view.plain), id(view.prompts), view.names_text,
            view.model, view.stale, view.busy, view.done,
        )  # fmt: skip
        can_label = view.folder is not None and bool(view.names) and not seen and not view.busy
        templates = "\n".join(view.prompts.templates)
        return dict(
            # By its text: what cannot be used yet stays in the field whatever else changes.
            templates=(templates, gr.skip() if mine else field_of(templates)),
            undo=(view.can_undo, gr.update(interactive=view.can_undo)),
            effect=(mark, Lazy(self._effect, view, seen)),
            label=(can_label, gr.update(visible=can_label)),
            board=(mark[:7], Lazy(self._board, view, seen)),
            **self.llm.fresh(view, mine=mine),
        )

    def _board(self, view: DataState, seen: bool) -> dict[str, Any]:
        return look.board(
            class_names=view.names,
            prompts=view.prompts,
            now=_labels(view.preview) if seen else None,
            before=_labels(view.before) if seen else None,
            plain=_labels(view.plain) if seen else None,
        )

    def _effect(self, view: DataState, seen: bool) -> str:
        if view.busy:
            detail = f"{view.done:,} of {view.total:,} images" if view.total else ""
            return progress(view.done, view.total, label=view.busy, detail=detail)
        preview, folder, canvases = view.preview, view.folder, view.canvases
        now = _labels(preview)
        if not seen or preview is None or folder is None or canvases is None or now is None:
            return empty(_nothing(view))
        return look.effect(
            class_names=preview.class_names,
            now=now,
            before=_labels(view.before),
            plain=_labels(view.plain),
            own=not preview.prompts.is_default,
            summary=preview.prompts.summary(),
            verdict=view.doubt,
            picture=lambda i: self.session.picture(folder, canvases, i),
            path=lambda i: folder.images[i].path,
            cut_short=preview.cut_short,
            strangers=view.prompts.strangers(view.names),
        )


def _preset(tab: PromptsTab, templates: tuple[str, ...]) -> Callable[[], list[str]]:
    return lambda: tab.use_templates(templates)


def _labels(preview: Preview | None) -> look.Labels | None:
    if preview is None:
        return None
    return look.Labels(preview.labels, preview.confidence, preview.accuracy, preview.estimate)


def _nothing(view: DataState) -> str:
    """What to do while there are no labels to show an effect on."""
    if view.folder is None:
        return "Choose images on the Data tab first; then each edit shows here what it does."
    if not view.names:
        return "Name the classes on the Data tab first; then each edit shows here what it does."
    if view.preview is None:
        return "Let the model look at the images once; then each edit is answered at once."
    return "Names or model have changed since the model looked at the images; label them again."
