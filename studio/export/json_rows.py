"""JSON with something for each image, written piece by piece."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

from studio.export.entry import Entry, text_of_rows
from studio.progress import Begin, unheard


def json_of_rows(
    name: str,
    head: dict[str, object] | None,
    key: str,
    row: Callable[[int], object],
    indices: Sequence[int],
    *,
    names: Callable[[int], str] | None = None,
    begin: Begin = unheard,
) -> Entry:
    """A JSON file with a list of rows, or with rows by name.

    Args:
        name: Of the file.
        head: What stands before the rows in an object; None: the rows are all there is.
        key: What the rows are called in it.
        row: The row of an image.
        indices: The images, by number.
        names: What an image's row is called; None makes a list.
        begin: As of `text_of_rows`.
    """
    opening, closing = ("[", "]") if names is None else ("{", "}")

    def parts(chosen: Sequence[int]) -> Iterator[str]:
        if head is not None:
            start = json.dumps(head, ensure_ascii=False, indent=1).removesuffix("\n}")
            yield f"{start},\n {_dump(key)}: "
        yield opening
        for number, index in enumerate(chosen):
            called = "" if names is None else f"{_dump(names(index))}: "
            yield f"{',' if number else ''}\n  {called}{_dump(row(index))}"
        yield f"\n {closing}\n"
        if head is not None:
            yield "}\n"

    return text_of_rows(name, parts, indices, begin=begin)


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
