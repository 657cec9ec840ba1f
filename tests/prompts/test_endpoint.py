from __future__ import annotations

import pytest

from studio.errors import PromptError
from studio.prompts.endpoint import DEFAULT_MODEL, DEFAULT_URL, address, find_endpoint, has_key

KEY = "sk-proj-abcdefghijklmnop"
ENV = {"OPENAI_API_KEY": KEY}
LOCAL = "http://localhost:11434/v1"


def test_the_environment_is_enough():
    found = find_endpoint(environ={**ENV, "OPENAI_BASE_URL": LOCAL + "/", "OPENAI_MODEL": "m"})
    assert (found.base_url, found.model, found.key) == (LOCAL, "m", KEY)
    assert found.host == "localhost:11434"
    found = find_endpoint(environ=ENV)
    assert (found.base_url, found.model) == (DEFAULT_URL, DEFAULT_MODEL)


def test_what_is_typed_wins():
    found = find_endpoint(model="mine", base_url=LOCAL, key=" typed ", environ=ENV)
    assert (found.base_url, found.model, found.key) == (LOCAL, "mine", "typed")


def test_without_a_key_there_is_no_endpoint():
    with pytest.raises(PromptError, match="nothing was sent"):
        find_endpoint(environ={})


def test_the_environments_key_never_goes_to_an_address_that_was_typed():
    with pytest.raises(PromptError, match="no key for localhost:11434"):
        find_endpoint(base_url=LOCAL, environ=ENV)
    assert has_key(environ=ENV)
    assert not has_key(base_url=LOCAL, environ=ENV)
    assert has_key(base_url=DEFAULT_URL + "/", environ=ENV)


def test_strangers_use_neither_the_owners_key_nor_another_address():
    with pytest.raises(PromptError, match="no key"):
        find_endpoint(public=True, environ=ENV)
    with pytest.raises(PromptError, match="No other address"):
        find_endpoint(public=True, base_url=LOCAL, key="mine", environ=ENV)
    assert find_endpoint(public=True, key="mine", environ=ENV).key == "mine"


@pytest.mark.parametrize(
    "url",
    ["ftp://host/v1", "host/v1", "http://", "file:///etc/passwd", "https://user:pass@host/v1",
     "https://host/v1?api-key=1", "https://host/v1#x", "http://example.com/v1", "http://1.2.3.4/v1",
     "https://host:port/v1", "https://ho\nst/v1"],
)  # fmt: skip
def test_addresses_that_could_leak_or_make_no_sense_are_refused(url: str):
    with pytest.raises(PromptError) as told:
        address(base_url=url, environ={})
    assert "pass" not in str(told.value).replace("passwd", "")


@pytest.mark.parametrize(
    "url", ["http://192.168.1.5:8000/v1", "http://ollama:11434/v1", "http://[::1]:80/v1",
            "https://openrouter.ai/api/v1"],
)  # fmt: skip
def test_near_and_encrypted_addresses_are_taken(url: str):
    assert address(base_url=url, environ={}) == url


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "clé", "x" * 501])
def test_what_cannot_be_a_key_is_refused_without_quoting_it(key: str):
    with pytest.raises(PromptError) as told:
        find_endpoint(key=key, environ={})
    assert key not in str(told.value)


def test_the_key_is_not_shown():
    found = find_endpoint(environ=ENV)
    assert KEY not in repr(found)
    for echo in (f"bad {KEY}!", "sk-proj-abc***mnop", "Bearer something1", f"{KEY[:9]}…"):
        shown = found.redact(f"the server says {echo} here")
        assert "[key]" in shown
        assert "abc" not in shown.replace("[key]", "")
        assert "the server says" in shown
