"""Which files of a repository are an open_clip model's weights: one, or parts named by an index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from studio.clip.hub import Hub
from studio.clip.weights import INDEX_ENDING, weight_map, weights_names
from studio.errors import ModelError


def cached_weights(hub: Hub, *, wanted: str = "") -> Path | None:
    """The weights, as `fetch_weights` gives them, if all of them are on this machine."""
    found = hub.cached(*weights_names(wanted))
    if found is None or not found.name.endswith(INDEX_ENDING):
        return found
    parts = _parts(found, repo=hub.name)
    return found if all((found.parent / part).is_file() for part in parts) else None


def fetch_weights(hub: Hub, *, wanted: str = "", names: Sequence[str] | None = None) -> Path:
    """The file with the weights, or the index beside their parts; fetched unless it is here.

    Args:
        hub: The repository.
        wanted: The file that open_clip names; its safetensors twin is meant.
        names: All files there, where they are known already.

    Raises:
        ModelError: there are none in safetensors, they are another library's, or why they could
            not be fetched.
    """
    here = cached_weights(hub, wanted=wanted)
    if here is not None:
        return here
    file = hub.get(weights_name(names or hub.files(), repo=hub.name, wanted=wanted))
    if not file.name.endswith(INDEX_ENDING):
        return file
    parts = _parts(file, repo=hub.name)
    # The parts of the same commit as the index: a branch may move meanwhile.
    commit = hub.at(file.parent.name)
    for number, part in enumerate(parts, start=1):
        commit.get(part, part=f"{number} of {len(parts)}")
    return file


def weights_name(names: Sequence[str], *, repo: str, wanted: str = "") -> str:
    """Which file of a repository holds an open_clip model's weights, or names their parts.

    Args:
        names: All files there.
        repo: For the message.
        wanted: The file that open_clip names; its safetensors twin is meant.

    Raises:
        ModelError: None in safetensors.
    """
    found = next((name for name in weights_names(wanted) if name in names), None)
    if found is not None:
        return found
    # model.safetensors is another library's: one tower, or other names of tensors.
    safe = [n for n in names if n.endswith(".safetensors") and n != "model.safetensors"]
    if len(safe) == 1:
        return safe[0]
    unsafe = [n for n in names if n.endswith((".bin", ".pt", ".pth", ".pkl", ".ckpt"))]
    has = "no weights"
    if safe:
        has = f"{', '.join(safe[:3])}, but no {weights_names()[0]} and no index of its parts"
    elif unsafe:
        has = f"only {', '.join(unsafe[:3])}, which can run code when opened"
    raise ModelError(
        f"{repo} holds no open_clip weights in safetensors ({has}); choose another model."
    )


def _parts(index: Path, *, repo: str) -> list[str]:
    """The files that an index names, looked at before any of them is fetched.

    Raises:
        ModelError: it is damaged, or their tensors are those of another library.
    """
    try:
        places = weight_map(index)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{index.name} of {repo} is damaged ({error}); choose another model."
        ) from error
    # open_clip's models call their image tower so; transformers' `vision_model`.
    if not any(tensor.removeprefix("module.").startswith("visual.") for tensor in places):
        raise ModelError(
            f"{repo} holds no open_clip weights: {index.name} names those of another library; "
            "choose another model."
        )
    return sorted(set(places.values()))
