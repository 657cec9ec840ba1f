"""Where images stand on the map: PCA at once, UMAP when a process in the background has made it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from studio.cache import Cache
from studio.scores import projection
from studio.scores.graph_files import GraphFiles
from studio.scores.layout_files import COMMAND, TIMEOUT_S, LayoutFiles, key_of
from studio.scores.neighbours import Floats
from studio.session.tasks import Lane, Task

_KEPT = 4
COMPARING = "Comparing the images"
HEAD_START_S, LARGE = 3.0, 100_000

Kind = Literal["pca", "umap"]
State = Literal["ready", "running", "failed", "none"]


@dataclass
class Layout:
    """The places of N images. pca: (N, 2) in [-1, 1]; task: makes the UMAP, which is the same; None
    for sets so small that PCA is all.
    """

    key: str
    pca: Floats
    task: Task | None = None

    @property
    def umap(self) -> Floats | None:
        """(N, 2) in [-1, 1]; None while there is none."""
        return None if self.task is None else self.task.value

    @property
    def state(self) -> State:
        """Of the UMAP: "none" where it is not wanted."""
        if self.task is None:
            return "none"
        if self.task.pending:
            return "running"
        return "ready" if self.task.ready else "failed"

    @property
    def text(self) -> str:
        """What is being done for the UMAP and how far it is, or why it failed."""
        return "" if self.task is None else self.task.error or self.task.state.how_far

    def __len__(self) -> int:
        return len(self.pca)

    @property
    def kind(self) -> Kind:
        """The better one of those that are there."""
        return "pca" if self.umap is None else "umap"

    def plane(self, kind: object) -> Floats:
        """(N, 2) of the kind; of what is not there, the other one."""
        return self.umap if kind == "umap" and self.umap is not None else self.pca


@dataclass
class Layouts:
    """Layouts by feature set. command, timeout: of `LayoutFiles`; tests replace them."""

    cache_dir: Path
    command: Sequence[str] = COMMAND
    timeout: float = TIMEOUT_S
    _layouts: Cache[str, Layout] = field(default_factory=lambda: Cache(most=_KEPT))
    _lane: Lane = field(default_factory=lambda: Lane("umap"))  # one process at a time

    def get(self, units: Floats) -> Layout:
        """The layout of (N, d) unit vectors: PCA for certain, and UMAP if the disk has it.

        If not, a process begins with it; ask again, or look at the same object later.
        """
        key = key_of(units)
        return self._layouts.get(key, lambda: self._layout(key, units))

    @property
    def _files(self) -> LayoutFiles:
        return LayoutFiles(self.cache_dir / "maps", self.command, self.timeout)

    def _layout(self, key: str, units: Floats) -> Layout:
        layout, stored = Layout(key, projection.pca(units)), self._files.read(key, len(units))
        if stored is not None:
            layout.task = Task.of(stored)
        elif len(units) >= projection.FEWEST:
            layout.task = self._lane.add(Task("Waiting", lambda task: self._make(task, key, units)))
        return layout

    def _make(self, task: Task, key: str, units: Floats) -> Floats:
        # The page that asked is drawing PCA now; a large set would take its cores and disk.
        task.rest(HEAD_START_S * min(1.0, len(units) / LARGE))
        alike = None
        if len(units) <= projection.LANDMARKS:  # of more, the map compares some of its own
            found = GraphFiles(self.cache_dir).of(units, progress=task.begin(COMPARING))
            alike = found.first(projection.NEIGHBOURS - 1)
        return self._files.make(
            key,
            units,
            alike=alike,
            report=lambda text, done, total: task.begin(text)(done, total),
        )
