"""A few of the kills of `tools/attack.py killed`, which tries fifty."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRY = """
import sys
from pathlib import Path
sys.path[:0] = ["tools", "."]
from attacks.kills import killed
for outcome in killed(Path(sys.argv[1]), kills=3):
    print(outcome.held, outcome.case, outcome.saw, flush=True)
"""


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="each attempt is a fork")
def test_a_run_that_is_killed_again_and_again_ends_with_the_same_bytes(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRY, str(tmp_path)],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
        check=False, timeout=280,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert lines
    assert all(line.startswith("True") for line in lines), lines
