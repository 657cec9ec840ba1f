"""The command line as a user meets it: a process with an exit code, stdout and stderr."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from studio.runs.store import RunStore

ROOT = Path(__file__).resolve().parents[1]
KEYS = {
    "run", "method", "model", "images", "refused", "classes", "zero_shot_accuracy", "accuracy",
    "clean_fraction", "clean_precision", "seconds",
}  # fmt: skip


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli-cache")


def studio(*arguments: object, runs: Path | None = None, cache: Path | None = None) -> Any:
    """Run `python -m studio` from outside the checkout's tests, with its own folders."""
    environment = dict(os.environ)
    if runs is not None:
        environment["STUDIO_RUNS"] = str(runs)
    if cache is not None:
        environment["STUDIO_CACHE"] = str(cache)
    return subprocess.run(
        [sys.executable, "-m", "studio", *map(str, arguments)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def quick(settings: dict[str, Any]) -> list[str]:
    return [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]


def test_help_answers_at_once_and_without_torch():
    times = []
    for _ in range(3):
        began = time.monotonic()
        done = studio("fit", "--help")
        times.append(time.monotonic() - began)
        assert done.returncode == 0
        assert "--names" in done.stdout
    assert min(times) < 0.5
    code = "import sys, studio.cli; print({'torch', 'numpy', 'gradio'} & set(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "set()"


def test_settings_lists_every_setting_with_its_source():
    from studio.settings import describe

    done = studio("settings")
    assert done.returncode == 0
    for item in describe():
        line = next(line for line in done.stdout.splitlines() if line.split()[0] == item.name)
        assert item.source in line


def test_fit_predict_and_runs(
    image_folder: Path, tiny_model: Path, quick_settings: dict[str, Any], tmp_path: Path,
    cache: Path,
):  # fmt: skip
    where = {"runs": tmp_path / "runs", "cache": cache}
    names = tmp_path / "names.txt"
    names.write_text("red_square\tscarlet box\ngreen_circle\tgreen circle\nblue_line\tblue line\n")
    done = studio(
        "fit", image_folder, "--names", names, "--model", tiny_model, "--seed", 3, "--json",
        *quick(quick_settings), **where,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert set(result) >= KEYS
    assert (result["method"], result["seed"], result["images"]) == ("coft", 3, 36)
    assert result["accuracy"] is not None
    assert result["settings"]["k"] == 4
    assert "\r" not in done.stderr, "a progress bar where there is no terminal"
    assert "labelling: 36/36" in done.stderr

    out = tmp_path / "labels.csv"
    done = studio("predict", result["run"], image_folder, "--out", out, **where)
    assert done.returncode == 0, done.stderr
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 36
    assert {row["label"] for row in rows} <= {"scarlet box", "green circle", "blue line"}
    assert "refused red_square/broken.png" in done.stderr

    by_path = tmp_path / "again.csv"
    done = studio("predict", tmp_path / "runs" / result["run"], image_folder, "--out", by_path)
    assert done.returncode == 0, done.stderr
    assert by_path.read_text() == out.read_text()

    done = studio("runs", **where)
    assert result["run"] in done.stdout
    assert "finished" in done.stdout


def test_without_json_the_result_is_for_people(
    image_folder: Path, tiny_model: Path, tmp_path: Path, cache: Path
):
    done = studio(
        "fit", image_folder, "--model", tiny_model, "--method", "zero-shot",
        runs=tmp_path / "runs", cache=cache,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "36 images (1 refused), 3 classes" in done.stdout
    assert "accuracy" in done.stdout


def errors(tmp_path: Path, images: Path) -> list[tuple[list[object], str]]:
    (tmp_path / "empty").mkdir()
    (tmp_path / "one.txt").write_text("cat\n")
    return [
        (["fit", tmp_path / "missing"], "missing"),
        (["fit", tmp_path / "one.txt"], "one.txt"),
        (["fit", tmp_path / "empty"], "empty"),
        (["fit", images / "red_square"], "--names"),
        (["fit", images, "--names", tmp_path / "one.txt"], "two"),
        (["fit", images, "--names", tmp_path / "none.txt"], "none.txt"),
        (["fit", images, "--set", "k=many", "--set", "nonsense=1"], "nonsense"),
        (["fit", images, "--set", "k"], "NAME=VALUE"),
        (["fit", images, "--seed", "x"], "seed"),
        (["fit", images, "--method", "magic"], "magic"),
        (["fit", images, "--model", "no-such-model"], "no-such-model"),
        (["fit", images, "--test", tmp_path / "missing"], "missing"),
        (["fit"], "FOLDER"),
        (["frobnicate"], "frobnicate"),
        (["predict", "20260101-000000-no-run", images, "--out", tmp_path / "o.csv"], "no run"),
        (["predict", "latest", images, "--out", tmp_path / "o.csv"], "no trained classifier"),
        (["predict", "latest", images, "--out", "o", "--runs", tmp_path / "none"], "no runs"),
        (["predict", "../../etc", images, "--out", tmp_path / "o.csv"], "no run"),
    ]


def test_errors_of_the_user_are_one_line_and_exit_code_2(image_folder: Path, tmp_path: Path):
    for arguments, says in errors(tmp_path, image_folder):
        done = studio(*arguments, runs=tmp_path / "runs", cache=tmp_path / "cache")
        shown = f"{arguments}: {done.stderr}"
        assert done.returncode == 2, shown
        last = done.stderr.strip().splitlines()[-1]
        assert last.startswith("error: "), shown
        assert says in last, shown
        others = [line for line in done.stderr.strip().splitlines()[:-1] if line[:4] != "run "]
        assert not others, shown
        assert done.stdout == ""


def test_ctrl_c_stops_and_keeps_what_was_learned(
    image_folder: Path, tiny_model: Path, quick_settings: dict[str, Any], tmp_path: Path,
    cache: Path,
):  # fmt: skip
    settings = {**quick_settings, "phase2_epochs": 100_000}
    child = subprocess.Popen(
        [sys.executable, "-m", "studio", "fit", str(image_folder), "--model", str(tiny_model),
         "--runs", str(tmp_path / "runs"), "--cache", str(cache), "--json", *quick(settings)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    store = RunStore(tmp_path / "runs")
    end = time.monotonic() + 60
    try:
        while time.monotonic() < end:
            infos = store.list()
            if infos and store.get(infos[0].id).status()["stage"] == "phase 2":
                break
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    finally:
        child.kill()
    assert child.returncode == 130, err
    result = json.loads(out.splitlines()[-1])
    assert (result["stopped"], result["stage"]) == (True, "phase2")
    run = store.get(result["run"])
    assert run.status()["state"] == "stopped"
    assert (run.path / "model" / "classifier-1.safetensors").is_file()
    assert "Traceback" not in err


def test_demo_is_drawn_by_the_studio_unless_there_is_such_a_folder(
    tiny_model: Path, tmp_path: Path, image_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    from studio import commands
    from studio.cli import _parser

    monkeypatch.chdir(tmp_path)
    options = _parser().parse_args(["fit", "demo", "--model", str(tiny_model)])
    demo = pytest.importorskip("studio.demo")
    monkeypatch.setattr(demo, "demo_folder", lambda cache_dir, **_: image_folder)
    request = commands._request(options)
    assert request.folder == image_folder
    assert request.class_names == tuple(demo.DEMO_CLASSES)
    (tmp_path / "demo" / "a").mkdir(parents=True)
    (tmp_path / "demo" / "b").mkdir()
    for name in ("a", "b"):
        (tmp_path / "demo" / name / "1.png").write_bytes(b"x")
    request = commands._request(options)
    assert request.folder == Path("demo")
