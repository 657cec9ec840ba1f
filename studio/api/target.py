"""A run, or a folder of images that no run has labelled yet, as a command names it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from studio.api.classes import Classes, classes_of, listed
from studio.errors import SettingsError
from studio.images.canvases import Canvases
from studio.images.folder import Folder
from studio.images.preparing import prepare
from studio.progress import Begin, Stop
from studio.prompts.prompt_set import PromptSet
from studio.runs.run import Run
from studio.runs.store import RunStore

EMBEDDED = "embedded"
"""What a folder is labelled with first where nothing else is said."""


@dataclass(frozen=True)
class Target:
    """Whose images are asked about, and how many.

    Attributes:
        target: A run's id, its folder, or `latest`; or a folder of images.
        budget: How many images, or `2C` for two per class.
        runs, cache: Where runs and the cache are.
        classes, prompts, model: For a folder: its class names, what is read about them, and the
            model that labels it first.
    """

    target: str
    budget: str
    runs: Path
    cache: Path
    classes: Classes | None = None
    prompts: Path | None = None
    model: str = EMBEDDED

    @property
    def root(self) -> Path | None:
        """The folder of images; None where a run is meant."""
        path = Path(self.target).expanduser()
        is_run = any((at / "run.json").is_file() for at in (path, self.runs / self.target))
        return path if path.is_dir() and not is_run else None

    def run(self) -> Run:
        """The run that is meant, where `root` is None.

        Raises:
            RunError: There is none.
            SettingsError: Something is given that a run has of its own.
        """
        run = RunStore(self.runs).find(self.target, others="and no folder of that name here")
        given = {
            "class names": self.classes is not None, "prompts": self.prompts is not None,
            "a model": self.model != EMBEDDED,
        }  # fmt: skip
        for what, is_given in given.items():
            if is_given:
                raise SettingsError(f"Run {run.id} has {what} of its own: leave that out.")
        return run

    def open(
        self, root: Path, *, begin: Begin, stop: Stop, tell: Callable[[str], None]
    ) -> tuple[Folder, Canvases, tuple[str, ...], PromptSet]:
        """The folder's images, its class names, and what is read about them.

        Raises:
            StudioError: Something cannot be used as given.
        """
        given = None if self.classes is None else listed(self.classes)
        prompts = PromptSet() if self.prompts is None else PromptSet.load(self.prompts)
        folder, canvases = prepare(
            root, cache_dir=self.cache, stop=stop, progress=begin("Reading the images")
        )
        names = classes_of(given, folder, {}, splits="auto", demo=False, tell=tell).names
        return folder, canvases, names, prompts
