"""Tensors of a run's events, read back: of the right form, or a reason why they are not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import RunError
from studio.untrusted import Unreadable, load_tensors

if TYPE_CHECKING:
    from torch import Tensor

_LABELS, _SHARES, _FLAGS = "labels", "shares", "flags"

_FORMS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "zero_shot": {"labels": (_LABELS, "N"), "confidence": (_SHARES, "N")},
    "monitor": {"labels": (_LABELS, "Mn"), "indices": (_LABELS, "n")},
    "judged": {
        "labels": (_LABELS, "MN"), "clean_probability": (_SHARES, "MN"),
        "own_clean_probability": (_SHARES, "MN"), "clean": (_FLAGS, "MN"),
        "confidence": (_SHARES, "MN"),
    },
    "finished": {
        "labels": (_LABELS, "N"), "confidence": (_SHARES, "N"),
        "clean_probability": (_SHARES, "N"), "model_labels": (_LABELS, "MN"),
        "model_clean_probability": (_SHARES, "MN"), "clean": (_FLAGS, "N"),
        "top_labels": (_LABELS, "NK"), "top_probabilities": (_SHARES, "NK"),
    },
    "combined": {"score": (_SHARES, "N")},
    "strangers": {"score": (_SHARES, "N")},
}  # fmt: skip
"""Of each kind of event, its tensors: what they hold, and their sizes. N images, M models (one or
two), n and K as many as there are. The first one named is always there."""

Sizes = dict[str, int]


def load_arrays(path: Path) -> dict[str, Tensor]:
    """All tensors of a file; what older versions called otherwise has its name of today.

    Raises:
        Unreadable: it is missing or damaged.
    """
    arrays = load_tensors(path)
    if "kept" in arrays:
        arrays["clean"] = arrays.pop("kept").bool()
    return arrays


def checked(kind: str, tensors: Mapping[str, Tensor], *, file: str) -> dict[str, Tensor]:
    """The tensors of an event once they fit each other; probabilities that are none are 0.

    kind: of the event; one without a form here is passed on as it is. file: for the message.

    Raises:
        Unreadable: one is missing, or of another size or type.
    """
    found = dict(tensors)
    sizes: Sizes = {}
    for name, (what, axes) in _FORMS.get(kind, {}).items():
        if name not in found:  # older versions wrote fewer; whoever needs it says so
            continue
        found[name] = _as(what, found[name], f"{file}: {name}")
        _fit(found[name], axes, sizes, f"{file}: {name}")
    return found


def images_in(kind: str, tensors: Mapping[str, Tensor]) -> int | None:
    """Of how many images these tensors are; None where they are not of all images."""
    for name, (_, axes) in _FORMS.get(kind, {}).items():
        if "N" in axes and name in tensors:
            return int(tensors[name].shape[axes.index("N")])
    return None


def loaded(kind: str, event: Any) -> dict[str, Any]:
    """All that an event holds, its tensors read from the run's folder: one asked for reads all.

    Raises:
        RunError: they are missing, or of another kind of event.
    """
    missing: RunError | None = None
    for name in _FORMS[kind]:  # older versions wrote fewer
        try:
            getattr(event, name)
            return vars(event)
        except RunError as error:
            missing = error
    raise missing or RunError(f"a record of kind {kind} has no tensors")


def check_classes(
    kind: str, tensors: Mapping[str, Tensor], *, classes: int, images: int, file: str
) -> None:
    """Raise where there is a label without a class, or an image without a number.

    Raises:
        Unreadable: such a tensor.
    """
    for name, (what, _) in _FORMS.get(kind, {}).items():
        tensor = tensors.get(name)
        if what != _LABELS or tensor is None or not tensor.numel():
            continue
        most, of = (images, "images") if name == "indices" else (classes, "classes")
        if int(tensor.min()) < 0 or int(tensor.max()) >= most:
            raise Unreadable(f"{file}: {name} holds numbers of {of} that there are not")


def _as(what: str, tensor: Tensor, where: str) -> Tensor:
    import torch

    if what == _SHARES:
        if not tensor.is_floating_point():
            raise Unreadable(f"{where} holds no probabilities")
        return torch.nan_to_num(tensor.float()).clamp(0, 1)
    if what == _FLAGS:
        if tensor.is_floating_point() or tensor.is_complex():
            raise Unreadable(f"{where} holds no marks")
        return tensor.bool()
    if tensor.dtype not in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8):
        raise Unreadable(f"{where} holds no whole numbers")
    return tensor.long()


def _fit(tensor: Tensor, axes: str, sizes: Sizes, where: str) -> None:
    right = tensor.ndim == len(axes) and all(
        sizes.setdefault(axis, size) == size for axis, size in zip(axes, tensor.shape, strict=True)
    )
    if not right or sizes.get("M", 1) not in (1, 2):
        shape = " x ".join(map(str, tensor.shape)) or "a single number"
        raise Unreadable(f"{where} does not fit the others ({shape})")
