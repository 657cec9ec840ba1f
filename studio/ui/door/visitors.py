"""Who a request comes from, where strangers share the page: a cookie that cannot be guessed.

A browser that keeps no cookies has a room for each page that it opens, by the page's own mark.
What one visitor's page has begun no other visitor can go on with.
"""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict

COOKIE = "studio-room"
KEPT_S = 86_400
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_PAGES = 20_000


class Visitors:
    """Which pages belong to whom."""

    def __init__(self) -> None:
        self._owners: OrderedDict[str, str] = OrderedDict()

    @staticmethod
    def known(cookies: list[str]) -> str:
        """The visitor's token in the Cookie headers; empty when there is none."""
        for header in cookies:
            for pair in header.split(";"):
                name, _, value = pair.strip().partition("=")
                if name == COOKIE and _TOKEN.fullmatch(value):
                    return value
        return ""

    @staticmethod
    def welcome(*, https: bool) -> str:
        """A Set-Cookie header for somebody new."""
        # In the frame of another site, as on a Space, only such a cookie is sent back.
        more = "; SameSite=None; Secure; Partitioned" if https else "; SameSite=Lax"
        token = secrets.token_urlsafe(32)
        return f"{COOKIE}={token}; Path=/; HttpOnly; Max-Age={KEPT_S}{more}"

    def of(self, token: str, page: str) -> str:
        """The visitor of a request; empty when the page is somebody else's.

        token: from the cookie, or empty; page: the mark of the open page, or empty.
        """
        visitor = token or (f"page {page}" if page else "")
        if not page:
            return visitor
        owner = self._owners.setdefault(page, visitor)
        self._owners.move_to_end(page)
        while len(self._owners) > _PAGES:
            self._owners.popitem(last=False)
        return visitor if owner == visitor else ""
