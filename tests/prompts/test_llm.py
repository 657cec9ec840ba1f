"""Prompts written over real HTTP by a small local server, with everything that goes wrong."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studio.errors import PromptError
from studio.prompts.ask import Ask
from studio.prompts.client import Limits
from studio.prompts.endpoint import Endpoint
from studio.prompts.llm import Written, budget, write
from tests.prompts.chat_server import KEY, ChatServer, Reply, asked, error, well

QUICK = Limits(timeout=0.6, connect=2, tries=3, parallel=2)
NAMES = ("cat", "dog", "hot air balloon")


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer() as served:
        yield served


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the client would have waited."""
    asked: list[float] = []
    waiting = SimpleNamespace(sleep=asked.append, time=time.time)
    monkeypatch.setattr("openai._base_client.time", waiting)
    return asked


@pytest.fixture
def go(server: ChatServer, tmp_path: Path) -> Callable[..., Written]:
    def write_(
        names: tuple[str, ...] = NAMES, *, key: str = KEY, url: str = "", limits: Limits = QUICK,
        stop: Callable[[], bool] = lambda: False,
        listen: Callable[[Written], None] | None = None, **more: Any,
    ) -> Written:  # fmt: skip
        ask = Ask(**{"class_names": names, "only": names, "sentences": 2, **more})
        endpoint = Endpoint(url or server.url, "test-model", key)
        return write(ask, endpoint, cache_dir=tmp_path, limits=limits, stop=stop, listen=listen)

    return write_


def fails(go: Callable[..., Written], **asked_for: Any) -> str:
    """The one line that a failed call says."""
    with pytest.raises(PromptError) as told:
        go(**asked_for)
    line = str(told.value)
    assert "\n" not in line
    assert KEY not in line
    assert KEY[:10] not in line
    return line


def test_sentences_and_templates_are_written(server: ChatServer, go: Callable[..., Written]):
    written = go(templates=3, description="pets at home")
    assert written.prompts.templates == ("picture 0 of a {}.", "picture 1 of a {}.",
                                         "picture 2 of a {}.")  # fmt: skip
    assert written.prompts.sentences["hot air balloon"] == (
        "a hot air balloon, kind 0", "a hot air balloon, kind 1",
    )  # fmt: skip
    assert (written.missing, written.problems, written.stopped) == ((), (), False)
    assert (written.requests, written.tokens_in, written.tokens_out) == (2, 200, 40)


def test_only_names_and_description_leave_the_machine(
    server: ChatServer, go: Callable[..., Written], tmp_path: Path
):
    go(description="pets at home", templates=1)
    for request in server.requests:
        data = asked(request)
        assert set(data) <= {"task", "number", "description_of_the_set", "classes", "all_classes"}
        assert data["description_of_the_set"] == "pets at home"
        assert set(request) == {"model", "messages", "response_format", "max_completion_tokens"}
    for headers in server.headers:
        assert headers["authorization"] == f"Bearer {KEY}"
        assert headers["user-agent"] == "coft-studio"
        assert not [name for name in headers if name.startswith(("x-stainless", "openai-"))]
        assert str(tmp_path) not in json.dumps(headers)


def test_the_same_question_is_asked_once(server: ChatServer, go: Callable[..., Written]):
    first = go(templates=1)
    assert len(server.requests) == 2
    again = go(templates=1)
    assert len(server.requests) == 2
    assert again.prompts == first.prompts
    assert (again.cached, again.requests) == (2, 0)
    go(templates=1, description="other")
    assert len(server.requests) == 4


def test_two_hundred_classes_go_in_batches(
    server: ChatServer, go: Callable[..., Written], tmp_path: Path
):
    names = tuple(f"class {i}" for i in range(200))
    ask = Ask(class_names=names, only=names, sentences=2, templates=2)
    before = budget(ask, base_url=server.url, model="test-model", cache_dir=tmp_path)
    assert (before.requests, before.cached, before.classes) == (11, 0, 200)
    assert server.requests == [], "a budget sends nothing"
    heard: list[Written] = []
    written = go(names, templates=2, listen=heard.append)
    assert len(server.requests) == before.requests == written.requests
    assert len(written.prompts.sentences) == 200
    assert [h.done for h in heard] == list(range(12))
    sent = sum(len(json.dumps(request)) / 4 for request in server.requests)
    assert 0.5 < before.tokens_in / sent < 1.5
    after = budget(ask, base_url=server.url, model="test-model", cache_dir=tmp_path)
    assert (after.requests, after.cached, after.tokens_in, after.at_most) == (0, 11, 0, 0)


def test_a_wrong_key_is_said_once_without_it(
    server: ChatServer, go: Callable[..., Written], caplog: pytest.LogCaptureFixture
):
    server.key = "another"
    caplog.set_level(logging.DEBUG)
    line = fails(go, names=tuple(f"class {i}" for i in range(100)))
    assert "does not accept the key" in line
    assert len(server.requests) <= QUICK.parallel, "asking on is of no use"
    assert KEY not in caplog.text


def test_429_waits_as_long_as_it_is_told_and_goes_on(
    server: ChatServer, go: Callable[..., Written], waits: list[float]
):
    server.replies = [error(429, "slow down", retry_after="1")]
    written = go()
    assert len(written.prompts.sentences) == 3
    assert waits == [1.0]
    server.replies = [error(429, "slow down", retry_after_ms="300")]
    go(description="b")
    assert waits == [1.0, 0.3]
    assert len(server.requests) == 4


def test_429_for_ever_or_for_too_long_is_given_up(server: ChatServer, go: Callable[..., Written]):
    server.then = error(429, f"slow down, {KEY}")
    assert "no more requests" in fails(go)
    assert len(server.requests) == QUICK.tries
    server.then = error(429, "slow down", retry_after="3600")
    assert "no more requests" in fails(go)
    assert len(server.requests) == QUICK.tries + 1


def test_a_used_up_quota_is_not_waited_for(server: ChatServer, go: Callable[..., Written]):
    server.then = error(429, "You exceeded your current quota", code="insufficient_quota")
    assert "quota" in fails(go)
    assert len(server.requests) == 1


def test_500_is_tried_again(server: ChatServer, go: Callable[..., Written]):
    server.replies = [error(500, "oops"), Reply(status=503, body="<html>")]
    assert len(go().prompts.sentences) == 3
    server.then = error(500, f"oops {KEY}")
    assert "failed (500)" in fails(go, description="b")


@pytest.mark.slow
def test_a_time_out_is_tried_again_and_told(server: ChatServer, go: Callable[..., Written]):
    server.replies = [Reply(wait=1.5)]
    assert len(go().prompts.sentences) == 3
    server.then = Reply(wait=1.5)
    assert "did not answer within 0.6 s" in fails(go, description="b")


def test_nobody_there(go: Callable[..., Written]):
    assert "cannot be reached" in fails(go, url="http://127.0.0.1:9/v1")


def test_a_redirect_is_not_followed(server: ChatServer, go: Callable[..., Written]):
    with ChatServer() as other:
        server.then = Reply(
            status=307, body="", headers={"location": f"{other.url}/chat/completions"}
        )
        assert "another address" in fails(go)
        assert other.requests == []


def test_an_unknown_model_is_told(server: ChatServer, go: Callable[..., Written]):
    server.then = error(404, "The model does not exist", code="model_not_found")
    assert "test-model" in fails(go)


def test_a_request_that_is_refused_says_why_without_the_key(
    server: ChatServer, go: Callable[..., Written]
):
    server.then = error(400, f"your plan ({KEY}) has no\nsuch thing")
    assert "your plan ([key]) has no such thing" in fails(go)


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    ["{", "no json at all", "[]", '{"classes": []}', '{"classes": [{"name": "cat"}]}', "null", " ",
     '{"classes": [{"name": "zebra", "sentences": ["a zebra"]}]}', '{"classes": {"cat": "text"}}',
     '{"classes": [{"name": "cat", "sentences": ["", "  ", 7]}]}'],
)  # fmt: skip
def test_answers_that_cannot_be_used_are_asked_for_again_and_not_kept(
    server: ChatServer, go: Callable[..., Written], text: str
):
    server.replies = [Reply(text)]
    assert len(go().prompts.sentences) == 3
    assert len(server.requests) == 2
    server.then = Reply(text)
    assert fails(go, description="b").endswith("(cat, dog, hot air balloon).")
    server.then = well
    assert len(go(description="b").prompts.sentences) == 3


def test_a_body_that_is_no_json_is_told(server: ChatServer, go: Callable[..., Written]):
    server.then = Reply(body="{")
    assert "cannot be read" in fails(go)


def test_what_models_put_around_json_is_passed_over(server: ChatServer, go: Callable[..., Written]):
    inner = json.dumps({"cat": ["a cat"], "DOG ": ["a dog"], "hot_air_balloon": ["a balloon"]})
    server.replies = [Reply(f"<think>{{so}}</think>Sure!\n```json\n{inner}\n```\nAnything else?")]
    assert go().prompts.sentences == {
        "cat": ("a cat",), "dog": ("a dog",), "hot air balloon": ("a balloon",),
    }  # fmt: skip


def test_a_refusal_of_one_class_does_not_cost_the_others(
    server: ChatServer, go: Callable[..., Written]
):
    def picky(request: dict[str, Any]) -> Reply:
        if "dog" in asked(request)["classes"]:
            return Reply(refusal="I cannot help with dogs.")
        return well(request)

    server.then = picky
    written = go(("cat", "fox", "dog"))
    assert set(written.prompts.sentences) == {"cat"}
    assert written.missing == ("fox", "dog")
    assert any("leave out fox, dog" in line for line in written.problems)
    assert "refused" in fails(go, names=("dog", "dog 2"), only=("dog",))


def test_classes_that_are_left_out_are_asked_about_again(
    server: ChatServer, go: Callable[..., Written]
):
    short = {"classes": [{"name": "cat", "sentences": ["a cat"]},
                         {"name": "Zebra", "sentences": ["a zebra"]},
                         {"name": "cat", "sentences": ["twice"]}]}  # fmt: skip
    server.replies = [Reply(json.dumps(short))]
    written = go()
    assert set(written.prompts.sentences) == set(NAMES)
    assert written.prompts.sentences["cat"] == ("a cat",)
    assert asked(server.requests[1])["classes"] == ["dog", "hot air balloon"]


def test_a_long_answer_that_is_cut_off_is_asked_for_in_halves(
    server: ChatServer, go: Callable[..., Written]
):
    def stingy(request: dict[str, Any]) -> Reply:
        reply = well(request)
        if len(asked(request)["classes"]) > 2:
            return Reply(reply.text[:60], finish="length")
        return reply

    server.then = stingy
    assert len(go(("a1", "b1", "c1", "d1")).prompts.sentences) == 4


def test_sentences_are_checked(server: ChatServer, go: Callable[..., Written]):
    texts = [" a \n cat ", "", "x" * 301, "a cat", "<b>cat</b>", "\x1b[31mred", "one too many"]
    answer = {"classes": [{"name": "cat", "sentences": texts}]}
    server.then = Reply(json.dumps(answer))
    written = go(("cat", "dog"), only=("cat",), sentences=3)
    assert written.prompts.sentences == {"cat": ("a cat", "<b>cat</b>", "[31mred")}
    server.then = Reply(json.dumps({"templates": ["none", "a {}.", 7, "a {}."]}))
    assert go(sentences=0, templates=4).prompts.templates == ("a {}.",)


@pytest.mark.parametrize("refused", [400, 422])
def test_servers_that_know_less_are_asked_more_simply(
    server: ChatServer, go: Callable[..., Written], refused: int
):
    def simple(request: dict[str, Any]) -> Reply:
        if "max_completion_tokens" in request:
            return error(refused, "unknown field max_completion_tokens")
        if "response_format" in request:
            return error(refused, "response_format is not supported")
        return well(request)

    server.then = simple
    written = go(
        tuple(f"class {i}" for i in range(50)), limits=Limits(**{**vars(QUICK), "parallel": 1})
    )
    assert len(written.prompts.sentences) == 50
    assert (written.requests, written.problems) == (3 + 3, ())
    assert "max_tokens" in server.requests[-1]


def test_what_came_before_a_failure_is_kept(server: ChatServer, go: Callable[..., Written]):
    names = tuple(f"class {i}" for i in range(60))

    def half(request: dict[str, Any]) -> Reply:
        return error(500, "oops") if "class 20" in asked(request)["classes"] else well(request)

    server.then = half
    written = go(names)
    assert len(written.prompts.sentences) == 40
    assert written.missing == names[20:40]
    assert len(written.problems) == 1
    assert "failed (500)" in written.problems[0]
    server.then = well
    sent = len(server.requests)
    again = go(names)
    assert len(again.prompts.sentences) == 60
    assert (again.cached, len(server.requests) - sent) == (2, 1)


def test_stop_hangs_up_and_keeps_what_came(server: ChatServer, go: Callable[..., Written]):
    names = tuple(f"class {i}" for i in range(100))
    stop = threading.Event()
    server.replies = [well]
    server.then = Reply(wait=3600)  # as good as never: only who hangs up comes back

    def listen(written: Written) -> None:
        if written.done:
            stop.set()

    slow = Limits(timeout=3600, connect=2, parallel=2)
    written = go(names, stop=stop.is_set, listen=listen, limits=slow)
    assert written.stopped
    assert len(written.prompts.sentences) == 20
    assert written.problems == ()


def test_stop_ends_a_wait(
    server: ChatServer, go: Callable[..., Written], monkeypatch: pytest.MonkeyPatch
):
    waiting, over, before = threading.Event(), threading.Event(), set(threading.enumerate())

    def sleep(seconds: float) -> None:
        waiting.set()
        over.wait(600)  # as good as never

    monkeypatch.setattr("openai._base_client.time", SimpleNamespace(sleep=sleep, time=time.time))
    server.then = error(429, "slow down", retry_after="60")
    written = go(stop=waiting.is_set)
    assert written.stopped
    assert written.prompts.is_default
    sent = len(server.requests)
    over.set()  # who wakes up has nobody to ask any more
    for thread in set(threading.enumerate()) - before:
        if thread.name == "prompts":
            thread.join(20)
            assert not thread.is_alive()
    assert len(server.requests) == sent


def test_no_more_requests_than_the_budget_says(
    server: ChatServer, go: Callable[..., Written], tmp_path: Path
):
    names = tuple(f"class {i}" for i in range(40))
    ask = Ask(class_names=names, only=names, sentences=2)
    most = budget(ask, base_url="x", model="m", cache_dir=tmp_path, limits=QUICK).at_most
    for answer in (Reply("{"), error(500, "oops"), Reply(refusal="no")):
        server.requests.clear()
        server.then = answer
        fails(go, names=names)
        assert len(server.requests) <= most


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"only": ()}, "Nothing"), ({"sentences": 0}, "Nothing"), ({"sentences": 99}, "from 0 to"),
     ({"templates": -1}, "from 0 to"), ({"description": "x" * 1001}, "description")],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused(
    server: ChatServer, go: Callable[..., Written], changes: dict[str, Any], says: str
):
    assert says in fails(go, **changes)
    assert server.requests == []


def test_the_key_is_on_no_disk(server: ChatServer, go: Callable[..., Written], tmp_path: Path):
    go(templates=1)
    server.then = error(500, f"your key {KEY}")
    fails(go, description="b")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert KEY[3:15].encode() not in path.read_bytes(), path


def test_what_tells_mixed_up_classes_apart_is_asked_about_them_alone(
    server: ChatServer, go: Callable[..., Written]
):
    pairs = (("cat", "dog"), ("dog", "fox"))
    written = go(("cat", "dog", "fox", "owl"), pairs=pairs, templates=3)
    [request] = server.requests
    data = asked(request)
    assert data["pairs"] == [["cat", "dog"], ["dog", "fox"]]
    assert data["classes"] == ["cat", "dog", "fox"]
    assert "apart" not in data["task"]
    assert "mixed up" in data["task"]
    assert set(written.prompts.sentences) == {"cat", "dog", "fox"}
    assert written.prompts.templates == ()
    go(("cat", "dog", "fox", "owl"), pairs=pairs[:1])
    assert len(server.requests) == 2, "other pairs are another question"


def test_a_class_of_many_pairs_keeps_all_its_sentences(
    server: ChatServer, go: Callable[..., Written]
):
    def numbered(request: dict[str, Any]) -> Reply:
        other = asked(request)["pairs"][0][1]
        classes = [{"name": "cat", "sentences": [f"a cat, unlike a {other}"]}]
        return Reply(json.dumps({"classes": classes}))

    server.then = numbered
    names = ("cat", *(f"class {i}" for i in range(15)))
    written = go(names, pairs=tuple(("cat", name) for name in names[1:]))
    assert set(written.prompts.sentences["cat"]) == {
        "a cat, unlike a class 0", "a cat, unlike a class 10",
    }  # fmt: skip
