from __future__ import annotations

import csv
import os
import time
import zipfile
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from studio.session.session import Session
from studio.ui.export import ExportTab, snippet


def path_of(url: str) -> Path:
    return Path(url.removeprefix("gradio_api/file="))


def test_labels_and_model_are_downloaded(shared: Session, run_id: str) -> None:
    tab = ExportTab(shared)
    assert tab.choices(None)["value"] == run_id
    about, labels, model = tab.show(run_id)
    assert labels["interactive"]
    assert model["interactive"]
    assert run_id in about
    file = path_of(tab.make_labels(run_id))
    rows = list(csv.DictReader(file.open(encoding="utf-8")))
    assert len(rows) == 36
    assert set(rows[0]) >= {"path", "label", "clean_probability", "clean"}
    archive = path_of(tab.make_model(run_id))
    with zipfile.ZipFile(archive) as packed:
        names = packed.namelist()
        assert packed.testzip() is None
    assert f"{run_id}/model.json" in names
    assert any(name.endswith(".safetensors") for name in names)
    for made in (file, archive):
        assert made.is_relative_to(shared.options.cache_dir / "exports")
        assert len(made.parent.name) == 32  # not to be guessed


@pytest.mark.parametrize("run", [None, "", "../../etc/passwd", "gone", 5])
def test_only_runs_can_be_exported(shared: Session, run: Any) -> None:
    tab = ExportTab(shared)
    for make in (tab.make_labels, tab.make_model):
        with pytest.raises(gr.Error):
            make(run)


def test_without_runs_there_is_nothing_to_export(session: Session) -> None:
    tab = ExportTab(session)
    assert tab.choices("x")["value"] is None
    text, labels, model = tab.show(None)
    assert "Nothing to export" in text
    assert not labels["interactive"]
    assert not model["interactive"]


def test_old_downloads_are_forgotten(session: Session) -> None:
    folder = session.options.cache_dir / "exports" / "x"
    folder.mkdir(parents=True)
    for name, age in (("old.zip", 10 * 86_400), ("new.zip", 60)):
        (folder / name).touch()
        os.utime(folder / name, (time.time() - age,) * 2)
    ExportTab(session)
    assert [file.name for file in folder.iterdir()] == ["new.zip"]


def test_the_snippet_comes_from_the_documentation() -> None:
    assert "```python" in snippet()
    assert "labels.csv" in snippet()
