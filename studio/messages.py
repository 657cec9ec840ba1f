"""Values as the ranks of a run send them to one another: JSON and plain numbers, never pickles.

A message has a head of fixed length, which says how long it is and holds all of a small one, and
what is left of a large one. Features of a million images are gigabytes, so that tensors are copied
into a message once, and once out of it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

HEAD = 1024
"""Bytes of the head."""
_ROOM = 64
"""Each tensor begins at a multiple of so many bytes, as its numbers want it in memory."""


def to_bytes(value: Any) -> Tensor:
    """(n,) uint8: of tensors, plain values, and lists and mappings of these."""
    tensors: list[Tensor] = []

    def walk(value: Any) -> Any:
        if isinstance(value, Tensor):
            tensors.append(value.detach().cpu().contiguous())
            return {"tensor": [str(value.dtype).removeprefix("torch."), list(value.shape)]}
        if isinstance(value, Mapping):
            return {"of": {str(key): walk(item) for key, item in value.items()}}
        if isinstance(value, (list, tuple)):
            return [walk(item) for item in value]
        return value

    text = json.dumps(walk(value)).encode()
    begins, end = list[int](), 8 + len(text)
    for tensor in tensors:
        begins.append(_rounded(end))
        end = begins[-1] + tensor.nbytes
    data = torch.zeros(end, dtype=torch.uint8)
    data[:8] = torch.tensor([len(text)], dtype=torch.int64).view(torch.uint8)
    data[8 : 8 + len(text)] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
    for begin, tensor in zip(begins, tensors, strict=True):
        if tensor.numel():
            data[begin : begin + tensor.nbytes] = tensor.reshape(-1).view(torch.uint8)
    return data


def _rounded(place: int) -> int:
    return -(-place // _ROOM) * _ROOM


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
    whole = torch.cat([head[8 : 8 + min(length, HEAD - 8)], rest])
    end = 8 + int(whole[:8].view(torch.int64))
    said = json.loads(whole[8:end].numpy().tobytes())

    def walk(value: Any) -> Any:
        nonlocal end
        if isinstance(value, dict):
            if "tensor" in value:
                name, shape = value["tensor"]
                kind: torch.dtype = getattr(torch, name)
                begin, size = _rounded(end), kind.itemsize * math.prod(shape)
                end = begin + size
                if not size:
                    return torch.empty(shape, dtype=kind)
                # In memory of its own: a small one would hold all of a message, and torch's random
                # streams read a state from where its memory begins, wherever the tensor does.
                return whole[begin:end].view(kind).view(shape).clone()
            return {key: walk(item) for key, item in value["of"].items()}
        return [walk(item) for item in value] if isinstance(value, list) else value

    return walk(said)
