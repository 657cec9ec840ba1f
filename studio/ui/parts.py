"""Building blocks of the page that gradio does not have: curves, things to pick, a dialog.

They are functions rather than subclasses of gr.HTML: for a subclass, gradio writes a .pyi file
beside its source.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from studio.errors import StudioError

ASSETS = Path(__file__).resolve().parents[2] / "assets"

PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
"""For events that are plumbing of the page: no entry in the API, no spinner."""

UNCHECKED: dict[str, Any] = {**PRIVATE, "preprocess": False}
"""For inputs whose choices the studio itself changes (runs, classes, what can be corrected): gradio
refuses a value that is among the choices of the page but not yet, or not any more, among its own.
Their handlers check what they are given.
"""

POLL: dict[str, Any] = {**PRIVATE, "queue": False}
"""For what is quick and need not wait behind anything: asking how things stand, telling what was
typed.
"""


def _script(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def plotly_file() -> Path:
    """plotly.js as it lies in the installed wheel of plotly, found without importing it."""
    spec = importlib.util.find_spec("plotly")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("plotly is missing: python -m pip install -r requirements.txt")
    return Path(spec.submodule_search_locations[0]) / "package_data" / "plotly.min.js"


def file_url(path: Path) -> str:
    """Address of a file in a served folder, relative to the page, so that any root path works."""
    return f"gradio_api/file={path.as_posix()}"


def curve_board(**kwargs: Any) -> gr.HTML:
    """Figures of `views.figures` drawn by plotly.js; its value is {"figures": [], "empty": text}.

    gr.Plot is not used: it brings a second plotly.js, forgets the zoom at each update and has a
    button that sends the data to a cloud service.
    """
    return gr.HTML(
        value={"figures": [], "empty": ""},
        html_template='<div class="curves"></div>',
        js_on_load=_script("curves.js"),
        head=f'<script src="{file_url(plotly_file())}"></script>',
        **kwargs,
    )


def pick_list(value: str = "", **kwargs: Any) -> gr.HTML:
    """HTML in which elements with `data-pick` raise `select`, with {"pick": text} as event data.

    Its `details` stay open over updates, as in `folding`. What arrives may have been made up by
    anyone: handlers check it with `picked`.
    """
    return gr.HTML(value=value, js_on_load=_script("pick.js") + _script("keep.js"), **kwargs)


def check_list(value: str = "", **kwargs: Any) -> gr.HTML:
    """HTML with a table of boxes (`data-check`) that raise `select`, with {"checks": [text]}.

    The table's data-most says how many can be ticked. Handlers check what arrives with `checked`.
    """
    return gr.HTML(value=value, js_on_load=_script("check.js"), **kwargs)


def prompt_board(**kwargs: Any) -> gr.HTML:
    """The table of `views.prompts.board`, edited in place: raises `edit` with {"name", "text"}."""
    return gr.HTML(
        value={"rows": [], "longest": 0},
        html_template=(
            '<section class="panel prompt-board" hidden><h3>Sentences of each class</h3>'
            '<p class="quiet">One a line, as many as you like; they are read besides the '
            'templates. Labels follow while you type. <span class="prompt-note"></span></p>'
            '<div class="prompt-tools"><label>Find a class <input type="search"></label></div>'
            '<ul class="prompt-rows"></ul><button class="link prompt-more"></button></section>'
        ),
        js_on_load=_script("prompts.js"),
        **kwargs,
    )


def hidden_text(value: str = "") -> gr.Textbox:
    """A text that is on the page for its events alone: unlike a gr.State, scripts can change it."""
    return gr.Textbox(value, visible="hidden", show_label=False, container=False)


def folding(value: str = "", **kwargs: Any) -> gr.HTML:
    """HTML whose `details` elements stay open over updates, by their data-keep."""
    return gr.HTML(value=value, js_on_load=_script("keep.js"), **kwargs)


def dialog(*, label: str, **kwargs: Any) -> gr.HTML:
    """HTML in a modal dialog that opens whenever the value changes to something."""
    return gr.HTML(
        value="",
        html_template=(
            '<dialog class="dialog" aria-label="${label}"><form method="dialog">'
            '<button class="dialog-close">Close</button></form>'
            '<div class="dialog-body">${value}</div></dialog>'
        ),
        js_on_load=_script("dialog.js"),
        label=label,
        **kwargs,
    )


def picked(event: gr.EventData) -> str:
    """The text of what was picked; empty when the event data is not what our page sends."""
    data = getattr(event, "_data", None)
    value = data.get("pick") if isinstance(data, dict) else None
    return value if isinstance(value, str) and len(value) <= 200 else ""


def checked(event: gr.EventData) -> list[str]:
    """The texts of the ticked boxes, at most 100; empty when it is not what our page sends."""
    data = getattr(event, "_data", None)
    values = data.get("checks") if isinstance(data, dict) else None
    if not isinstance(values, list):
        return []
    return [value for value in values[:100] if isinstance(value, str) and len(value) <= 200]


def picked_index(event: gr.EventData, length: int) -> int | None:
    """A picked index in [0, length); None when the event data is anything else."""
    text = picked(event)
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        return None
    return int(text) if int(text) < length else None


class Lazy:
    """A value that is computed only when it is sent."""

    def __init__(self, make: Any, *args: Any) -> None:
        self._make, self._args = make, args

    def __call__(self) -> Any:
        """The value."""
        return self._make(*self._args)


Part = tuple[Any, Any]
"""What tells whether a part of the page has changed, and what it shows, which may be Lazy."""


def is_fresh(shown: Any, **values: Part) -> bool:
    """Whether the page has all of them as they are: `fresh` would send nothing."""
    known = shown if isinstance(shown, dict) else {}
    return all(name in known and known[name] == mark for name, (mark, _) in values.items())


def fresh(shown: Any, **values: Part) -> list[Any]:
    """Of many outputs, send only those that changed since this page was last told.

    Args:
        shown: what the page has: the first output of the last call, kept in a gr.State.
        values: output name -> (mark, value); a value is sent, and a Lazy one is made, when its mark
            differs from the last.

    Returns:
        The new `shown`, then the outputs in the order given, unchanged ones skipped.
    """
    known = shown if isinstance(shown, dict) else {}
    outputs: list[Any] = [{**known, **{name: mark for name, (mark, _) in values.items()}}]
    for name, (mark, value) in values.items():
        if name in known and known[name] == mark:
            outputs.append(gr.skip())
        else:
            outputs.append(value() if isinstance(value, Lazy) else value)
    return outputs


MODEL_INFO = (
    "`embedded` needs no network. Or a local checkpoint: its folder, or "
    "ARCHITECTURE=FILE.safetensors."
)


def guard(work: Callable[[], Any]) -> Any:
    """Do it; what a user can put right is shown as one line, and nothing that was typed is lost."""
    try:
        return work()
    except StudioError as error:
        raise gr.Error(
            str(error), duration=8, print_exception=False, title="Please check"
        ) from None


def page_of(request: gr.Request | None, tab: str) -> str:
    """What tells one tab of one open page from all others; empty outside of a browser."""
    page = str(getattr(request, "session_hash", "") or "")
    return f"{page}/{tab}" if page else "nobody"


def field_of(value: str) -> Any:
    """What a field shows. Fields take no text before they show what the studio knows, or the first
    answer would overwrite what was typed meanwhile.
    """
    return gr.update(value=value, interactive=True)
