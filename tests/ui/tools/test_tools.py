"""The tools as functions, without a server."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from studio.clip.presets import presets
from studio.errors import FolderError, RunError, StudioError
from studio.runs.corrections import Corrections
from studio.session.options import Options
from studio.session.session import Session
from studio.ui import page
from studio.ui.tools import offered
from studio.ui.tools.images import ImageTools
from studio.ui.tools.runs import RunTools
from studio.ui.tools.sheet import LINE, SIDE
from tests.ui.conftest import QUICK, open_studio


@pytest.fixture(scope="module")
def images(shared: Session) -> ImageTools:
    return ImageTools(shared)


@pytest.fixture
def undone(shared: Session, run_id: str) -> Iterator[Corrections]:
    """The corrections of the run, which are as they were afterwards."""
    kept = shared.reader(run_id).corrections
    yield kept
    while kept.undo():
        pass


def test_a_folder_is_opened_labelled_and_trained_on(
    session: Session, image_folder: Path, tiny_model: Path
) -> None:
    tools = RunTools(session)
    with pytest.raises(FolderError, match="call open_folder first"):
        tools.status()
    names = ["red square", "green circle"]
    said = tools.open_folder(str(image_folder), names, model=str(tiny_model))
    assert (said["busy"], said["images"], said["refused"]) == ("", 36, 1)
    assert said["class_names"] == names
    assert sum(said["first_labels"].values()) == 36
    assert said["estimate"]["low"] <= said["estimate"]["value"] <= said["estimate"]["high"]
    assert tools.status() == said
    proposed = tools.open_folder(str(image_folder), model=str(tiny_model))
    settings = dict(line.split("=") for line in QUICK.splitlines())
    with pytest.raises(StudioError, match="no_such"):
        tools.fit(settings={"no_such": 1})
    with pytest.raises(RunError, match="no method 'magic'"):
        tools.fit(method="magic")
    run = tools.fit(settings={**settings, "k": 4, "phase1_epochs": 1, "phase2_epochs": 1})["run"]
    assert tools.status(run)["class_names"] == proposed["class_names"]
    with pytest.raises(RunError, match=run):
        tools.fit()
    with pytest.raises(RunError, match="The run other is not at work"):
        tools.stop("other")
    assert tools.stop(run)["state"] in ("stopping", "stopped", "finished")
    ended = tools.status(run, wait_seconds=100)
    assert ended["state"] in ("stopped", "finished")
    with pytest.raises(RunError, match="Nothing is at work"):
        tools.stop()
    assert [each["run"] for each in tools.list_runs()] == [run]
    assert [model["name"] for model in tools.list_models()] == presets()


def test_only_folders_that_the_page_may_open_are_opened(
    image_folder: Path, tmp_path: Path, shared: Session, run_id: str
) -> None:
    shutil.copytree(shared.store.get(run_id).path, tmp_path / "runs" / run_id)
    with open_studio(tmp_path) as made:
        made.folders = replace(made.folders, roots=(tmp_path,))
        with pytest.raises(FolderError, match="can be opened"):
            RunTools(made).open_folder(str(image_folder))
        with pytest.raises(FolderError, match="can be opened"):
            ImageTools(made).predict(run_id, str(image_folder))


def test_labels_come_by_the_page(images: ImageTools, shared: Session, run_id: str) -> None:
    outcome = shared.outcome(shared.reader(run_id))
    assert outcome is not None
    everything = images.labels(run_id, number=1000)
    assert everything["total"] == len(everything["rows"]) == 36
    assert [row["path"] for row in everything["rows"]] == list(outcome.paths)
    page = images.labels(run_id, start=30, number=4)["rows"]
    assert page == everything["rows"][30:34]
    clean, noisy = (images.labels(run_id, only=only) for only in ("clean", "noisy"))  # type: ignore[arg-type]
    assert clean["total"] == int(outcome.clean.sum())
    assert clean["total"] + noisy["total"] == 36
    label = outcome.name(int(outcome.labels[0]))
    assert {row["label"] for row in images.labels(run_id, label=label)["rows"]} == {label}
    with pytest.raises(RunError, match="no class 'cat'; it is one of blue line, "):
        images.labels(run_id, label="cat")


def test_doubtful_images_are_shown_side_by_side(
    images: ImageTools, shared: Session, run_id: str
) -> None:
    outcome = shared.outcome(shared.reader(run_id))
    assert outcome is not None
    assert outcome.combined is not None
    rows, file = images.noisy(run_id, 7)
    worst = sorted(range(36), key=lambda i: float(outcome.combined[i]))[:7]  # type: ignore[index]
    assert [row["path"] for row in rows] == [outcome.paths[i] for i in worst]
    assert [row["number"] for row in rows] == [1, 2, 3, 4, 5, 6, 7]
    with Image.open(file["path"]) as sheet:
        assert sheet.width == 5 * (SIDE + 6) + 6
        assert sheet.height == 2 * (SIDE + LINE + 6) + 6
        pixel = sheet.convert("RGB").getpixel((6 + SIDE // 2, 6 + SIDE // 2))
        empty = sheet.convert("RGB").getpixel((6 + 3 * (SIDE + 6), 6 + SIDE + LINE + 6 + SIDE // 2))
    assert empty == (255, 255, 255)
    assert pixel != empty
    assert Path(file["path"]).is_relative_to(shared.options.cache_dir / "exports")
    assert file["url"].startswith("gradio_api/file=")
    assert len(images.noisy(run_id, 1000)[0]) == 36
    found, _ = images.search(run_id, "  a blue   line ", 3)
    assert len(found) == 3
    for text in ("", " ", "x" * 1000):
        with pytest.raises(RunError, match="characters"):
            images.search(run_id, text)


def test_images_worth_an_answer_come_with_a_reason(
    images: ImageTools, undone: Corrections, run_id: str
) -> None:
    rows, sheet = images.suggest(run_id, 4)
    assert len({row["path"] for row in rows}) == len(rows) > 0
    assert Path(sheet["path"]).is_file()
    for row in rows:
        assert "look alike" in row["why"] or "looks like no other" in row["why"]
        assert set(row["shortlist"]) <= {"red square", "green circle", "blue line"}
    images.correct(run_id, {rows[0]["path"]: "blue line"}, said_by="person")
    assert rows[0]["path"] not in [row["path"] for row in images.suggest(run_id, 40)[0]]


def test_one_image_is_shown_large(images: ImageTools, run_id: str) -> None:
    file = images.picture(run_id, "blue_line/3.png")
    with Image.open(file["path"]) as large:
        assert large.size == (48, 40)
    for path in ("../../etc/passwd", "/etc/passwd", "blue_line/99.png", ""):
        with pytest.raises(RunError, match="no image"):
            images.picture(run_id, path)


def test_what_a_model_says_is_judged_and_what_a_person_says_is_given(
    images: ImageTools, undone: Corrections, run_id: str
) -> None:
    paths = [row["path"] for row in images.noisy(run_id, 3)[0]]
    said = images.correct(run_id, {paths[0]: "blue line", paths[1]: None})
    assert said == {"run": run_id, "said_by_person": 0, "judged": 2}
    current = undone.current()
    assert (current[paths[0]].verdict, current[paths[0]].label) == ("judged", "blue line")
    assert [row["path"] for row in images.noisy(run_id, 3)[0]] == paths  # evidence, no last word
    said = images.correct(run_id, {paths[0]: "green circle", paths[2]: None}, said_by="person")
    assert (said["said_by_person"], said["judged"]) == (2, 2)
    assert undone.current()[paths[2]].verdict == "rejected"
    assert paths[0] not in [row["path"] for row in images.noisy(run_id, 36)[0]]
    before = dict(undone.current())
    for speaker in ("model", "person"):
        for bad in ({"nothing.png": "blue line"}, {paths[1]: "cat"}, {}):
            with pytest.raises(RunError):
                images.correct(run_id, {paths[1]: "blue line", **bad} if bad else {}, speaker)  # type: ignore[dict-item,arg-type]
    assert dict(undone.current()) == before


def test_training_again_takes_what_was_said(
    shared: Session, images: ImageTools, undone: Corrections, run_id: str
) -> None:
    tools = RunTools(shared)
    path = images.noisy(run_id, 1)[0][0]["path"]
    images.correct(run_id, {path: "blue line"}, said_by="person")
    again = tools.fit(like=run_id, method="zero-shot", settings={"seed": 5}, name="again")["run"]
    said = tools.status(again, wait_seconds=100)
    assert (said["state"], said["name"], said["given_labels"]) == ("finished", "again", 1)
    info, before = shared.store.get(again).info, shared.store.get(run_id).info
    assert info.seed == 5
    assert info.settings["phase1_batch"] == before.settings["phase1_batch"] == 8
    assert undone.current()
    shared.store.delete(again)


def test_other_images_are_labelled_and_exports_made(
    images: ImageTools, shared: Session, run_id: str, image_folder: Path
) -> None:
    said = images.predict(run_id, str(image_folder), number=2)
    assert said["total"] == 36
    assert len(said["rows"]) == 2
    assert sum(said["rows"][0]["likeliest"].values()) == pytest.approx(1, abs=1e-4)
    assert said["refused"][0].startswith("red_square/broken.png")
    made = images.export(run_id, "json", only="clean")
    assert Path(made["file"]).stat().st_size == made["bytes"]
    assert made["address"] == f"/gradio_api/file={made['file']}"
    with pytest.raises(RunError, match="no format"):
        images.export(run_id, "exe")


@pytest.mark.parametrize("run", ["", "../../etc", "gone", "latest"])
def test_only_runs_are_asked(shared: Session, images: ImageTools, run: str) -> None:
    asks: list[Any] = [images.labels, images.noisy, images.export]
    asks += [lambda run: images.search(run, "x"), lambda run: images.picture(run, "x")]
    asks += [lambda run: images.correct(run, {"x": None})]
    asks += [lambda run: RunTools(shared).status(run)] if run else []
    asks += [lambda run: RunTools(shared).fit(like=run)] if run else []
    for ask in asks:
        with pytest.raises(RunError):
            ask(run)


def test_only_tools_have_names_and_each_says_what_it_takes(shared: Session) -> None:
    silent = page.build(shared, models=["embedded"])
    assert silent.get_api_info(all_endpoints=True)["named_endpoints"] == {}
    asked = shared.options
    shared.options = replace(asked, tools=True)
    try:
        built = page.build(shared, models=["embedded"])
    finally:
        shared.options = asked
    public = [event for event in built.fns.values() if event.api_visibility != "private"]
    assert {event.api_name for event in public} == set(offered.NAMES)
    info = built.get_api_info(all_endpoints=True)["named_endpoints"]
    assert set(info) == {f"/{name}" for name in offered.NAMES}
    for event in public:
        assert not event.queue
        _, texts, _ = gr.utils.get_function_description(event.fn)
        for parameter in info[f"/{event.api_name}"]["parameters"]:
            text = texts[parameter["parameter_name"]]
            assert text.endswith("."), (event.api_name, parameter["parameter_name"], text)
            assert parameter["type"], (event.api_name, parameter)
    assert {name for name, one in info.items() if len(one["returns"]) == 2} == {
        "/noisy", "/search", "/suggest",
    }  # fmt: skip
    assert "label-studio" in str(gr.utils.get_function_description(
        next(event.fn for event in public if event.api_name == "export")
    )[1]["format"])  # fmt: skip


def test_tools_are_refused_to_strangers_and_without_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = Options(runs_dir=tmp_path, cache_dir=tmp_path, tools=True)
    monkeypatch.setattr(offered.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(StudioError, match="pip install"):
        offered.check_tools(options)
    with pytest.raises(StudioError, match="strangers"):
        page.serve(replace(options, public=True), host="127.0.0.1", port=0)


def test_the_document_names_every_tool() -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "agents.md").read_text(encoding="utf-8")
    assert f"offers {len(offered.NAMES)} tools" in text
    table = [line for line in text.splitlines() if line.startswith("| `")]
    named = re.findall(r"`(\w+)`", " ".join(line.split("|")[1] for line in table))
    assert sorted(named) == sorted(offered.NAMES)
