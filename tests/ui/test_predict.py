from __future__ import annotations

import csv
import shutil
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from gradio.utils import get_upload_folder

from studio.session import predicted
from studio.session.session import Session
from studio.ui.predict import PredictTab
from tests.ui.conftest import run_without_images


def uploaded(*files: Path) -> list[dict[str, str]]:
    """Copies of files where gradio puts uploads, as a page names them."""
    sent = []
    for number, file in enumerate(files):
        place = Path(get_upload_folder()) / f"predict-{number}"
        place.mkdir(parents=True, exist_ok=True)
        sent.append({"path": str(shutil.copy(file, place))})
    return sent


def last(tab: PredictTab, run: Any, sent: Any) -> list[Any]:
    return list(tab.predict(run, sent))[-1]


def test_dropped_images_get_labels_probabilities_and_their_nearest_training_images(
    shared: Session, run_id: str, image_folder: Path
) -> None:
    tab = PredictTab(shared)
    chosen, button, hint = tab.choices(None)
    assert chosen["value"] == run_id
    assert button["interactive"]
    assert "this run labels them" in hint
    files = [image_folder / "blue_line" / "3.png", image_folder / "red_square" / "broken.png"]
    sent = uploaded(*files)
    message, html, table, url = last(tab, run_id, sent)
    assert message == ""
    text = unescape(html)
    assert "1 image labelled" in text
    assert "3.png, labelled " in text
    assert "100 % similar" in text  # it is a training image itself
    assert "broken.png: " in text
    assert html.count("near-card") == predicted.NEAREST
    assert html.count('<img src="gradio_api/file=') == 1 + predicted.NEAREST
    assert table["visible"]
    made = Path(url.removeprefix("gradio_api/file="))
    (row,) = csv.DictReader(made.open(encoding="utf-8"))
    assert row["path"] == "3.png"
    assert f"{row['label']} <small>{100 * float(row['confidence']):.0f} %" in text
    assert made.is_relative_to(shared.options.cache_dir / "exports")
    assert len(made.parent.name) == 32  # not to be guessed
    assert not any(Path(file["path"]).exists() for file in sent)
    assert not any((shared.options.cache_dir / "uploads").iterdir())


def test_how_far_it_is_is_said_and_only_the_first_images_are_shown(
    shared: Session, run_id: str, image_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predicted, "SHOWN", 2)
    tab = PredictTab(shared)
    said = list(tab.predict(run_id, uploaded(*sorted((image_folder / "blue_line").iterdir())[:5])))
    assert "Labelling: " in said[0][0]
    html = said[-1][1]
    assert "5 images labelled; the first 2 are shown" in html
    assert html.count("<figure>") == 2
    made = Path(said[-1][3].removeprefix("gradio_api/file="))
    assert len(list(csv.DictReader(made.open(encoding="utf-8")))) == 5


@pytest.mark.parametrize("run", [None, "", "../../etc/passwd", "gone", 5])
def test_only_runs_with_a_classifier_are_asked(
    shared: Session, image_folder: Path, run: Any
) -> None:
    sent = uploaded(image_folder / "blue_line" / "3.png")
    ((message, _, table, url),) = PredictTab(shared).predict(run, sent)
    assert "notice-bad" in message
    assert not table["visible"]
    assert url == ""
    assert not Path(sent[0]["path"]).exists()


def test_a_run_without_a_classifier_is_not_offered(
    session: Session, image_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    tab = PredictTab(session)
    assert "start one on the Train tab" in tab.choices("x")[2]
    run = run_without_images(session, image_folder, str(tiny_model), tmp_path)
    message, html, *_ = last(tab, run, uploaded(image_folder / "blue_line" / "3.png"))
    assert message == ""
    assert "Without the training images" in html
    assert "near-card" not in html
    shutil.rmtree(session.store.get(run).path / "model")
    assert tab.choices(None)[0]["choices"] == []
    ((message, *_),) = tab.predict(run, uploaded(image_folder / "blue_line" / "3.png"))
    assert "has no model to label other images with" in message
    session.store.get(run).set_status(state="interrupted")
    ((message, *_),) = tab.predict(run, uploaded(image_folder / "blue_line" / "3.png"))
    assert f"no trained classifier: it is interrupted; python -m studio fit --resume {run}" in (
        unescape(message)
    )


@pytest.mark.parametrize("sent", [None, [], [{"path": "/etc/passwd"}], "/etc/passwd"])
def test_what_was_not_uploaded_is_not_read(shared: Session, run_id: str, sent: Any) -> None:
    ((message, *_),) = PredictTab(shared).predict(run_id, sent)
    assert "No image arrived" in message
