"""How the Data tab looks: the images at hand, what was found in them, and which step comes next."""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr
from markupsafe import Markup

from studio.numbers import some
from studio.session.rooms import Whose
from studio.session.state import DataState
from studio.ui.data.labels import parts_of
from studio.ui.handlers import InSession
from studio.ui.header import work_on
from studio.ui.parts import Lazy, Part, field_of
from studio.views import data
from studio.views.render import part, render


class DataParts(InSession):
    """The parts of the tab as they are now."""

    def __init__(self, session: Whose) -> None:
        super().__init__(session)

    def all(self, seen: bool, page: str) -> dict[str, Part]:
        """Every part by its name. seen: this page has shown them before; page: which one asks; what
        was typed there stays.
        """
        view = self.session.data.state
        typed_here = seen and view.by == page
        busy, folder, step = bool(view.busy), view.folder is not None, step_of(view)
        recent = self.session.folders.last()
        # Asked only where it is shown: it reads how all runs stand.
        can_start = step == 3 and not busy and self.session.active() is None
        made_of = (id(view.folder), id(view.preview), view.stale, view.source)

        def button(primary: bool, active: bool, shown: bool = True) -> Part:
            variant = "primary" if primary else "secondary"
            return (
                (primary, active, shown),
                gr.update(interactive=active, variant=variant, visible=shown),
            )

        def field(value: str) -> Part:
            return view.inputs, gr.skip() if typed_here else field_of(value)

        return {
            "steps": (step, Lazy(data.steps, min(step, 2))),
            "status": ((work_on(view), view.error), Lazy(status_html, view)),
            "stop": (busy, gr.update(visible=busy)),
            "folder": (
                (*made_of[::3], len(view.names), len(view.arriving or ()), view.notes),
                Lazy(self._folder_html, view),
            ),
            "ranking": (
                (id(view.ranked), view.ranked_stale, view.preview is None),
                Lazy(_ranking_html, view),
            ),
            "preview": (made_of, Lazy(self._preview_html, view)),
            "demo": button(step == 0, not busy),
            "scan": (busy, gr.update(interactive=not busy)),
            "browse": (busy, gr.update(interactive=not busy)),
            "recent": (recent, Lazy(data.recent_html, recent)),
            "bar": (folder, gr.update(visible=folder)),
            "label": button(step in (1, 2), not busy and folder, step < 3),
            "rank": button(False, not busy and step >= 2),
            "train": button(False, folder),
            "start": button(step == 3, can_start, step == 3),
            "path": field(view.path if view.source == "folder" else ""),
            "names": field(view.names_text),
            "model": field(view.model),
            "links": (view.follow_links, gr.update(value=view.follow_links)),
            "question": (view.classes, Lazy(question_of, view)),
            "notes": (
                (view.names_text, view.classes),
                Lazy(data.notes_html, view.classes.sentence, view.names_notes),
            ),
            **parts_of(view),
            "cache": (cached := self.session.cache_bytes(), Lazy(self._cache_html, cached)),
        }

    def _cache_html(self, cached: int | None) -> Markup:
        options = self.session.options
        return data.cache_html(cached, "" if options.public else str(options.cache_dir))

    def _folder_html(self, view: DataState) -> Markup:
        arriving, picture = view.arriving, self.session.pictures.small
        if arriving:
            folder = arriving.folder
            return data.arriving_html(folder, picture=partial(picture, folder, arriving))
        if view.folder is None or view.canvases is None:
            return render("data/welcome.html", public=self.session.options.public)
        return data.folder_html(
            view.folder,
            source=view.source,
            classes=len(view.names),
            picture=partial(picture, view.folder, view.canvases),
            note=view.canvases.note,
            notes=view.notes,
        )

    def _preview_html(self, view: DataState) -> Markup:
        if view.folder is None or view.canvases is None or view.preview is None:
            return Markup("")
        picture = partial(self.session.pictures.small, view.folder, view.canvases)
        return data.labels_html(view.preview, folder=view.folder, picture=picture, stale=view.stale)


def _ranking_html(view: DataState) -> Markup:
    return data.ranking_html(view.ranked, stale=view.ranked_stale, recommend=view.preview is None)


def question_of(view: DataState) -> Any:
    """The choice between two readings of the sub-folders, shown where they are in doubt."""
    classes = view.classes
    if not classes.doubt or classes.other is None:
        return gr.update(visible=False)
    here, there = classes.classes.names, classes.other.names
    inner, outer = (here, there) if classes.as_parts else (there, here)
    choices = [
        (some(outer), "no"),
        (f"{some(inner)} (what lies in {some(classes.asked)})", "yes"),
    ]
    value = "yes" if classes.as_parts else "no"
    return gr.update(choices=choices, value=value, visible=True)


def step_of(view: DataState) -> int:
    """Which of the three steps comes next; 3 = labelled."""
    if view.folder is None:
        return 0
    if not view.names:
        return 1
    return 3 if view.preview is not None and not view.stale else 2


def status_html(view: DataState) -> Markup:
    """What is being done, or what went wrong, in a live region."""
    work, inside = work_on(view), Markup("")
    if work is not None:
        inside = render("page/progress.html", work=work)
    elif view.error:
        inside = part("notice", view.error, kind="bad", title="That did not work.")
    return part("live", inside)
