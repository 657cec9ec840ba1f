"""HTML from the templates in assets/templates. What is put into them is escaped by default.

`render` gives `Markup`, text that is known to be HTML and that another template takes as it is;
every other text is escaped, so that a file called `<b>` stays a name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from studio.views import numbers

_TEMPLATES = Path(__file__).resolve().parents[2] / "assets" / "templates"

_environment = Environment(
    loader=FileSystemLoader(_TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,  # a name that a template does not get is a bug, not an empty text
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=False,
)
_environment.filters.update(
    count=numbers.count, duration=numbers.duration, percent=numbers.percent, plural=numbers.plural
)
_environment.globals.update(UNKNOWN=numbers.UNKNOWN)


def render(template: str, **values: Any) -> Markup:
    """A template of assets/templates filled in, e.g. `render("data/folder.html", folder=folder)`.

    Numbers are written by the filters `count`, `duration`, `percent` and `plural` of
    `views.numbers`; the pieces that all tabs share are macros in parts.html.
    """
    return Markup(_environment.get_template(template).render(**values))
