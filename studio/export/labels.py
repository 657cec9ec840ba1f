"""The labels of a run as labels.csv."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from studio.export.subject import Entry, Subject
from studio.runs.outcome import Outcome
from studio.runs.run import Run
from studio.runs.table import csv_text, safe_name, safe_path, write_csv

LABEL_COLUMNS = (
    "path", "label", "clean_probability", "model_1_label", "model_2_label", "clean", "confidence",
    "combined_score", "of_none", "correction", "judged_label",
)  # fmt: skip


def labels_csv(run: Run, path: Path) -> Path:
    """Write the run's labels, one row an image, in the order of its images; returns `path`.

    Columns: path (relative to the folder), label, clean_probability (0 to 1, 1 = clean),
    model_1_label and model_2_label (what each model says alone), clean (true or false), confidence
    (0 to 1), combined_score (0 to 1; finds wrong labels better than clean_probability does; empty
    for methods without Phase I), of_none (0 to 1: how far the image seems to be of none of the
    classes, see `scores.strangers`; empty for runs of earlier versions), correction (a person's:
    accepted, relabelled, rejected; judged where only a vision-language model answered; or empty)
    and judged_label (what that one said; empty with `judged`: none of the names that it was asked
    about). An image that a person corrected has that person's label and is clean, a rejected one is
    not; the three scores are always those of the models' own label. A path
    that a spreadsheet would take for a formula is written with ./ before it, which is the same
    file; such a class name gets a leading apostrophe.

    Raises:
        RunError: The run has no labels yet.
    """
    return write_csv(path, LABEL_COLUMNS, label_rows(Subject.of(run).outcome))


def as_csv(subject: Subject) -> Iterator[Entry]:
    """labels.csv as an export: all images, or only those whose label is clean."""
    chosen = set(subject.listed)
    rows = (row for i, row in enumerate(label_rows(subject.outcome)) if i in chosen)
    yield Entry("labels.csv", csv_text(LABEL_COLUMNS, rows).encode())


def label_rows(outcome: Outcome) -> Iterator[tuple[str, ...]]:
    """The rows of labels.csv, without its head; see `labels_csv`."""
    scores, strangers = (
        [""] * len(outcome) if found is None else [f"{value:.6f}" for value in found.tolist()]
        for found in (outcome.combined, outcome.strangers)
    )
    columns = (
        outcome.final_labels, outcome.clean_probability, *outcome.model_labels,
        outcome.final_clean, outcome.confidence,
    )  # fmt: skip
    cells = zip(
        outcome.paths, *(column.tolist() for column in columns), scores, strangers, strict=True
    )
    for path, label, probability, one, two, clean, confidence, score, stranger in cells:
        correction = outcome.corrections.get(path)
        yield (
            safe_path(path), safe_name(outcome.name(label)), f"{probability:.6f}",
            safe_name(outcome.name(one)), safe_name(outcome.name(two)), str(clean).lower(),
            f"{confidence:.6f}", score, stranger, "" if correction is None else correction.verdict,
            safe_name("" if correction is None else correction.judged_label or ""),
        )  # fmt: skip
