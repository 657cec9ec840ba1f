"""The labels of a run as labels.csv."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

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

    yield text_of_rows("labels.csv", parts, subject.listed)


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
    scores = outcome.combined, outcome.strangers
    for index in range(len(outcome)) if chosen is None else chosen:
        path = outcome.paths[index]
        correction = outcome.corrections.get(path)
        one, two = outcome.model_labels[:, index].tolist()
        yield (
            safe_path(path), safe_name(outcome.name(int(outcome.final_labels[index]))),
            f"{outcome.clean_probability[index]:.6f}",
            safe_name(outcome.name(one)), safe_name(outcome.name(two)),
            str(bool(outcome.final_clean[index])).lower(), f"{outcome.confidence[index]:.6f}",
            *("" if of is None else f"{of[index]:.6f}" for of in scores),
            "" if correction is None else correction.verdict,
            safe_name("" if correction is None else correction.judged_label or ""),
        )  # fmt: skip
