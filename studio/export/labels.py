"""The labels of a run as labels.csv."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from studio.errors import RunError
from studio.export.entry import Entry, text_of_rows
from studio.export.subject import Subject
from studio.runs.checking import CHECKED_FILE
from studio.runs.outcome import Outcome
from studio.runs.run import Run
from studio.runs.table import row_text, safe_name, safe_path, write_csv

LABEL_COLUMNS = (
    "path", "label", "clean_probability", "model_1_label", "model_2_label", "clean", "confidence",
    "combined_score", "of_none", "correction", "judged_label",
)  # fmt: skip


_ROWS = 4096


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

    def parts(chosen: Sequence[int]) -> Iterator[str]:
        yield row_text(LABEL_COLUMNS)
        for row in label_rows(subject.outcome, chosen):
            yield row_text(row)

    yield text_of_rows("labels.csv", parts, subject.listed, begin=subject.begin)


def checked(subject: Subject) -> Iterator[Entry]:
    """checked.csv as the run wrote it, see `runs.checking`.

    Raises:
        RunError: The run was given no labels to check.
    """
    file = subject.run.path / CHECKED_FILE
    if not file.is_file():
        raise RunError(
            "this run checked no labels: give those that came with the images on the Data tab, or "
            "with `fit --labels`"
        )
    yield Entry(CHECKED_FILE, file)


def label_rows(outcome: Outcome, chosen: Sequence[int] | None = None) -> Iterator[tuple[str, ...]]:
    """The rows of labels.csv, without its head; see `labels_csv`.

    chosen: the images, by number; None = all.
    """
    every = range(len(outcome)) if chosen is None else chosen
    safe = [safe_name(name) for name in outcome.class_names]

    def name(label: int) -> str:
        return safe[label] if 0 <= label < len(safe) else safe_name(outcome.name(label))

    # In blocks: of a million images, numbers taken out of arrays one by one cost most of the time.
    for begin in range(0, len(every), _ROWS):
        some = np.asarray(every[begin : begin + _ROWS], np.int64)
        shares = [
            [""] * len(some) if of is None else [f"{share:.6f}" for share in of[some].tolist()]
            for of in (outcome.clean_probability, outcome.confidence, outcome.combined,
                       outcome.strangers)
        ]  # fmt: skip
        one, two = outcome.model_labels[:, some].tolist()
        labels, clean = outcome.final_labels[some].tolist(), outcome.final_clean[some].tolist()
        for at, index in enumerate(some.tolist()):
            path = outcome.paths[index]
            said = outcome.corrections.get(path)
            yield (
                safe_path(path), name(labels[at]), shares[0][at], name(one[at]), name(two[at]),
                str(clean[at]).lower(), shares[1][at], shares[2][at], shares[3][at],
                "" if said is None else said.verdict,
                "" if said is None else safe_name(said.judged_label or ""),
            )  # fmt: skip
