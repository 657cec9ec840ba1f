"""What plans have in common: getting at the lists."""

from __future__ import annotations

import io
from typing import Any

from studio.errors import FolderError
from studio.paper.model import Listing


def data(listing: Listing, name: str) -> bytes:
    """The list of that name.

    Raises:
        FolderError: it is in none of the downloads.
    """
    if name not in listing.lists:
        raise FolderError(
            f"{name} is missing from the downloads: an archive is not the published one, or was "
            "brought by hand without it."
        )
    return listing.lists[name]


def lines(listing: Listing, name: str) -> list[str]:
    """Its lines, without the empty ones and those that begin with #. Raises FolderError."""
    text = data(listing, name).decode("utf-8", "replace")
    stripped = (line.strip() for line in text.splitlines())
    return [line for line in stripped if line and not line.startswith("#")]


def matlab(listing: Listing, name: str) -> dict[str, Any]:
    """Its variables; arrays of length 1 are unpacked. Raises FolderError."""
    from scipy.io import loadmat

    content = data(listing, name)
    try:
        found: dict[str, Any] = loadmat(io.BytesIO(content), squeeze_me=True)
    except Exception as error:  # scipy raises what the bytes lead it to
        raise FolderError(
            f"{name} cannot be read as a file of Matlab ({error}); delete it and run the command "
            "again."
        ) from error
    return found
