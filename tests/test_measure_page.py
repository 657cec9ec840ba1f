"""A made-up run of many images, and what each click on it costs, in small."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.measure_page import main, report

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.long
@pytest.mark.slow
def test_every_click_is_measured_in_small(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--tiny"]) == 0
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", capfd.readouterr().out, re.MULTILINE)
    cells = dict(rows[1:])
    wanted = {"open the run", "a lasso", "search in words", "an image, large", "where they differ",
              "20 images worth a look", "labels.csv"}  # fmt: skip
    assert wanted <= set(cells)
    assert all(re.fullmatch(r"\d+\.\d\d s, [\d,]+ \([\d,]+\) MB", cell) for cell in cells.values())


ALONE = """
from tools.measure_page import Meter, memory
meter = Meter()
meter("much", lambda: bytearray(b"x") * 200_000_000)
meter("little", lambda: None)
much, little = (row[2] for row in meter.rows)
assert much - little > 100_000_000, (much, little)
assert memory()["RssAnon"] > 0
"""


def test_the_peak_of_each_thing_is_its_own() -> None:
    # Alone: what other tests have let go of would be used again, without a peak.
    subprocess.run([sys.executable, "-c", ALONE], check=True, cwd=ROOT)


def test_folders_stand_side_by_side(tmp_path) -> None:  # type: ignore[no-untyped-def]
    table = report({
        tmp_path / "a": [("x", 1.0, 2**20, 0)], tmp_path / "b": [("x", 2.0, 0, 0), ("y", 0, 0, 0)]
    })  # fmt: skip
    assert table.splitlines() == [
        "| click | a | b |", "|---|---|---|", "| x | 1.00 s, 1 (0) MB | 2.00 s, 0 (0) MB |",
        "| y |  | 0.00 s, 0 (0) MB |",
    ]  # fmt: skip
