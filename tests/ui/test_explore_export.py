from __future__ import annotations

import csv
import os
import shutil
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from studio.ui.explore_tab import ALL, ExploreTab
from studio.ui.export_tab import ExportTab, snippet
from studio.ui.studio import Studio
from studio.ui.train_tab import TrainTab
from tests.ui.conftest import event, load, open_studio
from tests.ui.test_train_tab import QUICK, start


@pytest.fixture(scope="module")
def loaded(
    tmp_path_factory: pytest.TempPathFactory, image_folder: Path, tiny_model: Path
) -> Iterator[Studio]:
    """One studio for all tests here: they only look."""
    with open_studio(tmp_path_factory.mktemp("explore")) as made:
        yield load(made, image_folder, tiny_model)


@pytest.fixture(scope="module")
def run_id(loaded: Studio, tiny_model: Path) -> str:
    """Its finished run."""
    made = start(TrainTab(loaded), str(tiny_model), QUICK)
    assert loaded.worker.wait(400)
    return made


NAMES = ["summary", "classes", "numbers", "pages", "clean", "clean_where", "clean_back", "clean_on",
         "noisy", "noisy_where", "noisy_back", "noisy_on"]  # fmt: skip


def draw(tab: ExploreTab, run: Any, label: Any = ALL, disagree: Any = False, **more: Any) -> Any:
    orders = more.pop("orders", ("down", "up"))
    return dict(zip(NAMES, tab.draw(run, label, disagree, *orders, **more), strict=True))


def test_both_galleries_are_filled_from_the_run(loaded: Studio, run_id: str) -> None:
    tab = ExploreTab(loaded)
    shown = draw(tab, run_id)
    cards = [shown[side].count('class="card"') for side in ("clean", "noisy")]
    assert 0 < sum(cards) <= 36
    assert "36" in shown["summary"]
    assert "by sub-folder names" in shown["summary"]
    urls = [part.split('"')[0] for part in shown["clean"].split('src="')[1:]]
    assert len(urls) == cards[0]
    thumbs = loaded.options.cache_dir / "thumbs"
    assert all(Path(u.removeprefix("gradio_api/file=")).is_relative_to(thumbs) for u in urls)


def test_no_more_than_a_page_is_drawn(loaded: Studio, run_id: str, monkeypatch: Any) -> None:
    monkeypatch.setattr("studio.views.gallery.PAGE_SIZE", 5)
    tab = ExploreTab(loaded)
    first = draw(tab, run_id)
    assert first["clean"].count('class="card"') <= 5
    side = "clean" if first["clean_on"]["interactive"] else "noisy"
    turned = tab._turn(side, 1)(run_id, ALL, False, "down", "up", first["pages"])
    second = dict(zip(NAMES, turned, strict=True))
    assert second["pages"][side] == 1
    assert second[side] != first[side]
    assert second[f"{side}_back"]["interactive"] is True


def test_filters_narrow_the_galleries(loaded: Studio, run_id: str) -> None:
    tab = ExploreTab(loaded)
    whole = draw(tab, run_id)
    by_class = [draw(tab, run_id, name) for name in loaded.store.get(run_id).info.class_names]
    count = lambda shown: sum(shown[s].count('class="card"') for s in ("clean", "noisy"))  # noqa: E731
    if whole["clean_on"]["interactive"] or whole["noisy_on"]["interactive"]:
        assert count(whole) < 36
    assert sum(map(count, by_class)) >= count(whole)
    assert count(draw(tab, run_id, disagree=True)) <= count(whole)
    turned = draw(tab, run_id, orders=("up", "up"))
    assert turned["clean"] != whole["clean"] or whole["clean"].count("data-pick") < 2


@pytest.mark.parametrize(
    ("run", "label", "pages"),
    [
        (None, ALL, None), ("../..", ALL, None), (["x"], ALL, {}), ("gone", None, "x"),
        ({}, {}, {"clean": "9"}),
    ],
)  # fmt: skip
def test_nonsense_from_a_page_shows_an_empty_tab(
    loaded: Studio, run: Any, label: Any, pages: Any
) -> None:
    shown = draw(ExploreTab(loaded), run, label, pages=pages)
    assert shown["clean"] == shown["noisy"] == ""
    assert 'class="empty"' in shown["summary"]


@pytest.mark.parametrize(
    "pages", [{"clean": 10**6}, {"clean": -5, "noisy": -1}, {"clean": True}, {"clean": 10**30}, 3]
)
def test_page_numbers_are_brought_into_range(loaded: Studio, run_id: str, pages: Any) -> None:
    shown = draw(ExploreTab(loaded), run_id, pages=pages)
    assert all(n >= 0 for n in shown["pages"].values())
    assert 'class="card"' in shown["clean"] + shown["noisy"]


def test_an_image_opens_with_both_opinions(loaded: Studio, run_id: str) -> None:
    html = ExploreTab(loaded).open_image(run_id, event({"pick": "0"}))
    for text in ("Model 1 says", "Model 2 says", "best classes", "Sub-folder says", "<img"):
        assert text in html


@pytest.mark.parametrize("data", [{"pick": "36"}, {"pick": "-1"}, None, {"pick": "../x"}])
def test_other_images_do_not_open(loaded: Studio, run_id: str, data: Any) -> None:
    with pytest.raises(gr.Error):
        ExploreTab(loaded).open_image(run_id, event(data))


def test_a_class_is_picked_by_its_number(loaded: Studio, run_id: str) -> None:
    tab, names = ExploreTab(loaded), loaded.store.get(run_id).info.class_names
    assert tab.pick_class(run_id, event({"pick": "1"})) == names[1]
    assert tab.pick_class(run_id, event({"pick": "all"})) == ALL
    with pytest.raises(gr.Error):
        tab.pick_class(run_id, event({"pick": "3"}))


def test_the_chosen_run_and_class_stay(loaded: Studio, run_id: str) -> None:
    tab, names = ExploreTab(loaded), loaded.store.get(run_id).info.class_names
    run, label = tab.choices(None)
    assert run["value"] == run_id
    assert label["value"] == ALL
    assert label["choices"] == [ALL, *names]
    assert tab.choices(run_id, names[2])[1]["value"] == names[2]
    assert tab.choices("other", names[2])[1]["value"] == ALL


def test_when_the_images_are_gone_the_labels_still_show(
    studio: Studio, image_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(image_folder, copy)
    studio.workspace.use_folder(copy)
    studio.workspace.wait()
    run_id = start(TrainTab(studio), str(tiny_model), method="zero-shot")
    assert studio.worker.wait(400)
    shutil.rmtree(copy)
    studio.workspace.use_folder(image_folder)
    studio.workspace.wait()
    shown = draw(ExploreTab(studio), run_id)
    assert "without pictures" in shown["summary"]
    assert "image not found" in shown["clean"] + shown["noisy"]


def path_of(url: str) -> Path:
    return Path(url.removeprefix("gradio_api/file="))


def test_labels_and_model_are_downloaded(loaded: Studio, run_id: str) -> None:
    tab = ExportTab(loaded)
    assert tab.choices(None)["value"] == run_id
    about, labels, model = tab.show(run_id)
    assert labels["interactive"]
    assert model["interactive"]
    assert run_id in about
    file = path_of(tab.make_labels(run_id))
    rows = list(csv.DictReader(file.open(encoding="utf-8")))
    assert len(rows) == 36
    assert set(rows[0]) >= {"path", "label", "clean_probability", "kept"}
    archive = path_of(tab.make_model(run_id))
    with zipfile.ZipFile(archive) as packed:
        names = packed.namelist()
        assert packed.testzip() is None
    assert f"{run_id}/model.json" in names
    assert any(name.endswith(".safetensors") for name in names)
    for made in (file, archive):
        assert made.is_relative_to(loaded.options.cache_dir / "exports")
        assert len(made.parent.name) == 32  # not to be guessed


@pytest.mark.parametrize("run", [None, "", "../../etc/passwd", "gone", 5])
def test_only_runs_can_be_exported(loaded: Studio, run: Any) -> None:
    tab = ExportTab(loaded)
    for make in (tab.make_labels, tab.make_model):
        with pytest.raises(gr.Error):
            make(run)


def test_without_runs_there_is_nothing_to_export(studio: Studio) -> None:
    tab = ExportTab(studio)
    assert tab.choices("x")["value"] is None
    text, labels, model = tab.show(None)
    assert "Nothing to export" in text
    assert not labels["interactive"]
    assert not model["interactive"]


def test_old_downloads_are_forgotten(studio: Studio) -> None:
    folder = studio.options.cache_dir / "exports" / "x"
    folder.mkdir(parents=True)
    for name, age in (("old.zip", 10 * 86_400), ("new.zip", 60)):
        (folder / name).touch()
        os.utime(folder / name, (time.time() - age,) * 2)
    ExportTab(studio)
    assert [file.name for file in folder.iterdir()] == ["new.zip"]


def test_the_snippet_comes_from_the_documentation() -> None:
    assert "```python" in snippet()
    assert "labels.csv" in snippet()
