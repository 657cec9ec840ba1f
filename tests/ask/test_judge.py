"""A judge asked over real HTTP by a small local server, with everything that goes wrong."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from studio.ask.judge import ROUND, Item, JudgeAsking, Judgement, ask_judge
from studio.ask.judge_cost import judge_budget
from studio.ask.judge_image import picture_of
from studio.ask.judge_question import Picture
from studio.errors import PromptError
from studio.prompts.client import Limits
from studio.prompts.endpoint import Endpoint
from tests.ask.vision_server import (
    COLOURS,
    about,
    colour,
    first,
    is_test_picture,
    names,
    sees,
    sent,
)
from tests.prompts.chat_server import KEY, ChatServer, Reply, error

QUICK = Limits(timeout=0.8, connect=2, tries=3, parallel=2)
NAMES = ("red thing", "blue thing", "green thing", "yellow thing")


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer() as served:
        served.then = sees
        yield served


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the client would have waited."""
    asked: list[float] = []
    waiting = SimpleNamespace(sleep=asked.append, time=time.time)
    monkeypatch.setattr("openai._base_client.time", waiting)
    return asked


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """20 photographs of one colour each, with an EXIF that says where they were taken."""
    made = tmp_path / "photos"
    made.mkdir()
    colours = ["red", "blue", "green", "yellow", "white"]
    for number in range(20):
        colour = COLOURS[colours[number % 5]]
        image = Image.new("RGB", (900, 600), colour)
        image.putpixel((number, 0), (0, 0, 0))
        exif = Image.Exif()
        exif[0x010E] = "SECRET PLACE"
        image.save(made / f"{number:02}.jpg", exif=exif, comment=b"SECRET COMMENT")
    return made


def items_of(folder: Path, shortlist: tuple[str, ...] = NAMES) -> list[Item]:
    return [
        Item(number, path.name, shortlist, partial(picture_of, path))
        for number, path in enumerate(sorted(folder.iterdir()))
    ]


def in_turn(items: Sequence[Item]) -> Callable[[Sequence[Judgement], int], list[Item]]:
    """Chooses what was not asked about yet, in order."""

    def choose(done: Sequence[Judgement], most: int) -> list[Item]:
        known = {judgement.path for judgement in done}
        return [item for item in items if item.path not in known][:most]

    return choose


@pytest.fixture
def go(server: ChatServer, tmp_path: Path, folder: Path) -> Callable[..., JudgeAsking]:
    def ask(budget: int = 5, *, url: str = "", limits: Limits = QUICK, key: str = KEY,
            shortlist: tuple[str, ...] = NAMES, **more: Any) -> JudgeAsking:  # fmt: skip
        endpoint = Endpoint(url or server.url, "test-model", key)
        more.setdefault("choose", in_turn(items_of(folder, shortlist)))
        return ask_judge(
            endpoint=endpoint, budget=budget, cache_dir=tmp_path / "cache", limits=limits, **more
        )

    return ask


def about_images(server: ChatServer) -> list[dict[str, Any]]:
    """The requests that were about the user's images."""
    return [request for request in server.requests if not is_test_picture(request)]


def fails(go: Callable[..., JudgeAsking], **asked: Any) -> str:
    """The one line that a failed asking says."""
    with pytest.raises(PromptError) as told:
        go(**asked)
    line = str(told.value)
    assert "\n" not in line
    assert KEY not in line
    assert KEY[:10] not in line
    return line


def test_only_stable_answers_count_and_none_of_these_is_one(
    server: ChatServer, go: Callable[..., JudgeAsking]
):
    asking = go(5)
    assert asking.answers == {
        "00.jpg": "red thing", "01.jpg": "blue thing", "02.jpg": "green thing",
        "03.jpg": "yellow thing", "04.jpg": "",
    }  # fmt: skip
    assert (asking.done, asking.unstable, asking.problems, asking.over) == (5, 0, (), True)
    assert asking.requests == 2 * 5 + 2 == len(server.requests)
    assert (asking.tokens_in, asking.tokens_out) == (1200, 240)
    assert asking.stopped is False


def test_an_answer_that_changes_with_the_order_does_not_count(
    server: ChatServer, go: Callable[..., JudgeAsking]
):
    server.then = lambda request: sees(request) if is_test_picture(request) else first(request)
    asking = go(5)
    assert asking.answers == {}
    assert asking.unstable == 5
    assert all(len(set(judgement.said)) == 2 for judgement in asking.judgements)


def test_the_second_order_moves_every_name(server: ChatServer, go: Callable[..., JudgeAsking]):
    for shortlist in (NAMES[:1], NAMES[:2], NAMES[:3], NAMES, (*NAMES, "white thing")):
        server.requests.clear()
        go(1, shortlist=shortlist)
        one, two = map(names, about_images(server))
        assert sorted(one.values()) == sorted(two.values())
        assert set(one.values()) == {*shortlist, "none of these"}
        assert all(one[letter] != two[letter] for letter in one)


def test_what_leaves_is_small_bare_and_has_no_name_of_a_file(
    server: ChatServer, go: Callable[..., JudgeAsking], folder: Path
):
    go(3, about="things on a table")
    assert {about(request) for request in about_images(server)} == {"things on a table"}
    for request in about_images(server):
        data = sent(request)
        image = Image.open(BytesIO(data))
        assert image.format == "JPEG"
        assert image.size == (512, 341)
        assert not image.getexif()
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        assert b"SECRET" not in data
        assert str(folder) not in json.dumps(request)
        assert ".jpg" not in json.dumps({**request, "messages": names(request)})
    for headers in server.headers:
        assert headers["user-agent"] == "coft-studio"


def test_a_small_image_is_not_made_larger(
    server: ChatServer, go: Callable[..., JudgeAsking], folder: Path
):
    Image.new("RGB", (40, 30), COLOURS["red"]).save(folder / "00.jpg")
    go(1)
    assert Image.open(BytesIO(sent(about_images(server)[0]))).size == (40, 30)


def test_nothing_is_asked_twice(server: ChatServer, go: Callable[..., JudgeAsking], folder: Path):
    one = go(5)
    sent_first = len(server.requests)
    again = go(5)
    assert len(server.requests) == sent_first
    assert again.answers == one.answers
    assert (again.requests, again.cached) == (0, 10)
    (folder / "00.jpg").rename(folder / "00 renamed.jpg")  # the content counts, not the name
    go(5)
    assert len(server.requests) == sent_first
    go(5, shortlist=NAMES[:3])
    assert len(server.requests) == sent_first + 10, "another question is asked"


def test_what_cannot_be_used_is_not_paid_for_again(
    server: ChatServer, go: Callable[..., JudgeAsking]
):
    def picky(request: dict[str, Any]) -> Reply:
        return sees(request) if is_test_picture(request) else Reply(refusal="no")

    server.then = picky
    asking = go(2)
    assert asking.answers == {}
    assert any("refused" in line and "00.jpg" in line for line in asking.problems)
    before = len(server.requests)
    assert go(2).problems == asking.problems
    assert len(server.requests) == before


def test_an_image_that_cannot_count_any_more_costs_no_second_question(
    server: ChatServer, go: Callable[..., JudgeAsking]
) -> None:
    def no_red(request: dict[str, Any]) -> Reply:
        refused = colour(request) == "red" and not is_test_picture(request)
        return Reply(refusal="no") if refused else sees(request)

    server.then = no_red
    asking = go(2, limits=replace(QUICK, parallel=1))
    assert [j.said for j in asking.judgements] == [(None, None), ("blue thing", "blue thing")]
    orders = {tuple(names(r).values()) for r in about_images(server) if colour(r) == "red"}
    assert len(orders) == 1, "the second order of the names was not sent"
    before, server.then = len(server.requests), sees
    assert set(go(2).answers) == {"01.jpg"}
    assert len(server.requests) == before, "what is known to be lost is not asked on with"


def test_it_is_chosen_again_after_each_round(server: ChatServer, go: Callable[..., JudgeAsking],
                                             folder: Path):  # fmt: skip
    seen: list[int] = []
    plain = in_turn(items_of(folder))

    def choose(done: Sequence[Judgement], most: int) -> list[Item]:
        seen.append(len(done))
        return plain(done, most)

    go(ROUND + 3, choose=choose)
    assert seen == [0, ROUND]
    assert go(100, choose=plain).done == 20, "no more than there is to ask"


def test_each_image_is_told_as_it_comes_in_order(go: Callable[..., JudgeAsking]):
    heard: list[tuple[int, str]] = []

    def listen(asking: JudgeAsking, new: Judgement | None) -> None:
        heard.append((asking.done, new.path if new else ""))

    go(10, listen=listen)
    assert heard == [(0, ""), *[(n + 1, f"{n:02}.jpg") for n in range(10)]]


@pytest.mark.parametrize("blind", [first, lambda _: Reply('{"answer": "C"}'),
                                   lambda _: Reply("I cannot see any image.")])  # fmt: skip
def test_a_model_without_eyes_is_found_out_before_any_image_leaves(
    server: ChatServer, go: Callable[..., JudgeAsking], blind: Callable[[dict[str, Any]], Reply]
):
    usual, server.then = server.then, blind
    assert "cannot look at images" in fails(go)
    assert about_images(server) == []
    server.then = usual  # the server was started without its eyes, and has them now
    assert len(go(2).answers) == 2


@pytest.mark.parametrize(
    "said",
    [error(400, "Invalid content type. image_url is only supported by certain models."),
     error(400, "registry/text is not a multimodal model"),
     error(500, "image input is not supported - hint: provide the mmproj"),
     error(422, "messages.1.content: Input should be a valid string")],
)  # fmt: skip
def test_a_server_that_takes_no_images_is_told_in_a_line(
    server: ChatServer, go: Callable[..., JudgeAsking], said: Reply
):
    server.then = said
    assert "“test-model”" in (line := fails(go))
    assert "cannot look at images" in line
    assert len(server.requests) == 1, "asking again is of no use"


def test_a_wrong_key_is_said_once_without_it(
    server: ChatServer,
    go: Callable[..., JudgeAsking],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
):
    server.key = "another"
    caplog.set_level(logging.DEBUG)
    assert "does not accept the key (401)" in fails(go)
    assert len(server.requests) == 1
    assert KEY not in caplog.text
    for path in (p for p in tmp_path.rglob("*") if p.is_file()):
        assert KEY[3:15].encode() not in path.read_bytes(), path


def test_429_waits_as_long_as_it_is_told(
    server: ChatServer, go: Callable[..., JudgeAsking], waits: list[float]
):
    server.replies = [sees, sees, error(429, "slow down", retry_after="7")]
    asking = go(3)
    assert len(asking.answers) == 3
    assert asking.problems == ()
    assert waits == [7.0]


def test_a_server_that_fails_is_given_up_and_what_came_is_kept(
    server: ChatServer, go: Callable[..., JudgeAsking]
):
    go(4)  # known from now on
    server.then = error(500, "oops")
    heard: list[str] = []
    asking = go(20, listen=lambda asking, new: heard.append(new.path if new else ""))
    assert set(asking.answers) == {"00.jpg", "01.jpg", "02.jpg", "03.jpg"}
    assert "in a row came to nothing" in asking.problems[0]
    assert "failed (500)" in asking.problems[0]
    budget = judge_budget(20, model="test-model", limits=QUICK)
    assert len(server.requests) <= budget.at_most
    server.then = sees
    assert len(go(20).answers) == 20, "what the server failed at is asked again"


def test_one_fault_of_the_server_costs_no_image(server: ChatServer, go: Callable[..., JudgeAsking]):
    once = Limits(timeout=2, connect=2, tries=1, parallel=1)
    server.replies = [sees, sees, error(503, "busy")]
    asking = go(3, limits=once)
    assert len(asking.answers) == 3
    assert asking.done == 3
    assert "failed (503)" in asking.problems[0]


@pytest.mark.slow
def test_a_time_out_is_told(server: ChatServer, go: Callable[..., JudgeAsking]):
    server.then = lambda request: sees(request) if is_test_picture(request) else Reply(wait=2.0)
    quick = Limits(timeout=0.3, connect=1, tries=1, parallel=8)
    assert "did not answer within 0.3 s" in fails(go, limits=quick, budget=8)


def test_a_content_filter_refuses_one_image_and_not_all(
    server: ChatServer, go: Callable[..., JudgeAsking]
):
    def filtered(request: dict[str, Any]) -> Reply:
        if colour(request) == "blue" and not is_test_picture(request):
            return error(400, "filtered", code="content_filter")
        return sees(request)

    server.then = filtered
    asking = go(5)
    assert set(asking.answers) == {"00.jpg", "02.jpg", "03.jpg", "04.jpg"}
    assert asking.done == 5


@pytest.mark.parametrize("text", ['{"answer": "Z"}', "maybe", '{"answer": 3}', '{"answer": ["A"]}',
                                  "A or B", '{"name": "A"}', "red", "{"])  # fmt: skip
def test_an_answer_outside_of_the_list_is_no_answer(
    server: ChatServer, go: Callable[..., JudgeAsking], text: str
):
    server.then = lambda r: sees(r) if is_test_picture(r) else Reply(text)
    asking = go(1)
    assert asking.answers == {}
    assert asking.judgements[0].said == (None, None)
    assert "00.jpg" in asking.problems[0]


def test_a_model_that_never_keeps_to_the_list_is_given_up(
    server: ChatServer, go: Callable[..., JudgeAsking]
):
    server.then = lambda r: sees(r) if is_test_picture(r) else Reply("A photo of a thing.")
    asking = go(20)
    assert "6 images in a row" in asking.problems[0]
    assert asking.done < 2 * ROUND


def test_stop_hangs_up_and_going_on_asks_the_rest_only(
    server: ChatServer, go: Callable[..., JudgeAsking]
):
    stop = threading.Event()

    def slow(request: dict[str, Any]) -> Reply:
        return sees(request) if len(server.requests) <= 2 + 6 else Reply(wait=3600)

    server.then = slow

    def listen(asking: JudgeAsking, _: Judgement | None) -> None:
        if asking.done == 3:
            stop.set()

    patient = Limits(timeout=3600, connect=2, parallel=2)
    halfway = go(10, stop=stop.is_set, listen=listen, limits=patient)
    assert (halfway.stopped, halfway.done, halfway.problems) == (True, 3, ())
    server.then = sees
    server.requests.clear()
    rest = go(10, before=halfway.judgements)
    assert rest.done == 10
    assert rest.judgements[:3] == halfway.judgements
    assert rest.requests == 2 * 7, "the test pictures and three images are known"
    # Not how many came: what was hung up on may be read by the server only now.
    assert len(about_images(server)) == len(server.requests)
    assert len({sent(request) for request in server.requests}) == 7


def test_a_file_that_is_gone_is_told_and_passed_over(
    server: ChatServer, go: Callable[..., JudgeAsking], folder: Path
):
    items, taken_up = items_of(folder), []

    def broken(path: Path = folder / "02.jpg") -> Picture:
        taken_up.append(path)
        return picture_of(path)

    items[2] = replace(items[2], picture=broken)
    (folder / "01.jpg").unlink()
    (folder / "02.jpg").write_bytes(b"no image")
    asking = go(4, choose=in_turn(items))
    assert set(asking.answers) == {"00.jpg", "03.jpg"}
    assert any("01.jpg" in line for line in asking.problems)
    assert any("02.jpg" in line for line in asking.problems)
    assert len(taken_up) == 1, "it is the same another time"


def test_a_server_on_this_machine_is_reached_without_a_proxy(
    server: ChatServer, go: Callable[..., JudgeAsking], monkeypatch: pytest.MonkeyPatch
):
    with ChatServer() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url.removesuffix("/v1"))
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        assert go(1).done == 1
        assert proxy.requests == []


def test_a_budget_tells_about_what_is_sent(server: ChatServer, go: Callable[..., JudgeAsking]):
    before = judge_budget(5, model="test-model", limits=QUICK)
    assert (before.images, before.questions, before.probes) == (5, 10, 2)
    asking = go(5)
    assert asking.requests == before.questions + before.probes
    texts = [
        sum(len(part["text"]) for part in r["messages"][-1]["content"][:1])
        + len(r["messages"][0]["content"]) + len(json.dumps(r["response_format"]))
        for r in server.requests
    ]  # fmt: skip
    words = before.tokens_in / len(texts) - 400  # less the image
    assert 0.7 < words / (sum(texts) / len(texts) / 4) < 1.4


def test_no_more_requests_than_the_budget_says(server: ChatServer, go: Callable[..., JudgeAsking]):
    most = judge_budget(2, model="m", limits=QUICK).at_most
    for answer in (Reply("{"), error(500, "oops"), Reply(refusal="no"), error(429, "slow down")):
        server.requests.clear()
        server.then = lambda r, answer=answer: sees(r) if is_test_picture(r) else answer
        with contextlib.suppress(PromptError):
            go(2, about=str(answer))
        assert len(server.requests) <= most
