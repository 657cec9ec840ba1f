"""The trained model's own files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from studio.errors import RunError
from studio.export.entry import Entry
from studio.export.subject import Subject
from studio.runs.run import Run


def model(subject: Subject) -> Iterator[Entry]:
    """model.json and the safetensors files.

    Raises:
        RunError: The run trained no model.
    """
    files = model_files(subject.run)
    if not files:
        raise RunError("This run trained no model; only its labels can be exported.")
    for file in files:
        yield Entry(file.name, file)


def model_files(run: Run) -> list[Path]:
    """The files of a run's model, in order; none where it trained none."""
    folder = run.path / "model"
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return [file for file in files if file.is_file() and not file.name.startswith(".")]
