"""CoOp's split files: split_zhou_NAME.json, the division that CoOp, UPL and their heirs use."""

from __future__ import annotations

import json

from studio.errors import FolderError
from studio.paper.model import Item, Part, Plan

_PARTS: tuple[Part, ...] = ("train", "val", "test")


def read_split(data: bytes, *, source: str) -> Plan:
    """The plan that such a file holds: {"train": [[path, label, class name], ...], "val", "test"}.

    Raises:
        FolderError: the file holds something else; names `source`.
    """
    names: dict[int, str] = {}
    items: list[Item] = []
    try:
        parts = json.loads(data)
        for part in _PARTS:
            for path, label, name in parts[part]:
                if not (isinstance(path, str) and isinstance(name, str)):
                    raise TypeError
                if names.setdefault(int(label), name) != name:
                    raise ValueError
                items.append(Item(part, path, int(label)))
        if sorted(names) != list(range(len(names))):
            raise ValueError
    except (ValueError, TypeError, KeyError) as error:
        raise FolderError(
            f"{source} is not a split file of CoOp (lists train, val and test of image, label and "
            "class name); delete it and run the command again."
        ) from error
    return Plan(tuple(names[label] for label in range(len(names))), tuple(items))
