"""A run that was stopped or cut off, taken up again where it was.

Whatever it has written since its last checkpoint is undone first, so that it goes on as if nothing
had happened: events, labels and model of the run that was not cut off are the same to the last bit,
as long as images, model and versions are. Without a checkpoint it begins again, in its own folder.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Callable, Mapping

from studio.errors import FolderError, ModelError, RunError
from studio.files import read_json_lines
from studio.images.folder import Folder
from studio.methods import METHODS, resumes
from studio.numbers import plural
from studio.prompts.prompt_set import PromptSet
from studio.runs.again import request_of
from studio.runs.checkpoints import Saved
from studio.runs.given import Correction
from studio.runs.info import ACTIVE
from studio.runs.request import JobRequest
from studio.runs.request import check as check_request
from studio.runs.run import Run
from studio.runs.store import REQUEST_FILE, RunStore
from studio.untrusted import Unreadable, load_object

GO_ON = "python -m studio fit --resume"
REPEAT = "python -m studio runs --command"


def obstacle(run: Run) -> str:
    """Why a run that is not at work cannot go on, in a line; "" when it can."""
    try:
        info = run.info
    except RunError as error:
        return str(error)
    if info.damage:
        return f"run {run.id} is damaged: {info.damage}"
    if info.state in ACTIVE:
        return f"run {run.id} is still at work"
    if info.state == "finished":
        return f"run {run.id} has finished: there is nothing left to do"
    why = ""
    if info.method not in METHODS:
        why = f"there is no method {info.method!r} here"
    elif not resumes(info.method):
        why = f"the method {info.method} keeps no checkpoints"
    elif not (run.path / REQUEST_FILE).is_file():
        why = "the version that made it kept no checkpoints"
    if not why:
        return ""
    return (
        f"run {run.id} is {info.state} and cannot go on, for {why}; {REPEAT} {run.id} prints the "
        "command that starts it again"
    )


def what_to_do(run: Run) -> str:
    """Of a run whose labels or model are wanted and not there: to wait, to go on, or to begin."""
    state = run.status()["state"]
    if state in ACTIVE:
        return "wait for its end"
    if why := obstacle(run):
        return why.replace(f"run {run.id} ", "it ", 1)
    return f"it is {state}; {GO_ON} {run.id} goes on"


def cannot_predict(run: Run) -> str:
    """Why a run cannot label other images, in a line; "" when it can."""
    if (run.path / "model" / "model.json").is_file():
        return ""
    with contextlib.suppress(RunError):  # it is damaged
        if run.info.state == "finished":
            return f"run {run.id} has no model to label other images with; choose another run"
    return f"run {run.id} has no trained classifier: {what_to_do(run)}"


def take_up(
    store: RunStore, id: str, *, check: Callable[[JobRequest], None] = lambda _: None
) -> tuple[JobRequest, Run]:
    """Make a run that has ended this process's own again, "queued", for `run_job` to go on with.

    check: raises where what it was asked to do is not allowed.

    Raises:
        RunError: It cannot go on, or another run is at work.
        StudioError: What it was asked to do cannot be done any more, its images have changed, say.
    """
    run = store.get(id)
    if reason := obstacle(run):
        raise RunError(reason)
    request = asked_of(run)
    check(request)
    check_images(run, check_request(request))
    store.take_up(run)
    return request, run


def asked_of(run: Run) -> JobRequest:
    """What the run was asked to do, in full.

    Raises:
        RunError: It is damaged, or of a version that did not write it down.
    """
    try:
        kept = load_object(run.path / REQUEST_FILE)
        names, prompts, said = kept.get("class_names"), kept.get("prompts"), kept["corrections"]
        return dataclasses.replace(
            request_of(run),
            class_names=None if names is None else tuple(names),
            prompts=None if prompts is None else PromptSet.from_dict(prompts),
            corrections={path: Correction(**one) for path, one in said.items()},
            labels=dict(kept["labels"]),
        )
    except Unreadable as error:
        raise run.damaged(error) from None
    except (TypeError, ValueError, KeyError, AttributeError):
        raise run.damaged(f"{REQUEST_FILE} is no request") from None


def cut_back(run: Run, saved: Saved | None) -> None:
    """Undo what the run wrote since a checkpoint; None: all. Cut off halfway, it can be redone."""
    events = 0 if saved is None else saved.events
    (run.path / "result.json").unlink(missing_ok=True)
    path = run.path / "events.jsonl"
    if path.exists():
        os.truncate(path, events)
    lines, _ = read_json_lines(path)
    named = {str(line["arrays"]) for line in lines if "arrays" in line}
    for file in (run.path / "arrays").glob("*"):
        if f"arrays/{file.name}" not in named:
            file.unlink(missing_ok=True)
    shipped = any(line.get("path") == "model" for line in lines if line.get("kind") == "checkpoint")
    if not shipped:
        shutil.rmtree(run.path / "model", ignore_errors=True)
    # Readers that follow the run look here before they read on.
    run.update_info(resumed=run.info.resumed + 1)


def check_images(run: Run, folder: Folder) -> None:
    """Raise when the images are not those that the run began with. folder: as it was scanned.

    Raises:
        FolderError: They have changed; how is said as far as it is known.
    """
    try:
        before = load_object(run.path / "images.json")
    except Unreadable:
        return  # it did not come that far
    mark = before.get("mark")
    if mark is None or mark == folder.fingerprint:
        return
    refused = (str(item.get("path")) for item in before.get("refused") or ())
    old, new = {*before.get("images", ()), *refused}, {image.path for image in folder.images}
    parts = [
        f"{plural(len(found), 'image')} {what}"
        for found, what in ((new - old, "new"), (old - new, "gone"))
        if found
    ]
    how = ", ".join(parts) or "some were written to"
    raise FolderError(
        f"The images in {folder.root} have changed since run {run.id} began ({how}), so that it "
        f"cannot go on; start a new run: {REPEAT} {run.id} prints the command."
    )


def check_models(run: Run, saved: Saved, models: Mapping[str, str]) -> None:
    """Raise when a model is another one than the run began with.

    Raises:
        ModelError: One is.
    """
    if saved.made_with.get("models") != dict(models):
        raise ModelError(
            f"The model of run {run.id} is not the one that it began with, so that it cannot go "
            f"on; start a new run: {REPEAT} {run.id} prints the command."
        )
