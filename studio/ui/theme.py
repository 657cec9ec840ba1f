"""Colours, type and style sheet: calm, light and dark, system fonts only."""

from __future__ import annotations

import gradio as gr
from gradio.themes.utils import colors, sizes

from studio.ui.parts import ASSETS

CSS = ASSETS / "studio.css"
ICON = ASSETS / "logo.svg"

_FONT = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans",
         "sans-serif")  # fmt: skip
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

_COLOURS = {  # (light, dark)
    "body_background_fill": ("#f5f7f8", "#0f1418"),
    "body_text_color": ("#17212b", "#e4e9ee"),
    "body_text_color_subdued": ("#54616e", "#9fadb9"),
    "background_fill_primary": ("#ffffff", "#161d23"),
    "background_fill_secondary": ("#f5f7f8", "#1b242b"),
    "border_color_primary": ("#dfe4e8", "#2b363f"),
    "border_color_accent": ("#0f766e", "#2dd4bf"),
    "color_accent_soft": ("#e3f4f1", "#12332f"),
    "link_text_color": ("#0f766e", "#5eead4"),
    "block_background_fill": ("#ffffff", "#161d23"),
    "block_border_color": ("#dfe4e8", "#2b363f"),
    "block_label_background_fill": ("transparent", "transparent"),
    "block_label_text_color": ("#54616e", "#9fadb9"),
    "block_title_text_color": ("#17212b", "#e4e9ee"),
    "block_info_text_color": ("#54616e", "#9fadb9"),
    "input_background_fill": ("#ffffff", "#11171c"),
    "input_border_color": ("#c6ced5", "#3a4650"),
    "input_border_color_focus": ("#0f766e", "#2dd4bf"),
    "input_shadow_focus": ("0 0 0 3px #0f766e2e", "0 0 0 3px #2dd4bf33"),
    "input_placeholder_color": ("#6b7885", "#84929e"),
    "button_primary_background_fill": ("#0f766e", "#2dd4bf"),
    "button_primary_background_fill_hover": ("#115e59", "#5eead4"),
    "button_primary_border_color": ("#0f766e", "#2dd4bf"),
    "button_primary_text_color": ("#ffffff", "#06231f"),
    "button_secondary_background_fill": ("#ffffff", "#1b242b"),
    "button_secondary_background_fill_hover": ("#eef2f4", "#25303a"),
    "button_secondary_border_color": ("#c6ced5", "#3a4650"),
    "button_secondary_text_color": ("#17212b", "#e4e9ee"),
    "button_cancel_background_fill": ("#ffffff", "#1b242b"),
    "button_cancel_background_fill_hover": ("#fdf0ec", "#38211b"),
    "button_cancel_border_color": ("#c2410c", "#fb923c"),
    "button_cancel_text_color": ("#9a3412", "#fdba74"),
    "checkbox_background_color_selected": ("#0f766e", "#14b8a6"),
    "checkbox_border_color_selected": ("#0f766e", "#14b8a6"),
    "slider_color": ("#0f766e", "#2dd4bf"),
}
_FORMS = {
    "color_accent": "#0f766e",
    "block_border_width": "1px",
    "block_shadow": "none",
    "block_label_border_width": "0px",
    "block_title_text_weight": "600",
    "block_title_text_size": "*text_sm",
    "button_border_width": "1px",
    "button_large_text_size": "*text_md",
    "button_large_padding": "10px 14px",
    "button_large_text_weight": "600",
    "button_medium_text_size": "*text_md",
    "button_small_text_size": "*text_sm",
    "button_small_padding": "6px 12px",
    "input_border_width": "1px",
    "input_border_width_dark": "1px",
    "input_padding": "9px 12px",
    "layout_gap": "16px",
}


def theme() -> gr.themes.Base:
    """The theme; everything that gradio's variables do not reach is in assets/studio.css."""
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
    light = {name: colour for name, (colour, _) in _COLOURS.items()}
    dark = {f"{name}_dark": colour for name, (_, colour) in _COLOURS.items()}
    return base.set(**light, **dark, **_FORMS)
