"""What leaves the studio: labels as CSV, the trained classifier, and labels of other folders.

A model folder holds model.json (what it is), classifier-0.safetensors and, when two models decide
together, classifier-1.safetensors. docs/export.md shows how to load one without the studio.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import ModelError, RunError
from studio.runs.corrections import corrections_of
from studio.runs.files import read_json, replace_file
from studio.runs.table import safe_name, safe_path, write_csv

if TYPE_CHECKING:
    from torch import Tensor

    from studio.clip.encode import Images
    from studio.coft.classifier import Classifier
    from studio.runs.run import Run

LABEL_COLUMNS = (
    "path", "label", "clean_probability", "model_1_label", "model_2_label", "kept", "confidence",
    "combined_score", "correction",
)  # fmt: skip
PREDICT_COLUMNS = ("path", "label", "confidence")
FORMAT = 1


def save_model(folder: Path, *, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write tensors named `models.<i>.*` to one file per model, and meta to model.json.

    A reader sees the old folder or the new one, but for the moment between two renames.
    """
    from safetensors.torch import save_file

    folder.parent.mkdir(parents=True, exist_ok=True)
    files: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        _, number, rest = name.split(".", 2)
        part = files.setdefault(f"classifier-{int(number)}.safetensors", {})
        part[rest] = tensor.detach().cpu().contiguous().clone()  # safetensors refuses shared memory
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for name, part in files.items():
            replace_file(temporary / name, lambda path, part=part: save_file(part, path))  # type: ignore[misc]
        text = json.dumps({"format": FORMAT, "files": sorted(files), **meta}, indent=1)
        replace_file(temporary / "model.json", lambda path: path.write_text(text, encoding="utf-8"))
        temporary.chmod(0o755)
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.old.", dir=folder.parent))
            os.replace(folder, old)
            os.replace(temporary, folder)
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.replace(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def load_classifier(folder: Path, *, device: str | None = None) -> Classifier:
    """The classifier in a model folder.

    Raises:
        ModelError: There is none, or its files are damaged or of another version.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from studio.coft.classifier import Classifier

    meta = read_json(folder / "model.json")
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise ModelError(f"{folder} holds no classifier that this version can read.")
    tensors: dict[str, Tensor] = {}
    try:
        for number in range(int(meta["models"])):
            path = folder / f"classifier-{number}.safetensors"
            tensors.update({f"models.{number}.{k}": v for k, v in load_file(path).items()})
        return Classifier.load(tensors, meta, device=device)
    except (KeyError, ValueError, OSError, SafetensorError) as error:
        raise ModelError(f"The classifier in {folder} cannot be read: {error}") from error


def label_each(
    classifier: Classifier,
    images: Images,
    *,
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Tensor:
    """(models, N, C) class probabilities of every image under every model of the classifier."""
    import torch

    from studio.clip.encode import Stopped

    parts, batch = [], classifier.backbone.forward_batch
    for begin in range(0, len(images), batch):
        if stop is not None and stop():
            raise Stopped
        chunk = range(begin, min(begin + batch, len(images)))
        parts.append(classifier.each(images.batch(chunk)))
        if progress is not None:
            progress(chunk.stop, len(images))
    return torch.cat(parts, dim=1)


def labels_csv(run: Run, path: Path) -> Path:
    """Write the run's labels, one row an image, in the order of its images; returns `path`.

    Columns: path (relative to the folder), label, clean_probability (0 to 1, 1 = clean),
    model_1_label and model_2_label (what each model says alone), kept (true: to be trusted),
    confidence (0 to 1), combined_score (0 to 1; finds wrong labels better than clean_probability
    does; empty for methods without Phase I) and correction (accepted, relabelled, rejected, or
    empty). A corrected image has the label that a person gave it and is kept, a rejected one is
    not; the three scores are always those of the models' own label. A path that a spreadsheet
    would take for a formula is written with ./ before it, which is the same file; such a class name
    gets a leading apostrophe.

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
        arrays["kept"].bool(), arrays["confidence"],
    )  # fmt: skip
    cells = zip(paths, *(column.tolist() for column in columns), scores, strict=True)
    rows = (row(*cell) for cell in cells)
    return write_csv(path, LABEL_COLUMNS, rows)


def predict(
    run: Run,
    folder: Path,
    out_csv: Path,
    *,
    cache_dir: Path,
    device: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Label the images of another folder with the run's classifier; nothing is trained.

    Args:
        run: A run with a classifier.
        folder: The images.
        out_csv: Where the labels go: path, label, confidence (0 to 1).
        cache_dir: Where decoded images are kept.
        device: A torch device; None takes the GPU when there is one.
        progress: Told (what is being done, done, total).

    Returns:
        {"out", "images", "refused": number, "refused_files": [{path, reason, detail}]}.

    Raises:
        RunError: The run has no classifier yet.
        FolderError: The folder cannot be used, or out_csv cannot be written.
    """
    from studio.pixels import canvas_size, prepare

    if not (run.path / "model" / "model.json").is_file():
        raise RunError(f"run {run.id} has no trained classifier yet; wait for it to finish")

    def tell(stage: str, done: int, total: int) -> None:
        if progress is not None:
            progress(stage, done, total)

    classifier = load_classifier(run.path / "model", device=device)
    found, canvases = prepare(
        folder,
        cache_dir=cache_dir,
        size=canvas_size(classifier.backbone.image_size),
        progress=lambda done, total: tell("reading images", done, total),
    )
    each = label_each(
        classifier, canvases, progress=lambda done, total: tell("labelling", done, total)
    )
    confidence, labels = each.mean(0).max(-1)
    names = run.info.class_names
    rows = (
        (safe_path(image.path), safe_name(names[label]), f"{sure:.6f}")
        for image, label, sure in zip(
            found.images, labels.tolist(), confidence.tolist(), strict=True
        )
    )
    write_csv(out_csv, PREDICT_COLUMNS, rows)
    return {
        "out": str(out_csv),
        "images": len(found.images),
        "refused": len(found.refused),
        "refused_files": [vars(refused) for refused in found.refused],
    }


def last_event(run: Run, kind: str) -> dict[str, Any] | None:
    """The run's last event of that kind, or None."""
    events, _ = run.events()
    return next((event for event in reversed(events) if event["kind"] == kind), None)
