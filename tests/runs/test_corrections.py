"""What people say about images is kept, undone and found again, whoever else writes meanwhile."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from studio.errors import RunError
from studio.files import write_json
from studio.locks import FileLock
from studio.runs.actions import WITHDRAWN
from studio.runs.corrections import Corrections, corrections_of
from studio.runs.given import Correction
from studio.runs.given_table import GIVEN_FILE, write_corrections
from studio.runs.run import Run
from studio.runs.store import RunStore
from tests.runs.conftest import create

PATHS = [f"images/{number}.png" for number in range(6)]


@pytest.fixture
def run(store: RunStore) -> Run:
    made = create(store, class_names=("cat", "dog"))
    write_json(made.path / "images.json", {"root": "/photos", "images": PATHS, "refused": []})
    made.set_status(state="finished")
    return made


def lines(run: Run) -> list[str]:
    return (run.path / "corrections.jsonl").read_text(encoding="utf-8").splitlines()


def test_what_was_said_is_found_again(run: Run):
    corrections = Corrections.of(run)
    assert corrections.current() == {}
    assert corrections.last() is None
    corrections.add("accepted", {PATHS[0]: "cat", PATHS[1]: "dog"})
    corrections.add("relabelled", {PATHS[2]: "dog"})
    corrections.add("rejected", {PATHS[3]: "cat"})
    expected = {
        PATHS[0]: Correction("accepted", "cat"), PATHS[1]: Correction("accepted", "dog"),
        PATHS[2]: Correction("relabelled", "dog"), PATHS[3]: Correction("rejected", ""),
    }  # fmt: skip
    assert corrections.current() == expected
    assert corrections_of(run) == expected, "another reader sees something else"


def test_the_last_word_on_an_image_holds(run: Run):
    corrections = Corrections.of(run)
    corrections.add("rejected", {PATHS[0]: ""})
    corrections.add("relabelled", {PATHS[0]: "dog"})
    assert corrections.current() == {PATHS[0]: Correction("relabelled", "dog")}
    corrections.add(WITHDRAWN, {PATHS[0]: ""})
    assert corrections.current() == {}


def test_undo_goes_back_press_by_press_and_forgets_nothing(run: Run):
    corrections = Corrections.of(run)
    corrections.add("accepted", dict.fromkeys(PATHS, "cat"))
    corrections.add("relabelled", {PATHS[0]: "dog", PATHS[1]: "dog"})
    undone = corrections.undo()
    assert undone is not None
    assert undone.text == "2 images relabelled as dog"
    assert corrections.current() == {path: Correction("accepted", "cat") for path in PATHS}
    assert corrections.undo() is not None
    assert corrections.current() == {}
    assert corrections.undo() is None
    assert len(lines(run)) == 4, "undoing has taken lines away"
    corrections.add("rejected", {PATHS[5]: ""})
    assert list(corrections.current()) == [PATHS[5]]


def test_undo_of_a_withdrawal_brings_the_correction_back(run: Run):
    corrections = Corrections.of(run)
    corrections.add("relabelled", {PATHS[0]: "dog"})
    corrections.add(WITHDRAWN, {PATHS[0]: ""})
    corrections.undo()
    assert corrections.current() == {PATHS[0]: Correction("relabelled", "dog")}


def test_a_torn_last_line_costs_itself_only(run: Run):
    Corrections.of(run).add("rejected", {PATHS[0]: ""})
    with (run.path / "corrections.jsonl").open("ab") as file:
        file.write(b'{"id": "x", "verdict": "rejected", "images": {"ima')
    again = Corrections.of(run)
    assert list(again.current()) == [PATHS[0]]
    again.add("accepted", {PATHS[1]: "cat"})
    assert set(corrections_of(run)) == {PATHS[0], PATHS[1]}


@pytest.mark.parametrize(
    "line",
    ["[]", "null", "{}", '{"id": "x"}', '{"id": "x", "verdict": "eaten", "images": {"a": "b"}}',
     '{"id": "x", "verdict": "rejected", "images": ["a"]}', '{"undo": null}',
     '{"id": "x", "verdict": "accepted", "images": {"a": 3}}', "\xff"],
)  # fmt: skip
def test_lines_of_somebody_else_are_passed_over(run: Run, line: str):
    (run.path / "corrections.jsonl").write_bytes(line.encode("latin-1") + b"\n")
    corrections = Corrections.of(run)
    corrections.add("rejected", {PATHS[0]: ""})
    assert list(corrections.current()) == [PATHS[0]]


@pytest.mark.parametrize(
    ("verdict", "images", "said"),
    [
        ("accepted", {}, "No image is chosen"),
        ("accepted", {"../../etc/passwd": "cat"}, "no such image"),
        ("accepted", {PATHS[0]: "cat", "gone.png": "cat"}, "no such image"),
        ("relabelled", {PATHS[0]: "horse"}, "no such class"),
        ("relabelled", {PATHS[0]: ""}, "no such class"),
        ("judged", {PATHS[0]: "horse"}, "no such class"),
        ("eaten", {PATHS[0]: "cat"}, "accepted, relabelled, rejected"),
    ],
)
def test_nonsense_is_refused_and_leaves_no_line(
    run: Run, verdict: str, images: dict[str, str], said: str
):
    with pytest.raises(RunError, match=said):
        Corrections.of(run).add(verdict, images)
    assert not (run.path / "corrections.jsonl").exists()


def test_two_pages_at_once_lose_nothing(run: Run):
    def press(number: int) -> None:
        mine = Corrections.of(run)
        for _ in range(10):
            mine.add("relabelled", {PATHS[number]: "dog"})
            mine.add("accepted", {PATHS[number]: "cat"})

    pages = [threading.Thread(target=press, args=(number,)) for number in range(4)]
    for page in pages:
        page.start()
    for page in pages:
        page.join()
    records = [json.loads(line) for line in lines(run)]
    assert len(records) == 80
    assert len({record["id"] for record in records}) == 80
    assert corrections_of(run) == {path: Correction("accepted", "cat") for path in PATHS[:4]}


def test_a_page_sees_what_another_one_said(run: Run):
    first, second = Corrections.of(run), Corrections.of(run)
    assert second.current() == {}
    first.add("rejected", {PATHS[0]: ""})
    assert list(second.current()) == [PATHS[0]]
    second.undo()
    assert first.current() == {}


def test_a_lock_that_nobody_lets_go_of_is_said_so(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("studio.runs.gate._WAIT_S", 0.05)
    lock = FileLock(run.path / "corrections.lock")
    assert lock.acquire()
    try:
        with pytest.raises(RunError, match="another page"):
            Corrections.of(run).add("rejected", {PATHS[0]: ""})
    finally:
        lock.release()
    Corrections.of(run).add("rejected", {PATHS[0]: ""})


def test_a_run_that_was_deleted_is_an_error_of_the_user(run: Run, store: RunStore):
    corrections = Corrections.of(run)
    store.delete(run.id)
    with pytest.raises(RunError):
        corrections.add("rejected", {PATHS[0]: ""})


def test_what_a_run_was_given_counts_until_something_else_is_said(run: Run):
    given = {PATHS[0]: Correction("relabelled", "dog"), PATHS[1]: Correction("rejected")}
    write_corrections(run.path / GIVEN_FILE, given)
    corrections = Corrections.of(run)
    assert corrections.current() == given
    assert corrections.undo() is None, "what was given is no press of a button"
    corrections.add("accepted", {PATHS[1]: "cat"})
    corrections.add(WITHDRAWN, {PATHS[0]: ""})
    assert corrections.current() == {PATHS[1]: Correction("accepted", "cat")}
    corrections.undo()
    corrections.undo()
    assert corrections.current() == given


def test_a_judge_never_overrides_a_person_and_one_undo_takes_it_all_back(run: Run):
    corrections = Corrections.of(run)
    corrections.add("relabelled", {PATHS[0]: "dog"})
    corrections.add("rejected", {PATHS[1]: ""})
    asked = corrections.add("judged", dict(zip(PATHS[:4], ["cat", "cat", "dog", ""], strict=True)))
    assert asked.text == "4 images judged"
    expected = {
        PATHS[0]: Correction("relabelled", "dog", judged="cat"),
        PATHS[1]: Correction("rejected", "", judged="cat"),
        PATHS[2]: Correction("judged", "dog"), PATHS[3]: Correction("judged", ""),
    }  # fmt: skip
    assert corrections_of(run) == expected
    assert [expected[path].judged_label for path in PATHS[:4]] == ["cat", "cat", "dog", ""]
    corrections.add("accepted", {PATHS[3]: "cat"})
    assert corrections.current()[PATHS[3]] == Correction("accepted", "cat", judged="")
    corrections.undo()
    corrections.undo()
    assert corrections.current() == {
        PATHS[0]: Correction("relabelled", "dog"), PATHS[1]: Correction("rejected"),
    }  # fmt: skip


def test_reading_again_costs_nothing_while_nothing_changes(
    run: Run, monkeypatch: pytest.MonkeyPatch
):
    corrections = Corrections.of(run)
    corrections.add("rejected", {PATHS[0]: ""})
    corrections.current()

    def no_reading(*_: object) -> None:
        raise AssertionError("read the file again")

    monkeypatch.setattr("studio.runs.corrections.read_json_lines", no_reading)
    assert list(corrections.current()) == [PATHS[0]]


def test_odd_names_survive(store: RunStore):
    odd = ["ä ü/日本.png", 'quote".png', "line\u2028break.png", "semi;colon,comma.png"]
    made = create(store, class_names=("日本", "a,b"))
    write_json(made.path / "images.json", {"root": "/p", "images": odd, "refused": []})
    corrections = Corrections.of(made)
    corrections.add("relabelled", dict.fromkeys(odd, "日本"))
    assert set(corrections_of(made)) == set(odd)
    made.set_status(state="finished")


def test_no_temporary_files_are_left(run: Run, tmp_path: Path):
    corrections = Corrections.of(run)
    corrections.add("rejected", {PATHS[0]: ""})
    corrections.undo()
    assert not list(run.path.rglob("*.tmp"))
