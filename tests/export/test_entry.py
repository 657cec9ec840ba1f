"""Files that are made when they are wanted, and how large they will be."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence

import pytest

from studio.export.entry import SAMPLE, Entry, Made, text_of_rows
from studio.export.json_rows import json_of_rows
from studio.export.subject import Subject
from studio.runs.run import Run


def content(entry: Entry) -> bytes:
    file = io.BytesIO()
    entry.write(file)
    return file.getvalue()


def test_only_a_few_rows_are_made_to_tell_a_size() -> None:
    made: list[int] = []

    def parts(chosen: Sequence[int]) -> Iterator[str]:
        yield "a head that is long\n"
        for number in chosen:
            made.append(number)
            yield f"{number:06}\n"

    entry = text_of_rows("x", parts, range(10_000))
    assert len(made) == SAMPLE
    assert not entry.exact
    assert entry.size == len(content(entry)) == 20 + 7 * 10_000
    small = text_of_rows("x", parts, range(10))
    assert small.exact
    assert small.size == len(content(small))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_rows_are_json_with_and_without_a_head(count: int) -> None:
    def row(number: int) -> object:
        return {"é": number}

    rows = [row(n) for n in range(count)]
    read = json.loads(content(json_of_rows("x", {"a": [1]}, "rows", row, range(count))))
    assert read == {"a": [1], "rows": rows}
    assert json.loads(content(json_of_rows("x", None, "", row, range(count)))) == rows
    named = json_of_rows("x", {"a": 1}, "by", row, range(count), names=lambda n: f'"{n}')
    assert json.loads(content(named)) == {"a": 1, "by": {f'"{n}': row(n) for n in range(count)}}


def test_the_page_shows_an_export_without_making_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes a row of each image, or a model, is made when it is written."""
    from studio.export.formats import FORMATS

    rows: list[int] = []
    of_one = Subject.row
    monkeypatch.setattr(Subject, "row", lambda s, index: rows.append(index) or of_one(s, index))
    monkeypatch.setattr("studio.export.entry.SAMPLE", 4)
    for name, format in FORMATS.items():
        rows.clear()
        if name == "checked":  # a file of the run, which this one does not have
            continue
        entries = list(format.entries(Subject.of(run)))
        assert len(rows) <= 4, name
        held = [e for e in entries if isinstance(e.data, bytes)]
        assert sum(e.size for e in held) < 5000, name
        tables = ("labels.csv", "metadata.csv", "annotations.xml", "tasks.json", "labels.json")
        assert all(isinstance(e.data, Made) for e in entries if e.name.endswith(tables))
