from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from studio.analysis.matching import ALL
from studio.session.session import Session
from studio.ui.compare import CompareTab, Differences
from studio.ui.train.tab import TrainTab
from tests.runs.conftest import create
from tests.ui.conftest import QUICK, event, start, stopped_before_labels
from tests.views.test_compare import rows


@pytest.fixture(scope="module")
def ids(shared: Session, tiny_model: Path) -> list[str]:
    """Its runs: two trainings with other seeds, and labels without training."""
    made = []
    for seed, method in ((0.0, "coft"), (1.0, "coft"), (0.0, "zero-shot")):
        made.append(start(TrainTab(shared), str(tiny_model), QUICK, seed=seed, method=method))
        assert shared.worker.wait(400)
    return made


def total(shown: Differences) -> int:
    """Images on all pages, as the pager says."""
    found = re.search(r"of (\d+)", shown.where)
    return int(found.group(1)) if found else 0


def outcome_of(shared: Session, run_id: str) -> Any:
    return shared.outcome(shared.reader(run_id))


def test_the_two_newest_runs_are_ticked_at_first(shared: Session, ids: list[str]) -> None:
    table, chosen = CompareTab(shared).choices([])
    assert chosen == [ids[2], ids[1]]
    assert table.count("<input") == 3
    assert table.count(" checked>") == 2
    assert CompareTab(shared).choices([ids[0], "gone"])[1] == [ids[0]]
    with stopped_before_labels(shared, ids[0]) as without:
        assert CompareTab(shared).choices([])[1] == [ids[2], ids[1]]
        assert CompareTab(shared).choices([without])[1] == [without], "it may be ticked"


def test_two_runs_are_drawn_over_each_other(shared: Session, ids: list[str]) -> None:
    shown = CompareTab(shared).overview(ids[:2])
    keys = [figure["key"] for figure in shown.curves["figures"]]
    assert set(keys) == {
        "loss1", "loss2", "clean", "agreement", "estimated", "accuracy", "clean_precision",
    }  # fmt: skip
    json.dumps(shown.curves)  # it travels as JSON
    assert "Numbers behind the curves" in shown.numbers
    assert rows(shown.settings)["seed"] == ["0", "1"]
    assert '<th scope="row">Accuracy</th>' in shown.results
    shares = [outcome_of(shared, run_id).clean.mean() for run_id in ids[:2]]
    first, second = rows(shown.results)["Share of clean labels"]
    assert first == f"{100 * shares[0]:.0f} %"
    assert second.startswith(f"{100 * shares[1]:.0f} %")
    assert shown.tables["visible"] is True
    assert shown.timer.active is False
    assert shown.messages == ""


def test_fewer_than_two_runs_ask_for_more(shared: Session, ids: list[str]) -> None:
    for chosen in ([], [ids[0]], None, "x", [3, None], [ids[0], ids[0]]):
        shown = CompareTab(shared).overview(chosen)
        assert "Tick two or more runs" in shown.messages
        assert shown.curves["figures"] == []
        assert shown.tables["visible"] is False
        assert CompareTab(shared).differences(chosen, ALL).cards == ""


def test_images_with_different_labels_are_shown(shared: Session, ids: list[str]) -> None:
    tab = CompareTab(shared)
    shown = tab.differences([ids[0], ids[2]], ALL)
    number = shown.cards.count('class="card"')
    assert 0 < number <= 24
    assert shown.cards.count("<img") == number
    assert "of 36 images" in shown.summary
    assert "true class of" in shown.summary
    values = [value for _, value in shown.show["choices"]]
    assert values == [ALL, "only-0", "only-1", "none-right"]
    counts = [total(shown)]
    for value in values[1:]:
        part = tab.differences([ids[0], ids[2]], value)
        assert part.show["value"] == value
        counts.append(total(part))
    assert sum(counts[1:]) == counts[0] >= number
    assert tab.differences([ids[0], ids[2]], "nonsense").show["value"] == ALL


def test_no_more_than_a_page_is_drawn(shared: Session, ids: list[str], monkeypatch: Any) -> None:
    monkeypatch.setattr("studio.analysis.gallery.PAGE_SIZE", 2)
    tab, chosen = CompareTab(shared), [ids[0], ids[2]]
    first = tab.differences(chosen, ALL)
    assert first.cards.count('class="card"') == 2
    assert first.back["interactive"] is False
    assert first.on["interactive"] is True
    second = tab.turn(1)(chosen, ALL, first.page)
    assert second.page == 1
    assert second.cards != first.cards
    for nonsense in (10**6, -4, "2", None, 10**30):
        assert tab.differences(chosen, ALL, nonsense).cards


def test_an_image_opens_with_what_each_run_says(shared: Session, ids: list[str]) -> None:
    tab = CompareTab(shared)
    html = tab.open_image(ids, event({"pick": "0"}))
    assert html.count("<dt>Judgement</dt>") == 2
    assert "<img" in html
    for data in ({"pick": "36"}, {"pick": "-1"}, None):
        with pytest.raises(gr.Error):
            tab.open_image(ids, event(data))
    with pytest.raises(gr.Error):
        tab.open_image(["gone", ids[0]], event({"pick": "0"}))


def test_ticks_come_from_the_page_and_are_bounded(shared: Session) -> None:
    tab = CompareTab(shared)
    assert tab.choose(event({"checks": ["a", "b"]})) == [["a", "b"], 0]
    assert len(tab.choose(event({"checks": [str(n) for n in range(50)]}))[0]) == 6
    for data in (None, {"checks": "ab"}, {"checks": [1, {}]}, {"pick": "a"}, {}):
        assert tab.choose(event(data)) == [[], 0]
    for path in ("../../etc", "/etc/passwd"):
        assert tab.overview([path, path + "x"]).curves["figures"] == []


def test_the_page_says_that_a_run_was_deleted_meanwhile(shared: Session, ids: list[str]) -> None:
    shown = CompareTab(shared).overview([*ids[:2], "20200101-000000-gone-coft"])
    assert "no longer there" in shown.messages
    assert shown.curves["figures"]
    alone = CompareTab(shared).overview([ids[0], "20200101-000000-gone-coft"])
    assert "no longer there" in alone.messages
    assert "Tick two or more runs" in alone.messages


def test_a_run_at_work_is_followed_and_has_no_images_yet(shared: Session, ids: list[str]) -> None:
    run = create(shared.store, folder=shared.store.get(ids[0]).info.folder)
    tab = CompareTab(shared)
    try:
        run.set_status(state="running")
        run.append({"kind": "step", "phase": 1, "model": 0, "step": 1, "steps": 4, "epoch": 1,
                    "epochs": 2, "loss": 1.0, "learning_rate": 0.1})  # fmt: skip
        shown = tab.overview([run.id, ids[0]])
        assert shown.timer.active is True
        assert "Without final results: A" in shown.messages
        assert shown.curves["figures"][0]["traces"][0]["name"] == "A, model 1"
        assert "no two of these runs have labels" in tab.differences([run.id, ids[0]], ALL).summary
        three = tab.differences([run.id, *ids[:2]], ALL)
        assert "Without labels so far: A" in three.summary
        assert "B on" in three.summary
    finally:
        run.set_status(state="finished")
        shared.store.delete(run.id)


def test_runs_over_different_folders_share_no_images(
    session: Session, image_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(image_folder, copy)
    made = []
    for folder in (image_folder, image_folder, copy):
        session.data.use_folder(folder)
        session.data.wait()
        made.append(start(TrainTab(session), str(tiny_model), method="zero-shot"))
        assert session.worker.wait(400)
    tab = CompareTab(session)
    assert "different folders" in tab.overview(made[1:]).messages
    apart = tab.differences(made[1:], ALL)
    assert "different folders" in apart.summary
    assert apart.cards == ""
    three = tab.differences([made[2], *made[:2]], ALL)
    assert "left out here: A" in three.summary
    assert "differ on <strong>0</strong> of 36" in three.summary
    assert "the labels are the same" in three.cards
    # Two of three runs stay comparable when the pictures themselves are gone.
    shutil.rmtree(copy)
    assert "differ on" in tab.differences([made[2], *made[:2]], ALL).summary
