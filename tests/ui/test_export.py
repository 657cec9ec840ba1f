from __future__ import annotations

import csv
import inspect
import os
import re
import threading
import time
import zipfile
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from studio.errors import RunError
from studio.export.downloads import Downloads
from studio.export.entry import Entry
from studio.export.labels import LABEL_COLUMNS
from studio.export.subject import Subject
from studio.runs.again import command_of
from studio.session.session import Session
from studio.ui.export import PREVIEW_ROWS, ExportTab, snippet


def last(answers: Iterator[list[Any]]) -> Path:
    """The file that a button makes, once it is there."""
    *_, (message, url) = answers
    assert message == ""
    return Path(url.removeprefix("gradio_api/file="))


def test_labels_and_model_are_downloaded(shared: Session, run_id: str) -> None:
    tab = ExportTab(shared)
    assert tab.choices(None)["value"] == run_id
    shown = tab.show(run_id)
    assert shown.labels["interactive"]
    assert shown.model["interactive"]
    assert run_id in shown.about
    file = last(tab.make_labels(run_id))
    rows = list(csv.DictReader(file.open(encoding="utf-8")))
    assert len(rows) == 36
    assert set(rows[0]) >= {"path", "label", "clean_probability", "clean"}
    archive = last(tab.make_model(run_id))
    with zipfile.ZipFile(archive) as packed:
        names = packed.namelist()
        assert packed.testzip() is None
    assert f"{run_id}/model.json" in names
    assert any(name.endswith(".safetensors") for name in names)
    for made in (file, archive):
        assert made.is_relative_to(shared.options.cache_dir / "exports")
        assert len(made.parent.name) == 32  # not to be guessed


def test_a_download_waits_behind_nothing_and_puts_nothing_out(shared: Session, run_id: str) -> None:
    tab, over = ExportTab(shared), threading.Event()
    done = shared.tasks.ask("kept", "worked out", lambda task: 1)
    assert done.ended.wait(60)
    busy = shared.tasks.ask("busy", "busy", lambda task: over.wait(120))
    try:
        for _ in range(8):  # more than a session keeps
            assert last(tab.make_labels(run_id)).is_file()
        assert busy.pending
        assert shared.tasks.ask("kept", "worked out", lambda task: 2) is done
    finally:
        over.set()


def test_a_preview_shows_the_first_rows_of_the_file_and_explains_its_columns(
    shared: Session, run_id: str
) -> None:
    tab = ExportTab(shared)
    rows = list(csv.reader(last(tab.make_labels(run_id)).open(encoding="utf-8")))
    html = tab.show(run_id).preview
    cells = re.findall(r"<td.*?>(.*?)</td>", html)
    assert cells == [cell for row in rows[1 : 1 + PREVIEW_ROWS] for cell in row]
    assert re.findall(r'<th scope="col">(.*?)</th>', html) == list(LABEL_COLUMNS)
    assert "5 of 36 rows" in html
    for column in LABEL_COLUMNS:
        assert re.search(rf"<dt><code>{column}</code></dt>\s*<dd>\w", html), column


def test_the_summary_says_what_the_files_are_and_how_many_labels_are_right(
    shared: Session, run_id: str
) -> None:
    html = ExportTab(shared).show(run_id).about
    outcome = shared.outcome(shared.reader(run_id))
    assert outcome is not None
    assert f"{100 * outcome.clean.mean():.0f} %" in html
    assert "of the labels clean" in html
    assert re.search(r"about \d+ %", html)
    assert re.search(r"\d+ to \d+ %, estimated without labels", html)
    assert f"{command_of(shared.store.get(run_id))}</code>" in unescape(html)
    for file in (shared.store.get(run_id).path / "model").iterdir():
        assert f"<code>{file.name}</code>" in html
    assert "Belongs to the model" not in html  # each file is explained


@pytest.mark.parametrize("run", [None, "", "../../etc/passwd", "gone", 5])
def test_only_runs_can_be_exported(shared: Session, run: Any) -> None:
    tab = ExportTab(shared)
    for make in (tab.make_labels, tab.make_model):
        with pytest.raises(gr.Error):
            list(make(run))


def test_a_download_says_how_far_it_is_and_what_went_wrong(
    shared: Session, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = threading.Event()

    def slow(subject: Subject) -> Iterator[Entry]:
        subject.begin("Looking at the images")(3, 9)
        assert told.wait(60)
        yield Entry("a.txt", b"a")
        raise RunError("that was all")

    monkeypatch.setattr("studio.export.labels.as_csv", slow)
    seen = []

    def look() -> None:
        for message, url in ExportTab(shared).make_labels(run_id):
            seen.append(message)
            assert url == ""
            if "looking at the images" in message:
                told.set()

    with pytest.raises(gr.Error, match="that was all"):
        look()
    assert any('aria-valuenow="33"' in message for message in seen), seen
    assert seen[-1] == ""
    for make in (ExportTab.make_labels, ExportTab.make_model, ExportTab.make_other):
        assert inspect.isgeneratorfunction(make), "gradio takes any other answer for a whole one"


def test_without_runs_there_is_nothing_to_export(session: Session) -> None:
    tab = ExportTab(session)
    assert tab.choices("x")["value"] is None
    shown = tab.show(None)
    assert "Nothing to export" in shown.about
    assert shown.preview == ""
    assert not shown.labels["interactive"]
    assert not shown.model["interactive"]


def test_old_downloads_are_forgotten(session: Session) -> None:
    folder = session.options.cache_dir / "exports" / "x"
    folder.mkdir(parents=True)
    for name, age in (("old.zip", 10 * 86_400), ("new.zip", 60)):
        (folder / name).touch()
        os.utime(folder / name, (time.time() - age,) * 2)
    Downloads(session.options.cache_dir)
    assert [file.name for file in folder.iterdir()] == ["new.zip"]


def test_the_snippet_comes_from_the_documentation() -> None:
    assert "```python" in snippet()
    assert "labels.csv" in snippet()


def test_another_format_shows_its_files_before_it_is_made(shared: Session, run_id: str) -> None:
    tab = ExportTab(shared)
    html, button = tab.show_files(run_id, "label-studio", False)
    assert "tasks.json" in html
    assert "2 files" in html
    assert button["interactive"]
    archive = last(tab.make_other(run_id, "label-studio", False))
    with zipfile.ZipFile(archive) as packed:
        names = [Path(name).name for name in packed.namelist()]
        size = sum(part.file_size for part in packed.infolist())
    assert names == ["tasks.json", "config.xml"]
    assert f"{size / 1e3:,.0f} kB" in html
    assert tab.show_files(None, "cvat", False)[0] == ""
    with pytest.raises(gr.Error):
        tab.show_files(run_id, "coco", False)


def test_only_clean_images_can_be_asked_for(shared: Session, run_id: str) -> None:
    tab = ExportTab(shared)
    outcome = shared.outcome(shared.reader(run_id))
    assert outcome is not None
    rows = list(csv.DictReader(last(tab.make_other(run_id, "csv", True)).open()))
    assert len(rows) == outcome.clean.sum() > 0


def test_what_a_format_lacks_is_said_on_the_page(
    shared: Session, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.export.subject.Subject.root", Path("/nowhere"))
    html, button = ExportTab(shared).show_files(run_id, "imagefolder", False)
    assert "is not in /nowhere any more" in html
    assert not button["interactive"]
