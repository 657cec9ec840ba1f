"""The prepared measurement of a GPU, run in small on whatever this machine has."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

from studio.coft.events import Monitor, Step
from tools import measure_gpu, watched_steps
from tools.measure_gpu import main
from tools.watched_steps import Watch, covered

ROWS = [
    "reading JPEGs, once", "encoding, against bf16", "encoding, against fp32", "step of Phase I",
    "step of Phase II", "step of Phase I, CoFT+", "step of Phase II, CoFT+",
]  # fmt: skip


@pytest.mark.slow
def test_the_prepared_command_measures_every_line_in_small(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--tiny", "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    text = (tmp_path / "out" / "gpu.md").read_text(encoding="utf-8")
    assert text.strip() in printed
    found = json.loads((tmp_path / "out" / "gpu.json").read_text(encoding="utf-8"))
    assert [row["what"] for row in found["rows"]] == ROWS
    assert re.findall(r"^\| (.*?) \|", text, re.MULTILINE) == ["what", *ROWS]
    for row in found["rows"]:
        assert row["images_per_second"] * row["milliseconds"] / 1000 == pytest.approx(row["batch"])
        assert (row["bare"] is None) == row["what"].startswith("reading")
        if row["bare"] is not None:
            assert row["share"] == pytest.approx(row["bare"] / row["milliseconds"])
            assert row["peak"] > 0
    assert (found["images"], found["classes"]) == (24, 3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_a_full_size_model_is_measured_in_time(tmp_path: Path) -> None:
    assert main(["--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert found["seconds"] < 300
    assert [row["what"] for row in found["rows"]] == ROWS
    for row in found["rows"][1:]:
        assert 0 <= row["waiting"] < 1
        assert 0.5 < row["peak"] < 70
        assert 0 < row["share"] < 1.2


def test_what_overlaps_counts_once() -> None:
    assert covered([]) == 0
    assert covered([(5, 6), (0, 2), (1, 3), (1, 2)]) == 4


def step(phase: int) -> Step:
    return Step(phase, 0, 1, 100, 1, 1, 0.0, 0.1)


def test_a_step_lasts_from_the_one_before_unless_something_lay_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter(range(100))
    monkeypatch.setattr(watched_steps.time, "perf_counter", lambda: float(next(clock)))
    watch = Watch()
    events = [step(1), step(1), object.__new__(Monitor), step(1), step(1), step(2), step(2)]
    for event in events:
        watch.listen(event)
    assert {phase: len(gaps) for phase, gaps in watch.gaps.items()} == {1: 2, 2: 1}
    assert (watch.step(1), watch.step(2)) == (1, 1)
    with pytest.raises(SystemExit, match="more --images"):
        Watch().step(1)


def test_towers_of_other_forms_are_refused() -> None:
    with pytest.raises(SystemExit, match="no architecture"):
        main(["--architecture", "nothing"])
    with pytest.raises(SystemExit, match="own"):
        measure_gpu.architecture("RN50")
    with pytest.raises(SystemExit, match="own"):
        measure_gpu.architecture("ViT-B-16-SigLIP2")
