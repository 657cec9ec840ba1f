"""Weights on disk: safetensors only, in one file or in several, and into a model.

Several files, each small enough for any host of a repository, are named and indexed as on the
Hugging Face hub: `model-00001-of-0000N.safetensors` and `model.safetensors.index.json` with a
`weight_map` from tensor to file. One thing is added: a tensor that is larger than a file may be is
stored as blocks of its rows, named `name#0`, `name#1`, ...; reading puts them together again, so
what is loaded is an ordinary state dict.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from studio.errors import ModelError
from studio.untrusted import Unreadable, load_object, load_tensors

INDEX_ENDING = ".safetensors.index.json"
INDEX_NAME = f"model{INDEX_ENDING}"
BLOCK_MARK = "#"
DEFAULT_MAX_BYTES = 9_500_000
FORMAT_NOTE = "tensors named X#0, X#1, ... are blocks of rows of X, in this order"


def save_sharded_state_dict(
    state_dict: dict[str, torch.Tensor], folder: Path, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> list[Path]:
    """Write a state dict as shards of at most about `max_bytes` of tensor data, and their index.

    Shards of an earlier save in the folder are removed first.

    Returns:
        The files written, the index last.
    """
    shards: list[dict[str, torch.Tensor]] = [{}]
    used = 0
    for name, tensor in _blocks(state_dict, max_bytes):
        size = tensor.numel() * tensor.element_size()
        if used and used + size > max_bytes:
            shards.append({})
            used = 0
        shards[-1][name] = tensor
        used += size
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("model-*-of-*.safetensors"):
        old.unlink()
    paths = []
    places: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        path = folder / f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        save_file(shard, path, metadata={"format": "pt"})
        places.update(dict.fromkeys(shard, path.name))
        paths.append(path)
    total = sum(t.numel() * t.element_size() for t in state_dict.values())
    index = {
        "metadata": {"total_size": total, "blocks": FORMAT_NOTE},
        "weight_map": dict(sorted(places.items())),
    }
    index_path = folder / INDEX_NAME
    index_path.write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    return [*paths, index_path]


def _blocks(state_dict: dict[str, torch.Tensor], max_bytes: int) -> list[tuple[str, torch.Tensor]]:
    """Tensors in their order, the too large ones cut into blocks of rows."""
    out: list[tuple[str, torch.Tensor]] = []
    for name, tensor in state_dict.items():
        if BLOCK_MARK in name:
            raise ValueError(f"tensor name {name!r} contains {BLOCK_MARK!r}, which marks blocks")
        tensor = tensor.detach().contiguous()
        size = tensor.numel() * tensor.element_size()
        if size <= max_bytes:
            out.append((name, tensor))
            continue
        rows = max(1, max_bytes // (size // tensor.shape[0]))
        # Clones, because a view of a larger storage cannot be saved by itself.
        blocks = [block.clone() for block in tensor.split(rows)]
        out.extend((f"{name}{BLOCK_MARK}{k}", block) for k, block in enumerate(blocks))
    return out


def weight_map(index: Path) -> dict[str, str]:
    """Which file beside an index holds which tensor, or block of one.

    Raises:
        ValueError: it is no index, or it names files that are not beside it.
    """
    found = load_object(index).get("weight_map")
    if not found or not isinstance(found, dict):
        raise ValueError("it has no weight_map")
    for file in found.values():
        plain = isinstance(file, str) and Path(file).name == file
        if not plain or not file.endswith(".safetensors"):
            raise ValueError(f"it names {file!r}, which is no .safetensors file beside it")
    return found


def load_sharded_state_dict(folder: Path, *, index: str = INDEX_NAME) -> dict[str, torch.Tensor]:
    """Read all shards that the folder's index names and join the blocks of split tensors.

    Returns:
        Tensors by name, in the precision in which they are stored, ready for
        `model.load_state_dict(..., strict=True)`.

    Raises:
        Unreadable: the index or a shard is missing or damaged.
        ValueError: it is no index, a shard lacks a tensor that it promises, or a block is missing.
    """
    places = weight_map(folder / index)
    stored: dict[str, torch.Tensor] = {}
    for file in sorted(set(places.values())):
        stored.update(load_tensors(folder / file))
    missing = sorted(set(places) - set(stored))
    if missing:
        raise ValueError(f"{folder}: shards lack {', '.join(missing)}")
    blocks: dict[str, dict[int, torch.Tensor]] = {}
    whole: dict[str, torch.Tensor] = {}
    for key, tensor in stored.items():
        name, mark, number = key.partition(BLOCK_MARK)
        if mark:
            blocks.setdefault(name, {})[int(number)] = tensor
        else:
            whole[name] = tensor
    for name, parts in blocks.items():
        if sorted(parts) != list(range(len(parts))):
            raise ValueError(f"{folder}: blocks {sorted(parts)} of {name} are not complete")
        whole[name] = torch.cat([parts[k] for k in range(len(parts))])
    return whole


def weights_names(wanted: str = "") -> list[str]:
    """Names under which open_clip's weights are kept in safetensors, the likeliest first."""
    usual = ["open_clip_model.safetensors", "open_clip_pytorch_model.safetensors"]
    if wanted:
        usual.insert(0, f"{wanted.rpartition('.')[0]}.safetensors")
    # The studio's own way to store them; on the hub, another library's may be called so.
    whole = [*usual, "model.safetensors"]
    return [*usual, *(name.removesuffix(".safetensors") + INDEX_ENDING for name in whole)]


def weights_bytes(path: Path) -> int:
    """Bytes of the safetensors files that `read_weights` would read, at least."""
    if path.name.endswith(INDEX_ENDING):  # has a few kilobytes, and the parts lie beside it
        path = path.parent
    files = path.glob("*.safetensors") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def weights_file(name: str) -> Path:
    """The safetensors file of that name. Raises ModelError: it is none, or not there."""
    path = Path(os.path.expanduser(name))  # stays as it is where there is no such user
    if path.suffix != ".safetensors":
        raise ModelError(
            f"{path.name} is not a .safetensors file; other formats can run code when opened."
        )
    if not os.path.isfile(path):  # False as well for what cannot be a name
        raise ModelError(f"There is no file {path}.")
    return path


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The state dict in a .safetensors file, in several that an index beside them names, or in a
    folder with either; in one with several of them that of open_clip, as on the hub.

    Raises:
        ModelError: there is none, or it cannot be read as safetensors.
    """
    if not path.is_dir():
        return _read(_load, path)
    usual = [path / name for name in weights_names() if (path / name).is_file()]
    files = usual[:1] or sorted(path.glob(f"*{INDEX_ENDING}")) or sorted(path.glob("*.safetensors"))
    if len(files) != 1:
        raise ModelError(
            f"{path} holds {len(files)} files of weights in safetensors, none of which has a usual "
            f"name; keep one, or call yours {weights_names()[0]}."
        )
    return _read(_load, files[0])


def _load(path: Path) -> dict[str, torch.Tensor]:
    if path.name.endswith(INDEX_ENDING):
        return load_sharded_state_dict(path.parent, index=path.name)
    return load_tensors(path)


def _read(read: Callable[[Path], dict[str, torch.Tensor]], path: Path) -> dict[str, torch.Tensor]:
    try:
        return read(path)
    except (Unreadable, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ModelError(
            f"{path} cannot be read as safetensors ({error}); fetch or copy it again."
        ) from error


def put_weights(model: nn.Module, state: dict[str, torch.Tensor], *, source: str) -> None:
    """Load a state dict of any precision into an open_clip model; every tensor has to fit.

    Names and forms that other versions and tools write are taken: `module.` before each name, a
    text tower of its own or not, scales of shape () or (1,), the bias that older files lack.

    Raises:
        ModelError: the weights are not of this architecture.
    """
    try:
        model.load_state_dict(_in_form(model, state), strict=True)
    except Exception as error:  # of torch; or of open_clip, which turns other makers' forms round
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise ModelError(
            f"The weights in {source} do not fit the architecture: {first[:160]}"
        ) from error


def _in_form(model: Any, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    from open_clip.convert import convert_state_dict
    from open_clip.model import convert_to_custom_text_state_dict

    if state and all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    state = convert_state_dict(model, dict(state))
    if "positional_embedding" in state and not hasattr(model, "positional_embedding"):
        state = convert_to_custom_text_state_dict(state)
    state.pop("text.transformer.embeddings.position_ids", None)
    for name in ("logit_scale", "logit_bias"):
        own = getattr(model, name, None)
        if own is not None and name in state and state[name].numel() == own.numel():
            state[name] = state[name].reshape(own.shape)
    if getattr(model, "logit_bias", None) is not None and "logit_bias" not in state:
        state["logit_bias"] = torch.zeros_like(model.logit_bias)
    return {name: tensor.float() for name, tensor in state.items()}
