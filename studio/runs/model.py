"""The classifier of a run on disk.

A model folder holds model.json (what it is), classifier-0.safetensors and, when two models decide
together, classifier-1.safetensors. docs/export.md shows how to load one without the studio.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio import untrusted
from studio.errors import ModelError
from studio.files import read_json, replace_file
from studio.leftovers import held
from studio.progress import Progress, Stop
from studio.ranks import ALONE, Results
from studio.room import writing
from studio.untrusted import Unreadable

if TYPE_CHECKING:
    from torch import Tensor

    from studio.clip.encode import Images
    from studio.coft.classifier import Classifier

FORMAT = 1


def save_model(folder: Path, *, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write tensors named `models.<i>.*` to one file per model, and meta to model.json.

    A reader sees the old folder or the new one, but for the moment between two renames.
    """
    from safetensors.torch import save_file

    with writing(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
    files: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        _, number, rest = name.split(".", 2)
        part = files.setdefault(f"classifier-{int(number)}.safetensors", {})
        part[rest] = tensor.detach().cpu().contiguous().clone()  # safetensors refuses shared memory
    with contextlib.ExitStack() as stack:
        stack.enter_context(writing(folder.parent))
        temporary = _beside(folder)
        stack.callback(shutil.rmtree, temporary, ignore_errors=True)
        stack.enter_context(held(temporary))
        for name, part in files.items():
            replace_file(temporary / name, lambda path, part=part: save_file(part, path))  # type: ignore[misc]
        text = json.dumps({"format": FORMAT, "files": sorted(files), **meta}, indent=1)
        replace_file(temporary / "model.json", lambda path: path.write_text(text, encoding="utf-8"))
        temporary.chmod(0o755)
        if folder.exists():
            old = _beside(folder)
            os.replace(folder, old)
            os.replace(temporary, folder)
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.replace(temporary, folder)


def _beside(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))


def load_classifier(folder: Path, *, device: str | None = None) -> Classifier:
    """The classifier in a model folder.

    Raises:
        ModelError: There is none, or its files are damaged or of another version.
    """
    from studio.clip.device import device_name
    from studio.coft.classifier import Classifier

    meta = read_json(folder / "model.json")
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise ModelError(f"{folder} holds no classifier that this version can read.")
    try:
        models = meta["models"]
        if models not in (1, 2):
            raise Unreadable(f"model.json: there are no {str(models)[:20]} models in a run")
        return Classifier.load(
            load_tensors(folder, models=models), meta, device=device_name(device)
        )
    except ModelError:
        raise
    except Exception as error:  # of open_clip, timm or torch, to which it means nothing either
        why = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(f"The classifier in {folder} cannot be read: {why[0][:200]}") from error


def load_tensors(folder: Path, *, models: int | None = None) -> dict[str, Tensor]:
    """What `save_model` was given: tensors named `models.<i>.*`; models: None takes all files.

    Raises:
        Unreadable: A file is missing or damaged.
    """
    number = len(list(folder.glob("classifier-*.safetensors"))) if models is None else models
    return {
        f"models.{i}.{name}": tensor
        for i in range(number)
        for name, tensor in untrusted.load_tensors(folder / f"classifier-{i}.safetensors").items()
    }


def label_each(
    classifier: Classifier,
    images: Images,
    *,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Tensor:
    """(models, N, C) class probabilities of every image under every model of the classifier."""
    import torch

    from studio.errors import Stopped

    parts, batch = [], classifier.backbone.forward_batch
    if len(images) > 2 * batch:
        classifier.quicken()

    def labelled(begin: int) -> Results:
        if stop is not None and stop():
            raise Stopped
        return (classifier.each(images.batch(range(begin, min(begin + batch, len(images))))),)

    done = 0
    for (part,) in ALONE.spread(range(0, len(images), batch), labelled):
        parts.append(part)
        done += part.shape[1]
        if progress is not None:
            progress(done, len(images))
    return torch.cat(parts, dim=1)
