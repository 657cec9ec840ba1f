"""How the studio was started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from studio.session.limits import Limits

if TYPE_CHECKING:
    from studio.runs.slices import Slices


@dataclass(frozen=True)
class Options:
    """See the module.

    public: other people can reach it and share it (a Hugging Face Space), so that no path of the
    machine may be typed. roots: folders that typed paths must lie in; empty: anywhere, which is
    offered only to a browser on the same machine. limits: what a visitor may ask for, where
    strangers share it; root: the path under which a proxy shows the page, empty or "/studio";
    tools: whether programs may call `studio.ui.tools` by name; slices: of a GPU that is lent, which
    runs are worked on in; None: this process has all that there is; space: OWNER/NAME of the
    Hugging Face Space that this is.
    """

    runs_dir: Path
    cache_dir: Path
    roots: tuple[Path, ...] = ()
    public: bool = False
    local: bool = True
    limits: Limits | None = None
    root: str = ""
    tools: bool = False
    slices: Slices | None = None
    space: str = ""

    @property
    def paths_allowed(self) -> bool:
        """Whether folders of the machine can be opened by typing their path."""
        return not self.public and (self.local or bool(self.roots))

    @property
    def links_allowed(self) -> bool:
        """Whether links may be followed out of an opened folder: for who could open anything."""
        return self.paths_allowed and self.local and not self.roots
