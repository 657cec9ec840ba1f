"""One image has one name: its path below the folder, as the file system spells it.

Tables of labels spell it in other ways: with backslashes, with `./`, from the root of the disk,
with the folder's own name in front, in another Unicode form, as Label Studio calls them.
`ImageNames` is the one place that knows them.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

_LOCAL = "/data/local-files/?d="
"""How Label Studio calls an image of a local folder; the rest is quoted as in an address."""
_DRIVE = re.compile(r"^(?:file://)?/?[a-z]:/", re.IGNORECASE)


class ImageNames:
    """The images of a folder, by whatever name.

    Args:
        paths: Of the images, below the folder, with `/`.
        roots: The folder as it may be called: as it was typed, and resolved.
    """

    def __init__(self, paths: Iterable[str], *, roots: Iterable[Path] = ()) -> None:
        self._paths = set(paths)
        self._by_form: dict[str, str | None] = {}
        for path in self._paths:
            form = plain(path)
            self._by_form[form] = None if form in self._by_form else path
        absolute = [os.path.abspath(root) for root in roots]
        self._roots = dict.fromkeys(f"{plain(root)}/" for root in absolute)
        self._names = dict.fromkeys(f"{plain(os.path.basename(root))}/" for root in absolute)

    def find(self, name: str) -> str | None:
        """The path of the image that is meant; None when there is none, or no telling which.

        A name that is a path as it stands is that path and no other.
        """
        if name in self._paths:
            return name
        for form in self._forms(plain(name)):
            if form in self._by_form:
                return self._by_form[form]
        return None

    def key(self, name: str) -> str:
        """What is equal for two names of one image, whether the image is there or not."""
        found = self.find(name)
        return plain(name) if found is None else found

    def _forms(self, form: str) -> list[str]:
        """What a name may be below the folder, the likeliest first."""
        forms = [form]
        forms += [form[len(root) :] for root in self._roots if form.startswith(root)]
        for name in self._names:
            if form.startswith(name):
                forms.append(form[len(name) :])
            elif form.startswith("/") or _DRIVE.match(form):
                # From another machine: whatever comes before the folder's own name.
                forms += [form[at.end() :] for at in re.finditer(f"/{re.escape(name)}", form)]
        return forms


def plain(name: str) -> str:
    """A name in the one form in which names are compared: composed Unicode, `/`, no `./`."""
    text = unicodedata.normalize("NFC", name.strip()).replace("\\", "/")
    if text.startswith(_LOCAL):
        text = unquote(text[len(_LOCAL) :])
    text = text.removeprefix("file://")
    start = "/" if text.startswith("/") else ""
    parts: list[str] = []
    for part in text.split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return start + "/".join(parts)
