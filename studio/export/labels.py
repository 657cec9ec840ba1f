"""The labels of a run as labels.csv."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from studio.errors import RunError
from studio.runs.corrections import corrections_of
from studio.runs.run import Run
from studio.runs.table import safe_name, safe_path, write_csv

LABEL_COLUMNS = (
    "path", "label", "clean_probability", "model_1_label", "model_2_label", "clean", "confidence",
    "combined_score", "correction",
)  # fmt: skip


def labels_csv(run: Run, path: Path) -> Path:
    """Write the run's labels, one row an image, in the order of its images; returns `path`.

    Columns: path (relative to the folder), label, clean_probability (0 to 1, 1 = clean),
    model_1_label and model_2_label (what each model says alone), clean (true or false),
    confidence (0 to 1), combined_score (0 to 1; finds wrong labels better than clean_probability
    does; empty for methods without Phase I) and correction (accepted, relabelled, rejected, or
    empty). A corrected image has the label that a person gave it and is clean, a rejected one is
    not; the three scores are always those of the models' own label. A path that a spreadsheet
    would take for a formula is written with ./ before it, which is the same file; such a class name
    gets a leading apostrophe.

    Raises:
        RunError: The run has no labels yet, or the file cannot be written.
    """
    return write_csv(path, LABEL_COLUMNS, label_rows(run))


def label_rows(run: Run) -> Iterator[tuple[str, ...]]:
    """The rows of labels.csv, without its head; see `labels_csv`.

    Raises:
        RunError: The run has no labels yet.
    """
    event = last_event(run, "finished")
    if event is None:
        raise RunError(f"run {run.id} has no labels yet; wait for it to finish, or stop it")
    arrays = run.arrays(event["arrays"])
    names, paths = run.info.class_names, run.images()["images"]
    corrections = corrections_of(run)

    def row(
        image: str,
        label: int,
        clean: float,
        one: int,
        two: int,
        kept: bool,
        sure: float,
        score: str,
    ) -> tuple[str, ...]:
        said = corrections.get(image)
        final = said.label if said is not None and said.label else names[label]
        trusted = kept if said is None else said.verdict != "rejected"
        return (
            safe_path(image), safe_name(final), f"{clean:.6f}",
            safe_name(names[one]), safe_name(names[two]), str(trusted).lower(), f"{sure:.6f}",
            score, "" if said is None else said.verdict,
        )  # fmt: skip

    more = last_event(run, "combined")
    scores = [""] * len(paths)
    if more is not None:
        scores = [f"{value:.6f}" for value in run.arrays(more["arrays"])["score"].tolist()]
    columns = (
        arrays["labels"], arrays["clean_probability"], *arrays["model_labels"],
        arrays["clean" if "clean" in arrays else "kept"].bool(), arrays["confidence"],
    )  # fmt: skip
    cells = zip(paths, *(column.tolist() for column in columns), scores, strict=True)
    return (row(*cell) for cell in cells)


def last_event(run: Run, kind: str) -> dict[str, Any] | None:
    """The run's last event of that kind, or None."""
    events, _ = run.events()
    return next((event for event in reversed(events) if event["kind"] == kind), None)
