"""A judge behind the page: what is agreed to is sent, and nothing else."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio.errors import StudioError
from studio.session.encoded import drawn_order
from studio.session.judging import JudgeForm, Judging
from studio.session.opened import open_run
from studio.session.session import Session
from studio.session.source import AT_HAND, OpenedRun
from tests.ask.vision_server import is_test_picture, sees
from tests.prompts.chat_server import KEY, ChatServer, Reply
from tests.ui.conftest import load


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer(key=None) as served:
        served.then = sees
        yield served


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BASE_URL", "API_KEY", "MODEL"):
        monkeypatch.delenv(f"OPENAI_{name}", raising=False)
        monkeypatch.delenv(f"JUDGE_{name}", raising=False)


@pytest.fixture
def form(server: ChatServer) -> JudgeForm:
    return JudgeForm(budget="2C", base_url=server.url, model="sees")


@pytest.fixture
def judging(loaded: Session) -> Judging:
    return loaded.judging


def ask(judging: Judging, form: JudgeForm, run: Any = AT_HAND, **more: Any) -> None:
    told = {"key": "", "agreed": True, "mark": judging.terms(form, run).mark, **more}
    judging.start(form, run, **told)
    judging.wait(60)


def test_what_would_leave_is_told_before_anything_does(
    judging: Judging, form: JudgeForm, server: ChatServer
):
    terms = judging.terms(form, AT_HAND)
    assert (terms.plan.images, terms.model, terms.here, terms.stays) == (6, "sees", True, True)
    assert server.url.split("/")[2] == terms.host
    assert terms.budget is not None
    assert (terms.budget.questions, terms.budget.dollars) == (12, None)
    priced = judging.terms(replace(form, price="1/2"), AT_HAND)
    assert priced.budget is not None
    assert priced.budget.dollars
    openai = judging.terms(JudgeForm(), AT_HAND)
    assert (openai.host, openai.here, openai.stays) == ("api.openai.com", False, False)
    assert openai.price is not None
    assert server.requests == []


def test_nothing_is_sent_without_a_yes_to_just_this(
    judging: Judging, form: JudgeForm, server: ChatServer
):
    mark = judging.terms(form, AT_HAND).mark
    with pytest.raises(StudioError, match="tick"):
        judging.start(form, AT_HAND, key="", agreed=False, mark=mark)
    changes: list[dict[str, Any]] = [
        {"budget": "9"}, {"model": "other"}, {"about": "pets"}, {"model": "vl:235b-cloud"},
        {"base_url": "https://example.com/v1"},
    ]  # fmt: skip
    for changed in changes:
        with pytest.raises(StudioError, match="changed meanwhile"):
            judging.start(replace(form, **changed), AT_HAND, key="k", agreed=True, mark=mark)
    away = replace(form, base_url="https://example.com/v1")
    mark = judging.terms(away, AT_HAND).mark
    with pytest.raises(StudioError, match="no key for example"):
        judging.start(away, AT_HAND, key="", agreed=True, mark=mark)
    judging.wait(5)
    assert server.requests == []


def other_images(image_folder: Path, tmp_path: Path) -> Path:
    """A folder with images of the same names and one fewer."""
    other = tmp_path / "other"
    shutil.copytree(image_folder, other)
    next(other.glob("*/*.png")).unlink()
    return other


def test_a_yes_to_some_images_is_none_to_others(
    judging: Judging, form: JudgeForm, server: ChatServer, image_folder: Path, tiny_model: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    mark = judging.terms(form, AT_HAND).mark
    seen = open_run(judging.session, AT_HAND).source.key()
    assert judging.terms(form, seen).mark == mark, "that is what the page sends"
    data = judging.session.data
    data.label(data.state.names_text.replace("green circle", "green disc"), str(tiny_model))
    data.wait(400)
    with pytest.raises(StudioError, match="changed meanwhile"):
        judging.start(form, seen, key="", agreed=True, mark=mark)  # the names are sent as well
    load(judging.session, other_images(image_folder, tmp_path), tiny_model)
    assert "changed meanwhile" in judging.terms(form, seen).fault
    for run in (seen, AT_HAND):
        with pytest.raises(StudioError, match="changed meanwhile"):
            judging.start(form, run, key="", agreed=True, mark=mark)
    judging.wait(5)
    assert server.requests == []


def test_what_was_said_stays_with_the_images_that_were_asked_about(
    judging: Judging, form: JudgeForm, server: ChatServer, image_folder: Path, tiny_model: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    source = open_run(judging.session, AT_HAND).source
    corrections = judging.session.corrections(source)
    go_on = threading.Event()

    def waits(request: dict[str, Any]) -> Reply:
        go_on.wait(60)
        return sees(request)

    server.then = waits
    judging.start(form, AT_HAND, key="", agreed=True, mark=judging.terms(form, AT_HAND).mark)
    load(judging.session, other_images(image_folder, tmp_path), tiny_model)
    go_on.set()
    judging.wait(60)
    assert judging.view.error == ""
    assert len(corrections.current()) == 6
    assert judging.session.corrections(AT_HAND).current() == {}
    with pytest.raises(StudioError, match="changed meanwhile"):
        judging.undo(source)


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"budget": "many"}, "A budget is"), ({"price": "cheap"}, "million tokens"),
     ({"base_url": "ftp://x"}, "no address"), ({"base_url": "http://example.com/v1"}, "encrypted")],
)  # fmt: skip
def test_what_cannot_be_asked_says_why(
    judging: Judging, form: JudgeForm, changes: dict[str, str], says: str
):
    terms = judging.terms(replace(form, **changes), AT_HAND)
    assert terms.budget is None
    assert says in terms.fault
    with pytest.raises(StudioError, match=says):
        judging.start(
            replace(form, **changes), AT_HAND, key="k", agreed=True, mark=terms.mark
        )  # fmt: skip


def test_the_answers_count_and_are_undone(judging: Judging, form: JudgeForm, server: ChatServer):
    ask(judging, form)
    view = judging.view
    assert view.error == ""
    assert view.asking is not None
    assert (view.busy, view.asking.done) == (False, 6)
    corrections = judging.session.corrections(AT_HAND)
    said = dict(corrections.current())
    assert len(said) == 6
    for path, one in said.items():
        assert one.verdict == "judged"
        assert one.label.replace("_", " ") == path.split("/")[0].replace("_", " ")
    judging.undo(AT_HAND)
    assert corrections.current() == {}
    with pytest.raises(StudioError, match="nothing"):
        judging.undo(AT_HAND)


def test_images_with_an_answer_are_not_asked_about_again(judging: Judging, form: JudgeForm):
    ask(judging, replace(form, budget="30"))
    assert judging.terms(form, AT_HAND).plan.images == 6, "what is left of 36"
    ask(judging, form)
    terms = judging.terms(form, AT_HAND)
    assert terms.budget is None
    assert "nothing to ask" in terms.fault


def test_a_typed_key_is_remembered_for_its_address_alone(
    judging: Judging, form: JudgeForm, server: ChatServer, tmp_path: Path
):
    server.key = KEY
    ask(judging, form, key=KEY)
    assert judging.view.error == ""
    assert judging.key_from(form.base_url) == "typed"
    assert judging.key_from("https://example.com/v1") == ""
    assert judging.session.writer.key_from(form.base_url) == "typed", "one memory for both"
    judging.keys.forget()
    assert judging.key_from(form.base_url) == "here"
    for path in (p for p in tmp_path.rglob("*") if p.is_file()):
        assert KEY[3:15].encode() not in path.read_bytes(), path


def test_stop_keeps_what_came_and_it_goes_on(judging: Judging, form: JudgeForm, server: ChatServer):
    def slow(request: dict[str, Any]) -> Reply:
        fast = is_test_picture(request) or len(server.requests) <= 2 + 4
        return sees(request) if fast else Reply(wait=3600)

    server.then = slow
    judging.start(form, AT_HAND, key="", agreed=True, mark=judging.terms(form, AT_HAND).mark)
    ends = time.monotonic() + 60
    while (judging.view.asking is None or not judging.view.asking.done) and (
        time.monotonic() < ends
    ):
        time.sleep(0.02)
    with pytest.raises(StudioError, match="at work already"):
        judging.start(form, AT_HAND, key="", agreed=True, mark=judging.terms(form, AT_HAND).mark)
    judging.stop()
    judging.wait(60)
    asking = judging.view.asking
    assert asking is not None
    assert asking.stopped
    assert 0 < asking.done < 6
    assert len(judging.session.corrections(AT_HAND).current()) == asking.done
    terms = judging.terms(form, AT_HAND)
    assert terms.plan.go_on is not None
    assert terms.plan.images == 6 - asking.done
    other = judging.terms(replace(form, model="other"), AT_HAND)
    assert other.plan.go_on is None, "another model does not finish it"
    fewer = judging.terms(replace(form, budget="1"), AT_HAND)
    assert (fewer.plan.images, fewer.plan.go_on) == (1, terms.plan.go_on), (
        "as many as its user wants now"
    )
    server.then = sees
    ask(judging, form)
    assert judging.view.asking is not None
    assert judging.view.asking.done == 6
    assert len(judging.session.corrections(AT_HAND).current()) == 6


def test_what_fails_is_one_line(judging: Judging, form: JudgeForm, server: ChatServer):
    server.then = Reply('{"answer": "A"}')
    ask(judging, form)
    assert "cannot look at images" in judging.view.error
    assert judging.view.asking is None or judging.view.asking.done == 0


def test_there_must_be_images(session: Session):
    terms = session.judging.terms(JudgeForm(), AT_HAND)
    assert terms.budget is None
    assert terms.fault
    with pytest.raises(StudioError):
        session.judging.start(
            JudgeForm(), OpenedRun("none"), key="k", agreed=True, mark=terms.mark
        )  # fmt: skip


def test_checks_change_no_label_and_need_a_yes_of_their_own(
    judging: Judging, form: JudgeForm, server: ChatServer
) -> None:
    checks = replace(form, purpose="check", budget="4")
    mark = judging.terms(replace(checks, purpose="mend"), AT_HAND).mark
    with pytest.raises(StudioError, match="changed meanwhile"):
        judging.start(checks, AT_HAND, key="", agreed=True, mark=mark)
    assert server.requests == []
    opened = open_run(judging.session, AT_HAND)
    assert judging.checked(opened) is None
    ask(judging, checks)
    assert judging.view.checks
    assert judging.view.error == ""
    opened = open_run(judging.session, AT_HAND)
    assert opened.corrections == {}, "nothing that was said is a judged label"
    checked = judging.checked(opened)
    assert checked is not None
    assert (checked.share.checks, checked.model) == (4, "sees")
    drawn = drawn_order(opened)[:4]
    for image in drawn:
        said = judging.said(opened, int(image))
        assert said is not None
        assert said.check
        label = opened.outcome.class_names[opened.outcome.labels[image]]
        assert said.judgement.shortlist[0] == label, "or it could not be judged"
    assert judging.terms(replace(checks, budget="60"), AT_HAND).plan.images == 32, "36 in all"
    assert judging.terms(form, AT_HAND).plan.images == 6, (
        "they can still be asked about for themselves"
    )
    assert judging.terms(replace(checks, base_url="ftp://x"), AT_HAND).checks, "it says so still"
    assert judging.undo(opened.source) == "4 images checked by a judge"
    assert judging.checked(open_run(judging.session, AT_HAND)) is None
