"""The dialog of one image: what it shows, and the way to the next one."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import pytest

from studio.errors import RunError
from studio.runs.corrections import corrections_of
from studio.session.opened import open_run
from studio.session.session import Session
from studio.session.similar import vectors_of
from studio.ui.explore.detail import Place
from studio.ui.explore.scene import served
from studio.ui.explore.tab import ExploreTab
from tests.ui.conftest import event, explore_tab
from tests.ui.explore.test_tab import here, place_of


@pytest.fixture(scope="module")
def tab(shared: Session) -> ExploreTab:
    return explore_tab(shared)


def opened(tab: ExploreTab, run: str, index: int = 0) -> tuple[str, dict[str, Any]]:
    html = tab.open_image(here(run), event({"pick": str(index)}), name="selection")
    return html, place_of(html)


def step(tab: ExploreTab, place: dict[str, Any], **more: Any) -> tuple[str, dict[str, Any]]:
    html = tab.detail.show({**place, **more})["html"]
    return html, place_of(html)


def test_an_image_opens_with_both_opinions_and_its_history(tab: ExploreTab, run_id: str) -> None:
    html, place = opened(tab, run_id)
    for text in (
        "Model 1 says", "Model 2 says", "best classes", "Sub-folder says", "<img",
        "History of this label", "Zero-shot", "After Phase I", "Final, by model",
        "to the other model",
    ):  # fmt: skip
        assert text in html
    assert (place["source"], place["index"], place["anchor"]) == (run_id, 0, 0)


def test_previous_and_next_walk_through_the_list_it_was_opened_from(
    tab: ExploreTab, run_id: str
) -> None:
    listed = tab.scene(here(run_id)).selected().tolist()
    html, place = opened(tab, run_id, listed[0])
    assert f"1 of {len(listed)}" in html
    assert 'data-steps="on"' in html  # nothing before the first
    for expected in listed[1:3]:
        html, place = step(tab, place, step=1)
        assert place["index"] == expected
    assert 'data-steps="back on"' in html
    assert step(tab, place, step=-1)[1]["index"] == listed[1]
    last = opened(tab, run_id, listed[-1])[1]
    assert step(tab, last, step=1)[1]["index"] == listed[-1]


def test_a_neighbour_opens_and_the_walk_goes_on_from_where_it_was(
    tab: ExploreTab, run_id: str
) -> None:
    listed = tab.scene(here(run_id)).selected().tolist()
    html, place = step(tab, opened(tab, run_id, listed[4])[1], to=listed[20])
    assert place["index"] == listed[20]
    assert "a neighbour" in html
    assert step(tab, place, step=1)[1]["index"] == listed[5]


def test_the_walk_stays_when_its_images_leave_the_gallery(tab: ExploreTab, run_id: str) -> None:
    listed = tab.scene(here(run_id)).selected().tolist()
    place = opened(tab, run_id, listed[0])[1]
    for index, expected in pairwise(listed[:4]):
        assert place["index"] == index
        answer = tab.detail.answer({**place, "verdict": "rejected"})
        assert answer["changed"]
        assert answer["message"] == "1 image rejected."
        place = place_of(answer["html"])
        assert place["index"] == expected
    assert tab.scene(here(run_id)).selected().tolist() == listed[3:]
    for expected in reversed(listed[:3]):
        answer = tab.detail.undo(place)
        place = place_of(answer["html"])
        assert place["index"] == place["anchor"] == expected
        assert answer["message"] == "Undone: 1 image rejected."
    assert tab.scene(here(run_id)).selected().tolist() == listed


def test_after_an_answer_about_a_neighbour_comes_the_image_it_is_near_to(
    tab: ExploreTab, run_id: str
) -> None:
    listed = tab.scene(here(run_id)).selected().tolist()
    place = step(tab, opened(tab, run_id, listed[4])[1], to=listed[20])[1]
    answer = tab.detail.answer({**place, "verdict": "accepted"})
    assert place_of(answer["html"])["index"] == listed[4]
    last = opened(tab, run_id, listed[-1])[1]
    end = tab.detail.answer({**last, "verdict": "rejected"})
    assert "the last one" in end["message"]
    for _ in range(2):
        tab.detail.undo(place)


def test_an_image_and_its_nearest_are_selected(tab: ExploreTab, run_id: str) -> None:
    task = vectors_of(open_run(tab.session, run_id))
    assert task is not None
    assert task.ended.wait(60)
    found = tab.session.selections.get(
        tab.select(here(run_id), event({"pick": "near:7"}), find=tab.detail.near)
    )
    assert found is not None
    assert found.indices[0] == 7
    assert found.indices[1:].tolist() == task.value.nearest(7, 12)[0]


@pytest.mark.parametrize(
    "data", [{"pick": "37"}, {"pick": "-1"}, None, {"pick": "../x"}, {"pick": "image:99"}]
)
def test_other_images_do_not_open(tab: ExploreTab, run_id: str, data: Any) -> None:
    with pytest.raises(RunError):
        tab.open_image(here(run_id), event(data), name="clean")
    with pytest.raises(RunError):
        tab.select(here(run_id), event(data), find=tab.detail.near)


@pytest.mark.parametrize(
    "change",
    [{"index": 99}, {"index": "0"}, {"anchor": -1}, {"source": 3}, {"source": "gone"}, {"to": 99},
     {"to": -1}, {"step": 2}, {"step": "1"}, {"walk": ["x"]}, {"walk": "gone", "step": 1}],
)  # fmt: skip
def test_a_place_that_makes_no_sense_is_answered_in_one_line(
    tab: ExploreTab, run_id: str, change: dict[str, Any]
) -> None:
    asked = {**opened(tab, run_id)[1], **change}
    for name, answer in (("show", tab.detail.show), ("answer", tab.detail.answer)):
        found = served(name, answer)(json.dumps({**asked, "verdict": "eaten"}))
        assert found["error"]
        assert "html" not in found


@pytest.mark.parametrize("asked", [None, 3, "", "x", "[]", "[1, 2]", '{"a": 1}', "{"])
def test_what_is_no_question_gets_an_answer(tab: ExploreTab, asked: Any) -> None:
    for answer in (tab.detail.show, tab.detail.answer, tab.detail.undo, tab.detail.nearest):
        assert served("any", answer)(asked)["error"]


def test_the_nearest_images_are_asked_for_apart(tab: ExploreTab, run_id: str) -> None:
    task = vectors_of(open_run(tab.session, run_id))
    assert task is not None
    assert task.ended.wait(60)
    answer = tab.detail.nearest(opened(tab, run_id)[1])
    assert answer["again"] is False
    found = [int(n) for n in re.findall(r'data-show="(\d+)"', answer["html"])]
    assert found == task.value.nearest(0, 12)[0]


def test_a_place_is_what_the_page_sends_back(tab: ExploreTab, run_id: str) -> None:
    place = opened(tab, run_id, 3)[1]
    assert Place.of(place) == Place(run_id, place["stage"], place["walk"], 3, 3)


def test_the_label_that_was_shown_is_accepted_not_what_followed_meanwhile(
    tab: ExploreTab, run_id: str
) -> None:
    """Labels follow answers while an image is open."""
    _, place = opened(tab, run_id, 3)
    outcome = open_run(tab.session, run_id, "").outcome
    label = int(outcome.labels[3])
    other = (label + 1) % len(outcome.class_names)
    for shown, verdict in ((label, "accepted"), (other, "relabelled")):
        tab.detail.answer({**place, "verdict": "accepted", "label": str(shown)})
        said = corrections_of(tab.session.store.get(run_id))[outcome.paths[3]]
        assert (said.verdict, said.label) == (verdict, outcome.class_names[shown])
    tab.detail.answer({**place, "verdict": "withdrawn"})
