"""Cards: what was fitted on what, how sure it is, and what it is not for; in Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import studio
from studio.export.entry import Entry
from studio.export.subject import Subject
from studio.methods import title_of
from studio.numbers import percent, plural
from studio.runs.again import command_of
from studio.scores.estimate import Estimate

_MOST_CLASSES = 40


def model_card(subject: Subject) -> Iterator[Entry]:
    """README.md of the model: use, data, figures, limits."""
    text = "\n".join([
        "---", "library_name: open_clip", "tags: [image-classification, pseudo-labels, coft]",
        "---", "", f"# {subject.reader.info.name}", "",
        "An image classifier that was trained without any human annotation, on labels that two "
        "copies of a CLIP model judged for each other (CoFT, arXiv:2602.04337), by "
        f"[CoFT Studio](https://arxiv.org/abs/2602.04337) {studio.__version__}.", "",
        *_figures(subject), *_limits(subject), "", "## How to use it", "",
        "`python -m studio predict RUN FOLDER --out labels.csv` labels a folder; "
        "docs/export.md of CoFT Studio shows how to load the files with open_clip and torch alone.",
        "", "## How it was made", "", "```", command_of(subject.run), "```", "",
    ])  # fmt: skip
    yield Entry("README.md", text.encode())


def data_card(subject: Subject) -> str:
    """README.md of the labelled images, as the Hugging Face hub reads it."""
    head = (
        "---\ntask_categories: [image-classification]\n"
        "annotations_creators: [machine-generated]\n---\n"
    )
    body = [
        f"# {subject.reader.info.name}", "",
        f"{plural(len(subject.indices), 'image')} with labels that no person gave, but for those "
        "that the column `correction` marks as accepted or relabelled. Two copies of a CLIP model "
        "labelled them and judged each other's labels (CoFT, arXiv:2602.04337). The images' own "
        "licence is not known to the studio.", "", *_figures(subject), *_limits(subject), "",
    ]  # fmt: skip
    return head + "\n" + "\n".join(body)


def _figures(subject: Subject) -> list[str]:
    info, result = subject.reader.info, subject.result
    counts = Counter(subject.outcome.final_labels[subject.indices].tolist())
    rows = [
        ("method", title_of(info.method)), ("model", info.model), ("random seed", str(info.seed)),
        ("images", str(len(subject.outcome))), ("exported", str(len(subject.indices))),
        ("refused files", str(len(subject.refused))),
        ("labels clean", percent(result.judged_clean)),
        ("right labels before training, estimated", _text(result.estimated_zero_shot_accuracy)),
        ("right labels, estimated", _text(result.estimated_accuracy)),
        ("right labels among clean, estimated", _text(result.estimated_clean_precision)),
        (f"accuracy, {result.measured_by}", percent(result.accuracy, digits=1)),
        ("labels that a person gave", str(result.given_labels or 0)),
        ("labels that a vision-language model judged", str(result.judged_labels or 0)),
    ]  # fmt: skip
    lines = ["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows), ""]
    lines += ["| class | images |", "| --- | --- |"]
    shown = enumerate(subject.class_names[:_MOST_CLASSES])
    lines += [f"| {_cell(name)} | {counts[label]} |" for label, name in shown]
    if len(subject.class_names) > _MOST_CLASSES:
        lines.append(f"| {len(subject.class_names) - _MOST_CLASSES} more | |")
    return [*lines, ""]


def limits(subject: Subject) -> list[str]:
    """What every reader of the labels has to know, in sentences."""
    return [
        "An estimate is no measurement: no true label was used for it. "
        "Look at the images with the lowest scores before you rely on the labels.",
        "Clean means that the other model agrees, not that the label is right.",
        f"It knows these {len(subject.reader.info.class_names)} classes and no others; an image "
        "that shows none of them gets one of their names all the same.",
        *subject.reader.warnings,
    ]  # fmt: skip


def _limits(subject: Subject) -> list[str]:
    return ["## Limits", "", *(f"- {sentence}" for sentence in limits(subject))]


def _text(estimate: Estimate | None) -> str:
    return "not known" if estimate is None else estimate.text()


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
