"""What a run can be exported as, in HTML: the run in figures, and its files."""

from __future__ import annotations

from collections.abc import Sequence

from studio.export.entry import Entry
from studio.export.formats import Format
from studio.export.weights import model_files
from studio.methods import title_of
from studio.numbers import size
from studio.runs.again import command_of
from studio.runs.outcome import Outcome
from studio.runs.reader import RunReader
from studio.runs.result import RunResult
from studio.views.render import render
from studio.views.runs import when

MOST_FILES = 6


def about(reader: RunReader, outcome: Outcome | None) -> str:
    """What is in the run, where it lies and what its files are, in HTML."""
    info, result = reader.info, reader.run.result() or RunResult()
    return render(
        "export/about.html",
        info=info,
        method=title_of(info.method),
        started=when(info.created),
        result=result,
        # Before training there is no other model that could judge a label.
        judged=outcome is not None and outcome.judged,
        share=None if outcome is None else outcome.clean_share,
        folder=reader.run.path,
        command=command_of(reader.run),
        files=[(file.name, size(file.stat().st_size)) for file in model_files(reader.run)],
    )


def files(format: Format, entries: Sequence[Entry], *, more: int = 0, reason: str = "") -> str:
    """The first files of an export with their sizes, and how many and how large all are.

    more: so many more there would be, of about the same size; reason: why it cannot be made, in
    place of the files.
    """
    exact, times = all(e.exact for e in entries) and not more, 1 + more / max(1, len(entries))
    return render(
        "export/files.html",
        about=format.about,
        reason=reason,
        files=[(entry.name, _size(entry.size, entry.exact)) for entry in entries[:MOST_FILES]],
        count=len(entries) + more,
        bytes=_size(round(sum(e.size for e in entries) * times), exact),
    )


def _size(bytes: int, exact: bool) -> str:
    """What is made only when it is asked for has a size that is told before, about."""
    return size(bytes) if exact else f"about {size(bytes)}"
