"""A run whose GPU is lent for a while at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.runs.run import Run
from studio.runs.slices import MOST_IN_VAIN, STOP_FILE, WAITING, Slice, Slices
from studio.runs.store import RunStore


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return RunStore(tmp_path / "runs").create(
        name="x", method="coft", model="embedded", folder=str(tmp_path)
    )


def no() -> bool:
    return False


class Lender:
    """Lends a GPU: each of `does` is what happens in one slice."""

    def __init__(self, run: Run, *does: Callable[[Run], Any]) -> None:
        self.run, self.does, self.asked = run, list(does), list[Slice]()

    def __call__(self, slice: Slice) -> Any:
        self.asked.append(slice)
        return self.does.pop(0)(self.run)


def learns(run: Run) -> str:
    """Goes on until the slice is over."""
    folder = run.path / "checkpoints"
    folder.mkdir(exist_ok=True)
    (folder / f"state-{len(list(folder.iterdir())):04d}.json").write_text("{}")
    run.set_status(state="running", stage="Phase I")
    return "paused"


def ends(run: Run) -> str:
    run.set_status(state="finished")
    return "over"


def nothing(_run: Run) -> str:
    return "paused"


def cut_off(_run: Run) -> str:
    raise RuntimeError("GPU task aborted\nwith details")


def test_a_run_takes_as_many_slices_as_it_needs(run: Run, tmp_path: Path) -> None:
    lender = Lender(run, learns, cut_off, learns, nothing, cut_off, learns, ends)
    Slices(lender, seconds=7).work(run, cache=tmp_path, stop=no, pause=no)
    assert [slice.resumed for slice in lender.asked] == [False] + 6 * [True]
    assert {(s.run, s.cache, s.seconds) for s in lender.asked} == {(run.path, tmp_path, 7)}
    assert run.status()["state"] == "finished"


def test_between_two_slices_the_run_says_what_it_waits_for(run: Run, tmp_path: Path) -> None:
    said = []

    def looks(run: Run) -> str:
        said.append((run.status()["state"], run.status()["stage"]))
        return ends(run)

    Slices(Lender(run, learns, looks)).work(run, cache=tmp_path, stop=no, pause=no, resumed=True)
    assert said == [("running", WAITING)]


@pytest.mark.parametrize("fault", [nothing, cut_off])
def test_a_gpu_that_is_never_lent_for_long_enough_is_given_up(
    run: Run, tmp_path: Path, fault: Callable[[Run], str]
) -> None:
    lender = Lender(run, learns, *[fault] * 10)
    Slices(lender).work(run, cache=tmp_path, stop=no, pause=no)
    assert len(lender.asked) == 1 + MOST_IN_VAIN
    status = run.status()
    assert status["state"] == "stopped"
    assert "was not lent for long enough" in str(status["reason"])
    assert ("(GPU task aborted)" in str(status["reason"])) == (fault is cut_off)


def test_a_run_that_is_paused_has_no_further_slice(run: Run, tmp_path: Path) -> None:
    lender = Lender(run, learns, learns)
    Slices(lender).work(run, cache=tmp_path, stop=no, pause=lambda: len(lender.asked) == 1)
    assert len(lender.asked) == 1
    assert (run.status()["state"], run.status()["reason"]) == ("stopped", "it can go on")


def test_a_run_that_is_to_end_is_told_so_on_the_disk(run: Run, tmp_path: Path) -> None:
    def told(run: Run) -> str:
        assert (run.path / STOP_FILE).exists()
        return ends(run)

    lender = Lender(run, learns, told)
    Slices(lender).work(run, cache=tmp_path, stop=lambda: len(lender.asked) == 1, pause=no)
    assert run.status()["state"] == "finished"
    assert not (run.path / STOP_FILE).exists()
