"""The processes of a run: started on this machine, or by `accelerate launch`, here or on several.

Accelerate makes them one group, each with its device: the CPU over gloo, a GPU each over NCCL.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from studio.errors import RunError, SettingsError, leave
from studio.imports import import_torch, installed
from studio.ranks import ALONE, Ranks

MEETING = "STUDIO_MEETING"
"""Of the environment: the folder in which processes meet that were started here."""
MOST = 1024
_OWN = ("RANK", "LOCAL_RANK")
_LAUNCHED = (*_OWN, "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_PATIENCE_S = 5.0

MISSING = "Several processes need Accelerate: `pip install 'accelerate>=1.10,<2'`."


def launched() -> bool:
    """Whether this process is one of several that a launcher has started."""
    several = os.environ.get("WORLD_SIZE", "").isdecimal() and int(os.environ["WORLD_SIZE"]) > 1
    return several and (MEETING in os.environ or all(name in os.environ for name in _LAUNCHED))


def helps() -> bool:
    """Whether this process was started to help another one with its run."""
    return launched() and os.environ["RANK"] != "0"


@contextmanager
def processes(number: int, helpers: Sequence[str]) -> Iterator[Ranks]:
    """The ranks of a run: this process, with others that are started, or among those launched.

    number: in all; 1: this one alone, unless it was launched; helpers: arguments of the program
    that those are who are started. A process that helps ends here, and not later.

    Raises:
        SettingsError: There cannot be so many here, or Accelerate is not installed.
        RunError: One ended before all were there.
    """
    if launched():
        if number > 1:
            raise SettingsError("Leave out --processes: the launcher has started several already.")
        with _until_the_first_ends() if helps() else nullcontext():
            _check(int(os.environ["WORLD_SIZE"]))
            yield _joined()
    elif number == 1:
        yield ALONE
    else:
        _check(number)
        with _Helpers(number, helpers) as started:
            yield started.joined()


@contextmanager
def _until_the_first_ends() -> Iterator[None]:
    """Around the work of a process that helps.

    The first one decides what becomes of the run, so that signals are for it alone, and its end is
    this one's: that something is missing then need not be said.
    """
    if MEETING in os.environ:
        threading.Thread(target=_end_with_the_first, name="lifeline", daemon=True).start()
    else:  # a launcher passes on to all what was meant for the first
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
    from studio.collective import ProcessEnded

    with contextlib.suppress(ProcessEnded):
        yield
    leave(0)  # without taking gloo's threads apart, some of which still wait for the others


def _check(number: int) -> None:
    from studio.clip.device import VARIABLE, device_name

    if not 1 <= number <= MOST:
        raise SettingsError(f"--processes is {number}; give a number from 1 to {MOST}.")
    if not installed("accelerate"):
        raise SettingsError(MISSING)
    device = device_name()
    if device != "cpu" and ":" in device:
        raise SettingsError(f"{VARIABLE} is {device!r}: each process has a GPU of its own.")
    if device == "cuda":
        import torch

        here = int(os.environ.get("LOCAL_WORLD_SIZE", number))
        if here > (gpus := torch.cuda.device_count()):
            raise SettingsError(
                f"{here} processes need as many GPUs, and there are {gpus} here; set "
                f"{VARIABLE}=cpu to work on the CPU."
            )


def _joined(ended: Callable[[float], str] = lambda _: "") -> Ranks:
    """This process among the others, once all are there. ended: see `Collective`."""
    import_torch()
    import accelerate

    from studio.clip.device import device_name
    from studio.collective import ENDING_S, WRITER_WAITS, Collective

    place: dict[str, object] = {}
    if meeting := os.environ.get(MEETING):
        rank = int(os.environ["RANK"])
        # By a file, and over the loopback interface: nothing listens to the network.
        place = {
            "init_method": f"file://{meeting}/store", "rank": rank,
            "world_size": int(os.environ["WORLD_SIZE"]),
        }  # fmt: skip
        (Path(meeting) / f"here-{rank}").touch()
    try:
        accelerate.PartialState(cpu=device_name() == "cpu", timeout=WRITER_WAITS, **place)
        return Collective(ended=ended)
    except (RuntimeError, ValueError) as error:
        said = ended(ENDING_S) or str(error).splitlines()[0]
        raise RunError(f"The processes could not be brought together: {said}") from error


def _end_with_the_first() -> None:
    """End this process once the one that started it has ended, of whatever."""
    sys.stdin.buffer.read()
    os._exit(0)


class _Helpers:
    """The other processes, which end with this one: each reads a pipe that only this one holds."""

    def __init__(self, number: int, arguments: Sequence[str]) -> None:
        self._number, self._arguments = number, arguments
        self._started: list[subprocess.Popen[bytes]] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> _Helpers:
        folder = tempfile.TemporaryDirectory(prefix="coft-processes-", ignore_cleanup_errors=True)
        self._folder = Path(self._stack.enter_context(folder))
        shared = self._environment()
        for rank in range(1, self._number):
            own = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            with (self._folder / f"said-{rank}").open("wb") as said:
                self._started.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "studio", *self._arguments],
                        env={**os.environ, **shared, **own},
                        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said,
                        start_new_session=True,  # Ctrl-C is for the first alone
                    )
                )  # fmt: skip
        self._stack.callback(_restore, {name: os.environ.get(name) for name in (*shared, *_OWN)})
        os.environ.update({**shared, "RANK": "0", "LOCAL_RANK": "0"})
        return self

    def __exit__(self, *_: object) -> None:
        until = time.monotonic() + _PATIENCE_S
        for process in self._started:
            with contextlib.suppress(OSError):
                assert process.stdin is not None
                process.stdin.close()
        for process in self._started:
            try:
                process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._stack.close()

    def joined(self) -> Ranks:
        """This process among them."""
        import_torch()  # as the others do meanwhile
        while len(list(self._folder.glob("here-*"))) < len(self._started):
            if said := self._ended(0.0):
                raise RunError(said)
            time.sleep(0.05)
        return _joined(self._ended)

    def _environment(self) -> dict[str, str]:
        """What all have in common."""
        count = str(self._number)
        found = {
            MEETING: str(self._folder), "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count,
            "PYTHONPATH": os.pathsep.join(
                [str(Path(__file__).resolve().parents[1]), *filter(None, [os.getenv("PYTHONPATH")])]
            ),
        }  # fmt: skip
        loopback = [name for _, name in _interfaces() if name in ("lo", "lo0")]
        if loopback:
            found |= dict.fromkeys(("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"), loopback[0])
        if "OMP_NUM_THREADS" not in os.environ:  # else each would take all cores
            found["OMP_NUM_THREADS"] = str(max(1, _cores() // self._number))
        return found

    def _ended(self, patience: float) -> str:
        """Who has ended, and how; "" where nobody has, or not within so many seconds."""
        until = time.monotonic() + patience
        while True:
            for rank, process in enumerate(self._started, 1):
                if (code := process.poll()) is not None:
                    how = _how(code, self._folder / f"said-{rank}")
                    return f"process {rank + 1} of {self._number} ended ({how})"
            if time.monotonic() >= until:
                return ""
            time.sleep(0.05)


def _how(code: int, said: Path) -> str:
    """How a process ended, by its exit code and the file of its stderr."""
    if code < 0:
        return f"killed by signal {-code}"
    with contextlib.suppress(OSError):
        lines = said.read_text("utf-8", "replace").strip().splitlines()
        if lines and code:
            return lines[-1].removeprefix("error: ")[:300]
    return f"exit code {code}"


def _interfaces() -> list[tuple[int, str]]:
    try:
        return socket.if_nameindex()
    except (OSError, AttributeError):  # there is no such list on Windows
        return []


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _restore(before: dict[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
