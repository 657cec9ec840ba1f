"""A state dict in several safetensors files, each small enough for any host of a repository.

The files are named and indexed as on the Hugging Face hub: `model-00001-of-0000N.safetensors` and
`model.safetensors.index.json` with a `weight_map` from tensor to file. One thing is added: a tensor
that is larger than a file may be is stored as blocks of its rows, named `name#0`, `name#1`, ...;
reading puts them together again, so what is loaded is an ordinary state dict.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

INDEX_NAME = "model.safetensors.index.json"
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
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        path = folder / f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        save_file(shard, path, metadata={"format": "pt"})
        weight_map.update(dict.fromkeys(shard, path.name))
        paths.append(path)
    total = sum(t.numel() * t.element_size() for t in state_dict.values())
    index = {
        "metadata": {"total_size": total, "blocks": FORMAT_NOTE},
        "weight_map": dict(sorted(weight_map.items())),
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


def load_sharded_state_dict(folder: Path) -> dict[str, torch.Tensor]:
    """Read all shards that the folder's index names and join the blocks of split tensors.

    Returns:
        Tensors by name, in the precision in which they are stored, ready for
        `model.load_state_dict(..., strict=True)`.

    Raises:
        FileNotFoundError: the index or a shard is missing.
        ValueError: a shard lacks a tensor that the index promises, or a block is missing.
    """
    weight_map: dict[str, str] = json.loads((folder / INDEX_NAME).read_text("utf-8"))["weight_map"]
    stored: dict[str, torch.Tensor] = {}
    for file in sorted(set(weight_map.values())):
        stored.update(load_file(folder / file))
    missing = sorted(set(weight_map) - set(stored))
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
