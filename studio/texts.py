"""Text that can be written down: no lone surrogates, which neither UTF-8 nor a page can hold.

They come from scripts of pages, from escapes in JSON, and from names of files that are not UTF-8.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def writable(text: str) -> str:
    """The text, with a replacement character in the place of each lone surrogate."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        # Two halves that belong together become one character.
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def all_writable(value: Any) -> Any:
    """A value as JSON has it, all its texts made `writable`; the very same one if they are."""
    if isinstance(value, str):
        fine = writable(value)
        return value if fine is value else type(value)(fine)
    if isinstance(value, Mapping):
        made = {all_writable(key): all_writable(item) for key, item in value.items()}
        pairs = zip(value.items(), made.items(), strict=False)
        same = all(k is a and v is b for (k, v), (a, b) in pairs)
        return value if same and len(made) == len(value) else made
    if isinstance(value, (list, tuple)):
        items = [all_writable(item) for item in value]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value
