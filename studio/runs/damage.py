"""Whether a run's files are what they should be, told without reading much of them.

A run is listed by every page every second and a half, and one that was damaged must not keep the
others from being listed. What costs more to find out, whether all labels fit the images, say, is
found out by whoever opens the run (`runs.reader`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from studio.errors import RunError
from studio.runs.info import DAMAGED, RunInfo, read_images
from studio.runs.run import ACTIVE, Run
from studio.untrusted import (
    Unreadable,
    load_object,
    open_file,
    parse_json,
    tensor_shapes,
)

_READ_WHOLE = 2 << 20  # bytes of an images.json that is read for this; of a longer one, its ends
_LINES = 4 << 20  # bytes of an events.jsonl that are looked at
_BEGINNING = 100  # lines, of which one must be an event


def look_at(run: Run) -> RunInfo | None:
    """What the run is; with the state "damaged" and the reason where something is wrong.

    Never raises; None where there is no such run any more.
    """
    try:
        info = run.info
        if info.state in ACTIVE or info.state == DAMAGED:
            return info
        damage = _damage(run, info)
    except RunError as error:
        if not run.path.is_dir():
            return None
        damage = str(error).partition(" is damaged: ")[2] or str(error)
        info = RunInfo(
            id=run.id, created=_created(run.id), name=run.id, method="", model="", folder="",
        )  # fmt: skip
    return replace(info, state=DAMAGED, damage=damage) if damage else info


def _damage(run: Run, info: RunInfo) -> str:
    """Why a run that has ended cannot be what it says, in one line; "" when nothing speaks for it.

    What comes with the last labels is missed only where these are there.
    """
    arrays = run.path / "arrays"
    whole = any(arrays.glob("finished-*"))
    try:
        _check(run.path / "result.json", load_object, whole and info.state == "finished")
        _check(run.path / "prompts.json", load_object, False)
        _check(run.path / "images.json", _images, whole)
        _check(run.path / "events.jsonl", _events, whole)
        for kind in ("zero_shot", "judged", "finished", "combined", "strangers"):
            for path in arrays.glob(f"{kind}-*.safetensors"):
                tensor_shapes(path)
        for path in (run.path / "model").glob("*.safetensors"):
            tensor_shapes(path)
        _check(run.path / "model" / "model.json", load_object, False)
        _check(run.path / "standing.json", load_object, False)
    except (Unreadable, OSError) as error:
        return str(error)
    return ""


def _check(path: Path, read: Any, needed: bool) -> None:
    if needed or path.exists() or path.is_symlink():
        read(path)


def _images(path: Path) -> None:
    with open_file(path) as file:
        head = file.read(1)
        size = file.seek(0, 2)
        file.seek(max(0, size - 16))
        tail = file.read()
    if size <= _READ_WHOLE:
        read_images(load_object(path))
    elif head != b"{" or not tail.rstrip().endswith(b"}"):
        raise Unreadable(f"{path.name} is cut short")


def _events(path: Path) -> None:
    """Raise where there is no event in the file, or one whose labels are not there."""
    with open_file(path) as file:
        data = file.read(_LINES)
    lines = data.split(b"\n")[:-1]  # the last one may be torn
    torn = not lines and data[:1] in (b"", b"{")  # killed while it wrote the first
    if not torn and not any(_event(line) for line in lines[:_BEGINNING]):
        raise Unreadable(f"{path.name} holds no events")
    for line in lines:
        name = _event(line).get("arrays") if b'"arrays"' in line else None
        if isinstance(name, str) and ("\0" in name or not (path.parent / name).is_file()):
            raise Unreadable(f"{name[:80]} is missing")


def _event(line: bytes) -> dict[str, Any]:
    try:
        record = parse_json(line)
    except Unreadable:
        return {}
    return record if isinstance(record, dict) and "kind" in record else {}


def _created(id: str) -> str:
    """When a run of this id was made, as run.json would say it."""
    day, time = id[:8], id[9:15]
    return f"{day[:4]}-{day[4:6]}-{day[6:]}T{time[:2]}:{time[2:4]}:{time[4:]}+00:00"
