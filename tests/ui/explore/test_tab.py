from __future__ import annotations

import html as texts
import json
import re
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest

from studio.errors import ModelError, RunError
from studio.numbers import percent
from studio.session.opened import open_run
from studio.session.session import Session
from studio.session.similar import similar_of
from studio.session.source import OpenedRun, parse
from studio.session.strangers import strangers_of
from studio.ui.explore.answers import IMAGES_AT_HAND, all_of_side
from studio.ui.explore.scene import (
    AGAINST_TRUTH,
    ALL,
    COMBINED,
    EXACT,
    FAR,
    JUDGED,
    NEAR,
    OF_NONE,
    Filters,
)
from studio.ui.explore.tab import ExploreTab
from tests.ui.conftest import (
    event,
    explore_tab,
    run_without_images,
    stopped_before_labels,
    with_a_copy,
)


@pytest.fixture(scope="module")
def shared_images(tmp_path_factory: pytest.TempPathFactory, image_folder: Path) -> Path:
    """One of the images stands there twice."""
    return with_a_copy(image_folder, tmp_path_factory.mktemp("explore"))


@pytest.fixture(scope="module")
def tab(shared: Session) -> ExploreTab:
    return explore_tab(shared)


def here(run: Any, **more: Any) -> Filters:
    """What a page sends."""
    return Filters(run=run, **{"panel": "galleries", **more})


def draw(tab: ExploreTab, run: Any, panel: Any = "galleries", **more: Any) -> dict[str, Any]:
    """What the page shows from now on, by the id of the component that shows it."""
    return by_id(tab, tab.draw(here(run, panel=panel, **more)))


def by_id(tab: ExploreTab, drawn: dict[Any, Any]) -> dict[str, Any]:
    assert drawn
    found = {part.elem_id: value for part, value in drawn.items() if part.elem_id}
    return {**found, "pages": drawn.get(tab.pages)}


def cards(html: Any) -> int:
    return str(html).count('class="card-open"')


def place_of(html: str) -> dict[str, Any]:
    """What the dialog has open, as its script reads it."""
    (place,) = re.findall(r'data-place="([^"]+)"', html)
    return dict(json.loads(texts.unescape(place)))


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
        scene = tab.scene(here(run_id, by=by))
        for source in ("clean", "noisy", "selection"):
            listed = keys[scene.listed(source)]
            order = np.diff(listed if source != "clean" else listed[::-1])
            assert (order >= 0).all()
        page = draw(tab, run_id, "map", by=by)
        first = scene.selected()[0]
        card = page["gallery-selection"].split("</button>")[0]
        assert f"{percent(float(keys[first]))} clean" in card
    dialog = tab.detail.open(scene, scene.selected(), int(first))
    assert f"<dt>Combined score</dt><dd>{percent(float(score[first]), digits=1)}" in dialog
    early = tab.scene(here(run_id, stage="zero-shot", by=COMBINED)).outcome
    assert early.cleanliness is early.clean_probability, "only the last labels are scored"


@pytest.mark.parametrize("stage", ["folder", "zero-shot"])
def test_a_filter_that_can_tell_nothing_apart_is_off(
    tab: ExploreTab, run_id: str, stage: str
) -> None:
    """One model disagrees with nobody; it had left no image, and no word why."""
    run, more = ("folder", {}) if stage == "folder" else (run_id, {"stage": stage})
    page = draw(tab, run, disagree=True, by=COMBINED, **more)
    assert page["explore-disagree"] == {
        "interactive": False, "value": False, "__type__": "update"
    }  # fmt: skip
    assert page["explore-by"] == {"interactive": False, "value": JUDGED, "__type__": "update"}
    assert cards(page["gallery-clean"] + page["gallery-noisy"])
    after = draw(tab, run_id, disagree=True, by=COMBINED)
    for name in ("explore-disagree", "explore-by"):
        assert after[name] == {"interactive": True, "__type__": "update"}, "as its user left it"


def test_only_the_open_part_is_drawn(tab: ExploreTab, run_id: str) -> None:
    page = draw(tab, run_id, "map")
    assert cards(page["gallery-selection"]) == 24
    assert "gallery-clean" not in page
    assert "confusion-map" not in page
    page = draw(tab, run_id, "confusions", against=AGAINST_TRUTH)
    assert "heat" in page["confusion-map"]


def test_no_more_than_a_page_is_drawn(tab: ExploreTab, run_id: str, monkeypatch: Any) -> None:
    monkeypatch.setattr("studio.analysis.gallery.PAGE_SIZE", 5)
    first = draw(tab, run_id)
    assert cards(first["gallery-clean"]) <= 5
    side = "clean" if first["clean-on"]["interactive"] else "noisy"
    second = by_id(tab, tab.turn(here(run_id, pages=first["pages"]), name=side, by=1))
    assert second["pages"][side] == 1
    assert second[f"gallery-{side}"] != first[f"gallery-{side}"]
    assert second[f"{side}-back"]["interactive"] is True


def test_filters_narrow_all_lists(tab: ExploreTab, run_id: str) -> None:
    names = tab.session.store.get(run_id).info.class_names
    scenes = [tab.scene(here(run_id, label=name)) for name in names]
    whole = tab.scene(here(run_id))
    assert sum(len(s.side("clean")) + len(s.side("noisy")) for s in scenes) == 37
    assert sum(len(s.selected()) for s in scenes) == len(whole.selected()) == 37
    disputed = tab.scene(here(run_id, disagree=True))
    assert whole.outcome.disagree[disputed.selected()].all()
    assert tab.scene(here(run_id, clean_order="sideways", noisy_order=None)).orders == (
        "down",
        "up",
    )
    turns = tab.scene(here(run_id, clean_order="turns")).side("clean")
    shown = whole.outcome.labels[turns]
    assert shown[: len(np.unique(shown))].tolist() == np.unique(shown).tolist()
    turned = tab.scene(here(run_id, clean_order="up"))
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


def test_a_page_that_has_no_run_yet_is_left_alone_when_corrections_change(
    tab: ExploreTab, run_id: str
) -> None:
    drawn = tab.draw_again(here(run_id))
    assert drawn[tab.summary] == tab.draw(here(run_id))[tab.summary]
    assert tab.draw_again(here(None)) == {tab.summary: gr.skip()}


def test_a_selection_with_an_order_keeps_it_and_a_set_is_sorted(
    tab: ExploreTab, run_id: str
) -> None:
    ranked = tab.scene(here(run_id, selection=select(tab, run_id, [9, 2, 30, 4])))
    assert ranked.selected().tolist() == [9, 2, 30, 4]
    plain = tab.scene(here(run_id, selection=select(tab, run_id, [2, 4, 9, 30])))
    clean = plain.outcome.clean_probability[plain.selected()]
    assert (np.diff(clean) >= 0).all()


@pytest.mark.parametrize("key", ["", "unknown", None, 7, ["x"]])
def test_a_selection_that_is_none_is_passed_over(tab: ExploreTab, run_id: str, key: Any) -> None:
    assert tab.scene(here(run_id, selection=key)).selection is None
    other = select(tab, "folder", [1])  # of the images at hand, not of the run
    assert tab.scene(here(run_id, selection=other)).selection is None
    beyond = select(tab, run_id, [10**6])
    assert tab.scene(here(run_id, selection=beyond)).selection is None


def test_turning_a_page_of_duplicates_survives_a_selection(tab: ExploreTab, run_id: str) -> None:
    pages = {"selection": 1, "clean": 1, "noisy": 0, "duplicates": 2}
    drawn = tab.selected(here(run_id, pages=pages))[tab.pages]
    assert drawn["duplicates"] == 2
    assert drawn["selection"] == 0


def test_a_page_sends_a_value_for_each_filter(tab: ExploreTab, run_id: str) -> None:
    controls = tab.controls()
    assert set(controls) == {field.name for field in fields(Filters)}
    seen: list[Any] = []
    made = tab.event(lambda filters, sent: seen.append((filters, sent)), [])
    assert made["inputs"] == set(controls.values())
    sent = {control: name for name, control in controls.items()}
    made["fn"](event({"pick": "1"}), sent)
    assert seen[0][0] == Filters(**{name: name for name in controls})
    assert seen[0][1]._data == {"pick": "1"}
    with pytest.raises(gr.Error, match="There is no such class"):
        tab.event(tab.pick_class, [])["fn"](
            event({"pick": "3"}), {**sent, controls["run"]: run_id, controls["stage"]: ""}
        )


@pytest.mark.parametrize(
    ("run", "label", "pages"),
    [
        (None, ALL, None), ("../..", ALL, None), (["x"], ALL, {}), ("gone", None, "x"),
        ({}, {}, {"clean": "9"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("panel", ["map", "galleries", "confusions", "duplicates", None])
def test_nonsense_from_a_page_shows_an_empty_tab(
    tab: ExploreTab, run: Any, label: Any, pages: Any, panel: Any
) -> None:
    page = draw(tab, run, panel, label=label, pages=pages)
    assert page["gallery-clean"] == page["gallery-selection"] == page["confusion-map"] == ""
    assert 'class="empty"' in page["explore-summary"]


@pytest.mark.parametrize(
    "pages", [{"clean": 10**6}, {"clean": -5, "noisy": -1}, {"clean": True}, {"clean": 10**30}, 3]
)
def test_page_numbers_are_brought_into_range(tab: ExploreTab, run_id: str, pages: Any) -> None:
    page = draw(tab, run_id, pages=pages)
    assert all(n >= 0 for n in page["pages"].values())
    assert cards(page["gallery-clean"] + page["gallery-noisy"])
    assert set(page["pages"]) == {"selection", "clean", "noisy", "duplicates"}


def test_all_of_a_gallery_is_selected_at_a_press(tab: ExploreTab, run_id: str) -> None:
    key = tab.select(here(run_id), find=partial(all_of_side, side="noisy"))
    found = tab.session.selections.get(key)
    assert found is not None
    assert found.source == OpenedRun(run_id)
    assert found.indices.tolist() == tab.scene(here(run_id)).side("noisy").tolist()


# Before training ------------------------------------------------------------------------------


def test_the_images_at_hand_can_be_looked_at_before_any_training(
    tab: ExploreTab, run_id: str
) -> None:
    run, label = tab.choices("folder").values()
    assert (IMAGES_AT_HAND, "folder") in run["choices"]
    assert run["value"] == "folder"
    assert len(label["choices"]) == 4
    page = draw(tab, "folder")
    drawn = tab.draw(here("folder"))
    assert "Not confident" in drawn[tab.galleries.titles["noisy"]]
    assert "how confident the model is" in drawn[tab.galleries.hint]
    order = tab.galleries.orders["noisy"]
    assert drawn[order]["choices"][0] == ("least confident first", "up")
    assert tab.draw(here(run_id))[order]["choices"][0] == ("least clean first", "up")
    assert cards(page["gallery-clean"] + page["gallery-noisy"])
    assert " % clean" not in page["gallery-noisy"] + page["gallery-clean"]
    html = tab.open_image(here("folder"), event({"pick": "0"}), name="selection")
    assert "Sub-folder says" in html
    assert "Model 1 says" not in html
    assert "one model only" in draw(tab, "folder", "confusions")["confusion-map"]
    assert "heat" in draw(tab, "folder", "confusions", against=AGAINST_TRUTH)["confusion-map"]


def test_what_is_shown_first(tab: ExploreTab, run_id: str, session: Session) -> None:
    assert tab.choices(None)[tab.run]["value"] == run_id  # the latest run of the images at hand
    with stopped_before_labels(tab.session, run_id):  # it is later still, and has nothing to show
        assert tab.choices(None)[tab.run]["value"] == run_id
    other = ExploreTab(session)
    with gr.Blocks():
        other.build()
    empty = other.choices(None)[other.run]
    assert (empty["choices"], empty["value"]) == ([], None)


@pytest.mark.parametrize("kept", ['["folder", "galleries"]', "[1]", "x", None, '["x", "y"]'])
def test_what_a_button_asks_for_is_opened_whatever_was_shown_before(
    tab: ExploreTab, run_id: str, kept: Any
) -> None:
    for shown in (None, "folder", run_id):
        opened = tab.open_tab(shown, ALL, run_id, kept)
        assert opened[tab.run]["value"] == run_id
        assert opened[tab.wanted] == "", "asked for once"
        assert opened[tab.recalled] == "", "the button says which panel"


def test_a_page_that_is_loaded_again_shows_what_it_showed(tab: ExploreTab, run_id: str) -> None:
    kept = '["folder", "galleries"]'
    opened = tab.open_tab(None, ALL, "", kept)
    assert opened[tab.run]["value"] == "folder"
    assert opened[tab.recalled] == "galleries"
    again = tab.open_tab(run_id, ALL, "", kept)  # the tab was open: what it shows stays
    assert again[tab.run]["value"] == run_id
    assert again[tab.recalled] == ""
    gone = tab.open_tab(None, ALL, "", '["gone", "nowhere"]')
    assert gone[tab.run]["value"] == run_id
    assert gone[tab.recalled] == "map"


def test_the_chosen_run_and_class_stay(tab: ExploreTab, run_id: str) -> None:
    names = tab.session.store.get(run_id).info.class_names
    label = tab.choices(run_id)[tab.label]
    assert label["value"] == ALL
    assert label["choices"] == [ALL, *names]
    assert tab.choices(run_id, names[2])[tab.label]["value"] == names[2]
    assert tab.choices("other", names[2])[tab.label]["value"] == ALL


def test_a_class_is_picked_by_its_number(tab: ExploreTab, run_id: str) -> None:
    names = tab.session.store.get(run_id).info.class_names
    assert tab.pick_class(here(run_id), event({"pick": "1"})) == names[1]
    assert tab.pick_class(here(run_id), event({"pick": "all"})) == ALL
    with pytest.raises(RunError):
        tab.pick_class(here(run_id), event({"pick": "3"}))


# Confusions, duplicates and outliers ----------------------------------------------------------


def test_a_cell_of_the_confusions_is_a_door_to_its_images(tab: ExploreTab, run_id: str) -> None:
    html = draw(tab, run_id, "confusions", against=AGAINST_TRUTH)["confusion-map"]
    pick = re.findall(r'data-pick="(\d+-\d+)"', html)[0]
    key = tab.select(
        here(run_id, against=AGAINST_TRUTH), event({"pick": pick}), find=tab.confusions.pick
    )
    found = tab.session.selections.get(key)
    assert found is not None
    row, column = map(int, pick.split("-"))
    outcome = tab.scene(here(run_id)).outcome
    assert len(found)
    assert (outcome.model_labels[0][found.indices] == row).all()
    assert outcome.truth is not None
    assert (outcome.truth[found.indices] == column).all()
    for wrong in ("3-0", "x", "0"):
        with pytest.raises(RunError):
            tab.select(
                here(run_id, against=AGAINST_TRUTH),
                event({"pick": wrong}),
                find=tab.confusions.pick,
            )


def ready(tab: ExploreTab, run: str) -> Any:
    task = similar_of(open_run(tab.session, run))
    assert task is not None
    assert task.ended.wait(60)
    return task.value


def test_duplicates_are_listed_and_selected(tab: ExploreTab, run_id: str) -> None:
    ready(tab, run_id)
    page = draw(tab, run_id, "duplicates")
    assert page["gallery-duplicates"].count('class="group"') == 1
    (pick,) = re.findall(r'data-pick="(group:\d+)"', page["gallery-duplicates"])
    picked = tab.pick_duplicate(here(run_id), event({"pick": pick}))
    found = tab.session.selections.get(picked[tab.selection])
    assert found is not None
    paths = tab.scene(here(run_id)).outcome.paths
    assert {paths[i] for i in found.indices} == {"blue_line/3.png", "blue_line/3 (copy).png"}
    whole = tab.session.selections.get(tab.select(here(run_id), find=tab.duplicates.take_all))
    assert whole is not None
    assert set(whole.indices.tolist()) == set(found.indices.tolist())
    for wrong in ("group:0", "group:x", "99", ""):
        with pytest.raises(RunError):
            tab.pick_duplicate(here(run_id), event({"pick": wrong}))


def test_a_lower_bar_joins_more_images(tab: ExploreTab, run_id: str) -> None:
    ready(tab, run_id)
    scene = tab.scene(here(run_id))
    some, more, nonsense = (
        len(tab.duplicates.all(scene, here(run_id, kind=NEAR, at_least=least)))
        for least in (0.99, 0.8, "nonsense")
    )
    assert some <= more
    assert nonsense <= more
    assert draw(tab, run_id, "duplicates", kind=NEAR)["duplicates-at-least"]["visible"]
    assert not draw(tab, run_id, "duplicates")["duplicates-at-least"]["visible"]


def test_outliers_open_one_by_one_and_are_walked_through(tab: ExploreTab, run_id: str) -> None:
    similar = ready(tab, run_id)
    page = draw(tab, run_id, "duplicates", kind=FAR)
    first, second = re.findall(r'data-pick="(\d+)"', page["gallery-duplicates"])[:2]
    assert [int(first), int(second)] == similar.outliers.order[:2].tolist()
    opened = tab.pick_duplicate(here(run_id, kind=FAR), event({"pick": first}))
    place = place_of(opened[tab.detail.dialog])
    assert place_of(tab.detail.show({**place, "step": 1})["html"])["index"] == int(second)


def test_images_of_no_class_are_shown_most_first(tab: ExploreTab, run_id: str) -> None:
    scores = tab.scene(here(run_id)).outcome.strangers
    assert scores is not None
    asked = here(run_id, panel="duplicates", kind=OF_NONE)
    page = draw(tab, run_id, "duplicates", kind=OF_NONE)
    shown = [int(i) for i in re.findall(r'data-pick="(\d+)"', page["gallery-duplicates"])]
    assert shown[0] == int(np.argsort(-scores, kind="stable")[0])
    assert f"of none: {100 * float(scores[shown[0]]):.0f} %" in page["gallery-duplicates"]
    assert "of none of the classes" in page["duplicates-head"]
    opened = tab.pick_duplicate(asked, event({"pick": str(shown[1])}))
    place = place_of(opened[tab.detail.dialog])
    assert place_of(tab.detail.show({**place, "step": -1})["html"])["index"] == shown[0]
    with pytest.raises(RunError, match="no such group"):
        tab.pick_duplicate(asked, event({"pick": "group:0"}))


def test_images_of_no_class_are_shown_before_any_training_and_of_earlier_runs(
    tab: ExploreTab, run_id: str
) -> None:
    """The scores are those that a run of the same images and names gives itself."""
    known = tab.scene(here(run_id)).outcome.strangers
    assert known is not None
    assert len(np.unique(known)) > 5
    old = tab.scene(here(run_id))
    old = replace(old, opened=replace(old.opened, outcome=replace(old.outcome, strangers=None)))
    for scene in (tab.scene(here("folder")), old):
        asked = here(scene.opened.source, kind=OF_NONE)
        task = strangers_of(scene.opened)
        assert task is not None
        assert task.ended.wait(60)
        assert task.value == pytest.approx(known, abs=1e-5)
        shown = by_id(tab, tab.duplicates.draw(scene, asked, {"duplicates": 0}))
        first = int(np.argsort(-task.value, kind="stable")[0])
        assert re.findall(r'data-pick="(\d+)"', shown["gallery-duplicates"])[0] == str(first)
        assert tab.duplicates.all(scene, asked)[0] == first
        assert shown["duplicates-take"]["interactive"]


def test_images_of_no_class_wait_for_their_scores(
    tab: ExploreTab, run_id: str, monkeypatch: Any
) -> None:
    from studio.session.tasks import Task

    waiting = Task("Waiting", lambda _: None)
    monkeypatch.setattr("studio.ui.explore.duplicates.strangers_of", lambda opened: waiting)
    asked = here(run_id, panel="duplicates", kind=OF_NONE)
    page = tab.duplicates.draw(tab.scene(asked), asked, {"duplicates": 3})
    assert "Being computed: waiting" in page[tab.duplicates.head]
    assert page[tab.duplicates.timer].active
    assert len(tab.duplicates.all(tab.scene(asked), asked)) == 0


def test_what_takes_long_says_that_it_is_being_computed(
    tab: ExploreTab, run_id: str, monkeypatch: Any
) -> None:
    from studio.session.tasks import Task

    def fails(task: Task) -> None:
        raise ModelError("The model is gone.")

    waiting = Task("Waiting", fails)
    waiting.begin("Comparing the images")(2, 10)
    monkeypatch.setattr("studio.ui.explore.duplicates.similar_of", lambda opened: waiting)
    page = draw(tab, run_id, "duplicates")
    assert "Being computed: comparing the images" in page["duplicates-head"]
    asked, timer = here(run_id, panel="duplicates"), tab.duplicates.timer
    assert tab.tick_of_timer(asked)[timer].active
    waiting.run()
    assert "The model is gone." in draw(tab, run_id, "duplicates")["duplicates-head"]
    assert not tab.tick_of_timer(asked)[timer].active


def test_when_the_images_are_gone_the_labels_still_show(
    session: Session, image_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    run_id = run_without_images(session, image_folder, str(tiny_model), tmp_path)
    tab = explore_tab(session)
    page = draw(tab, run_id)
    assert "without pictures" in page["explore-summary"]
    assert "image not found" in page["gallery-clean"] + page["gallery-noisy"]
    for kind in (EXACT, OF_NONE):
        gone = replace(tab.scene(here(run_id)).outcome, strangers=None)
        scene = tab.scene(here(run_id))
        scene = replace(scene, opened=replace(scene.opened, outcome=gone))
        shown = tab.duplicates.draw(scene, here(run_id, kind=kind), {"duplicates": 0})
        assert "cannot be compared" in shown[tab.duplicates.head]
    assert "no longer in its folder" in tab.open_image(
        here(run_id), event({"pick": "0"}), name="selection"
    )
