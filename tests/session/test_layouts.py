from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.places import PROJECT
from studio.scores import layout_files, projection, umap_job
from studio.scores.neighbours import Floats, unit
from studio.session.layouts import Layout, Layouts


def some(number: int = 60, seed: int = 0) -> Floats:
    return unit(np.random.default_rng(seed).normal(size=(number, 8)).astype("f4"))


def process(body: str) -> tuple[str, ...]:
    """A command in place of UMAP's; it gets the files FEATURES and LAYOUT."""
    head = "import sys, numpy as np; F, L = sys.argv[1:]; "
    return sys.executable, "-c", head + body


WORKS = process("print(3, 9, 'Half-way', sep='\\t', flush=True); np.save(L, np.load(F)[:, :2])")


def wait(layout: Layout, until: Callable[[Layout], bool], seconds: float = 60) -> None:
    ends = time.monotonic() + seconds
    while not until(layout):
        assert time.monotonic() < ends, layout
        time.sleep(0.02)


def ended(layout: Layout) -> bool:
    return layout.state != "running"


def test_pca_is_there_at_once_and_umap_later(tmp_path: Path) -> None:
    made, units = Layouts(tmp_path, command=WORKS), some()
    layout = made.get(units)
    assert layout.kind == "pca"
    assert layout.state == "running"
    assert np.array_equal(layout.pca, projection.pca(units))
    assert np.array_equal(layout.plane("umap"), layout.pca)  # of what is not there, the other one
    wait(layout, ended)
    assert (layout.state, layout.kind) == ("ready", "umap")
    assert layout.text == "Half-way, 3 of 9"
    assert np.array_equal(layout.plane("umap"), units[:, :2])
    assert np.array_equal(layout.plane("pca"), layout.pca)
    assert made.get(units) is layout


def test_a_finished_layout_comes_from_the_disk_without_any_process(tmp_path: Path) -> None:
    units = some()
    wait(Layouts(tmp_path, command=WORKS).get(units), ended)
    again = Layouts(tmp_path, command=process("sys.exit(1)")).get(units)
    assert again.state == "ready"
    assert again.umap is not None


def test_other_features_are_other_layouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, units = Layouts(tmp_path, command=WORKS), some()
    layout = made.get(units)
    changed = units.copy()
    changed[3, 3] += 0.01
    assert made.get(changed).key != layout.key
    assert made.get(units[:-1]).key != layout.key
    assert made.get(units.copy()).key == layout.key
    monkeypatch.setattr(projection, "NEIGHBOURS", 30)
    assert made.get(units).key != layout.key


@pytest.mark.parametrize(
    "body",
    [
        "sys.exit(3)",
        "pass",
        "np.save(L, np.zeros((4, 2), 'f4'))",
        "np.save(L, np.full((60, 2), np.nan, 'f4'))",
        "open(L, 'wb').write(b'torn')",
        "np.save(L, np.array([{}], object), allow_pickle=True)",
    ],
)
def test_when_umap_fails_pca_stays_and_one_line_says_so(tmp_path: Path, body: str) -> None:
    layout = Layouts(tmp_path, command=process(body)).get(some())
    wait(layout, ended)
    assert (layout.state, layout.kind) == ("failed", "pca")
    assert layout.text.startswith("UMAP could not be computed")


def test_what_takes_too_long_is_ended(tmp_path: Path) -> None:
    command = process("import time; time.sleep(600)")
    layout = Layouts(tmp_path, command=command, timeout=0.5).get(some())
    wait(layout, ended)
    assert layout.state == "failed"


def test_a_command_that_cannot_run_is_a_failure_too(tmp_path: Path) -> None:
    layout = Layouts(tmp_path, command=("/no/such/program",)).get(some())
    wait(layout, ended)
    assert layout.state == "failed"


def test_few_images_need_no_umap(tmp_path: Path) -> None:
    layout = Layouts(tmp_path, command=process("sys.exit(1)")).get(some(projection.FEWEST - 1))
    assert (layout.state, layout.kind) == ("none", "pca")


def test_features_do_not_stay_on_the_disk(tmp_path: Path) -> None:
    layout = Layouts(tmp_path, command=WORKS).get(some())
    wait(layout, ended)
    assert [file.name for file in (tmp_path / "maps").iterdir()] == [f"{layout.key}.npy"]


def test_the_layouts_not_looked_at_for_longest_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout_files, "_FILES", 2)
    made = Layouts(tmp_path, command=WORKS)
    kept = []
    for seed in range(4):
        layout = made.get(some(seed=seed))
        wait(layout, ended)
        kept.append(f"{layout.key}.npy")
        time.sleep(0.02)
    assert {file.name for file in (tmp_path / "maps").glob("*.npy")} == set(kept[-2:])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_real_process_says_how_far_it_is_and_leaves_a_layout(tmp_path: Path) -> None:
    pytest.importorskip("umap")
    layout = Layouts(tmp_path).get(some(80))
    wait(layout, ended, 800)  # half a minute, unless others are at work here
    assert layout.state == "ready", layout.text
    assert layout.text == "Laying out the images"
    assert np.abs(layout.plane("umap")).max() == 1


def test_the_process_ends_with_whoever_started_it(tmp_path: Path) -> None:
    code = (
        "import time, threading; from studio.scores import umap_job as j; "
        "threading.Thread(target=j._end_with_the_parent, daemon=True).start(); "
        "print('there', flush=True); time.sleep(600)"
    )
    pipe = subprocess.PIPE
    child = subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, cwd=PROJECT)
    try:
        assert child.stdout is not None
        assert child.stdin is not None
        assert child.stdout.readline() == b"there\n"
        child.stdin.close()  # what the system does when a parent is killed
        assert child.wait(30) == 1
    finally:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def test_the_process_ends_well_while_it_watches_over_its_parent() -> None:
    code = (
        "import time, threading; from studio.scores import umap_job as j; "
        "threading.Thread(target=j._end_with_the_parent, daemon=True).start(); time.sleep(0.5)"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, cwd=PROJECT) as child:
        assert child.wait(60) == 0


def test_the_file_of_a_layout_is_whole_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "in.npy", some())
    monkeypatch.setattr(umap_job, "_end_with_the_parent", lambda: None)

    def first_two(units: Any, alike: Any, report: Any) -> Any:
        report("Laying out", 3, 9)
        return units[:, :2]

    monkeypatch.setattr(umap_job, "umap", first_two)
    umap_job.main(tmp_path / "in.npy", tmp_path / "out.npy")
    assert capsys.readouterr().out == "3\t9\tLaying out\n"
    assert np.array_equal(np.load(tmp_path / "out.npy"), np.load(tmp_path / "in.npy")[:, :2])
    assert np.load(tmp_path / "out.npy").shape == (60, 2)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.npy", "out.npy"]
