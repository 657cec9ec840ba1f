from __future__ import annotations

import shutil
import threading

import pytest
import torch

from studio.errors import RunError
from studio.files import write_json
from studio.runs.again import command_of
from studio.runs.result import RunResult
from studio.runs.run import Run


def test_events_are_read_on_from_where_the_last_reading_ended(run: Run):
    assert run.events() == ([], 0)
    run.append({"kind": "warned", "message": "é"})
    first, offset = run.events()
    assert [event["message"] for event in first] == ["é"]
    assert first[0]["time"] > 0
    assert run.events(offset) == ([], offset)
    run.append({"kind": "warned", "message": "two"})
    later, _ = run.events(offset)
    assert [event["message"] for event in later] == ["two"]


def test_a_torn_last_line_is_left_until_it_is_whole(run: Run):
    run.append({"kind": "a"})
    path = run.path / "events.jsonl"
    with path.open("ab") as file:
        file.write('{"kind":"b","text":"é'.encode()[:-1])  # in the middle of a letter
    events, offset = run.events()
    assert [event["kind"] for event in events] == ["a"]
    with path.open("ab") as file:
        file.write('é"}\n'.encode()[1:])
    events, _ = run.events(offset)
    assert events == [{"kind": "b", "text": "é"}]


def test_a_line_torn_by_a_killed_process_spoils_no_later_one(run: Run):
    run.append({"kind": "a"})
    with (run.path / "events.jsonl").open("ab") as file:
        file.write(b'{"kind":"torn","loss":0.')
    run.append({"kind": "b"})
    run.append({"kind": "c"})
    assert [event["kind"] for event in run.events()[0]] == ["a", "b", "c"]


def test_not_a_number_is_written_as_null(run: Run):
    run.append({"kind": "step", "loss": float("nan"), "parts": {"l1": float("inf")}})
    (event,), _ = run.events()
    assert event["loss"] is None
    assert event["parts"] == {"l1": None}


def test_arrays_come_back_as_they_were(run: Run):
    first = run.write_arrays("judged", {"labels": torch.arange(4), "clean": torch.tensor([True])})
    second = run.write_arrays("judged", {"labels": torch.arange(8)[::2]})
    assert first != second
    assert run.arrays(first)["clean"].tolist() == [True]
    assert run.arrays(second)["labels"].tolist() == [0, 2, 4, 6]


def test_fields_of_an_event_may_be_the_same_tensor(run: Run):
    labels = torch.arange(4)
    name = run.write_arrays("finished", {"labels": labels, "model_labels": labels.expand(2, -1)})
    assert run.arrays(name)["model_labels"].tolist() == [[0, 1, 2, 3]] * 2


def test_arrays_stay_inside_the_run(run: Run):
    with pytest.raises(RunError, match="not a file of run"):
        run.arrays("../../secret.safetensors")
    with pytest.raises(RunError, match="cannot read"):
        run.arrays("arrays/none.safetensors")


def test_a_final_state_forgets_how_long_it_will_take(run: Run):
    run.set_status(state="running", stage="phase 2", eta_seconds=9.0, rate=1.0)
    assert run.status()["eta_seconds"] == 9.0
    run.set_status(state="failed", reason="no luck")
    status = run.status()
    assert (status["state"], status["reason"]) == ("failed", "no luck")
    assert status["eta_seconds"] is None
    assert status["rate"] is None


def test_a_state_that_does_not_exist_is_refused(run: Run):
    with pytest.raises(ValueError, match="no such state"):
        run.set_status(state="done")


def test_a_request_to_stop_is_not_lost_among_heartbeats(run: Run):
    run.set_status(state="running")
    ends = threading.Event()

    def beat() -> None:
        number = 0
        while not ends.is_set():
            number += 1
            run.set_status(stage=f"step {number}")

    thread = threading.Thread(target=beat)
    thread.start()
    for _ in range(20):
        run.ask_to_stop()
    ends.set()
    thread.join()
    assert run.status()["state"] == "stopping"


def test_asking_a_finished_run_to_stop_changes_nothing(run: Run):
    run.set_status(state="finished")
    run.ask_to_stop()
    assert run.status()["state"] == "finished"


def test_a_reader_sees_every_status_whole(run: Run):
    run.set_status(state="running", stage="x" * 50)
    seen = []
    ends = threading.Event()

    def read() -> None:
        reader = Run(run.path)
        while not ends.is_set():
            seen.append(len(reader.status()["stage"] or ""))

    thread = threading.Thread(target=read)
    thread.start()
    for length in (50, 5000) * 20:
        run.set_status(stage="x" * length)
    ends.set()
    thread.join()
    assert set(seen) <= {50, 5000}


def test_a_run_can_be_renamed_and_its_folder_stays(run: Run) -> None:
    path = run.path
    run.rename("  Second \t try\x1b[31m\n of  it ")
    assert run.info.name == "Second try[31m of it"
    assert run.path == path
    assert run.path.is_dir()
    for name, reason in (
        ("", "Give the run a name"),
        (" \n\x00", "name"),
        ("x" * 101, "at most 100"),
    ):
        with pytest.raises(RunError, match=reason):
            run.rename(name)
    run.rename("x" * 100)
    assert run.info.name == "x" * 100
    run.rename("Second try[31m of it")
    assert run.info.name == "Second try[31m of it"


def test_a_note_is_kept_with_the_run_and_can_be_taken_away(run: Run) -> None:
    assert run.info.note == ""
    run.set_note("good on cats  \r\n\tbad on dogs\x07\n\n")
    assert run.info.note == "good on cats\n bad on dogs"
    with pytest.raises(RunError, match="at most 2,000 characters, not 2,001"):
        run.set_note("x" * 2001)
    run.set_note("")
    assert run.info.note == ""


def test_a_name_and_the_worker_change_the_run_without_losing_either(run: Run) -> None:
    def work() -> None:
        for number in range(20):
            run.update_info(class_names=[str(number), "b"])

    thread = threading.Thread(target=work)
    thread.start()
    for number in range(20):
        run.rename(f"n{number}")
    thread.join()
    assert (run.info.name, run.info.class_names) == ("n19", ("19", "b"))


def test_a_run_that_is_gone_cannot_be_renamed(run: Run) -> None:
    shutil.rmtree(run.path)
    with pytest.raises(RunError):
        run.rename("new")
    assert not run.path.exists()


def test_an_older_result_has_the_share_of_clean_labels_that_the_run_ended_with(run: Run) -> None:
    # It used to say how many were clean after Phase I; the labels themselves say another number.
    old = {"images": 10, "clean_fraction": 0.5, "clean_precision": 0.9}
    write_json(run.path / "result.json", old)
    result = run.result()
    assert result is not None
    assert result.clean_fraction == 0.5  # nothing better is known
    for stage, share in (("judged", 0.5), ("finished", 0.8)):
        run.append({"kind": "score", "stage": stage, "clean_fraction": share,
                    "clean_precision": 0.7})  # fmt: skip
    result = run.result()
    assert result is not None
    assert (result.images, result.clean_fraction, result.clean_precision) == (10, 0.8, 0.7)
    write_json(run.path / "result.json", RunResult(clean_fraction=0.6).to_dict())
    result = run.result()
    assert result is not None
    assert result.clean_fraction == 0.6  # a result of today says it itself


def test_settings_of_older_runs_have_their_names_of_today(run: Run) -> None:
    run.update_info(settings={"belief": "hard", "k": 7})
    assert run.info.settings == {"label_weights": "hard", "k": 7}
    assert "--set label_weights=hard" in command_of(run)
