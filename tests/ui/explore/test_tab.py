from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest

from studio.session.opened import open_run
from studio.session.session import Session
from studio.session.similar import similar_of, vectors_of
from studio.session.source import OpenedRun, parse
from studio.ui.explore.answers import AT_HAND, page_numbers
from studio.ui.explore.confusion import MODEL, TRUTH
from studio.ui.explore.detail import CLOSED, nearest_html
from studio.ui.explore.duplicates import EXACT, FAR, NEAR
from studio.ui.explore.scene import ALL, COMBINED, JUDGED
from studio.ui.explore.tab import ExploreTab
from studio.ui.train.tab import TrainTab
from studio.views.numbers import percent
from tests.ui.conftest import event, start, with_a_copy


@pytest.fixture(scope="module")
def shared_images(tmp_path_factory: pytest.TempPathFactory, image_folder: Path) -> Path:
    """One of the images stands there twice."""
    return with_a_copy(image_folder, tmp_path_factory.mktemp("explore"))


@pytest.fixture(scope="module")
def tab(shared: Session) -> ExploreTab:
    made = ExploreTab(shared)
    with gr.Blocks():
        made.build()
    return made


def here(run: Any, **more: Any) -> list[Any]:
    """The values of the filters as a page sends them."""
    orders = more.get("orders", ("down", "up"))
    return [run, more.get("stage", ""), more.get("label", ALL), more.get("disagree", False),
            *orders, more.get("selection", ""), more.get("within", False),
            more.get("by", JUDGED)]  # fmt: skip


def draw(tab: ExploreTab, run: Any, active: str = "galleries", **more: Any) -> dict[str, Any]:
    """What the page shows, by the component that shows it."""
    knobs = [active, more.get("against", MODEL), more.get("kind", EXACT), more.get("least", 0.9)]
    values = tab.draw(*here(run, **more), *knobs, None, pages=more.get("pages"))
    return shown(tab, values)


def shown(tab: ExploreTab, values: list[Any]) -> dict[str, Any]:
    drawn = [tab.summary, tab.pages, *tab.chosen.outputs, *tab.galleries.outputs]
    drawn += [*tab.confusions.outputs, *tab.copies.outputs, *tab.map.outputs, *tab.correct.outputs]
    assert len(drawn) == len(values)
    by_id = {part.elem_id: v for part, v in zip(drawn, values, strict=True) if part.elem_id}
    return {**by_id, "pages": values[1]}


def cards(html: Any) -> int:
    return str(html).count('button" class="card')


def select(tab: ExploreTab, run: str, indices: list[int]) -> str:
    return tab.session.selections.put(source=parse(run), indices=indices, text="some images")


def test_both_galleries_are_filled_from_the_run(tab: ExploreTab, run_id: str) -> None:
    page = draw(tab, run_id)
    drawn = [cards(page[f"gallery-{side}"]) for side in ("clean", "noisy")]
    assert 0 < sum(drawn) <= 37
    assert "37" in page["explore-summary"]
    assert "by sub-folder names" in page["explore-summary"]
    urls = [part.split('"')[0] for part in page["gallery-clean"].split('src="')[1:]]
    assert len(urls) == drawn[0]
    thumbs = tab.session.options.cache_dir / "thumbs"
    assert all(Path(u.removeprefix("gradio_api/file=")).is_relative_to(thumbs) for u in urls)


def test_the_combined_score_sorts_what_is_shown(tab: ExploreTab, run_id: str) -> None:
    opened = open_run(tab.session, run_id)
    score = opened.outcome.combined
    assert score is not None
    assert len(score) == len(opened.outcome)
    for by, keys in ((JUDGED, opened.outcome.clean_probability), (COMBINED, score)):
        scene = tab.scene(tuple(here(run_id, by=by)))
        for source in ("clean", "noisy", "selection"):
            listed = keys[scene.listed(source)]
            order = np.diff(listed if source != "clean" else listed[::-1])
            assert (order >= 0).all()
        page = draw(tab, run_id, "map", by=by)
        first = scene.selected()[0]
        card = page["gallery-selection"].split("</button>")[0]
        assert f"{percent(float(keys[first]))} clean" in card
    dialog, _ = tab.detail.open(scene, "selection", int(first))
    assert f"<dt>Combined score</dt><dd>{percent(float(score[first]), digits=1)}" in dialog
    early = tab.scene(tuple(here(run_id, stage="zero-shot", by=COMBINED))).outcome
    assert early.cleanliness is early.clean_probability, "only the last labels are scored"


def test_only_the_open_part_is_drawn(tab: ExploreTab, run_id: str) -> None:
    page = draw(tab, run_id, "map")
    assert cards(page["gallery-selection"]) == 24
    assert not isinstance(page["gallery-clean"], str)
    assert not isinstance(page["confusion-map"], str)
    assert "heat" in draw(tab, run_id, "confusions")["confusion-map"]


def test_no_more_than_a_page_is_drawn(tab: ExploreTab, run_id: str, monkeypatch: Any) -> None:
    monkeypatch.setattr("studio.views.gallery.PAGE_SIZE", 5)
    first = draw(tab, run_id)
    assert cards(first["gallery-clean"]) <= 5
    side = "clean" if first["clean-on"]["interactive"] else "noisy"
    values = tab.turn(side, 1)(*here(run_id), "galleries", MODEL, EXACT, 0.9, None, first["pages"])
    second = shown(tab, values)
    assert second["pages"][side] == 1
    assert second[f"gallery-{side}"] != first[f"gallery-{side}"]
    assert second[f"{side}-back"]["interactive"] is True


def test_filters_narrow_all_lists(tab: ExploreTab, run_id: str) -> None:
    names = tab.session.store.get(run_id).info.class_names
    scenes = [tab.scene(tuple(here(run_id, label=name))) for name in names]
    whole = tab.scene(tuple(here(run_id)))
    assert sum(len(s.side("clean")) + len(s.side("noisy")) for s in scenes) == 37
    assert sum(len(s.selected()) for s in scenes) == len(whole.selected()) == 37
    disputed = tab.scene(tuple(here(run_id, disagree=True)))
    assert whole.outcome.disagree[disputed.selected()].all()
    assert tab.scene(tuple(here(run_id, orders=("sideways", None)))).orders == ("down", "up")
    turns = tab.scene(tuple(here(run_id, orders=("turns", "turns")))).side("clean")
    shown = whole.outcome.labels[turns]
    assert shown[: len(np.unique(shown))].tolist() == np.unique(shown).tolist()
    turned = tab.scene(tuple(here(run_id, orders=("up", "up"))))
    assert turned.side("clean").tolist() == whole.side("clean").tolist()[::-1] or len(
        np.unique(whole.outcome.clean_probability)
    ) < len(whole.outcome)


def test_the_selection_fills_its_gallery_and_narrows_the_others(
    tab: ExploreTab, run_id: str
) -> None:
    key = select(tab, run_id, [3, 5, 8])
    page = draw(tab, run_id, "map", selection=key)
    assert set(re.findall(r'data-pick="(\d+)"', page["gallery-selection"])) == {"3", "5", "8"}
    assert "some images" in page["selection-head"]
    assert page["selection-clear"]["interactive"]
    within = draw(tab, run_id, selection=key, within=True)
    found = within["gallery-clean"] + within["gallery-noisy"]
    assert set(re.findall(r'data-pick="(\d+)"', found)) == {"3", "5", "8"}
    free = draw(tab, run_id, selection=key)
    assert cards(free["gallery-clean"] + free["gallery-noisy"]) > 3


def test_a_selection_with_an_order_keeps_it_and_a_set_is_sorted(
    tab: ExploreTab, run_id: str
) -> None:
    ranked = tab.scene(tuple(here(run_id, selection=select(tab, run_id, [9, 2, 30, 4]))))
    assert ranked.selected().tolist() == [9, 2, 30, 4]
    plain = tab.scene(tuple(here(run_id, selection=select(tab, run_id, [2, 4, 9, 30]))))
    clean = plain.outcome.clean_probability[plain.selected()]
    assert (np.diff(clean) >= 0).all()


@pytest.mark.parametrize("key", ["", "unknown", None, 7, ["x"]])
def test_a_selection_that_is_none_is_passed_over(tab: ExploreTab, run_id: str, key: Any) -> None:
    assert tab.scene(tuple(here(run_id, selection=key))).selection is None
    other = select(tab, "folder", [1])  # of the images at hand, not of the run
    assert tab.scene(tuple(here(run_id, selection=other))).selection is None
    beyond = select(tab, run_id, [10**6])
    assert tab.scene(tuple(here(run_id, selection=beyond))).selection is None


def test_turning_a_page_of_copies_survives_a_selection(tab: ExploreTab, run_id: str) -> None:
    values = [*here(run_id), "galleries", MODEL, EXACT, 0.9, None]
    pages = {"selection": 1, "clean": 1, "noisy": 0, "copies": 2}
    assert tab.selected(*values, pages)[1]["copies"] == 2
    assert tab.selected(*values, pages)[1]["selection"] == 0


@pytest.mark.parametrize(
    ("run", "label", "pages"),
    [
        (None, ALL, None), ("../..", ALL, None), (["x"], ALL, {}), ("gone", None, "x"),
        ({}, {}, {"clean": "9"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("active", ["map", "galleries", "confusions", "copies", None])
def test_nonsense_from_a_page_shows_an_empty_tab(
    tab: ExploreTab, run: Any, label: Any, pages: Any, active: Any
) -> None:
    page = draw(tab, run, active, label=label, pages=pages)
    assert page["gallery-clean"] == page["gallery-selection"] == page["confusion-map"] == ""
    assert 'class="empty"' in page["explore-summary"]


@pytest.mark.parametrize(
    "pages", [{"clean": 10**6}, {"clean": -5, "noisy": -1}, {"clean": True}, {"clean": 10**30}, 3]
)
def test_page_numbers_are_brought_into_range(tab: ExploreTab, run_id: str, pages: Any) -> None:
    page = draw(tab, run_id, pages=pages)
    assert all(n >= 0 for n in page["pages"].values())
    assert cards(page["gallery-clean"] + page["gallery-noisy"])
    assert set(page_numbers(pages)) == {"selection", "clean", "noisy", "copies"}


def test_all_of_a_gallery_is_selected_at_a_press(tab: ExploreTab, run_id: str) -> None:
    key = tab.taker("noisy")(*here(run_id))
    found = tab.session.selections.get(key)
    assert found is not None
    assert found.source == OpenedRun(run_id)
    assert found.indices.tolist() == tab.scene(tuple(here(run_id))).side("noisy").tolist()


# One image ------------------------------------------------------------------------------------


def opened(tab: ExploreTab, run: str, source: str = "selection", index: int = 0) -> tuple[str, Any]:
    html, state = tab.opener(source)(event({"pick": str(index)}), *here(run))
    return html, state


def test_an_image_opens_with_both_opinions_and_its_way(tab: ExploreTab, run_id: str) -> None:
    html, state = opened(tab, run_id)
    for text in (
        "Model 1 says", "Model 2 says", "best classes", "Sub-folder says", "<img", "Its way",
        "Zero-shot", "After Phase I", "Final, by model", "to the other model",
    ):  # fmt: skip
        assert text in html
    assert state == {"source": "selection", "index": 0, "anchor": 0}


def test_previous_and_next_walk_through_the_list_it_was_opened_from(
    tab: ExploreTab, run_id: str
) -> None:
    listed = tab.scene(tuple(here(run_id))).selected().tolist()
    html, state = opened(tab, run_id, index=listed[0])
    assert "1 of 37" in html
    assert 'data-steps="on"' in html  # nothing before the first
    for expected in listed[1:3]:
        html, state, chosen = tab.pick_detail(event({"pick": "step:1"}), *here(run_id), state)
        assert state["index"] == expected
        assert not isinstance(chosen, str)
    assert 'data-steps="back on"' in html
    html, state, _ = tab.pick_detail(event({"pick": "step:-1"}), *here(run_id), state)
    assert state["index"] == listed[1]
    _, last = opened(tab, run_id, index=listed[-1])
    _, after, _ = tab.pick_detail(event({"pick": "step:1"}), *here(run_id), last)
    assert after["index"] == listed[-1]


def test_a_neighbour_opens_and_the_walk_goes_on_from_where_it_was(
    tab: ExploreTab, run_id: str
) -> None:
    listed = tab.scene(tuple(here(run_id))).selected().tolist()
    _, state = opened(tab, run_id, index=listed[4])
    html, state, _ = tab.pick_detail(event({"pick": f"image:{listed[20]}"}), *here(run_id), state)
    assert state["index"] == listed[20]
    assert "a neighbour" in html
    _, state, _ = tab.pick_detail(event({"pick": "step:1"}), *here(run_id), state)
    assert state["index"] == listed[5]


def test_an_image_and_its_nearest_are_selected(tab: ExploreTab, run_id: str) -> None:
    task = vectors_of(open_run(tab.session, run_id))
    assert task is not None
    assert task.ended.wait(60)
    state = opened(tab, run_id)[1]
    _, _, key = tab.pick_detail(event({"pick": "near:7"}), *here(run_id), state)
    found = tab.session.selections.get(key)
    assert found is not None
    assert found.indices[0] == 7
    assert found.indices[1:].tolist() == task.value.nearest(7, 12)[0]


@pytest.mark.parametrize(
    "data", [{"pick": "37"}, {"pick": "-1"}, None, {"pick": "../x"}, {"pick": "image:99"}]
)
def test_other_images_do_not_open(tab: ExploreTab, run_id: str, data: Any) -> None:
    with pytest.raises(gr.Error):
        tab.opener("clean")(event(data), *here(run_id))


@pytest.mark.parametrize("state", [None, 3, {}, {"source": ["x"], "index": "?", "anchor": None}])
def test_a_state_that_makes_no_sense_is_told_or_passed_over(
    tab: ExploreTab, run_id: str, state: Any
) -> None:
    skipped = tab.pick_detail(event({"pick": "other:1"}), *here(run_id), state)
    assert not any(isinstance(value, str) for value in skipped)
    for pick in ("image:99999", "near:-3"):
        with pytest.raises(gr.Error):
            tab.pick_detail(event({"pick": pick}), *here(run_id), {**CLOSED})


def test_the_nearest_images_are_asked_for_apart(tab: ExploreTab, run_id: str) -> None:
    session = tab.session
    task = vectors_of(open_run(session, run_id))
    assert task is not None
    assert task.ended.wait(60)
    answer = nearest_html(session, f'["{run_id}", 0, "phase2"]')
    assert answer["again"] is False
    found = [int(n) for n in re.findall(r'data-pick="image:(\d+)"', answer["html"])]
    assert found == task.value.nearest(0, 12)[0]
    for nonsense in (None, "", "[]", '["x", 0, ""]', f'["{run_id}", 99, ""]', "{", 5):
        assert nearest_html(session, nonsense) == {"html": "", "again": False}


# Before training ------------------------------------------------------------------------------


def test_the_images_at_hand_can_be_looked_at_before_any_training(
    tab: ExploreTab, run_id: str
) -> None:
    run, label = tab.choices("folder")
    assert (AT_HAND, "folder") in run["choices"]
    assert run["value"] == "folder"
    assert len(label["choices"]) == 4
    page = draw(tab, "folder")
    first = {"clean": 0, "noisy": 0}
    galleries = tab.galleries.draw(tab.scene(tuple(here("folder"))), first)[1]
    assert "Unsure" in "".join(map(str, galleries))
    assert cards(page["gallery-clean"] + page["gallery-noisy"])
    assert " % clean" not in page["gallery-noisy"] + page["gallery-clean"]
    html, _ = opened(tab, "folder")
    assert "Sub-folder says" in html
    assert "Model 1 says" not in html
    assert "one model only" in draw(tab, "folder", "confusions")["confusion-map"]
    assert "heat" in draw(tab, "folder", "confusions", against=TRUTH)["confusion-map"]


def test_what_is_shown_first(tab: ExploreTab, run_id: str, session: Session) -> None:
    assert tab.choices(None)[0]["value"] == run_id  # the latest run of the images at hand
    empty = ExploreTab(session).choices(None)[0]
    assert (empty["choices"], empty["value"]) == ([], None)


def test_the_chosen_run_and_class_stay(tab: ExploreTab, run_id: str) -> None:
    names = tab.session.store.get(run_id).info.class_names
    label = tab.choices(run_id)[1]
    assert label["value"] == ALL
    assert label["choices"] == [ALL, *names]
    assert tab.choices(run_id, names[2])[1]["value"] == names[2]
    assert tab.choices("other", names[2])[1]["value"] == ALL


def test_a_class_is_picked_by_its_number(tab: ExploreTab, run_id: str) -> None:
    names = tab.session.store.get(run_id).info.class_names
    assert tab.pick_class(event({"pick": "1"}), *here(run_id)) == names[1]
    assert tab.pick_class(event({"pick": "all"}), *here(run_id)) == ALL
    with pytest.raises(gr.Error):
        tab.pick_class(event({"pick": "3"}), *here(run_id))


# Confusions, copies and outliers --------------------------------------------------------------


def test_a_cell_of_the_confusions_is_a_door_to_its_images(tab: ExploreTab, run_id: str) -> None:
    html = draw(tab, run_id, "confusions", against=TRUTH)["confusion-map"]
    pick = re.findall(r'data-pick="(\d+-\d+)"', html)[0]
    key = tab.pick_cell(event({"pick": pick}), *here(run_id), TRUTH)
    found = tab.session.selections.get(key)
    assert found is not None
    row, column = map(int, pick.split("-"))
    outcome = tab.scene(tuple(here(run_id))).outcome
    assert len(found)
    assert (outcome.model_labels[0][found.indices] == row).all()
    assert outcome.truth is not None
    assert (outcome.truth[found.indices] == column).all()
    for wrong in ("3-0", "x", "0"):
        with pytest.raises(gr.Error):
            tab.pick_cell(event({"pick": wrong}), *here(run_id), TRUTH)


def ready(tab: ExploreTab, run: str) -> Any:
    task = similar_of(open_run(tab.session, run))
    assert task is not None
    assert task.ended.wait(60)
    return task.value


def test_copies_are_listed_and_selected(tab: ExploreTab, run_id: str) -> None:
    ready(tab, run_id)
    page = draw(tab, run_id, "copies")
    assert page["gallery-copies"].count('class="group"') == 1
    (pick,) = re.findall(r'data-pick="(group:\d+)"', page["gallery-copies"])
    _, _, key = tab.pick_copy(event({"pick": pick}), *here(run_id), EXACT, 0.9)
    found = tab.session.selections.get(key)
    assert found is not None
    paths = tab.scene(tuple(here(run_id))).outcome.paths
    assert {paths[i] for i in found.indices} == {"blue_line/3.png", "blue_line/3 (copy).png"}
    whole = tab.session.selections.get(tab.take_copies(*here(run_id), EXACT, 0.9))
    assert whole is not None
    assert set(whole.indices.tolist()) == set(found.indices.tolist())
    for wrong in ("group:0", "group:x", "image:99", ""):
        with pytest.raises(gr.Error):
            tab.pick_copy(event({"pick": wrong}), *here(run_id), EXACT, 0.9)


def test_a_lower_bar_joins_more_images(tab: ExploreTab, run_id: str) -> None:
    ready(tab, run_id)
    scene = tab.scene(tuple(here(run_id)))
    some, more = (len(tab.copies.all(scene, NEAR, least)) for least in (0.99, 0.8))
    assert some <= more
    assert len(tab.copies.all(scene, NEAR, "nonsense")) <= more
    assert draw(tab, run_id, "copies", kind=NEAR)["copies-least"]["visible"]
    assert not draw(tab, run_id, "copies")["copies-least"]["visible"]


def test_outliers_open_one_by_one_and_are_walked_through(tab: ExploreTab, run_id: str) -> None:
    alike = ready(tab, run_id)
    page = draw(tab, run_id, "copies", kind=FAR)
    first, second = re.findall(r'data-pick="image:(\d+)"', page["gallery-copies"])[:2]
    assert [int(first), int(second)] == alike.outliers.order[:2].tolist()
    pick = event({"pick": f"image:{first}"})
    _, state, _ = tab.pick_copy(pick, *here(run_id), FAR, 0.9)
    _, state, _ = tab.pick_detail(event({"pick": "step:1"}), *here(run_id), state)
    assert state["index"] == int(second)


def test_what_takes_long_says_that_it_is_being_computed(
    tab: ExploreTab, run_id: str, monkeypatch: Any
) -> None:
    from studio.session.tasks import Task

    waiting = Task(lambda report: None, text="Comparing the images", done=2, total=10)
    monkeypatch.setattr("studio.ui.explore.duplicates.similar_of", lambda opened: waiting)
    page = draw(tab, run_id, "copies")
    assert "Being computed: comparing the images" in page["copies-head"]
    values = [*here(run_id), "copies", MODEL, EXACT, 0.9, None]
    timer = tab.tick(*values)[3]
    assert timer.active
    waiting.error = "The model is gone."
    waiting.ended.set()
    assert "The model is gone." in draw(tab, run_id, "copies")["copies-head"]
    assert not tab.tick(*values)[3].active


def test_when_the_images_are_gone_the_labels_still_show(
    session: Session, image_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(image_folder, copy)
    session.data.use_folder(copy)
    session.data.wait()
    run_id = start(TrainTab(session), str(tiny_model), method="zero-shot")
    assert session.worker.wait(400)
    shutil.rmtree(copy)
    session.data.use_folder(image_folder)
    session.data.wait()
    tab = ExploreTab(session)
    with gr.Blocks():
        tab.build()
    page = draw(tab, run_id)
    assert "without pictures" in page["explore-summary"]
    assert "image not found" in page["gallery-clean"] + page["gallery-noisy"]
    assert "cannot be compared" in draw(tab, run_id, "copies")["copies-head"]
    assert "no longer in its folder" in opened(tab, run_id)[0]
