"""Keys that were typed for servers: in the memory of this process, for their address alone."""

from __future__ import annotations


class Keys:
    """Kept until they are forgotten or the process ends, and written nowhere.

    Where strangers share the page nobody's key is kept: each brings one with every call.
    """

    def __init__(self) -> None:
        self._by_address: dict[str, str] = {}

    def of(self, address: str) -> str:
        """The key for a base URL; "" when none was typed."""
        return self._by_address.get(address, "")

    def keep(self, address: str, key: str) -> None:
        """Remember a key for a base URL."""
        self._by_address[address] = key

    def forget(self) -> None:
        """Forget all of them."""
        self._by_address.clear()
