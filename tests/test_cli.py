"""The command line as a user meets it: a process with an exit code, stdout and stderr."""

from __future__ import annotations

import argparse
import csv
import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.cli import _parser, main
from studio.parsers.shared import folder
from studio.room import writing
from studio.runs.store import RunStore

ROOT = Path(__file__).resolve().parents[1]
KEYS = {
    "run", "method", "model", "images", "refused", "classes", "zero_shot_accuracy", "accuracy",
    "clean_fraction", "clean_precision", "seconds",
}  # fmt: skip


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli-cache")


def studio(*arguments: object) -> subprocess.CompletedProcess[str]:
    """`python -m studio` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "studio", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["fit", "photos", "--nmaes", "x"], "`fit` does not take '--nmaes' 'x'; see"),
        (["fit", *(f"{i}.jpg" for i in range(9))], "'1.jpg' '2.jpg' '3.jpg' and 5 more; see"),
        (["predict", "run", "a", "b", "--out", "c"], "`predict` does not take 'b'; see"),
    ],
)
def test_what_a_command_does_not_take_is_said_of_that_command(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    error = capsys.readouterr().err
    assert told in error
    assert error.endswith(f"see `python -m studio {arguments[0]} --help`\n")
    assert len(error.splitlines()) == 1


def test_models_are_listed_with_licence_and_download(capsys: pytest.CaptureFixture[str]) -> None:
    from studio.clip.presets import PRESETS

    assert main(["models"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert "yes" in lines["embedded"].split()
    for name, facts in PRESETS.items():
        assert facts.licence in lines[name]
        assert "no" in lines[name].split()
        assert f"{facts.download_mb} MB" in lines[name]
    assert "research" in lines["MobileCLIP2-S0"]


@pytest.mark.slow
def test_models_are_ranked_for_a_folder(
    image_folder: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    names = tmp_path / "names.txt"
    names.write_text("red_square\tscarlet box\ngreen_circle\tgreen circle\nblue_line\tblue line\n")
    rank = ["models", "--rank", str(image_folder), "--cache", str(tmp_path / "cache")]
    asked = ["--model", str(tiny_model), "--model", "embedded@128", "--model", "nothing"]
    assert main([*rank, "--names", str(names), *asked]) == 0
    done = capsys.readouterr()
    head, *lines = done.out.splitlines()
    assert head.split()[:3] == ["place", "model", "agreement"]
    assert head.endswith("right"), "the names of the sub-folders tell, by their lines in the file"
    found = {word for line in lines[:3] for word in line.split()}
    assert found >= {"embedded", "embedded@128", str(tiny_model)}
    assert "Left out: nothing: There is no model 'nothing'" in done.out
    assert "36 images" in done.out

    assert main(["models", "--names", str(names)]) == 2
    assert "--names belongs to --rank FOLDER" in capsys.readouterr().err
    assert main([*rank, "--names", str(names), "--classes", "a,b"]) == 2
    assert "not with both" in capsys.readouterr().err
    assert main(["models", "--rank", str(tmp_path / "nowhere")]) == 2
    assert "no folder" in capsys.readouterr().err
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "a.png").write_bytes((image_folder / "red_square" / "0.png").read_bytes())
    assert main(["models", "--rank", str(bare), "--cache", str(tmp_path / "cache")]) == 2
    assert "no sub-folders to take class names from" in capsys.readouterr().err


def quick(settings: dict[str, Any]) -> list[str]:
    return [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]


def test_help_answers_at_once_and_without_torch():
    done = studio("fit", "--help")
    assert done.returncode == 0
    assert "--names" in done.stdout
    slow = {"torch", "numpy", "gradio", "PIL", "sklearn", "open_clip", "openai", "diskcache"}
    code = f"import sys, studio.cli; print({slow} & set(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "set()"


def test_settings_lists_every_setting_with_its_source(capsys: pytest.CaptureFixture[str]):
    from studio.settings import describe

    assert main(["settings"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for item in describe():
        line = next(line for line in lines if line.split()[0] == item.name)
        assert item.source in line


@pytest.fixture
def places(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of its own for a test's runs and cache; the folder for runs."""
    monkeypatch.setenv("STUDIO_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("STUDIO_CACHE", str(cache))
    return tmp_path / "runs"


@pytest.mark.slow
def test_fit_predict_and_runs(
    image_folder: Path, tiny_model: Path, quick_settings: dict[str, Any], tmp_path: Path,
    places: Path, capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    names = tmp_path / "names.txt"
    names.write_text("red_square\tscarlet box\ngreen_circle\tgreen circle\nblue_line\tblue line\n")
    done = studio(
        "fit", image_folder, "--names", names, "--model", tiny_model, "--seed", 3, "--json",
        *quick(quick_settings),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert set(result) >= KEYS
    assert (result["method"], result["seed"], result["images"]) == ("coft", 3, 36)
    assert result["accuracy"] is not None
    assert result["settings"]["k"] == 4
    assert "\r" not in done.stderr, "a progress bar where there is no terminal"
    assert "step 6 of 6: labelling all images: 36/36" in done.stderr

    out, again = tmp_path / "labels.csv", tmp_path / "again.csv"
    assert main(["predict", result["run"], str(image_folder), "--out", str(out)]) == 0
    assert "refused red_square/broken.png" in capsys.readouterr().err
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 36
    assert {row["label"] for row in rows} <= {"scarlet box", "green circle", "blue line"}

    path = places / result["run"]
    assert main(["predict", str(path), str(image_folder), "--out", str(again)]) == 0
    assert again.read_text() == out.read_text()

    capsys.readouterr()
    assert main(["runs"]) == 0
    listed = capsys.readouterr().out
    assert result["run"] in listed
    assert "finished" in listed


def test_without_json_the_result_is_for_people(
    image_folder: Path, tiny_model: Path, places: Path, capsys: pytest.CaptureFixture[str]
):
    model = str(tiny_model)
    assert main(["fit", str(image_folder), "--model", model, "--method", "zero-shot"]) == 0
    shown = capsys.readouterr().out
    assert "36 images (1 refused), 3 classes" in shown
    assert "accuracy" in shown
    (run,) = RunStore(places).list()
    assert run.id in shown


WRONG: list[tuple[list[str], str]] = [
    (["fit", "{tmp}/missing"], "missing"),
    (["fit", "{tmp}/one.txt"], "one.txt"),
    (["fit", "{tmp}/empty"], "empty"),
    (["fit", "{images}/red_square"], "--names"),
    (["fit", "{images}", "--names", "{tmp}/one.txt"], "two"),
    (["fit", "{images}", "--names", "{tmp}/none.txt"], "none.txt"),
    (["fit", "{images}", "--set", "k=many", "--set", "nonsense=1"], "nonsense"),
    (["fit", "{images}", "--prompts", "{tmp}/missing.json"], "missing.json"),
    (["fit", "{images}", "--prompts", "{tmp}/one.txt"], "no JSON"),
    (["prompts", "--names", "{tmp}/one.txt", "--out", "{tmp}/p.json"], "two"),
    (["fit", "{images}", "--set", "k"], "NAME=VALUE"),
    (["fit", "{images}", "--seed", "x"], "seed"),
    (["fit", "{images}", "--method", "magic"], "magic"),
    (["fit", "{images}", "--model", "no-such-model"], "no-such-model"),
    (["fit", "{images}", "--test", "{tmp}/missing"], "missing"),
    (["fit", "{images}", "--runs", "{tmp}/one.txt/runs"], "one.txt is a file, not a folder"),
    (["fit"], "FOLDER"),
    (["frobnicate"], "frobnicate"),
    (["predict", "20260101-000000-no-run", "{images}", "--out", "{tmp}/o.csv"], "no run"),
    (["predict", "latest", "{images}", "--out", "{tmp}/o.csv"], "no runs"),
    (["predict", "../../etc", "{images}", "--out", "{tmp}/o.csv"], "no run"),
]


@pytest.mark.parametrize(("arguments", "says"), WRONG, ids=lambda value: str(value)[:40])
def test_an_error_of_the_user_is_one_line_and_code_2(
    arguments: list[str], says: str, image_folder: Path, places: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    (tmp_path / "empty").mkdir()
    (tmp_path / "one.txt").write_text("cat\n")
    try:
        code = main([part.format(tmp=tmp_path, images=image_folder) for part in arguments])
    except SystemExit as left:  # argparse
        code = left.code
    shown = capsys.readouterr()
    assert code == 2
    assert shown.out == ""
    told = ("run ", "3 classes: ")  # by then it may have said which run and classes
    lines = [line for line in shown.err.splitlines() if not line.startswith(told)]
    assert len(lines) == 1, shown.err
    assert lines[0].startswith("error: ")
    assert says in lines[0]


@pytest.mark.slow
def test_an_error_of_the_user_reaches_the_shell_without_a_traceback(tmp_path: Path):
    done = studio("fit", tmp_path / "missing")
    assert done.returncode == 2
    assert done.stderr == f"error: There is no folder {tmp_path / 'missing'}; check the path.\n"


@pytest.mark.slow
def test_ctrl_c_pauses_and_the_run_goes_on_or_ends_as_it_is(
    image_folder: Path, tiny_model: Path, quick_settings: dict[str, Any], tmp_path: Path,
    cache: Path,
):  # fmt: skip
    settings = {**quick_settings, "phase2_epochs": 100_000}
    places = ["--runs", str(tmp_path / "runs"), "--cache", str(cache)]
    child = subprocess.Popen(
        [sys.executable, "-m", "studio", "fit", str(image_folder), "--model", str(tiny_model),
         *places, "--json", *quick(settings)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    store = RunStore(tmp_path / "runs")
    end = time.monotonic() + 200
    try:
        while time.monotonic() < end:
            infos = store.list()
            if infos and store.get(infos[0].id).status()["stage"] == "phase 2":
                break
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=200)
    finally:
        child.kill()
    assert (child.returncode, out) == (130, ""), err
    assert "Traceback" not in err
    (info,) = store.list()
    assert err.splitlines()[-1].endswith(f"python -m studio fit --resume {info.id} goes on")
    status = store.get(info.id).status()
    assert status["state"] == "stopped"
    assert str(status["reason"]).startswith("paused at step 5 of 6: training the classifier")

    done = studio("fit", "--resume", info.id, "--as-is", *places, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["run"], result["stopped"], result["stage"]) == (info.id, True, "phase2")
    assert (store.root / info.id / "model" / "classifier-1.safetensors").is_file()


def test_a_run_is_taken_up_again_as_it_began(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    resume = ["fit", "--runs", str(tmp_path), "--cache", str(tmp_path), "--resume", "latest"]
    for more, said in (
        (["photos"], "without a folder"),
        (["--set", "k=4"], "without --set"),
        (["--phase2-model", "embedded"], "without --phase2-model"),
        ([], "there are no runs"),
    ):
        assert main([*resume, *more]) == 2
        assert said in capsys.readouterr().err
    assert main(["fit", "--runs", str(tmp_path)]) == 2
    assert "--resume RUN" in capsys.readouterr().err
    assert main(["fit", str(tmp_path), "--as-is"]) == 2
    assert "belongs to --resume" in capsys.readouterr().err


def test_demo_is_drawn_by_the_studio_unless_there_is_such_a_folder(
    tmp_path: Path, image_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    from studio.api.asked import asked

    monkeypatch.chdir(tmp_path)
    demo = pytest.importorskip("studio.demo")
    monkeypatch.setattr(demo, "demo_folder", lambda cache_dir, **_: image_folder)
    request = asked("demo", cache=tmp_path)
    assert request.folder == image_folder
    assert request.class_names == tuple(demo.DEMO_CLASSES)
    (tmp_path / "demo" / "a").mkdir(parents=True)
    (tmp_path / "demo" / "b").mkdir()
    for name in ("a", "b"):
        (tmp_path / "demo" / name / "1.png").write_bytes(b"x")
    request = asked("demo", cache=tmp_path)
    assert request.folder == Path("demo")


def test_corrections_of_a_file_or_of_a_run_are_given_to_the_fit(
    image_folder: Path, tiny_model: Path, quick_settings: dict[str, Any], tmp_path: Path,
    cache: Path, capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    said = tmp_path / "said.csv"
    said.write_text("path,label\nred_square/1.png,blue line\nblue_line/2.png,red square\n")
    other = tmp_path / "other.csv"
    other.write_text("name,size\nred_square/1.png,3\n")
    places = ["--runs", tmp_path / "runs", "--cache", cache, "--model", tiny_model]
    fit = ["fit", str(image_folder), *map(str, places), *quick(quick_settings), "--json"]
    assert main([*fit, "--corrections", str(said)]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (first["given_labels"], first["given_rejected"]) == (2, 0)
    # The run itself can be named, for it keeps what it was given.
    assert main([*fit[:-1], "--corrections", first["run"]]) == 0
    assert "2 labels given, 0 images left out" in capsys.readouterr().out
    for wrong, told in (
        ("no-such-run", "no run 'no-such-run'"), (str(image_folder), "no run"),
        (str(other), "no column path"),
    ):  # fmt: skip
        assert main([*fit, "--corrections", wrong]) == 2
        error = capsys.readouterr().err
        assert told in error
        assert len(error.splitlines()) == 1


def test_runs_are_renamed_annotated_and_repeated_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    store = RunStore(tmp_path)
    run = store.create(
        name="first", method="coft", model="embedded", folder="/p", class_names=("a", "b")
    )
    run.set_status(state="finished")
    runs = ["runs", "--runs", str(tmp_path)]
    assert main([*runs, "--rename", "latest", "second try", "--note", run.id, "keep"]) == 0
    assert capsys.readouterr().out == ""
    assert main([*runs, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["run"], shown["state"]) == (run.id, "finished")
    assert (shown["name"], shown["note"]) == ("second try", "keep")
    assert main(runs) == 0
    assert "second try" in capsys.readouterr().out
    assert main([*runs, "--command", run.id]) == 0
    assert "fit /p --classes a,b --method coft" in capsys.readouterr().out
    for wrong in (["--rename", "latest", ""], ["--rename", "nowhere", "x"], ["--command", "x"]):
        assert main([*runs, *wrong]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_class_names_come_from_one_place(image_folder: Path, tmp_path: Path, capsys: Any):
    names = tmp_path / "names.txt"
    names.write_text("a\nb\n")
    assert main(["fit", str(image_folder), "--names", str(names), "--classes", "a,b"]) == 2
    error = capsys.readouterr().err
    assert "--names or with --classes" in error
    assert len(error.splitlines()) == 1


def test_a_run_goes_on_when_nobody_reads_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.terminal import Terminal

    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "w", encoding="utf-8") as stream, Terminal(stream) as terminal:
        terminal.line("one")
        terminal.progress("reading", 1, 1)
    monkeypatch.setattr(sys, "stderr", None)  # as with 2>&-
    with Terminal() as terminal:
        terminal.line("one")
        terminal.progress("reading", 1, 1)


def test_the_terminal_tells_the_step_and_the_time_left_of_the_whole() -> None:
    import io

    from studio.terminal import Terminal

    stream = io.StringIO()
    with Terminal(stream) as terminal:
        status = {"step": 4, "steps": 6, "step_name": "checking each other's labels"}
        terminal.watch({**status, "eta_seconds": 120.0})
        terminal.progress("judging", 9, 9)
        terminal.watch({**status, "step": 5, "step_name": "training", "eta_seconds": None})
        terminal.progress("phase 2", 3, 3, "loss 0.5")
    assert stream.getvalue().splitlines() == [
        "step 4 of 6: checking each other's labels: 9/9 about 2 min left in all",
        "step 5 of 6: training: 3/3 loss 0.5",
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["checks", "RUN", "--out", "c.csv", "--number", "0"], "a whole number from 1 on, not '0'"),
        (["checks", "RUN", "--out", "c.csv", "--number", "x"], "a whole number from 1 on, not 'x'"),
        (["checks", "RUN", "--out", "c.csv", "--answers", "d.csv"], "not allowed with"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert told in capsys.readouterr().err


def test_a_file_in_a_folders_place_is_one_line_and_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file, a_set = tmp_path / "notes.txt", tmp_path / "set"
    file.write_text("mine\n")
    for part in ("train", "test"):
        (a_set / part).mkdir(parents=True)
    (a_set / "classes.txt").write_text("a\ta\nb\tb\n")
    names = tmp_path / "names.txt"
    names.write_text("cat\ndog\n")
    prompts = ["prompts", "--names", str(names), "--hand-written", "plain", "--out"]
    bench = ["bench", "--methods", "zero-shot", "--seeds", "0"]
    for arguments, told in (
        ([*prompts, str(file)], "holds no prompts; give another file"),
        ([*prompts, str(tmp_path / "gone" / "p.json")], "There is no folder"),
        ([*prompts, str(tmp_path)], "is a folder; give the name of a file in it"),
        ([*bench, "--data", str(tmp_path / "gone"), "--out", str(tmp_path / "o")], "no folder"),
        (["checks", "x", "--runs", str(tmp_path)], "no run 'x'"),
    ):
        assert main(arguments) == 2, arguments
        error = capsys.readouterr().err
        assert told in error
        assert len(error.splitlines()) == 1
    assert file.read_text() == "mine\n"
    good = tmp_path / "prompts.json"
    assert main([*prompts, str(good)]) == 0
    good.write_text(good.read_text().replace("{}.", "{} of mine."))
    mine = good.read_text()
    assert main([*prompts, str(good)]) == 2, "somebody may have worked on them"
    assert "say --over" in capsys.readouterr().err
    assert good.read_text() == mine
    assert main([*prompts, str(good), "--over"]) == 0
    assert good.read_text() != mine


def folders_taken() -> Iterator[tuple[str, argparse.Action]]:
    """Every argument of every command that stands for a folder."""
    (commands,) = (a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction))
    for name, parser in commands.choices.items():
        for action in parser._actions:
            # `fit` takes the word `demo` in the place of one.
            if action.metavar in ("DIR", "FOLDER") and (name, action.dest) != ("fit", "folder"):
                yield name, action


def test_every_option_that_takes_a_folder_says_so_of_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "notes.txt"
    file.touch()
    taken = list(folders_taken())
    assert len(taken) > 15
    for name, action in taken:
        assert action.type is folder, (name, action.dest)
    for place in (file, file / "below"):
        with pytest.raises(SystemExit, match="2"):
            main(["cache", "--cache", str(place)])
        error = capsys.readouterr().err
        assert error.startswith(f"error: argument --cache: {file} is a file, not a folder; see")
        assert len(error.splitlines()) == 1
    monkeypatch.setenv("STUDIO_CACHE", str(file))
    with pytest.raises(SystemExit, match="2"):
        main(["cache"])
    assert f"{file} is a file" in capsys.readouterr().err


@pytest.mark.parametrize(("inside", "told"), [("cache/x", "--cache"), ("elsewhere", "")])
def test_a_disk_that_takes_no_more_is_said_with_the_option_that_chooses_it(
    inside: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    def full(*_: object) -> None:
        with writing(tmp_path / inside):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("studio.cache_folder.tidy", full)
    assert main(["cache", "--cache", str(tmp_path / "cache")]) == 2
    error = capsys.readouterr().err
    assert "the disk is full" in error
    assert re.findall(r"--\w+", error) == ([told] if told else [])
