"""Answers on disk: the same question once, and nothing that is unpickled."""

from __future__ import annotations

import pickle
import sqlite3
import stat
from pathlib import Path

import pytest

from studio.prompts.answers import Answers, PlainDisk
from studio.prompts.ask import Question

ONE = Question(("cat",), ("cat", "dog"), 2, "pets")


def open_answers(folder: Path, model: str = "m") -> Answers:
    return Answers(folder, base_url="http://here/v1", model=model)


def test_an_answer_is_found_again_by_the_same_question_only(tmp_path: Path):
    with open_answers(tmp_path) as answers:
        assert answers.get(ONE) is None
        answers.put(ONE, "text")
        assert answers.get(ONE) == "text"
    with open_answers(tmp_path) as again, open_answers(tmp_path, "other") as other:
        assert again.get(ONE) == "text"
        assert other.get(ONE) is None
        for changed in (
            Question(("dog",), ONE.all_classes, 2, "pets"),
            Question(ONE.classes, ("cat",), 2, "pets"),
            Question(ONE.classes, ONE.all_classes, 3, "pets"),
            Question(ONE.classes, ONE.all_classes, 2, ""),
        ):
            assert again.get(changed) is None
    assert stat.S_IMODE((tmp_path / "answers").stat().st_mode) == 0o700


class Bomb:
    """Unpickling it leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self.path,))


def test_a_planted_pickle_is_not_opened(tmp_path: Path):
    mark = tmp_path / "exploded"
    planted = pickle.dumps(Bomb(mark))
    with open_answers(tmp_path) as answers:
        answers.put(ONE, "text")
    (tmp_path / "answers" / "x.val").write_bytes(planted)
    for mode, filename, value in (
        (4, None, planted), (4, "x.val", None), (2, "x.val", None), (3, "x.val", None),
        (1, None, planted), (3, "../../../../etc/hostname", None), (7, None, "?"),
    ):  # fmt: skip
        with sqlite3.connect(tmp_path / "answers" / "cache.db") as database:
            database.execute(
                "UPDATE Cache SET mode = ?, filename = ?, value = ?", (mode, filename, value)
            )
        database.close()
        with open_answers(tmp_path) as answers:
            assert answers.get(ONE) is None
    assert not mark.exists()
    pickle.loads(planted)
    assert mark.exists(), "the bomb does not work"


@pytest.mark.parametrize("value", [1, b"x", None, ("a",), {"a": 1}, True, 1.5])
def test_only_text_goes_in(tmp_path: Path, value: object):
    disk = PlainDisk(str(tmp_path), min_file_size=1 << 20)
    with pytest.raises(TypeError):
        disk.store(value, False)
    with pytest.raises(TypeError):
        disk.put(value)
    with pytest.raises(ValueError, match="no text"):
        disk.get(b"x", False)


def test_a_disk_that_cannot_be_used_costs_requests_and_nothing_else(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with open_answers(tmp_path / "file") as answers:
        answers.put(ONE, "text")
        assert answers.get(ONE) is None
    (tmp_path / "answers").mkdir()
    (tmp_path / "answers" / "cache.db").write_bytes(b"no database" * 100)
    with open_answers(tmp_path) as answers:
        answers.put(ONE, "text")
        assert answers.get(ONE) is None
