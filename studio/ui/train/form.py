"""The form from which a run is made: its fields, and what was typed into them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from studio.runs.form import RunForm
from studio.settings import describe
from studio.ui.parts import line, model_field
from studio.views import runs
from studio.views.render import render

COMMON = {
    "phase1_epochs": "Phase I epochs",
    "phase2_epochs": "Phase II epochs",
    "k": "Seeds per class (k)",
    "inference": "Classifier",
}
"""Settings that have a field of their own, and its label; all others are typed as key=value."""


class FormFields:
    """The fields, laid out where this is made. names: the class names, a field of the Data tab;
    listed: see `model_field`.
    """

    def __init__(self, models: Sequence[str], names: gr.Textbox, *, listed: bool = False) -> None:
        self.names = names
        self.method = gr.Dropdown(
            runs.method_choices(),
            value="coft",
            label="Method",
            elem_id="method",
            info="CoFT+ adds momentum contrast. The others are there to compare with.",
        )
        self.model = model_field(models, elem_id="train-model", listed=listed)
        with gr.Row(elem_classes="inline"):
            self.name = line(
                "Name", elem_id="run-name", placeholder="from the folder", scale=3, min_width=130
            )
            self.seed = gr.Number(
                0, label="Seed", precision=0, minimum=0, elem_id="seed", scale=1, min_width=90
            )
        # A label from the start: gradio shows none that comes later where there was none.
        self.given = gr.Checkbox(
            True, label="Use", visible=False, elem_id="use-given", container=False
        )
        self.check = gr.Checkbox(
            True, label="Check", visible=False, elem_id="check-labels", container=False
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
        return {*single, self.check, self.others, *self.common.values()}

    def read(self, values: Mapping[Any, Any]) -> RunForm:
        """What was typed. values: by component, as gradio hands them to a handler of a set."""
        return RunForm(
            names=values[self.names] or "",
            model=values[self.model] or "",
            method=str(values[self.method]),
            name=values[self.name] or "",
            seed=values[self.seed],
            given=bool(values[self.given]),
            check=bool(values[self.check]),
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


def settings_list() -> Markup:
    """All settings with their defaults, meaning and source, folded away."""
    return render("train/settings.html", settings=describe())
