"""The form from which a run's settings are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from studio.errors import SettingsError
from studio.settings import Settings, describe
from studio.views.markup import details, esc

COMMON = {
    "phase1_epochs": "Phase I epochs",
    "phase2_epochs": "Phase II epochs",
    "k": "Seeds per class (k)",
    "inference": "Classifier",
}
"""Settings that have a field of their own, and its label; all others are typed as key=value."""


def common_fields() -> list[Any]:
    """A field for each common setting, from what `describe` says of it."""
    fields: list[Any] = []
    rows = {row.name: row for row in describe()}
    with gr.Row(elem_classes="inline"):
        for name, label in COMMON.items():
            row = rows[name]
            about: dict[str, Any] = {
                "label": label,
                "info": f"{row.help} [{row.source}]",
                "elem_id": f"setting-{name}",
                "min_width": 130,
            }
            if row.options:
                fields.append(gr.Dropdown(list(row.options), value=row.default, **about))
            else:
                fields.append(gr.Number(row.default, precision=0, minimum=0, **about))
    return fields


def settings_of(common: Sequence[Any], text: str, *, seed: Any) -> Settings:
    """Settings from the common fields, the lines of key=value and the seed.

    A line of text wins over a field.

    Raises:
        SettingsError: a line without `=`, or whatever Settings refuses; all faults at once.
    """
    overrides: dict[str, str] = {"seed": as_text(seed)}
    for name, value in zip(COMMON, common, strict=True):
        if value is not None:
            overrides[name] = as_text(value)
    for line in map(str.strip, text.splitlines()):
        if not line or line.startswith("#"):
            continue
        key, sign, value = line.partition("=")
        if not sign:
            raise SettingsError(f"Settings: {line[:60]!r} is not of the form key=value.")
        overrides[key.strip()] = value.strip()
    return Settings.from_overrides(overrides)


def as_text(value: Any) -> str:
    """A field's value as it would be typed: 3.0 becomes 3, an empty field becomes 0."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "0" if value is None else str(value)


def settings_list() -> str:
    """All settings with their defaults, meaning and source, folded away."""
    items = []
    for row in describe():
        options = f" Choices: {', '.join(map(str, row.options))}." if row.options else ""
        items.append(
            f"<dt><code>{esc(row.name)}={esc(row.typed_default)}</code>"
            f'<span class="quiet">{esc(row.source)}</span></dt><dd>{esc(row.help + options)}</dd>'
        )
    listed = (
        '<div class="table-wrap" tabindex="0" role="region" aria-label="All settings">'
        f'<dl class="all-settings">{"".join(items)}</dl></div>'
    )
    return details("All settings and where they come from", listed, key="settings-list")
