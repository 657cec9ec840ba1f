"""The model that has looked at what is opened, loaded in the background when somebody needs it."""

from __future__ import annotations

import json

import numpy as np

from studio.errors import RunError
from studio.prompts.prompt_set import PromptSet
from studio.runs.first_labels import LOADING, encode_images
from studio.session.opened import Opened
from studio.session.source import OpenedFolder
from studio.session.tasks import Task
from studio.session.weigher import Weigher
from studio.session.weighing import Subject


def encoded_of(opened: Opened) -> Task:
    """The task whose value is the `Encoded` of a run's folder.

    Raises:
        RunError: its images are gone.
    """
    folder, canvases, session = opened.folder, opened.canvases, opened.session
    if folder is None or canvases is None:
        raise RunError(f"{opened.problem} Without its images nothing can be searched or asked.")
    view = session.data.state
    ready = view.preview.encoded if view.preview is not None and view.folder is folder else None
    if ready is not None and ready.model == opened.model and len(ready) == len(folder.images):
        return Task.of(ready)  # what labelled the images at hand
    return session.tasks.ask(
        ("encoded", opened.model, folder.fingerprint),
        LOADING,
        lambda task: encode_images(
            folder=folder,
            canvases=canvases,
            model=opened.model,
            cache_dir=session.options.cache_dir,
            begin=task.begin,
            stop=task.stopping,
        ),
        again=True,
    )


def prompts_of(opened: Opened) -> PromptSet:
    """What the zero-shot labels were made with, for the space is centred by it."""
    if isinstance(opened.source, OpenedFolder):
        preview = opened.session.data.state.preview
        return PromptSet() if preview is None else preview.prompts
    return opened.session.reader(opened.source.run_id).prompts


def subject_of(opened: Opened) -> Task:
    """The task whose value is what answers about these images are weighed by.

    Raises:
        RunError: its images are gone.
    """
    before, names, prompts = encoded_of(opened), opened.outcome.class_names, prompts_of(opened)
    paths, place = opened.outcome.paths, opened.place

    def make(task: Task) -> Subject:
        task.begin("Comparing the images")
        # It was asked for first, and has ended by now.
        start = before.result().start(names, prompts)
        rows = np.array([i for i, path in enumerate(paths) if path in place], np.int64)
        here = [place[paths[i]] for i in rows]
        return Subject(rows, tuple(paths[i] for i in rows), names, Weigher(start, here, names))

    key = ("subject", opened.key, names, json.dumps(prompts.to_dict(), sort_keys=True))
    return opened.session.tasks.ask(key, "Comparing the images", make, again=True)
