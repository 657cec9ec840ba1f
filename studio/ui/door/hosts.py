"""By which names the page may be called, and from which pages requests may come.

A page of another site can make its own name lead to this machine once it is open (DNS rebinding).
The browser then takes the studio for a part of that site. What gives it away is the name in Host.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from studio.places import is_loopback

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9_.-]*[a-z0-9])?)\.?(?::(\d{1,5}))?")
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


@dataclass(frozen=True)
class Hosts:
    """own: what the studio is called besides this machine's loopback names; given: names of a proxy
    in front of it, "*.NAME" for all in one; anywhere: it listens on all addresses, so that a bare
    address is as good as any: it cannot be made to lead elsewhere.
    """

    own: frozenset[str] = frozenset()
    given: frozenset[str] = frozenset()
    anywhere: bool = False

    @classmethod
    def of(cls, host: str, names: Iterable[str] = ()) -> Hosts:
        """Those of a studio that listens on `host`; names: as typed for `--allow-host`."""
        bare = host.strip("[]").lower()
        anywhere = not bare or (_is_address(bare) and ipaddress.ip_address(bare).is_unspecified)
        own = [socket.gethostname(), f"{socket.gethostname()}.local"] if anywhere else [bare]
        given = (name.strip().lower().rstrip(".") for name in names)
        return cls(
            frozenset(name.lower() for name in own), frozenset(filter(None, given)), anywhere
        )

    def refusal(self, headers: Mapping[str, list[str]]) -> str:
        """Why a request with these headers, in lower case, is refused; empty when it is not."""
        for header in ("host", "x-forwarded-host"):
            values = headers.get(header, [])
            if len(values) != 1 and (values or header == "host"):
                return "A request needs one Host."
            for value in values:
                for part in value.split(","):
                    if not self.allows(name_of(part.strip())):
                        return _unknown(part.strip())
        for origin in headers.get("origin", []):
            if not self._same(origin, headers["host"][0]):
                return "The studio does not answer pages of other sites."
        sites = headers.get("sec-fetch-site", [])
        if "cross-site" in sites and headers.get("sec-fetch-mode") != ["navigate"]:
            return "The studio does not answer pages of other sites."
        return ""

    def allows(self, name: str) -> bool:
        """Whether the studio may be called so; name: see `name_of`, empty for none."""
        if not name:
            return False
        if is_loopback(name) or name in self.own or (self.anywhere and _is_address(name)):
            return True
        return self._is_given(name)

    def _is_given(self, name: str) -> bool:
        return any(
            name == known or (known.startswith("*.") and name.endswith(known[1:]))
            for known in self.given
        )

    def _same(self, origin: str, host: str) -> bool:
        """Whether a page of that origin is the studio's own, or one of the names given to it."""
        try:
            parts = urlsplit(origin.lower())
            port = parts.port or _PORTS.get(parts.scheme)
        except ValueError:
            return False
        name = name_of(parts.netloc)
        if parts.scheme not in ("http", "https") or not self.allows(name):
            return False
        if self._is_given(name):
            return True  # behind a proxy, Host may be another name, or lack the port
        match = _HOST.fullmatch(host.lower())
        own = match.group(2) if match else None
        return name == name_of(host) and port == int(own or _PORTS[parts.scheme])


def name_of(host: str) -> str:
    """The name or bare address in a Host header, in lower case; empty when it is none."""
    match = _HOST.fullmatch(host.lower())
    return match.group(1).strip("[]") if match else ""


def _is_address(name: str) -> bool:
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def _unknown(host: str) -> str:
    name = name_of(host)
    if not name:
        return "A request needs one Host."
    return f"The studio is not called {name}. If it should be: python app.py --allow-host {name}"
