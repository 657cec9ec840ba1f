"""Search in words: the images nearest to a sentence, best first, as a selection.

The sentence is compared by the model's text tower in the same space as the class names of the
zero-shot labels. The first search has to load the model, which happens in the background; a line
says how far that is, and who leaves the page meanwhile finds it loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np

from studio.errors import RunError, StudioError
from studio.prompts.prompt_set import PromptSet
from studio.runs.files import read_json
from studio.ui.background import Task
from studio.ui.looked import Looked, look
from studio.ui.parts import UNCHECKED
from studio.ui.preview import Sight, look_at
from studio.ui.studio import Studio
from studio.views.markup import esc, plural, progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST = 48
"""Images in an answer: two pages of the gallery. Of small sets a quarter, but at least LEAST."""
LEAST = 12
LONGEST = 200
_WAIT_S = 0.4


class SearchPanel:
    """Components and what they do; the Explore tab connects them."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def build(self) -> None:
        """Lay the field out, inside of the row of filters."""
        self.text = gr.Textbox(
            label="Search in words",
            placeholder="a dog on a beach",
            max_lines=1,
            elem_id="search-text",
            scale=3,
            min_width=200,
        )
        self.go = gr.Button("Search", elem_id="search-go", scale=0, min_width=90)

    def build_line(self) -> None:
        """The line below it that says what was found, or how far the search is."""
        self.told = gr.HTML(elem_id="search-told")

    def wire(
        self,
        run: gr.Dropdown,
        stage: gr.State,
        selection: gr.State,
        inner: gr.Tabs,
        open_: gr.Textbox,
    ) -> None:
        """Connect events. inner: the tabs within Explore; open_: names the one that is open."""
        for event in (self.go.click, self.text.submit):
            event(
                self.search,
                [self.text, run, stage, open_],
                [self.told, selection, inner, open_],
                concurrency_id="search",
                concurrency_limit=4,
                trigger_mode="once",
                **UNCHECKED,
            )

    def search(
        self, text: Any, run: Any, stage: Any = None, panel: Any = "map"
    ) -> Iterator[list[Any]]:
        """Look for a sentence; yields the line to be shown, and the selection when it is there.

        panel: the one that is open. Beside the galleries there is no room for what was found: the
        map comes to the front.
        """
        same = [gr.skip(), gr.skip(), gr.skip()]
        try:
            text = _checked(text)
            looked = look(self.studio, run, stage)
            task = sight_of(looked)
            while task.pending:
                line = progress(task.done, task.total, label=f"Before the search: {task.text}")
                yield [line, *same]
                task.ended.wait(_WAIT_S)
            if task.error:
                raise RunError(task.error)
            found = nearest(looked, task.value, text)
        except StudioError as error:
            yield [_line(str(error)), *same]
            return
        key = self.studio.selections.put(
            run_id=looked.run_id, indices=found, text=f"nearest to “{text}”, best first"
        )
        front = [gr.Tabs(selected="map"), "map"] if panel == "galleries" else same[1:]
        line = f"{plural(len(found), 'image')} nearest to “{text}”, best first."
        yield [_line(line), key, *front]


def sight_of(looked: Looked) -> Task:
    """The task whose value is the `Sight` of a run's folder.

    Raises:
        RunError: its images are gone.
    """
    folder, canvases, studio = looked.folder, looked.canvases, looked.studio
    if folder is None or canvases is None:
        raise RunError(f"{looked.problem} Without its images nothing can be searched.")
    view = studio.workspace.view
    ready = view.preview.sight if view.preview is not None and view.folder is folder else None
    if ready is not None and ready.model == looked.model and len(ready) == len(folder.images):
        task = Task(lambda _: ready, value=ready)  # what labelled the images at hand
        task.ended.set()
        return task
    return studio.background.ask(
        ("sight", looked.model, folder.fingerprint),
        lambda report: look_at(
            folder=folder,
            canvases=canvases,
            model=looked.model,
            cache_dir=studio.options.cache_dir,
            report=report,
        ),
        again=True,
    )


def nearest(looked: Looked, sight: Sight, text: str) -> NDArray[np.int64]:
    """The run's images nearest to a text, best first; those no longer in the folder are left out.

    Raises:
        RunError: the model does not read texts of that length.
    """
    if not sight.reads(text):
        raise RunError("That is longer than this model reads: say it in fewer words.")
    paths = looked.outcome.paths
    here = np.array([i for i, path in enumerate(paths) if path in looked.place], np.int64)
    rows = [looked.place[paths[i]] for i in here]
    cosines = sight.similar(text, looked.outcome.class_names, _prompts(looked))[rows]
    count = max(LEAST, min(MOST, len(here) // 4))
    return here[np.argsort(-cosines, kind="stable")][:count]


def _prompts(looked: Looked) -> PromptSet:
    """What the zero-shot labels were made with, for the space is centred by it."""
    if not looked.run_id:
        preview = looked.studio.workspace.view.preview
        return PromptSet() if preview is None else preview.prompts
    saved = read_json(looked.studio.store.get(looked.run_id).path / "prompts.json")
    return PromptSet() if saved is None else PromptSet.from_dict(saved)


def _checked(text: Any) -> str:
    text = " ".join(text.split()) if isinstance(text, str) else ""
    if not text:
        raise RunError("Type what the images should show, for example: a dog on a beach.")
    if len(text) > LONGEST:
        raise RunError(f"That is too long: use at most {LONGEST} characters.")
    return text


def _line(text: str) -> str:
    return f'<p class="search-line" role="status">{esc(text)}</p>'
