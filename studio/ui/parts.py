"""Building blocks of the page that gradio does not have: curves, things to pick, a dialog.

They are functions rather than subclasses of gr.HTML: for a subclass, gradio writes a .pyi file
beside its source.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import gradio as gr

from studio.analysis.gallery import Page
from studio.clip.presets import PRESETS
from studio.errors import StudioError
from studio.numbers import index_of
from studio.places import ASSETS
from studio.views.render import render

_P = ParamSpec("_P")
_T = TypeVar("_T")


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

KEY_TYPED = "A key was typed; it is kept in memory until the studio ends, and written nowhere."
KEY_FOR_ONE_CALL = "Your own key; it is used for this call only, and kept nowhere."
"""Where a key that was typed is kept; the second where strangers share the page."""


def script(*names: str) -> str:
    """Scripts of assets/ one after the other, as `js_on_load` of one component."""
    return "\n".join((ASSETS / f"{name}.js").read_text(encoding="utf-8") for name in names)


def plotly_file() -> Path:
    """plotly.js as it lies in the installed wheel of plotly, found without importing it."""
    spec = importlib.util.find_spec("plotly")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("plotly is missing: python -m pip install -r requirements.txt")
    return Path(spec.submodule_search_locations[0]) / "package_data" / "plotly.min.js"


def file_url(path: Path, *, root: str = "") -> str:
    """Address of a file in a served folder, relative to the page unless there is a root path."""
    return f"{root}/gradio_api/file={path.as_posix()}".lstrip("" if root else "/")


def curve_board(**kwargs: Any) -> gr.HTML:
    """Figures of `views.figures` drawn by plotly.js; its value is {"figures": [], "empty": text}.

    gr.Plot is not used: it brings a second plotly.js, forgets the zoom at each update and has a
    button that sends the data to a cloud service.
    """
    return gr.HTML(
        value={"figures": [], "empty": ""},
        html_template='<div class="curves"></div>',
        js_on_load=script("curves"),
        head=f'<script src="{file_url(plotly_file())}"></script>',
        **kwargs,
    )


def pick_list(value: str = "", **kwargs: Any) -> gr.HTML:
    """HTML in which elements with `data-pick` raise `select`, with {"pick": text} as event data.

    Its `details` stay open over updates, as in `folding`. What arrives may have been made up by
    anyone: handlers check it with `picked`.
    """
    return gr.HTML(value=value, js_on_load=script("pick", "keep"), **kwargs)


def check_list(value: str = "", **kwargs: Any) -> gr.HTML:
    """HTML with a table of boxes (`data-check`) that raise `select`, with {"checks": [text]}.

    The table's data-most says how many can be ticked. Handlers check what arrives with `checked`.
    """
    return gr.HTML(value=value, js_on_load=script("check"), **kwargs)


def prompt_board(**kwargs: Any) -> gr.HTML:
    """The table of `views.prompts.board`, edited in place: raises `edit` with {"name", "text"}."""
    return gr.HTML(
        value={"rows": [], "longest": 0},
        html_template=render("prompts/board.html"),
        js_on_load=script("prompts"),
        **kwargs,
    )


@contextmanager
def box(title: str, **kwargs: Any) -> Iterator[gr.Column]:
    """A framed column with a heading; fields go into it."""
    with gr.Column(elem_classes=["box", *kwargs.pop("elem_classes", [])], **kwargs) as column:
        gr.HTML(render("page/title.html", title=title))
        yield column


class Pager:
    """Buttons that turn the pages of a list, and which part of it is shown. `name` begins their
    ids: NAME-back, NAME-where, NAME-on.
    """

    def __init__(self, name: str) -> None:
        turn: dict[str, Any] = {"size": "sm", "min_width": 90, "interactive": False}
        with gr.Row(elem_classes="inline pager"):
            self.back = gr.Button("Previous", elem_id=f"{name}-back", **turn)
            self.where = gr.HTML(elem_id=f"{name}-where")
            self.on = gr.Button("Next", elem_id=f"{name}-on", **turn)
        self.outputs: list[Any] = [self.where, self.back, self.on]

    @staticmethod
    def show(page: Page[Any]) -> tuple[str, Any, Any]:
        """What `outputs` show beside a page."""
        return (
            render("page/where.html", where=page.label),
            gr.update(interactive=page.number > 0),
            gr.update(interactive=page.number < page.pages - 1),
        )


def hidden_text(value: str = "") -> gr.Textbox:
    """A text that is on the page for its events alone: unlike a gr.State, scripts can change it."""
    return gr.Textbox(value, visible="hidden", show_label=False, container=False)


def model_field(models: Sequence[str], *, elem_id: str, listed: bool = False) -> gr.Dropdown:
    """A field for the model, closed until it shows what the studio knows, see `field_of`.

    listed: only those of the list are taken, as where strangers share the page.
    """
    local = "" if listed else "Or a local checkpoint: its folder, or ARCHITECTURE=FILE.safetensors."
    return gr.Dropdown(
        list(models),
        value=models[0],
        interactive=False,
        label="Model",
        allow_custom_value=not listed,
        elem_id=elem_id,
        info="`embedded` needs no network. Others are fetched first. "
        + "".join(
            f"`{name}` is for research only ({facts.licence}). "
            for name, facts in PRESETS.items()
            if facts.research_only
        )
        + local,
    )


def line(label: str, *, elem_id: str, **kwargs: Any) -> gr.Textbox:
    """A field for a single line of text."""
    return gr.Textbox(label=label, elem_id=elem_id, max_lines=1, **kwargs)


def folding(value: str = "", **kwargs: Any) -> gr.HTML:
    """HTML whose `details` elements stay open over updates, by their data-keep."""
    return gr.HTML(value=value, js_on_load=script("keep"), **kwargs)


def dialog(*, label: str, **kwargs: Any) -> gr.HTML:
    """HTML in a modal dialog that opens whenever the value changes to something."""
    return gr.HTML(
        value="",
        html_template=render("page/dialog.html"),
        js_on_load=script("dialog"),
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
    return index_of(picked(event), length)


class Lazy:
    """A value that is computed only when it is sent."""

    def __init__(self, make: Any, *args: Any) -> None:
        self._make, self._args = make, args

    def __call__(self) -> Any:
        """The value."""
        return self._make(*self._args)


Part = tuple[Any, Any]
"""What tells whether a part of the page has changed, and what it shows, which may be Lazy."""


Shown = dict[str, Any]
"""What a page has of a tab: name of a part -> its mark. Kept in a gr.State."""


def changed(shown: Any, parts: Mapping[str, Part]) -> dict[str, Part]:
    """The parts whose mark is not the one that the page has. shown: see `Shown`; it may be junk."""
    seen = shown if isinstance(shown, dict) else {}
    return {n: part for n, part in parts.items() if n not in seen or seen[n] != part[0]}


def fresh(shown: Any, parts: Mapping[str, Part]) -> tuple[Shown, dict[str, Any]]:
    """Of many parts, only those that changed since the page was last told.

    Returns:
        The new `shown`, and the values to send, by name; a Lazy one is made only here.
    """
    new = changed(shown, parts)
    values = {n: value() if isinstance(value, Lazy) else value for n, (_, value) in new.items()}
    return {name: mark for name, (mark, _) in parts.items()}, values


def guard(work: Callable[[], Any]) -> Any:
    """Do it; what a user can put right is shown as one line, and nothing that was typed is lost."""
    try:
        return work()
    except StudioError as error:
        raise gr.Error(
            str(error), duration=8, print_exception=False, title="Please check"
        ) from None


def guarded(handler: Callable[_P, _T]) -> Callable[_P, _T]:
    """A handler that works as in `guard`."""

    @wraps(handler)
    def work(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        made: _T = guard(lambda: handler(*args, **kwargs))
        return made

    return work


def shown_by(tab: object, *names: str) -> dict[str, Any]:
    """The components of a tab that show the parts of these names, see `Part`."""
    return {name: getattr(tab, name) for name in names}


def page_of(request: gr.Request | None, tab: str) -> str:
    """What tells one tab of one open page from all others; empty outside of a browser."""
    page = str(getattr(request, "session_hash", "") or "")
    return f"{page}/{tab}" if page else "nobody"


def field_of(value: str) -> Any:
    """What a field shows. Fields take no text before they show what the studio knows, or the first
    answer would overwrite what was typed meanwhile.
    """
    return gr.update(value=value, interactive=True)
