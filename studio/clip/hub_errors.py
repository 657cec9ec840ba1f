"""Why something could not be fetched from the hub: each cause in a line of its own."""

from __future__ import annotations

import errno
import os
import urllib.request
from urllib.parse import urlsplit

from studio.errors import ModelError
from studio.room import disk_is_full

_ELSE = "or use the model 'embedded': it needs no network"
_CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS}


class HubSilent(Exception):  # noqa: N818 (a finding)
    """Nothing came for so many seconds, after `done` of `size` bytes."""

    def __init__(self, seconds: float, done: int, size: int) -> None:
        super().__init__(f"nothing came for {seconds:.0f} seconds")
        self.seconds, self.done, self.size = seconds, done, size


def explain(error: BaseException, *, repo: str, host: str) -> ModelError:
    """The line for whatever the hub's client, or the disk, raised.

    The client's kinds are told by their names: the library below it has changed with its versions.

    Args:
        error: What was raised.
        repo: OWNER/NAME, with @REVISION where one was asked for.
        host: The hub's.
    """
    chain = _chain(error)
    for one in chain:
        line = _refused(one, repo, host) or _disk(one) or _silent(one, host)
        if line:
            return ModelError(line)
    for one in chain:
        line = _network(one, host)
        if line:
            return ModelError(line)
    first = str(error).strip().splitlines()
    return ModelError(
        f"{repo} could not be fetched from {host} ({type(error).__name__}: "
        f"{first[0][:120] if first else ''}); try again later, {_ELSE}."
    )


def _chain(error: BaseException) -> list[BaseException]:
    """The error and those that led to it, the first cause last."""
    chain: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in chain:
        chain.append(following)
        following = following.__cause__ or following.__context__
    return chain


def _kinds(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _refused(error: BaseException, repo: str, host: str) -> str | None:
    """What the hub itself said."""
    kinds = _kinds(error)
    plain, _, revision = repo.partition("@")
    if "OfflineModeIsEnabled" in kinds:
        return (
            f"{repo} is not on this machine, and HF_HUB_OFFLINE forbids to fetch it; unset it, "
            f"{_ELSE}."
        )
    if "GatedRepoError" in kinds:
        return (
            f"{repo} is gated: ask its owner for access at https://{host}/{plain}, then run "
            "`hf auth login` or set HF_TOKEN."
        )
    if "DisabledRepoError" in kinds:
        return f"{repo} was disabled by the hub; choose another model."
    if "RepositoryNotFoundError" in kinds:
        return (
            f"{host} has no repository {repo}, or it is private; check its name, or run "
            "`hf auth login`."
        )
    if "RevisionNotFoundError" in kinds:
        if revision:
            return f"{plain} has no revision {revision}; give a branch, a tag or a commit of it."
        return f"{host} has no files of {repo}; choose another model."
    if "RemoteEntryNotFoundError" in kinds:
        return f"{repo} lacks a file that belongs to an open_clip model; choose another model."
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if not isinstance(status, int):
        return None
    if status == 429:
        return (
            f"{host} has had too many requests from here (429); wait a few minutes and try again."
        )
    if status == 407:
        return (
            f"The proxy{_proxy(host)} wants a name and a password (407); put them into HTTPS_PROXY."
        )
    if status == 401:
        return f"{host} does not take the token in HF_TOKEN or of `hf auth login` (401); renew it."
    if status == 403:
        return f"{host} refuses {repo} (403); your token may lack the right to read it."
    if status >= 500:
        return f"{host} has trouble of its own ({status}); try again later, {_ELSE}."
    return f"{host} answers {status} for {repo}; try again later, {_ELSE}."


def _disk(error: BaseException) -> str | None:
    full = disk_is_full(error)
    if not isinstance(error, OSError) or not (full or error.errno in _CLOSED):
        return None
    place = f" ({error.filename})" if isinstance(error.filename, str) else ""
    if full:
        return f"The disk is full{place}; make room, or set HF_HOME to another disk."
    # A network may be closed to a program as well; then there is no file.
    if not place:
        return None
    return f"The hub's cache cannot be written{place}; set HF_HOME to a folder that can."


def _silent(error: BaseException, host: str) -> str | None:
    if not isinstance(error, HubSilent):
        return None
    if error.done:
        return (
            f"Nothing came from {host} for {error.seconds:.0f} seconds, after "
            f"{error.done / 1e6:.0f} of {error.size / 1e6:.0f} MB; start again, and it goes on "
            "from there."
        )
    return f"{host} cannot be reached: it does not answer; check the network, {_ELSE}."


def _network(error: BaseException, host: str) -> str | None:
    kinds, text = _kinds(error), str(error)
    if "Consistency check failed" in text:
        return f"The connection to {host} broke off; start again, and it goes on from there."
    proxy = _proxy(host)
    if "ProxyError" in kinds or (proxy and kinds & {"ConnectError", "ConnectTimeout"}):
        return f"The proxy{proxy} does not let us through to {host}; check HTTPS_PROXY, {_ELSE}."
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return (
            f"The certificate of {host} cannot be checked; a proxy may stand between, whose "
            "certificate belongs into SSL_CERT_FILE."
        )
    if "ConnectError" in kinds or isinstance(error, ConnectionError):
        return f"{host} cannot be reached: no connection; check the network, {_ELSE}."
    if "TimeoutException" in kinds or isinstance(error, TimeoutError):
        return f"{host} cannot be reached: it does not answer; check the network, {_ELSE}."
    if kinds & {"RemoteProtocolError", "ReadError", "WriteError", "LocalProtocolError"}:
        return f"The connection to {host} broke off; start again, and it goes on from there."
    return None


def _proxy(host: str) -> str:
    """` HOST:PORT` of the proxy that leads to this host, without name and password; "" if none."""
    name = host.partition(":")[0]
    if urllib.request.proxy_bypass(name):
        return ""
    proxies = urllib.request.getproxies()
    address = proxies.get("https") or proxies.get("http") or os.environ.get("ALL_PROXY", "")
    if not address:
        return ""
    place = urlsplit(address if "//" in address else f"//{address}").netloc.rpartition("@")[2]
    return f" {place}" if place else ""
