"""What the processes of a run do together, as its writer says it and as the others hear it.

The writer works on the run as if it were alone (`runs.work`). The others see the same images with
the same models, do their part of what is shared out, and write nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from studio.clip.backbone import Backbone, load_backbone
from studio.clip.store import help_encode
from studio.errors import FolderError, ModelError
from studio.images.folder import Folder
from studio.ranks import Ranks
from studio.runs.inputs import at_size, images_for
from studio.runs.request import JobRequest


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
        help_encode(own, canvases, ranks=self._ranks)
        if second is not None:
            seen = at_size(folder, canvases, second, cache_dir=self._cache_dir)
            help_encode(second, seen, ranks=self._ranks)

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
