"""Images worth a look, one key each: what the dialog shows, keeps and goes on with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from studio.ask.accuracy import checks
from studio.errors import RunError
from studio.runs.again import corrected
from studio.runs.corrections import Corrections
from studio.runs.given import Correction
from studio.runs.outcome import ANSWERED
from studio.runs.standing import read_standing, withdraw
from studio.session import asking as asking_module
from studio.session import encoded
from studio.session.asking import EVERY, SIZE
from studio.session.opened import open_run
from studio.session.session import Session
from studio.session.source import AT_HAND, parse
from studio.session.tasks import Tasks
from studio.ui.explore.scene import Filters, served
from studio.ui.explore.tab import ExploreTab
from tests.ui.conftest import explore_tab
from tests.ui.explore.test_tab import place_of

Place = dict[str, Any]


@pytest.fixture(scope="module")
def tab(shared: Session) -> ExploreTab:
    return explore_tab(shared)


@pytest.fixture(params=["folder", "run"])
def run(request: pytest.FixtureRequest, shared: Session) -> Iterator[str]:
    """The images at hand, or a run; as nobody has said anything of them."""
    made = "folder" if request.param == "folder" else request.getfixturevalue("run_id")
    yield made
    clear(shared, made)


def clear(session: Session, run: str) -> None:
    session.askings.wait()
    while said(session, run).undo() is not None:
        pass
    session.askings._kept.clear()


def said(session: Session, run: str) -> Corrections:
    return session.corrections(parse(run))


def begin(tab: ExploreTab, run: str) -> str:
    """Press the button; the dialog's HTML."""
    *_, (line, html) = tab.ask.start(run)
    assert isinstance(html, str), line
    return html


def call(tab: ExploreTab, what: str, place: Place, **more: Any) -> dict[str, Any]:
    function = {"answer": tab.detail.answer, "show": tab.detail.show, "more": tab.detail.more,
                "undo": tab.detail.undo, "near": tab.detail.nearest}[what]  # fmt: skip
    found: dict[str, Any] = served(what, function)(json.dumps({**place, **more}))
    assert "error" not in found, found["error"]
    return found


def shortlist(html: str) -> list[int]:
    return [int(n) for n in re.findall(r'data-answer="named" data-class="(\d+)"', html)]


def key(tab: ExploreTab, html: str, digit: int = 1) -> dict[str, Any]:
    """What a digit does."""
    number = shortlist(html)[digit - 1]
    return call(tab, "answer", place_of(html), verdict="named", label=str(number))


def test_twenty_answers_and_the_labels_that_follow(tab: ExploreTab, run: str) -> None:
    session, html = tab.session, begin(tab, run)
    before = open_run(session, run)
    names, wanted = before.outcome.class_names, {}
    for number in range(SIZE):
        assert f"{number + 1} of {SIZE}" in html
        place = place_of(html)
        # Whoever saw this label says so, also where the labels have followed meanwhile.
        right = int(open_run(session, run).outcome.labels[place["index"]])
        choice = shortlist(html)[number % 2]
        verdict = "accepted" if choice == right else "relabelled"
        wanted[before.outcome.paths[place["index"]]] = Correction(verdict, names[choice])
        found = call(tab, "answer", place, verdict="named", label=str(choice))
        html = found["html"]
        assert f"{number + 1} of {SIZE} answered" in found["state"]
        if (number + 1) % EVERY == 0:
            session.askings.wait()
            assert open_run(session, run).outcome.stage == ANSWERED
    assert said(session, run).current() == wanted
    assert f"{SIZE} images seen, {SIZE} answered" in html
    after = open_run(session, run).outcome
    for path, correction in wanted.items():
        assert after.name(int(after.labels[after.paths.index(path)])) == correction.label


def test_the_map_and_the_line_show_what_follows(tab: ExploreTab, run: str) -> None:
    html = begin(tab, run)
    for _ in range(EVERY):
        html = key(tab, html, 2)["html"]
    tab.session.askings.wait()
    drawn = tab.draw(Filters(run=run))
    value = drawn[tab.map.board]
    assert value["stage"] == ANSWERED
    assert value["stages"][-1] == [ANSWERED, "With your answers"]
    assert f"{EVERY} of {SIZE} answered" in drawn[tab.ask.line]
    assert "All labels follow your answers" in drawn[tab.ask.line]
    before = tab.draw(Filters(run=run, stage=value["stages"][0][0]))[tab.map.board]
    assert before["stage"] == "zero-shot"


def test_of_very_many_images_some_are_drawn_and_the_others_stay(
    shared: Session, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (encoded, asking_module):
        monkeypatch.setattr(module, "ASKED_AMONG", 20)
    monkeypatch.setattr(shared, "tasks", Tasks())
    tab, before = explore_tab(shared), open_run(shared, run_id).outcome
    try:
        drawn = sorted(checks(before.labels, before.confidence)[:20].tolist())
        html = begin(tab, run_id)
        asking = open_run(shared, run_id).asking
        assert asking is not None
        assert asking.subject.rows.tolist() == drawn
        assert place_of(html)["index"] in drawn
        for _ in range(EVERY):
            html = key(tab, html, 2)["html"]
        shared.askings.wait()
        after = open_run(shared, run_id)
        others = np.setdiff1d(np.arange(len(before)), drawn)
        followed = after.stages[ANSWERED]
        assert followed.labels[others].tolist() == before.labels[others].tolist()
        assert "20 of" in tab.ask.draw(tab.scene(Filters(run=run_id)))[tab.ask.line]
        *_, (line, html) = tab.ask.start(run_id, checking=True)
        assert place_of(html)["index"] in drawn, line
    finally:
        clear(shared, run_id)


def test_n_is_none_of_these_and_space_skips(tab: ExploreTab, run: str) -> None:
    html = begin(tab, run)
    first = place_of(html)
    html = call(tab, "answer", first, verdict="rejected")["html"]
    second = place_of(html)
    assert second["index"] != first["index"]
    found = call(tab, "show", second, step=1)
    assert "1 of 20 answered, 1 skipped" in found["state"]
    back = call(tab, "show", place_of(found["html"]), step=-1)["html"]
    assert place_of(back)["index"] == second["index"]
    paths = open_run(tab.session, run).outcome.paths
    assert said(tab.session, run).current() == {paths[first["index"]]: Correction("rejected")}


def test_an_answer_can_be_undone_and_given_anew(tab: ExploreTab, run: str) -> None:
    html = begin(tab, run)
    place = place_of(html)
    html = key(tab, html)["html"]
    undone = call(tab, "undo", place_of(html))
    assert place_of(undone["html"])["index"] == place["index"]
    assert "0 of 20 answered" in undone["state"]
    assert said(tab.session, run).current() == {}
    back = key(tab, undone["html"], 2)["html"]
    again = call(tab, "show", place_of(back), step=-1)["html"]
    assert 'aria-pressed="true"' in again


def test_a_key_does_not_undo_what_a_judge_said_meanwhile(tab: ExploreTab, run: str) -> None:
    html = begin(tab, run)
    html = key(tab, html)["html"]
    kept, paths = said(tab.session, run), open_run(tab.session, run).outcome.paths
    here = paths[place_of(html)["index"]]
    name = open_run(tab.session, run).outcome.class_names[0]
    kept.add("judged", {**dict.fromkeys(paths[:9], ""), here: name})
    shown = call(tab, "show", place_of(html), to=place_of(html)["index"])["html"]
    assert "This image is judged" in shown
    assert 'aria-pressed="true"' not in shown, "what a judge said is no answer of a person's"
    undone = call(tab, "undo", place_of(html))
    assert undone["message"].startswith("Undone: 1 image accepted")
    judged = len({*paths[:9], here})
    assert len(kept.current()) == judged
    with pytest.raises(RunError, match="nothing left to undo"):
        tab.correct.undo(run, by_person=True)
    assert tab.correct.undo(run).text == f"{judged} images judged", "its button says so"


def test_a_page_that_is_loaded_again_goes_on_where_it_was(tab: ExploreTab, run: str) -> None:
    html = begin(tab, run)
    for _ in range(3):
        html = key(tab, html)["html"]
    again = begin(explore_tab(tab.session), run)
    assert place_of(again)["index"] == place_of(html)["index"]
    assert "4 of 20" in again


def test_a_page_that_is_loaded_again_goes_on_after_labels_have_followed(
    tab: ExploreTab, run: str
) -> None:
    html = begin(tab, run)
    for _ in range(EVERY):
        html = key(tab, html)["html"]
    tab.session.askings.wait()
    page = explore_tab(tab.session)
    again = begin(page, open_run(tab.session, run).source.key())
    for number in range(EVERY + 1):
        assert f"{EVERY + number + 1} of 20" in again
        again = key(page, again)["html"]
        tab.session.askings.wait()


def test_after_twenty_come_more_and_back_leads_to_the_last_one(tab: ExploreTab, run: str) -> None:
    html, seen = begin(tab, run), []
    for _ in range(SIZE):
        seen.append(place_of(html)["index"])
        html = call(tab, "show", place_of(html), step=1)["html"]
    assert f"{SIZE} images seen, 0 answered" in html
    ended = place_of(html)
    assert place_of(call(tab, "show", ended, step=-1)["html"])["index"] == seen[-1]
    assert f"{SIZE} images seen" in call(tab, "show", ended, step=1)["html"]
    assert call(tab, "near", ended)["state"]
    left = len(open_run(tab.session, run).outcome) - SIZE
    assert f"{min(left, SIZE)} more" in html
    more = call(tab, "more", ended)["html"]
    assert place_of(more)["index"] not in seen


def test_a_class_that_nobody_listed_is_added_and_its_images_are_found(
    tab: ExploreTab, run: str
) -> None:
    session, html = tab.session, begin(tab, run)
    names = open_run(session, run).outcome.class_names
    place = place_of(html)
    name = f"triangle of {'the run' if run != 'folder' else 'the folder'}"
    found = call(tab, "answer", place, verdict="added", name=f"  {name} ")
    assert f"“{name}” is a class now" in found["message"]
    after = open_run(session, run).outcome
    assert after.class_names == (*names, name)
    path = after.paths[place["index"]]
    assert said(session, run).current()[path] == Correction("relabelled", name)
    assert after.name(int(after.labels[place["index"]])) == name
    # The walk goes on, the new name can be found, and is in every list.
    assert "2 of 20" in found["html"]
    assert name in found["html"]
    assert name in str(tab.draw(Filters(run=run))[tab.label])
    answer = served("answer", tab.detail.answer)
    twice = answer(json.dumps({**place_of(found["html"]), "verdict": "added", "name": name}))
    assert f"There is a class “{name}” already" in twice["error"]
    empty = answer(json.dumps({**place_of(found["html"]), "verdict": "added", "name": " "}))
    assert "Give the new class a name" in empty["error"]
    if run != "folder":
        request = corrected(session.store.get(run))
        assert request.class_names == (*names, name)
        assert session.reader(run).final().name(len(names)) == name  # type: ignore[union-attr]
    else:
        assert session.data.state.names[-1] == name
        assert session.data.given()[path].label == name


def test_labels_that_moved_on_are_not_accepted_unseen(tab: ExploreTab, run: str) -> None:
    """A card that was drawn before the labels followed."""
    html = begin(tab, run)
    shown = tab.draw(Filters(run=run))[tab.shown]
    for _ in range(EVERY):
        html = key(tab, html, 2)["html"]
    tab.session.askings.wait()
    from tests.ui.conftest import event

    pressed = event({"image": 0, "verdict": "accepted"})
    with pytest.raises(RunError, match="have changed meanwhile"):
        tab.answer_card(Filters(run=run, shown=shown), pressed)
    now = tab.draw(Filters(run=run))[tab.shown]
    assert tab.answer_card(Filters(run=run, shown=now), pressed)


@pytest.mark.parametrize(
    "change", [{"label": "99"}, {"label": None}, {"index": 99}, {"source": "gone"}, {"anchor": -1}]
)
def test_answers_that_make_no_sense_are_one_line(
    tab: ExploreTab, run_id: str, change: dict[str, Any]
) -> None:
    asked = {**place_of(begin(tab, run_id)), "verdict": "named", "label": "0", **change}
    found = served("answer", tab.detail.answer)(json.dumps(asked))
    assert found["error"]
    clear(tab.session, run_id)


def test_nobody_asked_yet(tab: ExploreTab) -> None:
    """The place of an asking that is gone, after a new start of the studio."""
    html = begin(tab, AT_HAND.choice)
    clear(tab.session, AT_HAND.choice)
    found = served("answer", tab.detail.answer)(
        json.dumps({**place_of(html), "verdict": "rejected"})
    )
    assert "press “20 images worth a look” again" in found["error"]
    assert said(tab.session, "folder").current() == {}, "an answer was kept that nobody saw kept"


def test_why_an_image_is_asked_about_is_said(tab: ExploreTab, run: str) -> None:
    html = begin(tab, run)
    assert "This image stands for" in html
    assert len(shortlist(html)) == min(5, len(open_run(tab.session, run).outcome.class_names))
    assert np.unique(shortlist(html)).size == len(shortlist(html))


def check(tab: ExploreTab, run: str) -> str:
    """Press “Check how good these labels are”; the dialog's HTML."""
    *_, (line, html) = tab.ask.start(run, checking=True)
    assert isinstance(html, str), line
    return html


def test_drawn_images_tell_how_many_labels_are_right(tab: ExploreTab, run: str) -> None:
    session = tab.session
    stages = open_run(session, run).stages
    by = list(stages.values())[-1]
    order, html = checks(by.labels, by.confidence).tolist(), check(tab, run)
    assert "This image was drawn by chance" in html
    found: dict[str, Any] = {}
    for image in order[:12]:
        place = place_of(html)
        assert place["index"] == image
        label = str(int(by.labels[image]))
        found = call(tab, "answer", place, verdict="named", label=label)
        html = found["html"]
    session.askings.wait()
    line = tab.draw(Filters(run=run))[tab.ask.line]
    assert "from 12 checked images" in line
    assert "10 more would narrow that" in line
    assert "About 100 % of the labels are right" in line, "each was said to be right"
    # Back to those whose answers say most: other images come, and what was said stays.
    assert "This image stands for" in begin(tab, run)
    assert len(said(session, run).current()) == 12
    assert "from 12 checked images" in tab.draw(Filters(run=run))[tab.ask.line]


def test_the_labels_stand_that_the_answers_speak_for(tab: ExploreTab, run_id: str) -> None:
    """Answers that are all the labels before training: what training did to them was harm."""
    session, html = tab.session, check(tab, run_id)
    clear(session, run_id)
    html = check(tab, run_id)
    opened = open_run(session, run_id)
    first, final = opened.stages["zero-shot"], opened.stages["final"]
    order = checks(final.labels, final.confidence).tolist()
    other = [int(first.labels[i] != final.labels[i]) for i in order[:20]]
    if sum(other) < 5:
        pytest.skip("this run left nearly all labels as they were")
    for image in order[:20]:
        place = place_of(html)
        assert place["index"] == image
        label = str(int(first.labels[image]))
        html = call(tab, "answer", place, verdict="named", label=label)["html"]
    session.askings.wait()
    run = session.store.get(run_id)
    standing = read_standing(run)
    assert standing is not None
    assert standing.way in ("zero-shot", "together", ANSWERED)
    now = open_run(session, run_id)
    assert now.outcome.stage == standing.way, "Explore opened with other labels"
    reader = session.reader(run_id)
    assert (reader.final().labels == now.outcome.labels).all()  # type: ignore[union-attr]
    drawn = tab.draw(Filters(run=run_id))
    assert "labels.csv, exports and this tab take the labels" in drawn[tab.ask.line]
    assert "because your answers speak for them" in drawn[tab.ask.line]
    assert drawn[tab.ask.reverse]["value"] == "Keep the labels after training instead"
    tab.ask.turn_round(run_id)
    assert (reader.final().labels == final.labels).all()  # type: ignore[union-attr]
    drawn = tab.draw(Filters(run=run_id))
    assert "because you say so" in drawn[tab.ask.line]
    tab.ask.turn_round(run_id)
    assert read_standing(run).way == standing.way  # type: ignore[union-attr]
    clear(session, run_id)
    withdraw(run)
