from __future__ import annotations

import base64
import json
import sys
import time
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest

from studio.analysis import map_points
from studio.errors import RunError
from studio.session.session import Session
from studio.session.source import AT_HAND, OpenedRun
from studio.ui.explore.map import MapPanel, _limit
from studio.ui.explore.scene import Filters, Scene, served
from tests.ui.conftest import event, run_without_images

SQUARE = {"xs": [-1.1, 0, 0, -1.1], "ys": [-1.1, -1.1, 1.1, 1.1]}  # the left half


@pytest.fixture(scope="module")
def panel(shared: Session) -> MapPanel:
    """A map whose UMAP is the second and third number of the features."""
    made = MapPanel(shared)
    with gr.Blocks():
        made.build()
    body = "import sys, numpy as np; f, l = sys.argv[1:]; np.save(l, np.load(f)[:, 1:3])"
    made.layouts.command = (sys.executable, "-c", body)
    return made


def scene(session: Session, run: Any = "folder", stage: Any = "", selection: Any = "") -> Scene:
    return Scene.of(session, Filters(run=run, stage=stage, selection=selection))


def value(panel: MapPanel, made: Scene, selection: str = "") -> dict[str, Any]:
    return dict(panel.draw(made, Filters(selection=selection))[panel.board])


def ask(panel: MapPanel, **asked: Any) -> dict[str, Any]:
    """The answer once nothing is left to wait for."""
    for _ in range(600):
        found = panel.points(asked)
        if not found["again"]:
            return found
        time.sleep(0.1)
    raise AssertionError(found)


def numbers(text: str, kind: str) -> list[Any]:
    return np.frombuffer(base64.b64decode(text), kind).tolist()


def test_the_points_come_with_each_stage_of_the_run(panel: MapPanel, run_id: str) -> None:
    found = ask(panel, run=run_id)
    assert found["layout"] == "umap"
    assert found["text"] == ""
    assert found["images"] == 36
    assert found["note"] == ""  # all are drawn
    assert len(found["names"]) == 3
    assert sorted(found["largest"]) == [0, 1, 2]
    drawn = found["points"]
    assert numbers(drawn["index"], "<u4") == list(range(36))
    assert set(drawn["stages"]) == {"zero-shot", "phase1", "final"}
    assert len(numbers(drawn["truth"], "<u2")) == 36
    assert max(numbers(drawn["x"], "<f4")) <= 1
    json.dumps(found)  # as it goes to the page


def test_what_the_page_has_is_not_sent_again(panel: MapPanel, run_id: str) -> None:
    ask(panel, run=run_id)
    assert "points" not in panel.points({"run": run_id, "have": "umap"})
    other = panel.points({"run": run_id, "have": "umap", "layout": "pca"})
    assert other["layout"] == "pca"
    umap = ask(panel, run=run_id)["points"]
    assert other["points"]["x"] != umap["x"]
    assert other["points"]["index"] == umap["index"]


def test_the_images_at_hand_have_a_map_before_any_training(panel: MapPanel) -> None:
    found = ask(panel, run="folder")
    assert list(found["points"]["stages"]) == ["zero-shot"]


@pytest.mark.parametrize(
    "asked",
    [None, "x", {}, {"run": None}, {"run": "../.."}, {"run": ["x"]}, {"run": "gone", "have": 3}],
)
def test_a_question_about_no_run_is_answered_in_one_line(panel: MapPanel, asked: Any) -> None:
    found = served("points", panel.points)(asked)
    assert found.get("text") or found["error"]
    assert not found.get("again")
    assert "points" not in found
    for answer in (panel.selected, panel.image, panel.table, panel.thumbnails):
        assert not {"more", "title", "html", "0"} & set(served("any", answer)(asked))


def test_a_lasso_selects_all_images_in_it_on_the_layout_it_was_drawn_on(
    panel: MapPanel, shared: Session, run_id: str
) -> None:
    for layout in ("umap", "pca"):
        drawn = ask(panel, run=run_id, layout=layout)["points"]
        left = [i for i, x in enumerate(numbers(drawn["x"], "<f4")) if x < 0]
        for how in ("lasso", "box"):
            sent = event({"how": how, **SQUARE, "layout": layout})
            found = shared.selections.get(panel.pick(scene(shared, run_id), sent))
            assert found is not None
            assert found.source == OpenedRun(run_id)
            assert (
                set(left)
                <= set(found.indices.tolist())
                <= set(left) | {i for i, x in enumerate(numbers(drawn["x"], "<f4")) if x <= 0}
            )
            assert found.text == f"{len(found)} images on the map"


def test_a_lasso_takes_images_that_are_not_drawn(
    panel: MapPanel, shared: Session, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.ui.explore.map._FEWEST", 9)
    found = ask(panel, run=run_id, limit=9)
    assert found["points"]["number"] == 9
    assert found["note"].startswith("9 of 36 images are drawn")
    whole = {"how": "box", "xs": [-2, 2], "ys": [-2, 2], "layout": "umap"}
    key = panel.pick(scene(shared, run_id), event(whole))
    chosen = shared.selections.get(key)
    assert chosen is not None
    assert len(chosen) == 36
    lighted = panel.selected({"run": run_id, "selection": key, "layout": "umap", "limit": 9})
    assert len(numbers(lighted["indices"], "<u4")) == 9
    more = numbers(lighted["more"]["index"], "<u4")
    drawn = numbers(found["points"]["index"], "<u4")
    assert set(numbers(lighted["indices"], "<u4")) <= {*more, *drawn}
    assert not set(more) & set(drawn)


def test_a_press_selects_one_image_and_shift_adds(panel: MapPanel, shared: Session) -> None:
    first = panel.pick(scene(shared), event({"how": "point", "index": 7}))
    one = shared.selections.get(first)
    assert one is not None
    assert one.indices.tolist() == [7]
    assert one.text.endswith(".png")
    added = event({"how": "point", "index": 3, "add": True})
    both = shared.selections.get(panel.pick(scene(shared, selection=first), added))
    assert both is not None
    assert both.indices.tolist() == [3, 7]
    assert panel.pick(scene(shared, selection=first), event({"how": "clear"})) == ""
    nothing = {"how": "box", "xs": [5, 6], "ys": [5, 6], "layout": "pca"}
    ask(panel, run="folder")
    assert panel.pick(scene(shared), event(nothing)) == ""


@pytest.mark.parametrize(
    "data",
    [
        None, [], {"how": "x"}, {"how": "lasso"}, {"how": "lasso", "xs": "12", "ys": "12"},
        {"how": "box", "xs": [0, float("nan")], "ys": [0, 1]}, {"how": "point", "index": 36},
        {"how": "point", "index": -1}, {"how": "point", "index": True}, {"how": "point"},
        {"how": "point", "index": "7"}, {"how": "group"}, {"how": "group", "pick": "9:all"},
        {"how": "group", "pick": "all:gone"}, {"how": ["lasso"], **SQUARE},
    ],
)  # fmt: skip
def test_what_means_nothing_selects_nothing(panel: MapPanel, shared: Session, data: Any) -> None:
    ask(panel, run="folder")
    with pytest.raises(RunError):
        panel.pick(scene(shared), event(data))


def test_the_slider_names_a_stage_of_the_run(panel: MapPanel, shared: Session, run_id: str) -> None:
    assert panel.pick_stage(scene(shared, run_id), event({"stage": "phase1"})) == "phase1"
    for stage in ("final2", None, 3, ["final"]):
        with pytest.raises(RunError):
            panel.pick_stage(scene(shared, run_id), event({"stage": stage}))
    with pytest.raises(RunError):
        panel.pick_stage(scene(shared), event({"stage": "final"}))  # before training


def test_the_value_of_the_component_is_small_and_changes_with_what_is_drawn(
    panel: MapPanel, shared: Session, run_id: str
) -> None:
    at_hand, trained = (value(panel, scene(shared, run)) for run in ("folder", run_id))
    assert len(json.dumps(trained)) < 1000
    assert [name for name, _ in trained["stages"]] == ["zero-shot", "phase1", "final"]
    assert trained["stage"] == "final"
    assert value(panel, scene(shared, run_id, "phase1"))["stage"] == "phase1"
    assert at_hand["key"] != trained["key"]
    assert value(panel, scene(shared, run_id, "phase1"))["key"] == trained["key"]
    key = shared.selections.put(source=OpenedRun(run_id), indices=[1, 2], text="two")
    assert value(panel, scene(shared, run_id, selection=key), key)["selection"] == key
    # A selection of another run is no selection here.
    assert value(panel, scene(shared, "folder", selection=key), key)["selection"] == ""


def test_a_selection_of_another_run_lights_nothing(
    panel: MapPanel, shared: Session, run_id: str
) -> None:
    ask(panel, run=run_id)
    mine = shared.selections.put(source=OpenedRun(run_id), indices=[5, 1], text="two")
    others = shared.selections.put(source=AT_HAND, indices=[5, 1], text="two")
    found = panel.selected({"run": run_id, "selection": mine, "layout": "umap"})
    assert numbers(found["indices"], "<u4") == [1, 5]
    for nonsense in (others, "guess", None, 3):
        assert panel.selected({"run": run_id, "selection": nonsense}) == {}


def test_the_image_under_the_pointer_has_a_thumbnail_and_a_label(
    panel: MapPanel, shared: Session, run_id: str
) -> None:
    found = panel.image({"run": run_id, "stage": "final", "index": 4})
    outcome = scene(shared, run_id).outcome
    assert found["title"] == outcome.name(int(outcome.labels[4]))
    assert Path(found["src"].removeprefix("gradio_api/file=")).is_file()
    assert any("% clean" in line for line in found["lines"])
    assert (
        "confidence" in panel.image({"run": run_id, "stage": "zero-shot", "index": 4})["lines"][0]
    )
    for index in (36, -1, "4", True, 1.5):
        assert panel.image({"run": run_id, "stage": "final", "index": index}) == {}


def test_the_table_has_a_row_for_each_class_and_its_numbers_select(
    panel: MapPanel, shared: Session, run_id: str
) -> None:
    ask(panel, run=run_id)
    html = panel.table({"run": run_id, "stage": "final", "layout": "umap"})["html"]
    assert 'data-pick="all:all"' in html
    found = shared.selections.get(
        panel.pick(scene(shared, run_id), event({"how": "group", "pick": "all:all"}))
    )
    assert found is not None
    assert len(found) == 36


def test_without_images_the_map_says_why(
    session: Session, image_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    run_id = run_without_images(session, image_folder, str(tiny_model), tmp_path)
    found = MapPanel(session).points({"run": run_id})
    assert "Without them there is no map" in found["text"]


def test_small_pictures_are_asked_for_all_at_once(
    panel: MapPanel, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = panel.thumbnails({"run": run_id, "indices": [3, 7, 99, -1, "x", True]})
    assert set(found) == {"3", "7"}
    assert all(Path(a.removeprefix("gradio_api/file=")).is_file() for a in found.values())
    monkeypatch.setattr("studio.ui.explore.map.THUMBNAILS", 2)
    assert set(panel.thumbnails({"run": run_id, "indices": [5, 6, 7]})) == {"5", "6"}


def test_a_page_without_webgl_gets_fewer_points(panel: MapPanel, run_id: str) -> None:
    assert _limit({"limit": 5000}) == 5000
    assert _limit({"limit": 1}) == 100
    for nonsense in (None, 10**9, "9", True, {}):
        assert _limit({"limit": nonsense}) == map_points.DRAWN
