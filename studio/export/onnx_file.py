"""The trained classifier as an ONNX file, for onnxruntime and whatever else reads it."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import studio
from studio.errors import StudioError
from studio.export.entry import Entry, Made
from studio.export.subject import Subject
from studio.export.towers import (
    SAME,
    classifier_of,
    described,
    mean_of,
    preprocessing,
    some_pixels,
    weights_bytes,
)
from studio.imports import installed

if TYPE_CHECKING:
    from torch import nn

    from studio.coft.classifier import Classifier

FILE, WEIGHTS = "model.onnx", "model.onnx.data"
OPSET = 18
_MOST_IN_ONE = 1_900_000_000
"""Bytes: a protobuf file ends at 2 GB. Larger weights lie beside it, in WEIGHTS."""
_EXPORTED_WITH = 2
"""Images: with one, the exporter takes the batch for a constant."""
_COMPARED = (1, 3)
MAKING = "Making the ONNX file"
_STEPS = 5
"""The model read, its operations written down, these translated, written, and compared. Each takes
seconds, the third about half of all; none says how far it is."""
_LIBRARIES = ("onnx", "onnxscript", "onnxruntime")
"""torch's exporter is made of the second one."""


def as_onnx(subject: Subject) -> Iterator[Entry]:
    """model.onnx: normalised pixels (B, 3, S, S) to probabilities (B, C), B as you like.

    All models of the classifier are in it and their probabilities are averaged, as `predict` does.
    Its metadata hold the class names and how an image is prepared. It is compared with the studio's
    own model before it is written.

    Raises:
        StudioError: The run trained no model, a library is missing, or the two disagree.
    """
    described(subject)
    _check_libraries()
    size = weights_bytes(subject)
    made = _Exported(subject, apart=size > _MOST_IN_ONE)
    if made.apart:
        yield Entry(FILE, Made(lambda file: made.copy(FILE, file), about=1_000_000))
        yield Entry(WEIGHTS, Made(lambda file: made.copy(WEIGHTS, file), about=size))
    else:
        yield Entry(FILE, Made(lambda file: made.copy(FILE, file), about=size))


def _check_libraries() -> None:
    missing = [name for name in _LIBRARIES if not installed(name)]
    if missing:
        raise StudioError(f"ONNX needs {', '.join(missing)}: `pip install {' '.join(_LIBRARIES)}`.")


class _Exported:
    """The files, made when the first of them is wanted; gone with this object."""

    def __init__(self, subject: Subject, *, apart: bool) -> None:
        self._subject, self.apart = subject, apart
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def copy(self, name: str, file: IO[bytes]) -> None:
        if self._folder is None:
            folder = tempfile.TemporaryDirectory(prefix="coft-onnx-")
            _export(self._subject, Path(folder.name), apart=self.apart)
            self._folder = folder
        with (Path(self._folder.name) / name).open("rb") as made:
            shutil.copyfileobj(made, file, 2**20)


def _export(subject: Subject, folder: Path, *, apart: bool) -> None:
    import onnx
    import torch

    progress = subject.begin(MAKING)
    progress(0, _STEPS)
    classifier, meta = classifier_of(subject), described(subject)
    progress(1, _STEPS)
    model = mean_of(classifier.towers)
    target, pixels = folder / FILE, some_pixels(classifier, _EXPORTED_WITH)
    with _quiet():
        # The translator would do this first, in one go with all else.
        operations = torch.export.export(
            model, (pixels,), dynamic_shapes=({0: torch.export.Dim("batch")},), strict=False
        )
        progress(2, _STEPS)
        program = torch.onnx.export(
            operations,
            dynamo=True,
            input_names=["pixels"],
            output_names=["probabilities"],
            opset_version=OPSET,
            verbose=False,
        )
    if program is None:
        raise StudioError("The model could not be written as ONNX by the installed torch.")
    progress(3, _STEPS)
    program.save(str(target), external_data=apart)
    # Only the head of the file is changed: weights beside it stay where they are.
    written = onnx.load(str(target), load_external_data=False)
    onnx.helper.set_model_props(written, {
        "names": json.dumps(meta["class_names"], ensure_ascii=False),
        **{name: json.dumps(value) for name, value in preprocessing(meta).items()},
        "models": str(len(classifier.towers)),
        "run": subject.run.id,
        "made_by": f"CoFT Studio {studio.__version__}",
    })  # fmt: skip
    onnx.save(written, str(target))
    progress(4, _STEPS)
    _compare(model, classifier, target)
    progress(_STEPS, _STEPS)


def _compare(model: nn.Module, classifier: Classifier, file: Path) -> None:
    import numpy as np
    import onnxruntime
    import torch

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    for images in _COMPARED:
        pixels = some_pixels(classifier, images)
        with torch.inference_mode():
            wanted = model(pixels).numpy()
        (found,) = session.run(None, {"pixels": pixels.numpy()})
        if found.shape != wanted.shape or np.abs(found - wanted).max() > SAME:
            raise StudioError(
                "The ONNX file does not give the studio's own probabilities, so it was not "
                "written; export the model as safetensors (`--to model`)."
            )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter prints its steps, warns of its own parts, and logs what is not installed."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
