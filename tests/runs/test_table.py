"""Tables on the disk: what may be written over, and what may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.errors import RunError
from studio.runs.table import check_out, write_csv

HEAD = ("path", "pseudo-label", "label")


def test_a_table_of_the_same_kind_and_an_empty_file_are_written_anew(tmp_path: Path):
    out = tmp_path / "checks.csv"
    check_out(out, HEAD, answers="label")
    out.touch()
    check_out(out, HEAD, answers="label")
    write_csv(out, HEAD, [("a.jpg", "cat", "")])
    check_out(out, HEAD, answers="label")
    check_out(out, ("path",), HEAD)


def test_what_somebody_made_is_never_written_over(tmp_path: Path):
    for name, text in (
        ("photo.jpg", "\ufffd\0not a table"), ("labels.csv", "path,label\na.jpg,cat\n"),
        ("notes.txt", "to do"),
    ):  # fmt: skip
        (tmp_path / name).write_text(text)
        with pytest.raises(RunError, match=r"is there already .* give another file"):
            check_out(tmp_path / name, HEAD)
        assert (tmp_path / name).read_text() == text


def test_answers_that_were_typed_in_are_never_written_over(tmp_path: Path):
    out = write_csv(tmp_path / "checks.csv", HEAD, [("a.jpg", "cat", "dog"), ("b.jpg", "cat", " ")])
    with pytest.raises(RunError, match=r"holds 1 answer, which would be lost; .*--answers"):
        check_out(out, HEAD, answers="label")


def test_a_place_that_takes_no_file_is_told_of_before_the_work(tmp_path: Path):
    with pytest.raises(RunError, match="is a folder; give the name of a file"):
        check_out(tmp_path, HEAD)
    with pytest.raises(RunError, match=r"There is no folder .*gone to write x\.csv into"):
        check_out(tmp_path / "gone" / "x.csv", HEAD)


def test_a_table_that_somebody_may_have_worked_on_is_written_over_on_demand_only(
    tmp_path: Path,
) -> None:
    out = tmp_path / "labels.csv"
    check_out(out, HEAD, over=False)
    write_csv(out, HEAD, [["a.png"] * len(HEAD)])
    with pytest.raises(RunError, match=r"what was changed in it would be lost; .*--over"):
        check_out(out, HEAD, over=False)
    check_out(out, HEAD, over=True)
    out.write_text("mine\n")
    with pytest.raises(RunError, match="not what this command writes"):
        check_out(out, HEAD, over=True)
