"""What a run can be exported as, in HTML: the run in figures, its files, the labels' first rows."""

from __future__ import annotations

from collections.abc import Sequence

from studio.export.downloads import model_files
from studio.runs.again import command_of
from studio.runs.outcome import Outcome
from studio.runs.reader import RunReader
from studio.runs.result import RunResult
from studio.views.numbers import size
from studio.views.render import render
from studio.views.runs import method_name, when


def about(reader: RunReader, outcome: Outcome | None) -> str:
    """What is in the run, where it lies and what its files are, in HTML."""
    info, result = reader.info, reader.run.result() or RunResult()
    return render(
        "export/about.html",
        info=info,
        method=method_name(info.method),
        started=when(info.created),
        result=result,
        # Before training there is no other model that could judge a label.
        judged=outcome is not None and outcome.stage != "zero-shot",
        share=None if outcome is None else outcome.clean_share,
        folder=reader.run.path,
        command=command_of(reader.run),
        files=[(file.name, size(file.stat().st_size)) for file in model_files(reader.run)],
    )


def preview(columns: Sequence[str], rows: Sequence[Sequence[str]], *, images: int) -> str:
    """The first rows of labels.csv as a table, and what its columns mean, in HTML."""
    return render("export/preview.html", columns=columns, rows=rows, images=images)
