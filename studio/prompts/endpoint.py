"""Where a language model answers, and with which key; the key is never shown and never written."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from studio.errors import PromptError
from studio.places import is_loopback

DEFAULT_URL = "https://api.openai.com/v1"
DEFAULT_MODEL = "gpt-4o-mini"
_LONGEST = 500
_ON_SOMEWHERE = ("-cloud", ":cloud")


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible server: base_url up to /v1, a model's name there, and the key."""

    base_url: str
    model: str
    key: str = field(repr=False)

    @property
    def host(self) -> str:
        """Whom the names are sent to, with the port when it is not the usual one."""
        return host_of(self.base_url)

    def redact(self, text: str) -> str:
        """The text without the key or what looks like one: servers echo parts of it."""
        text = text.replace(self.key, "[key]") if len(self.key) > 3 else text
        if len(self.key) >= 12:
            text = re.sub(re.escape(self.key[:6]) + r"\S*", "[key]", text)
        return re.sub(r"(?i)\b(?:bearer\s+|(?:sk|gsk|key|hf)[-_])[\w*.-]{6,}", "[key]", text)


def find_endpoint(
    *,
    model: str = "",
    base_url: str = "",
    key: str = "",
    public: bool = False,
    environ: Mapping[str, str] | None = None,
) -> Endpoint:
    """The endpoint from what was typed, and else from the environment.

    OPENAI_BASE_URL, OPENAI_MODEL and OPENAI_API_KEY are read. The environment's key goes to the
    environment's address only: who types another address must not get it.

    Args:
        model: The model's name; empty: OPENAI_MODEL, else the default.
        base_url: Typed address; empty: OPENAI_BASE_URL, else OpenAI's.
        key: Typed key; empty: OPENAI_API_KEY.
        public: Strangers use this page: no address may be typed, and the owner's key is not used.
        environ: Instead of os.environ.

    Raises:
        PromptError: There is no key, or the address cannot be used.
    """
    base, model = address(base_url=base_url, public=public, environ=environ), model.strip()
    environ = os.environ if environ is None else environ
    model = model or environ.get("OPENAI_MODEL", "").strip() or DEFAULT_MODEL
    if len(model) > _LONGEST or not model.isprintable():
        raise PromptError("That is no name of a model; type the name that the server knows.")
    return Endpoint(base, model, _key(key, base, public, environ))


def address(
    *, base_url: str = "", public: bool = False, environ: Mapping[str, str] | None = None
) -> str:
    """The base URL that would be used; see `find_endpoint`. Raises PromptError."""
    theirs = _environment_url(environ)
    typed = _normal(base_url)
    if public and typed and typed != theirs:
        raise PromptError("No other address can be typed here: this page is shared with others.")
    return _checked(typed or theirs)


def has_key(*, base_url: str = "", environ: Mapping[str, str] | None = None) -> bool:
    """Whether the environment has a key for this address."""
    environ = os.environ if environ is None else environ
    key = environ.get("OPENAI_API_KEY", "").strip()
    return bool(key) and (_normal(base_url) or _environment_url(environ)) == _environment_url(
        environ
    )


def host_of(base_url: str) -> str:
    """Host and, when it is not the usual one, port."""
    parts = urlsplit(base_url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def is_here(base_url: str) -> bool:
    """Whether the server is on this machine, by its address."""
    host = urlsplit(base_url).hostname or ""
    return is_loopback(host) or host.endswith(".localhost")


def stays_here(base_url: str, model: str) -> bool:
    """Whether what is sent stays on this machine: its server does not hand it on.

    Ollama sends questions to models whose names end in -cloud to its makers' machines.
    """
    return is_here(base_url) and not model.strip().lower().endswith(_ON_SOMEWHERE)


def _environment_url(environ: Mapping[str, str] | None) -> str:
    environ = os.environ if environ is None else environ
    return _normal(environ.get("OPENAI_BASE_URL", "")) or DEFAULT_URL


def _key(typed: str, base: str, public: bool, environ: Mapping[str, str]) -> str:
    key = typed.strip()
    if not key and not public and has_key(base_url=base, environ=environ):
        key = environ["OPENAI_API_KEY"].strip()
    if not key:
        raise PromptError(
            f"There is no key for {host_of(base)}, so nothing was sent: set OPENAI_API_KEY (and "
            "OPENAI_BASE_URL) or type a key. Servers that need none take any word."
        )
    # Checked here: a client would complain about a header, and quote it.
    if not key.isascii() or not key.isprintable() or " " in key or len(key) > _LONGEST:
        raise PromptError("That is no key: it has blanks or other characters that keys never have.")
    return key


def _normal(url: str) -> str:
    return url.strip().rstrip("/")


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable():
        raise PromptError(
            "That is no address of a server; it looks like https://host/v1 or "
            "http://localhost:11434/v1."
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise PromptError("An address holds no key: leave out everything before @ and after ?.")
    if parts.scheme == "http" and not _nearby(parts.hostname):
        raise PromptError(f"Keys go to {parts.hostname} encrypted only: use https://.")
    return url


def _nearby(host: str) -> bool:
    """Whether the host is this machine or one of the same network."""
    try:
        number = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost", ".lan"))
    return number.is_private or number.is_loopback or number.is_link_local
