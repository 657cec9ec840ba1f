"""The labels that came with the images: a table of them, for the next runs to check."""

from __future__ import annotations

from typing import Any

import gradio as gr

from studio.images.uploads import reading
from studio.session.rooms import Whose
from studio.session.state import DataState
from studio.ui.handlers import InSession
from studio.ui.parts import Lazy, Part, guarded
from studio.ui.tables import table_field
from studio.views import data


class LabelsBox(InSession):
    """Components and what they do; the Data tab connects them."""

    def __init__(self, session: Whose) -> None:
        super().__init__(session)

    def build(self) -> None:
        """Lay it out, folded."""
        with gr.Accordion("Labels that you have already", open=False, elem_id="label-table"):
            self.upload = table_field(
                "A run checks them, and trusts none: drop a CSV or JSON of paths and labels",
                "From a table", elem_id="label-table-drop",
            )  # fmt: skip
        # Outside of the fold: what there is should be seen, and can be taken away.
        self.about = gr.HTML(elem_id="label-table-about")
        small: dict[str, Any] = {"size": "sm", "visible": False}
        self.remove = gr.Button("Remove these labels", elem_id="label-table-remove", **small)

    @property
    def outputs(self) -> dict[str, Any]:
        """The components that show the parts."""
        return {"table": self.about, "untable": self.remove}

    @guarded
    def take(self, file: str | None) -> None:
        """Labels from an uploaded table."""
        with reading(file) as path:
            self.session.data.set_table(path)

    @guarded
    def forget(self) -> None:
        """Take them away again."""
        self.session.data.remove_table()


def parts_of(view: DataState) -> dict[str, Part]:
    """What is shown of the table, see `DataParts.all`."""
    table = view.table
    return {
        "table": (id(table), Lazy(data.table_html, table)),
        "untable": (table is not None, gr.update(visible=table is not None)),
    }
