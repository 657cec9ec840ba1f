"""Corrections as a table and as a fit takes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.errors import RunError
from studio.runs.given import NONE, REJECTED, UNKNOWN, Correction, Counts, count, given_vector
from studio.runs.given_table import read_corrections, write_corrections


def test_what_is_written_is_read(tmp_path: Path):
    corrections = {
        "=1+1.png": Correction("relabelled", "-blue, line"),
        "a/b.png": Correction("accepted", "'quoted'"),
        "rejected.png": Correction("rejected"),
        "日本 ü.png": Correction("accepted", "x"),
    }
    path = write_corrections(tmp_path / "given.csv", corrections)
    assert read_corrections(path) == corrections
    text = path.read_text(encoding="utf-8")
    assert "\n=" not in text
    assert ",-blue" not in text


def test_what_a_judge_said_is_written_and_read(tmp_path: Path):
    corrections = {
        "a.png": Correction("judged", "cat"), "b.png": Correction("judged", ""),
        "c.png": Correction("accepted", "dog"),
    }  # fmt: skip
    path = write_corrections(tmp_path / "given.csv", corrections)
    assert path.read_text().splitlines()[0] == "path,label,correction"
    assert read_corrections(path) == corrections
    both = {**corrections, "d.png": Correction("rejected", judged="=cat")}
    assert read_corrections(write_corrections(tmp_path / "both.csv", both)) == both


def test_what_was_judged_is_read_from_its_own_column_of_labels_csv(tmp_path: Path):
    text = (
        "path,label,clean_probability,correction,judged_label\n"
        "a.png,cat,0.9,judged,dog\nb.png,dog,0.1,judged,\nc.png,cat,0.1,accepted,dog\n"
    )
    assert read_corrections(write(tmp_path / "labels.csv", text)) == {
        "a.png": Correction("judged", "dog"), "b.png": Correction("judged"),
        "c.png": Correction("accepted", "cat", judged="dog"),
    }  # fmt: skip


def test_what_was_judged_is_a_vector_of_its_own():
    corrections = {
        "a": Correction("judged", "Dog"), "b": Correction("judged"),
        "c": Correction("accepted", "cat", judged="dog"), "d": Correction("rejected"),
    }  # fmt: skip
    given = given_vector(corrections, paths=[*"abcde"], class_names=["cat", "dog"])
    assert given.vector.tolist() == [UNKNOWN, UNKNOWN, 0, REJECTED, UNKNOWN]
    assert given.judged.tolist() == [1, NONE, 1, UNKNOWN, UNKNOWN]
    assert (given.labels, given.rejected, given.judgements) == (1, 1, 1)
    assert given.corrections["a"] == Correction("judged", "dog")
    with pytest.raises(RunError, match="not in the list: horse"):
        given_vector(
            {"a": Correction("accepted", "cat", judged="horse")}, paths=["a"], class_names=["cat"]
        )


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def test_a_labels_csv_gives_only_what_was_corrected(tmp_path: Path):
    text = (
        "path,label,clean_probability,model_1_label,model_2_label,kept,confidence,correction\n"
        "a.png,cat,0.9,cat,cat,true,0.9,\nb.png,dog,0.1,cat,cat,true,0.9,relabelled\n"
        "c.png,cat,0.1,cat,cat,false,0.9,rejected\n"
    )
    found = read_corrections(write(tmp_path / "labels.csv", text))
    assert found == {"b.png": Correction("relabelled", "dog"), "c.png": Correction("rejected")}


def test_labels_that_a_model_gave_are_no_corrections(tmp_path: Path):
    text = "path,label,clean_probability\na.png,cat,0.9\n"
    with pytest.raises(RunError, match="not corrections"):
        read_corrections(write(tmp_path / "labels.csv", text))


def test_a_table_of_a_person_needs_no_third_column(tmp_path: Path):
    text = "Path,Label\r\n./a.png,cat\r\n\r\nb.png,\r\nc.png, dog \r\n"
    found = read_corrections(write(tmp_path / "mine.csv", text))
    assert found == {
        "a.png": Correction("relabelled", "cat"), "c.png": Correction("relabelled", "dog")
    }  # fmt: skip


def test_what_a_spreadsheet_makes_of_it_is_read(tmp_path: Path):
    text = "path;label;correction\r\na.png;cat, black;Accepted\r\nb.png\r\n"
    found = read_corrections(write(tmp_path / "excel.csv", text, "utf-8-sig"))
    assert found == {"a.png": Correction("accepted", "cat, black")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column path, label"),
        ("path,colour\na.png,cat\n", "no column label"),
        ("path,label,correction\na.png,cat,perhaps\n", "line 2: correction must be one of"),
        ("path,label,correction\na.png,cat,accepted\nb.png,,accepted\n", "line 3"),
        ("path,label,correction\n,cat,accepted\n", "line 2"),
    ],
)
def test_what_makes_no_sense_is_said_with_its_place(tmp_path: Path, text: str, said: str):
    with pytest.raises(RunError, match=said):
        read_corrections(write(tmp_path / "bad.csv", text))


@pytest.mark.parametrize(
    "data", [b"\xff\xfe\x00", b"\0path", b"path,label\n" + b"x" * 200_000 + b",y\n"]
)
def test_what_is_no_csv_is_an_error_of_the_user(tmp_path: Path, data: bytes):
    path = tmp_path / "bad.csv"
    path.write_bytes(data)
    with pytest.raises(RunError, match="no CSV"):
        read_corrections(path)


def test_a_file_that_is_not_there_is_an_error_of_the_user(tmp_path: Path):
    for path in (tmp_path / "missing.csv", tmp_path):
        with pytest.raises(RunError, match="cannot read"):
            read_corrections(path)


def test_the_vector_is_in_the_order_of_the_images():
    corrections = {
        "c": Correction("relabelled", "dog"), "a": Correction("rejected"),
        "gone": Correction("accepted", "cat"), "b": Correction("accepted", "cat"),
    }  # fmt: skip
    given = given_vector(corrections, paths=["a", "b", "c", "d"], class_names=["cat", "dog"])
    assert given.vector.tolist() == [REJECTED, 0, 1, UNKNOWN]
    assert given.vector.dtype == np.int64
    assert (given.labels, given.rejected, given.missing) == (2, 1, ("gone",))


def test_nothing_given_is_nothing_known():
    given = given_vector({}, paths=["a", "b"], class_names=["cat"])
    assert given.vector.tolist() == [UNKNOWN, UNKNOWN]
    assert (given.labels, given.rejected) == (0, 0)


def test_other_classes_and_another_folder_are_refused():
    with pytest.raises(RunError, match="not in the list: horse"):
        given_vector({"a": Correction("accepted", "horse")}, paths=["a"], class_names=["cat"])
    with pytest.raises(RunError, match="1 image of the corrections, and none is in"):
        given_vector({"b": Correction("accepted", "cat")}, paths=["a"], class_names=["cat"])


def test_counts():
    said = {"a": Correction("accepted", "x"), "b": Correction("rejected")}
    assert count(said) == Counts(accepted=1, rejected=1)
    assert count(said).total == 2
    judged = count({**said, "c": Correction("judged", "x")})
    assert (judged.by_person, judged.judged, judged.total) == (2, 1, 3)
    assert count({}) == Counts()


def test_the_method_means_the_same_by_its_numbers():
    from studio.coft import given as told

    assert (told.UNKNOWN, told.REJECTED, told.NONE) == (UNKNOWN, REJECTED, NONE)


def test_nothing_said_is_no_tensor():
    assert given_vector({}, paths=["a"], class_names=["cat"]).tensor() is None
    vector = given_vector({"a": Correction("rejected")}, paths=["a"], class_names=["cat"]).tensor()
    assert vector is not None
    assert vector.tolist() == [REJECTED]
