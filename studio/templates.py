"""HTML from the templates in assets/templates. What is put into them is escaped by default.

`render` gives `Markup`, text that is known to be HTML and that another template takes as it is;
every other text is escaped, so that a file called `<b>` stays a name.
"""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from studio import numbers
from studio.places import ASSETS

_TEMPLATES = ASSETS / "templates"

_environment = Environment(
    loader=FileSystemLoader(_TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,  # a name that a template does not get is a bug, not an empty text
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=False,
)
for _filter in (
    numbers.about, numbers.count, numbers.duration, numbers.interval, numbers.percent,
    numbers.plural, numbers.size, numbers.slug, numbers.width,
):  # fmt: skip
    _environment.filters[_filter.__name__] = _filter
_environment.globals.update(UNKNOWN=numbers.UNKNOWN)


def render(template: str, **values: Any) -> Markup:
    """A template of assets/templates filled in, e.g. `render("data/folder.html", folder=folder)`.

    Numbers are written by the filters `count`, `duration`, `percent` and `plural` of
    `studio.numbers`; the pieces that all tabs share are macros in parts.html.
    """
    return Markup(_environment.get_template(template).render(**values))


def part(name: str, *args: Any, **values: Any) -> Markup:
    """One of the pieces in parts.html by itself, e.g. `part("notice", text, kind="warn")`."""
    return Markup(getattr(_environment.get_template("parts.html").module, name)(*args, **values))
