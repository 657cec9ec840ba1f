"""The form from which a run is made: its fields, and what was typed into them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from markupsafe import Markup

from studio.errors import SettingsError
from studio.settings import Settings, describe
from studio.ui.parts import MODEL_INFO
from studio.views import runs
from studio.views.render import render

COMMON = {
    "phase1_epochs": "Phase I epochs",
    "phase2_epochs": "Phase II epochs",
    "k": "Seeds per class (k)",
    "inference": "Classifier",
}
"""Settings that have a field of their own, and its label; all others are typed as key=value."""


@dataclass(frozen=True)
class RunForm:
    """What was typed. given: whether the run uses what was corrected before any training; common:
    the fields of `COMMON` by name; others: lines of key=value, which win over a field.
    """

    names: str = ""
    model: str = ""
    method: str = "coft"
    name: str = ""
    seed: Any = 0
    given: bool = True
    common: Mapping[str, Any] = field(default_factory=dict)
    others: str = ""

    def settings(self) -> Settings:
        """The settings.

        Raises:
            SettingsError: a line without `=`, or whatever Settings refuses; all faults at once.
        """
        overrides = {"seed": as_text(self.seed)}
        for name, value in self.common.items():
            if value is not None:
                overrides[name] = as_text(value)
        for line in map(str.strip, (self.others or "").splitlines()):
            if not line or line.startswith("#"):
                continue
            key, sign, value = line.partition("=")
            if not sign:
                raise SettingsError(f"Settings: {line[:60]!r} is not of the form key=value.")
            overrides[key.strip()] = value.strip()
        return Settings.from_overrides(overrides)


class FormFields:
    """The fields, laid out where this is made. names: the class names, a field of the Data tab."""

    def __init__(self, models: Sequence[str], names: gr.Textbox) -> None:
        self.names = names
        self.method = gr.Dropdown(
            runs.method_choices(),
            value="coft",
            label="Method",
            elem_id="method",
            info="CoFT+ adds momentum contrast. The others are there to compare with.",
        )
        self.model = gr.Dropdown(
            list(models),
            value=models[0],
            label="Model",
            allow_custom_value=True,
            interactive=False,
            elem_id="train-model",
            info=MODEL_INFO,
        )
        with gr.Row(elem_classes="inline"):
            self.name = gr.Textbox(
                label="Name",
                placeholder="from the folder",
                max_lines=1,
                elem_id="run-name",
                scale=3,
                min_width=130,
            )
            self.seed = gr.Number(
                0, label="Seed", precision=0, minimum=0, elem_id="seed", scale=1, min_width=90
            )
        # A label from the start: gradio shows none that comes later where there was none.
        self.given = gr.Checkbox(
            True, label="Use", visible=False, elem_id="use-given", container=False
        )
        with gr.Accordion("Settings", open=False, elem_id="settings"):
            with gr.Row(elem_classes="inline"):
                self.common = {name: _field(name, label) for name, label in COMMON.items()}
            self.others = gr.Textbox(
                label="Any other setting, one key=value on each line",
                lines=3,
                max_lines=10,
                placeholder="filter=both_clean\nphase1_lr=0.01",
                elem_id="overrides",
            )
            gr.HTML(settings_list())

    @property
    def inputs(self) -> set[Any]:
        """All fields, for an event whose handler reads them with `read`."""
        single = {self.names, self.model, self.method, self.name, self.seed, self.given}
        return {*single, self.others, *self.common.values()}

    def read(self, values: Mapping[Any, Any]) -> RunForm:
        """What was typed. values: by component, as gradio hands them to a handler of a set."""
        return RunForm(
            names=values[self.names] or "",
            model=values[self.model] or "",
            method=str(values[self.method]),
            name=values[self.name] or "",
            seed=values[self.seed],
            given=bool(values[self.given]),
            common={name: values[component] for name, component in self.common.items()},
            others=values[self.others] or "",
        )


def _field(name: str, label: str) -> Any:
    """A field for a setting, from what `describe` says of it."""
    row = next(row for row in describe() if row.name == name)
    about: dict[str, Any] = {
        "label": label,
        "info": f"{row.help} [{row.source}]",
        "elem_id": f"setting-{name}",
        "min_width": 130,
    }
    if row.options:
        return gr.Dropdown(list(row.options), value=row.default, **about)
    return gr.Number(row.default, precision=0, minimum=0, **about)


def as_text(value: Any) -> str:
    """A field's value as it would be typed: 3.0 becomes 3, an empty field becomes 0."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "0" if value is None else str(value)


def settings_list() -> Markup:
    """All settings with their defaults, meaning and source, folded away."""
    return render("train/settings.html", settings=describe())
