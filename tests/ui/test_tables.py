"""Tables of labels on the page: those that came with the images, and corrections."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from studio.export.formats import format_of
from studio.export.subject import Subject
from studio.runs.checking import CLAIMED_FILE
from studio.runs.given import Correction
from studio.session.label_table import MAX_BYTES
from studio.session.limits import Limits
from studio.session.options import Options
from studio.session.rooms import Rooms, entered
from studio.session.session import Session
from studio.session.source import AT_HAND, OpenedRun
from studio.ui.data.labels import LabelsBox, parts_of
from studio.ui.explore.correct import CorrectPanel
from studio.ui.export import ExportTab
from studio.ui.train.tab import TrainTab
from studio.views.detail import corrections_summary
from tests.ui.conftest import QUICK, open_studio, sent, start

Arrive = Callable[[str, str], str]


@pytest.fixture
def arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Arrive:
    """Has a file uploaded; its path."""
    folder = tmp_path / "up"
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))

    def arrived(name: str, content: str) -> str:
        file = folder / "mark" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        return str(file)

    return arrived


@pytest.fixture
def here(session: Session, image_folder: Path) -> Session:
    """Images at hand, in whose folders three classes are."""
    session.data.use_folder(image_folder)
    session.data.wait(60)
    return session


def refused(work: Callable[..., Any], *given: Any) -> str:
    with pytest.raises(gr.Error) as caught:
        work(*given)
    return str(caught.value.message)


def shown(session: Session) -> dict[str, Any]:
    return sent(parts_of(session.data.state))


TABLE = """file_name,class
red_square/0.png,red_square
./red_square\\1.png,blue line
red_square/0.png,red_square
elsewhere/0.png,red_square
"""


def test_labels_that_came_with_the_images_are_read_as_by_fit_and_kept(
    here: Session, arrive: Arrive, tmp_path: Path, image_folder: Path
) -> None:
    box = LabelsBox(here)
    assert shown(here)["untable"]["visible"] is False
    box.take(file := arrive("labels.csv", TABLE))
    assert not Path(file).exists()
    table = here.data.state.table
    assert table is not None
    assert table.labels == {"red_square/0.png": "red_square", "red_square/1.png": "blue line"}
    text = str(shown(here)["table"])
    assert "2 labels</strong> from labels.csv" in text
    assert "lines 2, 4" in text
    assert "1 row of images that are not in the folder left out" in text
    assert shown(here)["untable"]["visible"] is True
    # A new start of the studio finds them, with their images only.
    with open_studio(tmp_path) as again:
        again.data.restore()
        again.data.wait(60)
        assert again.data.state.table == table
        other = tmp_path / "other"
        other.mkdir()
        (other / "a.png").write_bytes((image_folder / "red_square" / "0.png").read_bytes())
        again.data.use_folder(other)
        again.data.wait(60)
        assert again.data.state.table is None
    here.data.use_folder(image_folder)
    here.data.wait(60)
    assert here.data.state.table == table
    box.forget()
    assert here.data.state.table is None
    with open_studio(tmp_path) as again:
        again.data.restore()
        again.data.wait(60)
        assert again.data.state.table is None


def test_a_table_that_cannot_be_used_is_one_line_and_the_one_before_stays(
    here: Session, arrive: Arrive
) -> None:
    box = LabelsBox(here)
    box.take(arrive("labels.csv", TABLE))
    before = here.data.state.table
    against = "path,label\nred_square/0.png,blue line\nred_square/0.png,red square\n"
    said = refused(box.take, arrive("a.csv", against))
    assert said.startswith("a.csv: 1 image has more than one label: red_square/0.png is blue line")
    assert "(line 2)" in said
    assert "(line 3)" in said
    none = "path,label\nnowhere/9.png,red square\n"
    assert "none of its 1 image is among the images at hand" in refused(
        box.take, arrive("b.csv", none)
    )
    strange = "path,label\nred_square/0.png,zebra\n"
    assert "zebra" in refused(box.take, arrive("c.csv", strange))
    assert "no column" in refused(box.take, arrive("d.csv", "hello\n1\n"))
    assert "did not arrive" in refused(box.take, None)
    large = f"path,label\n{'x' * (MAX_BYTES + 1)}"
    assert "tables of at most 32 MB" in refused(box.take, arrive("e.csv", large))
    assert here.data.state.table is before


def test_labels_name_the_classes_where_nothing_else_does(
    session: Session, arrive: Arrive, tmp_path: Path, image_folder: Path
) -> None:
    box = LabelsBox(session)
    assert "Choose images first" in refused(box.take, arrive("l.csv", "path,label\na.png,cat\n"))
    folder = tmp_path / "flat"
    folder.mkdir()
    for name, of in (("a.png", "red_square/0.png"), ("b.png", "blue_line/0.png")):
        (folder / name).write_bytes((image_folder / of).read_bytes())
    session.data.use_folder(folder)
    session.data.wait(60)
    labels = [{"image": "a.png", "label": "cat"}, {"image": "b.png", "label": "dog, small"}]
    box.take(arrive("labels.json", json.dumps(labels)))
    assert session.data.state.names == ["cat", "dog, small"]


def test_a_run_checks_them_unless_told_otherwise(
    loaded: Session, arrive: Arrive, image_folder: Path
) -> None:
    images = sorted(image_folder.glob("*/?.png"))
    rows = [f"{path.relative_to(image_folder)},{path.parent.name}" for path in images]
    LabelsBox(loaded).take(arrive("labels.csv", "\n".join(["path,label", *rows])))
    tab = TrainTab(loaded)
    with gr.Blocks():
        tab.build(["embedded"], gr.Textbox())
    asked = sent(tab.parts({}, "", None))["check"]  # type: ignore[arg-type]
    assert (asked["visible"], asked["label"]) == (True, "Check the 30 labels of labels.csv")
    model = loaded.data.state.model
    said = refused(lambda: start(tab, model, QUICK, method="zero-shot"))
    assert "leave the labels out" in said
    loaded.data.set_inputs("red square\ngreen circle\nzebra")
    assert "blue_line" in refused(lambda: start(tab, model, QUICK))
    loaded.data.set_inputs("red square\ngreen circle\nblue line")

    def done(**changes: Any) -> str:
        run_id = start(tab, model, QUICK, **changes)
        assert loaded.worker.wait(400)
        return run_id

    run = loaded.store.get(done())
    assert (run.path / CLAIMED_FILE).read_text().count("\n") == 31
    (entry,) = format_of("checked").entries(Subject.of(run))
    assert entry.size == (run.path / "checked.csv").stat().st_size > 500
    facts = str(tab.shows._facts(run.id))
    assert "Checked labels" in facts
    assert "Of the checked labels clean" in facts
    run = loaded.store.get(done(check=False))
    assert not (run.path / CLAIMED_FILE).exists()
    shown = ExportTab(loaded).show_files(run.id, "checked", False)
    assert "this run checked no labels" in shown[0]


def test_visitors_do_not_see_each_others_labels(
    tmp_path: Path, image_folder: Path, arrive: Arrive
) -> None:
    rooms = Rooms(Options(tmp_path / "runs", tmp_path / "cache", public=True, limits=Limits()))
    for visitor in ("a", "b"):
        rooms.room(visitor).data.use_folder(image_folder, source="upload")
        rooms.room(visitor).data.wait(60)
    with entered("a"):
        LabelsBox(rooms).take(arrive("labels.csv", TABLE))
    assert rooms.room("a").data.state.table is not None
    assert rooms.room("b").data.state.table is None
    file = rooms.room("a").options.cache_dir / "label-table.json"
    assert file.is_file()


# Corrections --------------------------------------------------------------------------------------


def upload(path: str) -> list[dict[str, str]]:
    return [{"path": path}]


CORRECTIONS = """path,label,correction,judged_label
red_square/0.png,red square,accepted,
red_square/1.png,Blue Line,relabelled,green circle
red_square/2.png,,rejected,
red_square/3.png,,judged,green circle
red_square/4.png,,,
red_square/0.png,red square,accepted,
elsewhere.png,red square,accepted,
"""


@pytest.mark.parametrize("before_any_run", [False, True])
def test_a_table_of_corrections_is_one_press_and_one_undo(
    panel: CorrectPanel, run_id: str, arrive: Arrive, before_any_run: bool
) -> None:
    source = AT_HAND if before_any_run else OpenedRun(run_id)
    choice = AT_HAND.choice if before_any_run else run_id
    corrections = panel.session.corrections(source)
    mine = {"red_square/0.png": "blue line"}
    corrections.add("relabelled", mine)
    id = panel.take_table(choice, upload(arrive("mine.csv", CORRECTIONS)))
    assert corrections.stands(id)
    assert corrections.current() == {
        "red_square/0.png": Correction("accepted", "red square"),
        "red_square/1.png": Correction("relabelled", "blue line", judged="green circle"),
        "red_square/2.png": Correction("rejected"),
        "red_square/3.png": Correction("judged", "green circle"),
    }
    last = corrections.last()
    assert last is not None
    assert last.text == "4 images from mine.csv"
    html = corrections_summary(corrections.current(), last, trained=True, chosen="")
    assert "Last: 4 images from mine.csv" in html
    assert "lines 2, 7" in html
    assert "1 row of images that are not among these left out" in html
    assert panel.undo(choice).text == "4 images from mine.csv"
    assert corrections.current() == {"red_square/0.png": Correction("relabelled", "blue line")}


def test_corrections_that_cannot_be_used_change_nothing(
    panel: CorrectPanel, run_id: str, arrive: Arrive
) -> None:
    from studio.errors import StudioError

    def said(content: str) -> str:
        with pytest.raises(StudioError) as caught:
            panel.take_table(run_id, upload(arrive("mine.csv", content)))
        return str(caught.value)

    assert "red square (line 2) and blue line (line 3)" in said(
        "path,label\nred_square/0.png,red square\nred_square/0.png,blue line\n"
    )
    assert "zebra" in said("path,label\nred_square/0.png,zebra\n")
    assert "1 image of the" in said("path,label\nx.png,red square\n")
    assert "labels that a model gave" in said("path,label,clean_probability\na.png,red square,1\n")
    with pytest.raises(StudioError, match="did not arrive"):
        panel.take_table(run_id, [{"path": "/etc/passwd"}])
    assert not panel.session.corrections(OpenedRun(run_id)).current()
