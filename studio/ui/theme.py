"""Colours, type and style sheet: calm, light and dark, system fonts only."""

from __future__ import annotations

import json

import gradio as gr
from gradio.themes.utils import colors, sizes

from studio.places import ASSETS

CSS = ASSETS / "studio.css"
ICON = ASSETS / "logo.svg"

_FONT = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans",
         "sans-serif")  # fmt: skip
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def theme() -> gr.themes.Base:
    """The theme, from assets/theme.json, where each colour is (light, dark); everything that
    gradio's variables do not reach is in assets/studio.css.
    """
    base = gr.themes.Base(
        primary_hue=colors.teal,
        secondary_hue=colors.teal,
        neutral_hue=colors.slate,
        radius_size=sizes.radius_md,
        text_size=sizes.text_md,
        spacing_size=sizes.spacing_md,
        font=_FONT,
        font_mono=_MONO,
    )
    values = json.loads((ASSETS / "theme.json").read_text(encoding="utf-8"))
    light = {name: colour for name, (colour, _) in values["colours"].items()}
    dark = {f"{name}_dark": colour for name, (_, colour) in values["colours"].items()}
    return base.set(**light, **dark, **values["forms"])
