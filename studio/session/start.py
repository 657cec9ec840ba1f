"""A run on the data set at hand, as the page's form or a program asks for it."""

from __future__ import annotations

from studio.errors import FolderError, RunError
from studio.images.folder import parse_class_names
from studio.runs.request import JobRequest
from studio.session.label_table import check_table
from studio.session.session import Session
from studio.settings import Settings


def at_hand(
    session: Session,
    *,
    method: str,
    settings: Settings,
    name: str = "",
    names: str | None = None,
    model: str | None = None,
    given: bool = True,
    check: bool = False,
) -> JobRequest:
    """The request of a run on the data set at hand.

    Args:
        session: Whose data set it is.
        method: A name in `studio.methods`.
        settings: Of the fit.
        name: What the run is called; empty: as its folder.
        names: Class names as typed; None: as they stand.
        model: Likewise.
        given: Whether it takes what was corrected before any training.
        check: Whether it checks the labels that came with the images, where there are some.

    Raises:
        StudioError: There are no images, no two classes, or something is at work.
    """
    running = session.active()
    if running is not None:
        raise RunError(f"The run {running} is still at work; wait for it, or stop it.")
    data = session.data
    view = data.state
    if view.folder is None:
        raise FolderError("Choose images on the Data tab first.")
    if view.busy:
        raise FolderError(f"Wait until the studio is done: {view.busy.lower()}.")
    data.set_inputs(names, model, by=view.by)
    folder, view = view.folder, data.state
    class_names = parse_class_names(view.names_text)
    prompts = view.prompts.only(class_names)
    table = view.table if check else None
    if table is not None:
        check_table(table.labels, folder=folder, class_names=class_names, aliases=view.aliases)
    return JobRequest(
        folder=folder.root,
        class_names=tuple(class_names),
        aliases=view.aliases,
        follow_links=folder.follows_links,
        method=method,
        model=view.model,
        settings=settings,
        prompts=None if prompts.is_default else prompts,
        corrections=data.given() if given else {},
        labels={} if table is None else table.labels,
        name=name.strip()[:60] or ("demo" if view.source == "demo" else folder.root.name),
    )
