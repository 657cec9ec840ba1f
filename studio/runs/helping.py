"""What the processes of a run do together, as its writer says it and as the others hear it.

The writer works on the run as if it were alone (`runs.work`). The others see the same images with
the same models, do their part of what is shared out, and write nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from studio.clip.backbone import Backbone, load_backbone
from studio.clip.encode import Images
from studio.clip.store import help_encode
from studio.coft.events import FitPart, FitState
from studio.coft.rounds import for_helpers
from studio.coft.student import Student
from studio.coft.task import Task
from studio.errors import FolderError, ModelError
from studio.images.canvases import Canvases
from studio.images.folder import Folder
from studio.methods import METHODS
from studio.ranks import Ranks
from studio.runs.inputs import at_size, images_for
from studio.runs.request import JobRequest
from studio.settings import Settings


def invite(
    ranks: Ranks, request: JobRequest, folder: Folder, models: Sequence[Backbone | None]
) -> None:
    """Tell the others what the run is about, once images and models can be read from the cache.

    models: the run's own, and the one that Phase II trains instead, if any.
    """
    ranks.same(
        {
            "folder": str(request.folder.resolve()),
            "follow_links": request.follow_links,
            "images": _mark(folder),
            "models": [request.model, request.settings.phase2_model],
            "fingerprints": [None if own is None else own.fingerprint for own in models],
        }
    )


def hand_over(ranks: Ranks, task: Task, state: FitState | None, *, method: str | None) -> None:
    """Tell the others what they fit. state: what it goes on from; method: None: there is nothing
    more to do for them.
    """
    if method is None or ranks.number == 1:
        ranks.same({"method": None})
        return
    own = task.student.backbone is task.backbone
    ranks.same(
        {
            "method": method,
            "settings": task.settings.to_dict(),
            "class_names": list(task.class_names),
            "features": task.features,
            "class_vectors": task.class_vectors,
            "given": task.given,
            "judged": task.judged,
            "claims": task.claims,
            "student": None if own else [task.student.features, task.student.class_vectors],
            "state": None if state is None else _sent(for_helpers(state)),
        }
    )


def _sent(state: FitState) -> dict[str, Any]:
    parts = {name: [part.tensors, part.values] for name, part in state.parts.items()}
    return {"at": state.at, "parts": parts}


def _received(said: Mapping[str, Any]) -> FitState:
    return FitState(said["at"], {name: FitPart(*part) for name, part in said["parts"].items()})


class Helper:
    """A process that helps with a run."""

    def __init__(self, ranks: Ranks, *, cache_dir: Path) -> None:
        self._ranks, self._cache_dir = ranks, cache_dir

    def help(self) -> None:
        """All of it.

        Raises:
            ProcessEnded: The writer's process has ended, or another one.
            StudioError: This process sees other images or models than the writer.
        """
        said: dict[str, Any] = self._ranks.same({})
        own, second = (
            None if mark is None else self._model(name, mark)
            for name, mark in zip(said["models"], said["fingerprints"], strict=True)
        )
        assert own is not None
        folder, canvases = images_for(
            own, Path(said["folder"]), cache_dir=self._cache_dir, follow_links=said["follow_links"]
        )
        if _mark(folder) != said["images"]:
            raise FolderError(
                f"{said['folder']} holds other images for process {self._ranks.own + 1} than for "
                "the first; all processes must see the same."
            )
        help_encode(own, lambda: canvases, ranks=self._ranks)
        seen: Images = canvases
        if second is not None:
            again = partial(at_size, folder, canvases, second, cache_dir=self._cache_dir)
            seen = help_encode(second, again, ranks=self._ranks)
        told: dict[str, Any] = self._ranks.same({})
        if told["method"] is not None:
            student = None
            if second is not None:
                student = Student(second, seen, *told["student"])
            self._fit(told, own, canvases, student)
        self._ranks.over()

    def _fit(
        self, told: Mapping[str, Any], own: Backbone, images: Canvases, student: Student | None
    ) -> None:
        """The same fit as the writer's."""
        method, state = METHODS[told["method"]], told["state"]
        task = Task(
            backbone=own, images=images, features=told["features"],
            class_vectors=told["class_vectors"], class_names=told["class_names"],
            settings=Settings(**told["settings"]), given=told["given"], claims=told["claims"],
            judged=told["judged"], student=student,
            state_due=(lambda _: False) if method.resumes else None,
            state=None if state is None else _received(state), ranks=self._ranks,
        )  # fmt: skip
        for event in method.load()(task):
            if isinstance(event, FitState):
                event.parts.clear()  # the writer keeps them

    def _model(self, name: str, fingerprint: str) -> Backbone:
        found = load_backbone(name)
        if found.fingerprint != fingerprint:
            raise ModelError(
                f"The model {name} is another one for process {self._ranks.own + 1} than for the "
                "first; all processes must have the same."
            )
        return found


def _mark(folder: Folder) -> str:
    """Changes with the names of the images and their order."""
    names = "\n".join(image.path for image in folder.images)
    return hashlib.sha256(names.encode("utf-8", "surrogateescape")).hexdigest()
