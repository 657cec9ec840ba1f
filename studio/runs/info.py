"""What run.json, status.json and images.json hold, read whoever has written them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os.path import normpath
from pathlib import PurePath
from typing import Any, TypedDict

from studio.settings import Settings
from studio.untrusted import Unreadable

ACTIVE = ("queued", "running", "stopping")
FINAL = ("finished", "stopped", "failed", "interrupted")
DAMAGED = "damaged"
"""The state of a run whose files are not what they should be: said by readers, never written."""

_MOST = 2.0**53  # of a number, beyond which it counts nothing that there is
_MOST_TEXT = 100_000


class StageProgress(TypedDict):
    """`done` of `total` units of what `label` names ("images", "steps")."""

    done: int
    total: int
    label: str


class Status(TypedDict):
    """What status.json holds. Times are seconds since 1970; None means not known."""

    state: str  # one of ACTIVE or FINAL, or DAMAGED
    pid: int  # of the process that works on the run, for people to read
    heartbeat: float  # when the status was last written
    reason: str | None  # one line: why the run failed, was interrupted or is damaged
    stage: str | None  # what is being done, in words
    progress: StageProgress | None  # of the stage
    rate: float | None  # units of progress a second
    stage_eta_seconds: float | None  # until the stage ends
    step: int | None  # of the whole run, from 1
    steps: int | None  # how many there are
    step_name: str | None  # in plain words, see `runs.pace`
    fraction: float | None  # of the whole run, in [0, 1]; guessed
    eta_seconds: float | None  # until the run ends; guessed and rounded


@dataclass(frozen=True)
class RunInfo:
    """What run.json holds, and the state that the run was in when this was read."""

    id: str
    created: str  # ISO 8601, UTC
    name: str
    method: str
    model: str
    folder: str
    class_names: tuple[str, ...] = ()  # empty until they are known
    aliases: Mapping[str, str] = field(default_factory=dict)  # folder -> class, for scoring only
    truth_known: bool | None = None  # whether sub-folders told the labels, for scoring only
    seed: int = 0
    test_folder: str | None = None
    follow_links: bool = False  # whether links that leave the folder were followed
    settings: Mapping[str, Any] = field(default_factory=dict)  # under their names of today
    versions: Mapping[str, str] = field(default_factory=dict)
    note: str = ""  # what a person wrote about the run
    resumed: int = 0  # how often it was taken up again, its events cut back each time
    state: str = "queued"
    damage: str = ""  # why its state is DAMAGED, in one line


def read_info(value: Mapping[str, Any], *, id: str, state: str) -> RunInfo:
    """A run from its run.json; versions that lacked a field are understood.

    Raises:
        Unreadable: a field holds something else than it should: which one.
    """
    take = _Fields(value, "run.json")
    settings = take.mapping("settings")
    info = RunInfo(
        id=id,
        created=take.text("created"),
        name=take.text("name"),
        method=take.text("method"),
        model=take.text("model"),
        folder=take.text("folder"),
        class_names=tuple(take.texts("class_names")),
        aliases=take.mapping("aliases", of=str),
        truth_known=take.one("truth_known", bool),
        seed=take.whole("seed") or 0,
        test_folder=take.one("test_folder", str),
        follow_links=take.one("follow_links", bool) or False,
        settings=Settings.by_current_name(settings),
        versions=take.mapping("versions"),
        note=take.one("note", str) or "",
        resumed=take.whole("resumed") or 0,
        state=state,
    )
    if (reason := no_folder(info.folder)) or (
        info.test_folder is not None and (reason := no_folder(info.test_folder))
    ):
        raise Unreadable(f"run.json: {reason}")
    return info


def no_folder(path: str) -> str:
    """Why a path can be no folder of images, in words; "" when it may be one."""
    if "\0" in path:
        return "the path of the folder of images holds what no path does"
    if path and len(PurePath(normpath(path)).parts) == 1 and PurePath(path).is_absolute():
        return f"the folder of images is {path}, the whole disk"
    return ""


def read_status(value: Mapping[str, Any]) -> Status:
    """A status from its status.json; a number that is none is not known.

    Raises:
        Unreadable: there is no such state.
    """
    take = _Fields(value, "status.json")
    state = take.text("state")
    if state not in ACTIVE + FINAL:
        raise Unreadable(f"status.json: there is no state {state[:40]!r}")
    return Status(
        state=state, pid=int(_number(value.get("pid")) or 0),
        heartbeat=_number(value.get("heartbeat")) or 0.0, reason=take.one("reason", str),
        stage=take.one("stage", str), progress=_progress(value.get("progress")),
        rate=_number(value.get("rate")), stage_eta_seconds=_number(value.get("stage_eta_seconds")),
        step=_whole(value.get("step")), steps=_whole(value.get("steps")),
        step_name=take.one("step_name", str), fraction=_number(value.get("fraction")),
        eta_seconds=_number(value.get("eta_seconds")),
    )  # fmt: skip


def damaged_status(reason: str) -> Status:
    """The status of a run whose status.json says none."""
    return Status(
        state=DAMAGED, pid=0, heartbeat=0.0, reason=reason, stage=None, progress=None, rate=None,
        stage_eta_seconds=None, step=None, steps=None, step_name=None, fraction=None,
        eta_seconds=None,
    )  # fmt: skip


def read_images(value: Mapping[str, Any]) -> dict[str, Any]:
    """The folder, its images and what was refused, from an images.json.

    Raises:
        Unreadable: it holds something else.
    """
    take = _Fields(value, "images.json")
    root = take.text("root")
    if reason := no_folder(root):
        raise Unreadable(f"images.json: {reason}")
    refused = value.get("refused") or []
    if not isinstance(refused, list) or not all(isinstance(item, dict) for item in refused):
        raise Unreadable("images.json: refused is no list of files")
    return {"root": root, "images": take.texts("images"), "refused": refused}


class _Fields:
    """The fields of a JSON object, each of the type that it must have."""

    def __init__(self, value: Mapping[str, Any], file: str) -> None:
        self._value, self._file = value, file

    def text(self, name: str) -> str:
        text = self.one(name, str)
        if text is None:
            raise Unreadable(f"{self._file}: {name} is missing")
        return text

    def one(self, name: str, kind: type) -> Any:
        """None where it is missing or null."""
        value = self._value.get(name)
        if value is not None and not isinstance(value, kind):
            raise Unreadable(f"{self._file}: {name} is {_kind(value)}")
        if isinstance(value, str) and not _is_text(value):
            raise Unreadable(f"{self._file}: {name} is no text, or too long")
        return value

    def whole(self, name: str) -> int | None:
        value = self.one(name, int)
        if value is not None and (isinstance(value, bool) or abs(value) > _MOST):
            raise Unreadable(f"{self._file}: {name} is no such number")
        return value

    def texts(self, name: str) -> list[str]:
        values: list[str] = self.one(name, list) or []
        if not _are_texts(values):
            raise Unreadable(f"{self._file}: {name} is no list of texts")
        return values

    def mapping(self, name: str, *, of: type = object) -> dict[str, Any]:
        values: dict[str, Any] = self.one(name, dict) or {}
        for key, value in values.items():
            if not isinstance(value, of) or not _is_text(key):
                raise Unreadable(f"{self._file}: {name} holds {_kind(value)}")
            if isinstance(value, str) and not _is_text(value):
                raise Unreadable(f"{self._file}: {name} holds what is no text, or too long")
        return values


def _is_text(text: str) -> bool:
    """Whether it can be written into a file and a page: JSON may hold halves of characters."""
    if len(text) > _MOST_TEXT:
        return False
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def _are_texts(values: list[Any]) -> bool:
    """The same of all of a list: of a million paths together, not one by one."""
    try:
        return max(map(len, values), default=0) <= _MOST_TEXT and bool(
            (joined := "".join(values)).isascii() or joined.encode()
        )
    except (TypeError, UnicodeEncodeError):
        return False


def _kind(value: object) -> str:
    names: Sequence[tuple[type, str]] = (
        (bool, "true or false"), (str, "a text"), (int, "a number"), (float, "a number"),
        (list, "a list"), (dict, "an object"),
    )  # fmt: skip
    return next((name for kind, name in names if isinstance(value, kind)), "something else")


def _number(value: Any) -> float | None:
    """A finite number, not negative; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value <= _MOST else None  # in this order: a whole one may be huge


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and _number(value) is not None else None


def _progress(value: Any) -> StageProgress | None:
    if not isinstance(value, dict):
        return None
    done, total, label = _whole(value.get("done")), _whole(value.get("total")), value.get("label")
    if done is None or total is None or not isinstance(label, str):
        return None
    return StageProgress(done=done, total=total, label=label)
