from __future__ import annotations

import os
import socket

import pytest

from studio.places import direct
from studio.ui.door.hosts import Hosts, name_of

LOCAL = Hosts.of("127.0.0.1")
PROXIED = Hosts.of("127.0.0.1", ["studio.example", "*.hf.space"])
LAN = Hosts.of("0.0.0.0")


def asked(hosts: Hosts, **headers: str) -> bool:
    """Whether a request with these headers is let in."""
    sent = {"host": ["127.0.0.1:7860"]}
    sent.update({name.replace("_", "-"): [value] for name, value in headers.items()})
    return not hosts.refusal(sent)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:7860", "localhost", "LOCALHOST:9000", "[::1]:7860", "127.0.0.2", "localhost."],
)
def test_this_machine_may_be_called_by_its_own_names(host: str) -> None:
    assert asked(LOCAL, host=host)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "localhost.evil.example", "",
     "127.0.0.1@evil.example", "evil.example#127.0.0.1", "localhost evil", "192.168.1.5",
     "localhost:7860:1", "[::1", "0x7f.1", "studio.example", "127.1", "2130706433", "0.0.0.0:7860",
     "[::ffff:127.0.0.1]", "[::]", "[::1%25eth0]", "[::1]evil", "%6cocalhost", "127.0.0.1.nip.io",
     "localhost\tevil", "localhost:7860@evil.example"],
)  # fmt: skip
def test_another_name_may_lead_here_after_dns_rebinding(host: str) -> None:
    assert not asked(LOCAL, host=host)


def test_two_hosts_or_none_are_refused() -> None:
    assert LOCAL.refusal({"host": ["localhost", "localhost"]})
    assert LOCAL.refusal({})
    assert not asked(LOCAL, x_forwarded_host="evil.example")
    assert not asked(LOCAL, x_forwarded_host="localhost, evil.example")


def test_a_name_that_is_given_is_a_name_of_the_studio() -> None:
    assert asked(PROXIED, host="studio.example")
    assert asked(PROXIED, host="me-set.hf.space")
    assert asked(PROXIED, x_forwarded_host="studio.example")
    assert not asked(PROXIED, host="hf.space.evil.example")
    assert not asked(PROXIED, host="xhf.space")
    # The proxy may ask by any of its names, and speak TLS where the studio does not.
    assert asked(PROXIED, origin="https://studio.example")
    assert asked(PROXIED, host="studio.example", origin="https://studio.example:8443")


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1:7861", "http://localhost:7860", "file://", "",
     "https://studio.example", "http://127.0.0.1", "http://127.0.0.1:port", "http://[::1]:7860",
     "http://127.0.0.1:7860.evil.example", "http://127.0.0.1:7860@evil.example",
     "http://127.0.0.1:7860 http://evil.example", "*"],
)  # fmt: skip
def test_pages_of_other_origins_are_refused(origin: str) -> None:
    assert not asked(LOCAL, origin=origin)


def test_its_own_page_is_answered() -> None:
    assert asked(LOCAL, origin="http://127.0.0.1:7860", sec_fetch_site="same-origin")
    assert asked(LOCAL, host="localhost", origin="http://localhost")
    assert asked(LOCAL, host="localhost", origin="https://localhost")
    # Somebody who follows a link to it comes from another site, and that is all right.
    assert asked(LOCAL, sec_fetch_site="cross-site", sec_fetch_mode="navigate")
    assert not asked(LOCAL, sec_fetch_site="cross-site", sec_fetch_mode="no-cors")


def test_on_all_addresses_a_bare_address_is_as_good_as_any() -> None:
    assert asked(LAN, host="192.168.1.5:7860", origin="http://192.168.1.5:7860")
    assert asked(LAN, host=f"{socket.gethostname()}:7860")
    assert not asked(LAN, host="evil.example")
    # But not as the origin of somebody else's page.
    assert not asked(LAN, host="192.168.1.5:7860", origin="http://192.168.1.9:7860")
    assert not asked(LAN, host="192.168.1.5:7860", origin="http://192.168.1.5:8080")
    assert asked(Hosts.of("192.168.1.5"), host="192.168.1.5:7860")
    assert asked(Hosts.of("[::]"), host="[fe80::1]:7860")


def test_the_refusal_says_what_to_do_and_repeats_no_nonsense() -> None:
    assert "--allow-host studio.example" in LOCAL.refusal({"host": ["studio.example:80"]})
    assert "<" not in LOCAL.refusal({"host": ["<script>"]})
    assert name_of("A.Example:80") == "a.example"


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9", "nonsense://"])
def test_the_machine_itself_is_reached_without_a_proxy(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    import httpx

    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy)
    monkeypatch.setenv("NO_PROXY", "intranet")
    monkeypatch.delenv("no_proxy", raising=False)
    with direct("10.1.2.3"), httpx.Client() as client:
        assert not [p for p in client._mounts.values() if p is not None]
    assert os.environ["HTTP_PROXY"] == proxy
    assert os.environ["NO_PROXY"] == "intranet,localhost,127.0.0.1,::1,10.1.2.3"
    monkeypatch.delenv("no_proxy")
