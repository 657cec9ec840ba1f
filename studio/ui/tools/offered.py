"""The tools as addresses of the server and as tools of its MCP server."""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
from collections.abc import Callable
from functools import wraps
from typing import Any

import gradio as gr
from gradio.events import api

from studio.errors import StudioError
from studio.export.formats import FORMATS
from studio.methods import METHODS
from studio.session.options import Options
from studio.session.rooms import Whose
from studio.settings import describe
from studio.ui.tools.advice import for_programs
from studio.ui.tools.images import ImageTools
from studio.ui.tools.runs import RunTools

_RUNS = ("list_models", "list_runs", "open_folder", "fit", "status", "stop")
_IMAGES = ("labels", "noisy", "search", "suggest", "picture", "correct", "predict", "export")
NAMES = _RUNS + _IMAGES
"""Of all tools; nothing else of the page can be called by name."""

_ARGUMENT = re.compile(r" {4}\w+: ")
"""The first line about an argument; what goes on with it stands further in."""

MISSING = 'The MCP server needs a package that is not here: pip install "mcp>=1.21,<2".'
STRANGERS = (
    "--mcp is for a studio of your own: strangers share this one, and a program has no room there."
)


def check_tools(options: Options) -> None:
    """Whether the tools can be offered.

    Raises:
        StudioError: Strangers share the page, or the package for it is missing.
    """
    if options.public:
        raise StudioError(STRANGERS)
    if importlib.util.find_spec("mcp") is None:
        raise StudioError(MISSING)


def offer(session: Whose) -> None:
    """Register all tools, inside of the page."""
    runs, images = RunTools(session), ImageTools(session)
    for owner, names in ((runs, _RUNS), (images, _IMAGES)):
        for name in names:
            # Not in gradio's queue: the answer is the request's own, and nobody has to listen.
            api(described(getattr(owner, name)), api_name=name, queue=False)


def described(tool: Callable[..., Any]) -> Callable[..., Any]:
    """A tool with its docstring as gradio reads them: it takes one line for each argument. What it
    raises names tools, see `advice`.
    """

    @wraps(tool)
    def same(*args: Any, **kwargs: Any) -> Any:
        try:
            return tool(*args, **kwargs)
        except StudioError as error:
            raise StudioError(for_programs(str(error))) from error

    # With types in place of their names: gradio counts the parts of an answer by them.
    same.__signature__ = inspect.signature(tool, eval_str=True)  # type: ignore[attr-defined]
    lines = [""]
    for line in (inspect.getdoc(tool) or "").splitlines():
        goes_on = line.startswith("    ") and not _ARGUMENT.match(line)
        if goes_on and lines[-1].startswith("    "):
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line)
    settings = ", ".join(setting.name for setting in describe())
    listed = {
        "FORMATS": ", ".join(FORMATS), "METHODS": ", ".join(METHODS), "SETTINGS": settings,
    }  # fmt: skip
    same.__doc__ = "\n".join(lines[1:])
    for word, names in listed.items():
        same.__doc__ = same.__doc__.replace(f"One of {word}", f"One of {names}")
    return same


def speak_json(page: gr.Blocks) -> None:
    """Have the MCP server of a page that was launched answer in JSON, as the addresses do.

    Its own way is Python's spelling of an answer, in which a program cannot read None.
    """
    server = page.mcp_server_obj
    if server is None:
        raise StudioError(f"The MCP server did not start: {getattr(page, 'mcp_error', '')}")
    as_content: Callable[..., list[Any]] = server.postprocess_output_data

    def content(data: Any, root_url: str) -> list[Any]:
        return as_content([_spelled(output) for output in data], root_url)

    server.postprocess_output_data = content  # type: ignore[method-assign]


def _spelled(output: Any) -> Any:
    """JSON of what is no picture."""
    picture = isinstance(output, dict) and isinstance(output.get("meta"), dict)
    return output if picture else json.dumps(output, ensure_ascii=False)
