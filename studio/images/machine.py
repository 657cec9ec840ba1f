"""Folders of the machine that the studio runs on, as far as somebody at a browser may open them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from studio.cache import Cache
from studio.errors import FolderError
from studio.images import choosing, picker
from studio.images.choosing import RecentFolders

_LOOK_UP_S = 10.0


@dataclass
class MachineFolders:
    """See the module.

    recent: those that were opened last; allowed: whether paths can be typed at all; roots: folders
    that they must lie in, empty: anywhere; local: whether the browser is on the same machine.
    """

    recent: RecentFolders
    allowed: bool = True
    roots: tuple[Path, ...] = ()
    local: bool = True
    _there: Cache[str, list[str]] = field(default_factory=lambda: Cache(most=1))

    def typed(self, text: str) -> Path:
        """A folder from what a user typed.

        Raises:
            FolderError: paths cannot be typed here, or it is not a folder within the roots.
        """
        if not self.allowed:
            raise FolderError(
                "Folders of this machine cannot be opened from here; upload the images."
            )
        return choosing.typed_folder(text, roots=self.roots)

    def completions(self, text: str) -> list[str]:
        """Folders that a typed path may go on to; none where paths cannot be typed."""
        return choosing.completions(text, roots=self.roots) if self.allowed else []

    def last(self) -> list[str]:
        """The folders that were opened last, newest first; none where paths cannot be typed.

        Every page asks again and again: whether they are still there is looked up now and then.
        """

        def make() -> list[str]:
            return [str(folder) for folder in self.recent.there() if self._may_open(folder)]

        return self._there.get("", make, mark=(self.recent.added, int(monotonic() / _LOOK_UP_S)))

    def _may_open(self, folder: Path) -> bool:
        try:
            return bool(self.typed(str(folder)))
        except FolderError:
            return False

    @property
    def can_pick(self) -> bool:
        """Whether a folder can be chosen in a window of this machine, where its user sits."""
        return self.allowed and self.local and picker.available()

    def pick(self) -> Path | None:
        """The folder that was chosen in that window; None when it was closed.

        Raises:
            FolderError: there is no such window here, or it lies outside of the roots.
        """
        if not self.can_pick:
            raise FolderError("This machine has no window to choose a folder in; type its path.")
        picked = picker.pick_folder()
        return None if picked is None else self.typed(str(picked))
