"""Ways in which a run's folder is found damaged: each takes a copy of a good one and spoils it."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Spoil = Callable[[Path], None]

FILES = (
    "run.json",
    "request.json",
    "status.json",
    "images.json",
    "result.json",
    "prompts.json",
    "events.jsonl",
)
ARRAYS = ("zero_shot", "judged", "finished", "combined", "strangers", "monitor")
DEEP = "[" * 100_000
HUGE = "1" + "0" * 4000


def spoilings() -> Iterator[tuple[str, Spoil]]:
    """Each with its name."""
    for file in FILES:
        yield f"{file} is missing", lambda run, file=file: (run / file).unlink()
        for name, data in _TEXTS.items():
            yield f"{file} {name}", lambda run, file=file, data=data: _write(run / file, data)
        yield f"{file} is cut short", lambda run, file=file: _cut(run / file)
        yield f"{file} is a folder", lambda run, file=file: _folder(run / file)
        yield f"{file} is a pipe", lambda run, file=file: _pipe(run / file)
        yield f"{file} is a link to itself", lambda run, file=file: _loop(run / file)
    for file, field, values in _FIELDS:
        for value in values:
            yield (
                f"{file}: {field} is {_short(value)}",
                lambda run, file=file, field=field, value=value: _field(run / file, field, value),
            )
    yield "run.json: all keys twice", lambda run: _twice(run / "run.json")
    for name, line in _LINES.items():
        yield f"events.jsonl: {name}", lambda run, line=line: _line(run / "events.jsonl", line)
    for kind in ARRAYS:
        for name, spoil in _ARRAYS.items():
            yield (
                f"arrays of {kind}: {name}",
                lambda run, kind=kind, spoil=spoil: spoil(_array(run, kind)),
            )
    yield "arrays/ is missing", lambda run: shutil.rmtree(run / "arrays")
    yield "arrays/ is a file", lambda run: _file(run / "arrays")
    for name in ("arrays", "model", "checkpoints"):
        for target in ("/", name):
            yield (
                f"{name}/ is a link to {target}",
                lambda run, name=name, target=target: _link(run / name, target),
            )
    for name in ("is a folder", "is a pipe", "is a link to itself"):
        yield (
            f"owner.lock {name}",
            lambda run, name=name: _PLACES[name](run / "owner.lock"),
        )
    for name in FILES:
        yield f"{name} claims 20 GB", lambda run, name=name: os.truncate(run / name, 20 << 30)
    for name in ("model.json", "classifier-0.safetensors"):
        place = f"model/{name}"
        yield f"{place} is missing", lambda run, place=place: (run / place).unlink()
        yield f"{place} is cut", lambda run, place=place: _cut(run / place)
        yield f"{place} is empty", lambda run, place=place: _write(run / place, b"")
        yield f"{place} is deep", lambda run, place=place: _write(run / place, DEEP.encode())
    for field, value in (("models", 10**9), ("models", "x"), ("class_names", 5), ("open_clip", [])):
        yield (
            f"model.json: {field} is {_short(value)}",
            lambda run, field=field, value=value: _field(run / "model/model.json", field, value),
        )
    for name in ("given.csv", "corrections.jsonl", "claimed.csv"):
        for kind, data in _TEXTS.items():
            yield f"{name} {kind}", lambda run, name=name, data=data: _write(run / name, data)
    yield "an unknown folder", lambda run: (run / "y").mkdir()


_TEXTS: dict[str, bytes] = {
    "is empty": b"", "is zeros": bytes(4096), "is null": b"null", "is a list": b"[]",
    "is a number": b"5", "is text": b'"x"', "is UTF-16": '{"id": 1}\n'.encode("utf-16"),
    "is Latin-1": b'{"name": "\xe9"}\n', "is nested deep": DEEP.encode(),
    "is deep but closed": (b"[" * 5000 + b"]" * 5000), "is deep in an object":
    b'{"a":' * 5000 + b"1" + b"}" * 5000, "is NaN": b"NaN", "is an empty object": b"{}\n",
    "has a huge number": f'{{"seed": {HUGE}, "kind": "step", "state": {HUGE}}}\n'.encode(),
}  # fmt: skip

_ODD: tuple[Any, ...] = (None, 5, -1, 1e308, "x", [], {}, [[1]], {"a": [1]}, True, int(HUGE))
_FIELDS: list[tuple[str, str, tuple[Any, ...]]] = [
    *(("run.json", name, _ODD) for name in ("class_names", "settings", "aliases", "folder")),
    *(("run.json", name, (None, 5, [], {}, int(HUGE))) for name in
      ("name", "created", "method", "model", "seed", "note", "test_folder", "truth_known")),
    ("run.json", "folder", ("/", "//", "", "\0", "a" * 5000, "../..", "/proc")),
    ("run.json", "class_names", (["a"], [1, 2], ["a"] * 3, ["\ud800"], [["a"]], ["x" * 10**6])),
    *(("status.json", name, _ODD) for name in ("state", "progress", "step_name", "fraction")),
    ("status.json", "state", ("running", "stopping", "queued", "damaged", "nonsense")),
    ("status.json", "heartbeat", ("x", 1e308, None)),
    *(("request.json", name, _ODD) for name in ("class_names", "prompts", "corrections", "labels")),
    *(("images.json", name, _ODD) for name in ("root", "images", "refused")),
    ("images.json", "root", ("/", "//", "", "\0", "/proc", "/..", "a" * 5000)),
    ("images.json", "images", (["/etc/passwd"] * 24, ["../../x"] * 24, ["\0"] * 24, ["a"], [1, 2])),
    *(("result.json", name, _ODD) for name in
      ("images", "accuracy", "estimated_accuracy", "settings", "clean_fraction", "seconds")),
    *(("prompts.json", name, _ODD) for name in ("templates", "sentences", "format")),
]  # fmt: skip

_LINES: dict[str, str] = {
    "a step of odd types": '{"kind": "step", "phase": "x", "model": [], "step": {}, "epoch": 1}',
    "a step of 10^300 epochs": '{"kind": "step", "phase": 1, "model": 0, "step": 1, "steps": 1, '
    f'"epoch": 1, "epochs": {10**300}, "loss": 1, "learning_rate": 1}}',
    "a step of a billion epochs": '{"kind": "step", "phase": 1, "model": 0, "step": 1, "steps": 1, '
    '"epoch": 1, "epochs": 1000000000, "loss": 1e308, "learning_rate": 1}',
    "negative epochs": '{"kind": "monitor", "phase": -1, "epoch": -5, "epochs": -3, "agreement": '
    '-1, "clean_fraction": 1e308, "arrays": "arrays/monitor-0000.safetensors"}',
    "a score of odd types": '{"kind": "score", "stage": [], "phase": {}, "epoch": "x", "accuracy": '
    '[1], "model": {}}',
    "a score with a place of text": '{"kind": "score", "stage": "monitor", "phase": "x", "epoch": '
    '"y", "accuracy": 0.5}',
    "an estimate out of range": '{"kind": "estimate", "stage": "finished", "accuracy": 1e308, '
    '"low": -5, "high": null}',
    "knowledge without numbers": '{"kind": "knowledge", "level": 5, "sentence": [], "numbers": 7}',
    "arrays outside": '{"kind": "finished", "stage": "x", "stopped": 1, "arrays": "../../../x"}',
    "arrays that are no text": '{"kind": "finished", "stage": "x", "stopped": 1, "arrays": [1]}',
    "arrays of another kind": '{"kind": "finished", "stage": "x", "stopped": false, "arrays": '
    '"arrays/zero_shot-0000.safetensors"}',
    "a checkpoint outside": '{"kind": "checkpoint", "name": "classifier", "path": "../..", '
    '"meta": 5}',
    "a kind that is no text": '{"kind": ["finished"]}',
    "a deep line": DEEP, "zeros": "\0" * 100, "not a line": "}{",
}  # fmt: skip


def _head(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    head = json.loads(data[8 : 8 + length])
    change(head)
    text = json.dumps(head).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


def _each(**values: Any) -> Spoil:
    def change(head: dict[str, Any]) -> None:
        for name, entry in head.items():
            if name != "__metadata__":
                entry.update(values)

    return lambda path: _head(path, change)


def _tensors(change: Callable[[Any], Any]) -> Spoil:
    def spoil(path: Path) -> None:
        from safetensors.torch import load_file, save_file

        save_file({k: change(v).contiguous().clone() for k, v in load_file(path).items()}, path)

    return spoil


_ARRAYS: dict[str, Spoil] = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: _write(path, b""),
    "cut": lambda path: _cut(path),
    "a head of 2^63 bytes": lambda path: _write(path, b"\xff" * 7 + b"\x7f" + bytes(64)),
    "a head that is no JSON": lambda path: _write(path, struct.pack("<Q", 8) + b"{}}}}}}}"),
    "a deep head": lambda path: _write(path, struct.pack("<Q", len(DEEP)) + DEEP.encode()),
    "10^18 rows": _each(shape=[10**18]),
    "negative sizes": _each(shape=[-1]),
    "offsets outside": _each(data_offsets=[0, 10**12]),
    "no type": _each(dtype="PICKLE"),
    "of half the images": _tensors(lambda t: t[..., : max(1, t.shape[-1] // 2)]),
    "of one image more": _tensors(lambda t: t.repeat_interleave(2, dim=-1)),
    "one axis more": _tensors(lambda t: t[None]),
    "labels beyond the classes": _tensors(lambda t: t + 1000 if _whole(t) else t),
    "negative labels": _tensors(lambda t: t - 1000 if _whole(t) else t),
    "NaN": _tensors(lambda t: t * float("nan") if t.is_floating_point() else t),
    "beyond 1": _tensors(lambda t: t * 1e30 if t.is_floating_point() else t),
    "labels as fractions": _tensors(lambda t: t.float()),
    "a link to a device": lambda path: (path.unlink(), os.symlink("/dev/zero", path))[0],
    "no tensors": lambda path: _write(path, struct.pack("<Q", 2) + b"{}"),
}


def _whole(tensor: Any) -> bool:
    return not tensor.is_floating_point() and str(tensor.dtype) != "torch.bool"


def _array(run: Path, kind: str) -> Path:
    return sorted((run / "arrays").glob(f"{kind}-*.safetensors"))[-1]


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])


def _file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_bytes(b"")


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _link(folder: Path, target: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.symlink_to(target)


def _loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


_PLACES: dict[str, Spoil] = {
    "is a folder": _folder, "is a pipe": _pipe, "is a link to itself": _loop
}  # fmt: skip


def _field(path: Path, field: str, value: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))


def _twice(path: Path) -> None:
    text = path.read_text().strip()
    path.write_text(text[:-1] + ', "name": [], "folder": 7, ' + text[1:])


def _line(path: Path, line: str) -> None:
    lines = path.read_text().splitlines()
    lines.insert(len(lines) // 2, line)
    path.write_text("\n".join([*lines, line]) + "\n")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 40 else f"{text[:20]}... ({len(text)} characters)"
