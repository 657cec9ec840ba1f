"""Values as the ranks of a run send them to one another: safetensors and JSON, never pickles.

A message has a head of fixed length, which says how long it is and holds all of a small one, and
what is left of a large one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

HEAD = 1024
"""Bytes of the head."""


def to_bytes(value: Any) -> Tensor:
    """(n,) uint8: of tensors, plain values, and lists and mappings of these."""
    tensors: dict[str, Tensor] = {}

    def walk(value: Any) -> Any:
        if isinstance(value, Tensor):
            name = str(len(tensors))
            tensors[name] = value.detach().cpu().contiguous().clone()
            return {"tensor": name}
        if isinstance(value, Mapping):
            return {"of": {str(key): walk(item) for key, item in value.items()}}
        if isinstance(value, (list, tuple)):
            return [walk(item) for item in value]
        return value

    text = json.dumps(walk(value)).encode()
    if not tensors:
        return torch.frombuffer(bytearray(b"j" + text), dtype=torch.uint8)
    tensors["value"] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
    return torch.frombuffer(bytearray(b"t" + save(tensors)), dtype=torch.uint8)


def head_of(data: Tensor) -> Tensor:
    """The first bytes of a message: its length, and as much of it as there is room for."""
    head = torch.zeros(HEAD, dtype=torch.uint8)
    head[:8] = torch.tensor([len(data)], dtype=torch.int64).view(torch.uint8)
    some = data[: HEAD - 8]
    head[8 : 8 + len(some)] = some
    return head


def rest_of(head: Tensor, data: Tensor | None) -> Tensor:
    """What comes after the head: of the data, or room for it."""
    length = int(head[:8].view(torch.int64))
    room = max(0, length - (HEAD - 8))
    return torch.zeros(room, dtype=torch.uint8) if data is None else data[length - room :]


def value_of(head: Tensor, rest: Tensor) -> Any:
    """The value again, from both parts of its message."""
    length = int(head[:8].view(torch.int64))
    whole = torch.cat([head[8 : 8 + min(length, HEAD - 8)], rest]).numpy().tobytes()
    tensors = load(whole[1:]) if whole[:1] == b"t" else {}
    text = tensors["value"].numpy().tobytes() if tensors else whole[1:]

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            if "tensor" in value:
                return tensors[value["tensor"]]
            return {key: walk(item) for key, item in value["of"].items()}
        return [walk(item) for item in value] if isinstance(value, list) else value

    return walk(json.loads(text))
