"""Every format, read back by the library that it is for where that is small enough."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from studio.errors import RunError, Stopped, StudioError
from studio.export.command import export_run
from studio.export.entry import Entry, text_of_rows
from studio.export.formats import FORMATS, format_of
from studio.export.onnx_file import MAKING
from studio.export.subject import COPYING, READING, Subject, image_names
from studio.export.write import write_file, write_folder
from studio.progress import Progress, unheard
from studio.runs.encoding import ENCODING, LOADING
from studio.runs.reader import RunReader
from studio.runs.run import Run
from studio.views.export import about
from tests.export.conftest import JUDGED, NAMES

SLOW = ("onnx", "html")
"""Formats with slow tests of their own."""


def labels(run: Run) -> dict[str, str]:
    subject = Subject.of(run)
    return {row["path"]: row["label"] for row in subject.rows()}


def test_every_way_to_take_labels_away_has_the_columns_of_labels_csv(
    run: Run, tmp_path: Path
) -> None:
    from studio.api.run import Run as Loaded
    from studio.export.labels import LABEL_COLUMNS

    wanted = set(LABEL_COLUMNS)
    assert set(Subject.of(run).row(0)) == wanted
    assert set(Loaded(run).labels.columns) == wanted
    for name in ("json", "parquet"):
        export_run(run, name, tmp_path / name)
    value = json.loads((tmp_path / "json" / "labels.json").read_text())
    assert set(value["images"][0]) == wanted | {"likely"}
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = parquet.read_table(tmp_path / "parquet" / "labels.parquet").column_names
    assert set(columns) == wanted | {"likely", "probabilities"}


def test_every_format_has_files_that_stay_inside_and_are_as_large_as_said(
    run: Run, tmp_path: Path
) -> None:
    subject = Subject.of(run)
    for name, format in FORMATS.items():
        if name in SLOW or name == "checked":  # this run checked no labels
            continue
        entries = list(format.entries(subject))
        assert entries, name
        assert len({entry.name.casefold() for entry in entries}) == len(entries)
        write_folder(entries, tmp_path / name)
        for entry in entries:
            size = (tmp_path / name / entry.name).stat().st_size
            assert size == entry.size or (not entry.exact and 0.5 < size / entry.size < 2)
            assert size > 0
        pictures = [entry for entry in entries if entry.name.endswith(".png")]
        assert bool(pictures) == format.images
        with pytest.raises(RunError, match="not empty"):
            write_folder(entries, tmp_path / name)


def test_only_clean_leaves_noisy_images_out_of_everything(run: Run) -> None:
    everything, clean = Subject.of(run), Subject.of(run, only="clean")
    rows = list(everything.rows())
    assert len(rows) == 35, "a rejected image has no class"
    assert len(everything.listed) == 36, "but a row in a table"
    assert list(clean.rows()) == [row for row in rows if row["clean"]]
    assert clean.listed == clean.indices
    with pytest.raises(RunError, match="everything or clean"):
        Subject.of(run, only="best")


def test_csv_is_the_labels_csv_of_the_page(run: Run, out: Path, tmp_path: Path) -> None:
    from studio.export.labels import labels_csv

    export_run(run, "csv", out)
    assert (out / "labels.csv").read_text() == labels_csv(run, tmp_path / "l.csv").read_text()
    export_run(run, "csv", tmp_path / "clean", only="clean")
    rows = list(csv.DictReader((tmp_path / "clean" / "labels.csv").open()))
    assert {row["clean"] for row in rows} == {"true"}


def test_what_was_judged_is_a_column_of_its_own_and_never_called_a_persons(
    run: Run, out: Path
) -> None:
    subject = Subject.of(run)
    rows = {row["path"]: row for row in subject.rows()}
    assert rows["=a & b, c.png"]["correction"] == "relabelled"
    assert rows["=a & b, c.png"]["judged_label"] == NAMES[0]
    numbers = {path: i for i, path in enumerate(subject.outcome.paths)}
    for path, said in JUDGED.items():
        assert (rows[path]["correction"], rows[path]["judged_label"]) == ("judged", said)
        own = subject.outcome.labels[numbers[path]]
        assert rows[path]["label"] == subject.outcome.name(int(own)), "evidence is no order"
        assert rows[path]["clean"] == bool(subject.outcome.clean[numbers[path]])
    export_run(run, "label-studio", out)
    tasks = {t["data"]["path"]: t for t in json.loads((out / "tasks.json").read_text())}
    assert "annotations" in tasks["=a & b, c.png"]
    assert "predictions" in tasks["blue_line/5.png"]


def test_json_holds_labels_likely_classes_and_what_was_refused(run: Run, out: Path) -> None:
    export_run(run, "json", out)
    value = json.loads((out / "labels.json").read_text())
    assert value["classes"] == list(NAMES)
    assert [refused["path"] for refused in value["refused"]] == ["red_square/broken.png"]
    by_path = {image["path"]: image for image in value["images"]}
    assert by_path["=a & b, c.png"]["correction"] == "relabelled"
    assert by_path["=a & b, c.png"]["label"] == NAMES[2]
    assert by_path["blue_line/3.png"]["correction"] == "rejected"
    assert by_path["blue_line/3.png"]["judged_label"] is None
    likely = by_path["blue_line/4.png"]["likely"]
    assert set(likely) == set(NAMES)
    assert sum(likely.values()) == pytest.approx(1, abs=1e-4)


def test_parquet_is_read_by_pandas_with_types(run: Run, out: Path) -> None:
    pytest.importorskip("pyarrow")
    pandas = pytest.importorskip("pandas")
    export_run(run, "parquet", out)
    frame = pandas.read_parquet(out / "labels.parquet").set_index("path")
    assert len(frame) == 36
    assert frame["clean"].dtype == bool
    assert frame["clean_probability"].between(0, 1).all()
    assert frame.loc["=a & b, c.png", "label"] == NAMES[2]


def test_image_folders_are_read_by_torchvision(run: Run, out: Path) -> None:
    from torchvision.datasets import ImageFolder

    export_run(run, "imagefolder", out, links=True)
    read = ImageFolder(str(out))
    assert len(read) == 35
    assert set(read.classes) <= {"red square", "green_circle", "Ünïted _b_"}
    rows = {row["file_name"]: row for row in csv.DictReader((out / "metadata.csv").open())}
    wanted = labels(run)
    for file, number in read.samples:
        row = rows[str(Path(file).relative_to(out))]
        assert row["label"] == wanted[row["original_path"]]
        assert read.classes[number] == row["label"].replace("/", "_").replace("<b>", "_b_")
        assert Path(file).resolve() == (Path(run.info.folder) / row["original_path"]).resolve()


def test_a_hugging_face_folder_is_read_by_datasets(
    run: Run, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    export_run(run, "huggingface", out)
    read = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "hf"), split="train")
    assert set(read.features) >= {"image", "label", "clean", "clean_probability"}
    wanted = labels(run)
    assert len(read) == len(wanted)
    for row in read:
        assert row["label"] == wanted[row["original_path"]]
        assert row["image"].size == (48, 40)


def test_fiftyone_labels_belong_to_the_files_of_the_same_name(run: Run, out: Path) -> None:
    export_run(run, "fiftyone", out)
    read = json.loads((out / "labels.json").read_text())["labels"]
    assert set(read) == {file.stem for file in (out / "data").iterdir()}
    wanted, rows = labels(run), {row["path"]: row for row in Subject.of(run).rows()}
    assert {one["attributes"]["path"]: one["label"] for one in read.values()} == wanted
    for one in read.values():
        row = dict(rows[one["attributes"]["path"]])
        row["is_clean"] = row.pop("clean")  # a method of FiftyOne's documents
        assert one["attributes"] | {n: one[n] for n in ("label", "confidence")} == row
    for key, one in read.items():
        original = Path(run.info.folder) / one["attributes"]["path"]
        assert (out / "data" / f"{key}.png").read_bytes() == original.read_bytes()


def test_cvat_has_a_tag_with_a_known_label_for_each_image(run: Run, out: Path) -> None:
    export_run(run, "cvat", out)
    root = ET.parse(out / "annotations.xml").getroot()
    known = [label.text for label in root.findall("meta/task/labels/label/name")]
    assert known == list(NAMES)
    tags = {image.get("name"): image.find("tag") for image in root.findall("image")}
    assert {name: tag.get("label") for name, tag in tags.items() if tag is not None} == labels(run)
    for tag in tags.values():
        assert tag is not None
        said = {str(part.get("name")): part.text for part in tag}
        assert set(said) >= {"clean", "clean_probability", "confidence", "correction"}
    said = {part.get("name"): part.text for part in tags["blue_line/5.png"] or ()}
    assert (said["correction"], said["judged_label"]) == ("judged", JUDGED["blue_line/5.png"])


def test_label_studio_has_predictions_and_what_a_person_said_as_annotations(
    run: Run, out: Path
) -> None:
    export_run(run, "label-studio", out)
    view = ET.parse(out / "config.xml").getroot()
    choices = view.find("Choices")
    assert choices is not None
    assert [choice.get("value") for choice in choices] == list(NAMES)
    tasks = {task["data"]["path"]: task for task in json.loads((out / "tasks.json").read_text())}
    corrected = tasks.pop("=a & b, c.png")
    assert "predictions" not in corrected
    assert corrected["annotations"][0]["result"][0]["value"] == {"choices": [NAMES[2]]}
    assert corrected["data"]["image"] == "/data/local-files/?d=%3Da%20%26%20b%2C%20c.png"
    for path, task in tasks.items():
        (said,) = task["predictions"]
        (result,) = said["result"]
        assert (result["from_name"], result["to_name"]) == (choices.get("name"), "image")
        assert result["value"] == {"choices": [labels(run)[path]]}
        assert 0 <= said["score"] <= 1


def test_the_card_says_what_is_known_and_what_is_not(run: Run, out: Path) -> None:
    export_run(run, "model-card", out)
    text = (out / "README.md").read_text()
    assert "| right labels, estimated | about" in text
    assert "## Limits" in text
    assert all(name in text for name in NAMES)
    assert "python -m studio fit" in text


def test_a_share_that_was_measured_on_the_test_folder_says_so(
    run: Run, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not the share of right labels among those that are exported."""
    result = run.result()
    assert result is not None
    apart = replace(result, accuracy=0.757, test_folder="/elsewhere")
    monkeypatch.setattr(Run, "result", lambda _run: apart)
    export_run(run, "model-card", out)
    assert "| accuracy, on the test folder | 75.7 % |" in (out / "README.md").read_text()
    reader = RunReader(run)
    reader.refresh()
    told = " ".join(re.sub(r"<[^>]+>", " ", about(reader, None)).split())
    assert "75.7 % right on the test folder" in told


def test_names_never_fall_together(run: Run) -> None:
    from studio.export.subject import _folders

    assert _folders(("A/b", "a:b", "a_b", "..", "")) == ["A_b", "a_b-2", "a_b-3", "_", "_-2"]
    subject = Subject.of(run)
    for by_class in (True, False):
        names = image_names(subject, by_class=by_class)
        assert len({name.casefold() for name in names.values()}) == len(subject.indices)


def test_an_export_is_whole_or_not_there(run: Run, out: Path, tmp_path: Path) -> None:
    def broken() -> Any:
        yield Entry("a.txt", b"a")
        yield Entry("b.txt", tmp_path / "gone")

    with pytest.raises(RunError, match="cannot write"):
        write_folder(broken(), out)
    assert list(tmp_path.iterdir()) == []
    for name in ("../a", "/a", ""):
        with pytest.raises(RunError, match="no name"):
            write_folder([Entry(name, b"")], out)
        with pytest.raises(RunError, match="no name"):
            write_file([Entry("a", b""), Entry(name, b"")], tmp_path, "x", inside="x")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RunError, match="no format 'coco'"):
        format_of("coco")


@pytest.mark.parametrize(
    "to",
    ["csv", "imagefolder", "cleanlab", *(pytest.param(to, marks=pytest.mark.slow) for to in SLOW)],
)
def test_whatever_takes_long_says_how_far_it_is_and_what_ends_it_leaves_nothing(
    run: Run, out: Path, tmp_path: Path, to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDIO_CACHE", str(tmp_path.parent / f"{tmp_path.name}-cache"))
    if to == "onnx":
        for library in ("onnx", "onnxscript", "onnxruntime"):
            pytest.importorskip(library)
    steps: dict[str, list[tuple[int, int]]] = {}

    def begin(text: str) -> Progress:
        return lambda done, total: steps.setdefault(text, []).append((done, total))

    export_run(run, to, out, begin=begin)
    expected = {
        "imagefolder": {COPYING}, "onnx": {MAKING}, "html": {LOADING, ENCODING},
        "cleanlab": {LOADING, ENCODING, "Working out the probabilities"},
    }.get(to, set())  # fmt: skip
    assert set(steps) >= {READING, *expected}
    for text, told in steps.items():
        dones = [done for done, _ in told]
        assert dones == sorted(dones), text
        assert told[-1][0] == told[-1][1], text
    shutil.rmtree(out)
    steps.clear()
    export_run(run, to, out, begin=begin)  # with what is kept by now
    shutil.rmtree(out)
    for text in steps:

        def stopping(step: str, text: str = text) -> Progress:
            def told(_done: int, _total: int) -> None:
                if step == text:
                    raise Stopped

            return told

        with pytest.raises(Stopped):
            export_run(run, to, out, begin=stopping)
        assert list(tmp_path.iterdir()) == []


def test_a_long_table_says_how_many_rows_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.export.entry._TOLD_FROM", 3)
    told: list[tuple[str, int, int]] = []
    for rows in (2, 5):
        entry = text_of_rows(
            "a.csv", lambda chosen: (f"{i}\n" for i in chosen), range(rows),
            begin=lambda text: lambda done, total: told.append((text, done, total)),
        )  # fmt: skip
        entry.write(io.BytesIO())
    assert told == [("Writing a.csv", 5, 5)]


def test_a_folder_that_is_not_empty_is_told_of_before_anything_is_made(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    begun: list[str] = []
    for out, said in ((tmp_path, "not empty"), (tmp_path / "file", "is a file")):
        with pytest.raises(RunError, match=said):
            export_run(run, "html", out, begin=lambda text: begun.append(text) or unheard(text))
    assert not begun


def test_images_that_are_gone_are_named(run: Run, out: Path, tmp_path: Path) -> None:
    copy = tmp_path / "runs" / run.id
    shutil.copytree(run.path, copy)
    images = json.loads((copy / "images.json").read_text())
    (copy / "images.json").write_text(json.dumps({**images, "root": str(tmp_path / "gone")}))
    with pytest.raises(StudioError, match=r"is not in .*gone any more"):
        export_run(Run(copy), "imagefolder", out)
    assert not out.exists()
    export_run(Run(copy), "csv", out)


def test_several_files_are_one_zip(run: Run, tmp_path: Path) -> None:
    subject = Subject.of(run)
    made = write_file(format_of("label-studio").entries(subject), tmp_path, "run-x", inside="run")
    with zipfile.ZipFile(made) as packed:
        assert packed.namelist() == ["run/tasks.json", "run/config.xml"]
        assert packed.testzip() is None
    single = write_file(format_of("cvat").entries(subject), tmp_path, "run", inside="run")
    assert single.name == "run-annotations.xml"


def test_the_command_lists_formats_and_writes_one(
    run: Run, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from studio.cli import main

    runs = ["--runs", str(run.path.parent)]
    assert main(["export", *runs]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in FORMATS)
    wanted = ["export", run.id, "--to", "label-studio", "--out", str(out), *runs]
    assert main(wanted) == 0
    assert "2 files" in capsys.readouterr().out
    assert main(wanted) == 2
    assert "not empty" in capsys.readouterr().err
    assert main(["export", "--to", "csv", *runs]) == 2
    assert "Give a run" in capsys.readouterr().err


def test_cleanlab_reads_labels_and_probabilities(run: Run, out: Path) -> None:
    filter = pytest.importorskip("cleanlab.filter")
    import numpy as np

    export_run(run, "cleanlab", out)
    labels_read, shares = np.load(out / "labels.npy"), np.load(out / "pred_probs.npy")
    names = json.loads((out / "classes.json").read_text())
    rows = list(csv.DictReader((out / "images.csv").open()))
    assert {row["path"].removeprefix("./"): row["label"] for row in rows} == labels(run)
    assert [names[i] for i in labels_read] == [row["label"] for row in rows]
    assert shares.shape == (35, 3)
    assert np.allclose(shares.sum(1), 1, atol=1e-5)
    assert np.load(out / "features.npy").shape == (35, 16)
    assert filter.find_label_issues(labels_read, shares).shape == (35,)
    said = (out / "README.md").read_text()
    assert "Out-of-sample means" in said
    assert "5 parts" in said


def test_cleanlab_takes_the_labels_that_were_to_be_checked(
    run: Run, out: Path, tmp_path: Path
) -> None:
    import numpy as np

    from studio.runs.checking import keep_labels

    copy = tmp_path / "runs" / run.id
    shutil.copytree(run.path, copy)
    claims = {
        "green_circle/1.png": NAMES[2],
        "=a & b, c.png": NAMES[0],
        "blue_line/3.png": NAMES[0],
    }
    keep_labels(copy, claims)
    export_run(Run(copy), "cleanlab", out)
    rows = {row["path"]: row["label"] for row in csv.DictReader((out / "images.csv").open())}
    # What a person said since counts, and a rejected image is left out.
    assert rows == {"green_circle/1.png": NAMES[2], "./=a & b, c.png": NAMES[2]}
    assert np.load(out / "labels.npy").tolist() == [2, 2]
