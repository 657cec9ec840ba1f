"""Where the studio keeps things, unless it is told otherwise."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from studio.errors import StudioError

PROJECT = Path(__file__).resolve().parents[1]
"""Where `studio` can be imported from."""


def _shipped(name: str) -> Path:
    """A folder that comes with the code: inside the package once installed, beside it before."""
    inside = Path(__file__).resolve().parent / name
    return inside if inside.is_dir() else PROJECT / name


ASSETS, DOCS = _shipped("assets"), _shipped("docs")
"""Scripts, styles, templates and the built-in model; what the page shows of the documents."""


def default_runs_dir() -> Path:
    """The environment's STUDIO_RUNS, else ./runs."""
    return Path(os.environ.get("STUDIO_RUNS") or "runs").expanduser()


def default_cache_dir() -> Path:
    """The environment's STUDIO_CACHE, else .cache/coft-studio in the user's home."""
    named = os.environ.get("STUDIO_CACHE")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "coft-studio"


def has_display() -> bool:
    """Whether this process can open a window on a screen."""
    if sys.platform in ("darwin", "win32"):
        return "SSH_CONNECTION" not in os.environ
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_port(host: str, port: int) -> None:
    """Raise when nothing can listen there, before anything heavy is loaded.

    Raises:
        StudioError: and why.
    """
    if not 0 <= port <= 65535:  # some systems take what is left of a larger one
        raise StudioError(f"--port takes a number from 0 to 65535, not {port}")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            if sys.platform != "win32":  # where it would take a port that is in use
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise StudioError(_no_port(error, host, port)) from None


def _no_port(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} is in use, perhaps by another studio (http://{host}:{port}); choose "
            "another one with --port"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"this user may not listen on port {port}; choose one above 1023 with --port"
    return f"cannot listen on {host}: {error.strerror}; give an address of this machine to --host"


@contextmanager
def direct(host: str = "") -> Iterator[None]:
    """Let no request of this process to its own machine go through a proxy of the environment.

    Gradio makes clients of httpx while it is imported, and asks its own server at the start whether
    it is there. For some proxies httpx needs more packages, and it trips over addresses that are
    none, even where it is not to use them. host: what is listened on. Inside, there is no proxy at
    all; afterwards, only none for this machine.
    """
    bare = host.strip("[]")
    own = ["localhost", "127.0.0.1", "::1", *([bare] if bare else [])]
    named = {n: v for n, v in os.environ.items() if n.lower().endswith("_proxy")}
    for variable in ("NO_PROXY", "no_proxy"):
        known = [name for name in named.pop(variable, "").split(",") if name.strip()]
        os.environ[variable] = ",".join(dict.fromkeys([*known, *own]))
    for variable in named:
        del os.environ[variable]
    try:
        yield
    finally:
        os.environ.update(named)
