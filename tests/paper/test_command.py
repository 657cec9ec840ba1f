"""`python -m studio paper` as a user meets it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.bench import command as bench
from studio.cli import main
from studio.errors import RunError
from studio.paper.report import comparison
from studio.paper.sets import SETS


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Stands for `fit`; what it was asked for. Seed 3 fails."""
    asked: list[Any] = []

    def fit(cell: Any, *, model: str, out: Path, cache: Path) -> dict[str, Any]:
        asked.append((*cell.key, model, str(cell.data.root)))
        if cell.seed == 3:
            raise RunError("out of memory")
        return {
            "seed": cell.seed, "zero_shot_accuracy": 0.5, "accuracy": 0.9 + cell.seed / 100,
            "images": 24, "test_images": 3, "knowledge": "promising", "single_accuracy": 0.9,
            "clean_fraction": 0.8, "clean_precision": 0.9,
        }  # fmt: skip

    monkeypatch.setattr(bench, "fit", fit)
    return asked


@pytest.mark.parametrize("name", SETS)
def test_a_dry_run_says_everything_and_asks_nobody(
    name: str, site: Any, serve: Callable[..., Any], folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    data = serve(name, train=1, test=1).data
    arguments = ["--data", str(folder), "--method", "coft", "coft+:k=8", "--seeds", "0", "5"]
    assert main(["paper", name, *arguments, "--dry-run"]) == 0
    told = capsys.readouterr().out
    for part in (
        data.title,
        data.licence,
        data.page,
        data.rule,
        str(folder / name / "classes.txt"),
    ):
        assert part in told
    for download in data.downloads:
        assert download.name in told
        assert (download.url or download.page) in told
    commands = [line for line in told.splitlines() if "python -m studio fit" in line]
    assert len(commands) == 4
    assert "--method coft+ --model ViT-B-16 --seed 5" in commands[3]
    assert "--set k=8" in commands[3]
    coft = {"cifar100n": "coft: 79.40", "eurosat": "coft: 86.02, zero-shot 48.75"}.get(
        name, "coft: "
    )
    assert coft in told
    assert site.asked == []
    assert not folder.exists()


def test_the_command_of_a_dry_run_is_one_that_the_command_line_takes(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio import commands

    assert main(["paper", "dtd", "--data", str(folder), "--seeds", "7", "--dry-run"]) == 0
    (line,) = [row for row in capsys.readouterr().out.splitlines() if "studio fit" in row]
    seen: list[Any] = []
    monkeypatch.setattr(commands, "fit", lambda options: seen.append(options) or 0)
    assert main(line.split()[3:]) == 0
    assert seen[0].folder == str(folder / "dtd" / "train")
    assert (seen[0].test, seen[0].seed) == (folder / "dtd" / "test", "7")


def test_one_command_from_archive_to_comparison(
    serve: Callable[..., Any], site: Any, folder: Path, fitted: list[Any],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    serve("eurosat", train=24, test=3)
    arguments = ["paper", "EuroSAT", "--data", str(folder)]
    assert main(arguments) == 0
    root = str(folder / "eurosat")
    assert fitted == [("eurosat", "coft+", seed, "ViT-B-16", root) for seed in (0, 1, 2)]
    told = capsys.readouterr().out
    assert "EuroSAT, coft+, ViT-B-16: CoOp's split file" in told
    assert "| zero-shot | 48.75 | 50.00 ± 0.00 | +1.25 | 50.00, 50.00, 50.00 |" in told
    assert "| coft+ | 90.20 | 91.00 ± 1.00 | +0.80 | 90.00, 91.00, 92.00 |" in told
    assert "| gain | +41.45 | +41.00 ± 1.00 | -0.45 | +40.00, +41.00, +42.00 |" in told
    # Again: nothing is fetched or fitted.
    asked = len(site.asked)
    assert main(arguments) == 0
    assert capsys.readouterr().out == told
    assert (len(site.asked), len(fitted)) == (asked, 3)


def test_another_model_or_division_has_results_of_its_own(
    serve: Callable[..., Any], folder: Path, fitted: list[Any], tiny_model: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    serve("eurosat", train=15, test=9, split=False)
    models = ["ViT-B-16", str(tmp_path / "models" / "a"), str(tmp_path / "models_a")]
    for place in models[1:]:
        shutil.copytree(tiny_model, place)
    for model in models:
        arguments = ["--data", str(folder), "--seeds", "0", "--model", model]
        assert main(["paper", "eurosat", *arguments]) == 0
    assert [row[3] for row in fitted] == models
    told = capsys.readouterr().out
    assert "divided by CoOp's rule, so not the paper's images" in told
    assert "| coft+ | – | 90.00 | – | 90.00 |" in told
    names = [path.name for path in (folder / "results").iterdir()]
    assert len(names) == 3
    assert all(name.endswith("-divided") for name in names)


def test_a_model_that_is_not_there_is_refused_before_anything_is_fetched(
    serve: Callable[..., Any], folder: Path, fitted: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    serve("eurosat", train=15, test=9)
    assert main(["paper", "eurosat", "--data", str(folder), "--model", "nosuch"]) == 2
    assert "There is no model 'nosuch'" in capsys.readouterr().err.splitlines()[-1]
    assert not folder.exists() or not list(folder.iterdir())


def test_a_fit_that_fails_is_told_and_the_others_are_compared(
    serve: Callable[..., Any], folder: Path, fitted: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    serve("eurosat", train=24, test=3)
    assert main(["paper", "eurosat", "--data", str(folder), "--seeds", "3", "2"]) == 1
    shown = capsys.readouterr()
    assert "failed: out of memory" in shown.err
    assert "| seeds 2 |" in shown.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["imagenet"], "The paper has no set 'imagenet'; choose one of flowers102"),
        (["dtd", "--method", "magic"], "There is no method 'magic'"),
        (["dtd", "--method", "coft:k=many"], "k must be a whole number"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_fetched(
    serve: Callable[..., Any], site: Any, folder: Path, arguments: list[str], told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    serve("dtd", train=16, test=2)
    assert main(["paper", *arguments, "--data", str(folder)]) == 2
    assert told in capsys.readouterr().err
    assert site.asked == []


def test_a_method_without_training_has_one_row() -> None:
    rows = [{"seed": 0, "zero_shot_accuracy": 0.71, "accuracy": 0.71}]
    table = comparison("zero-shot", rows, {"zero-shot": 71.73})
    assert table.count("\n") == 3
    assert "| zero-shot | 71.73 | 71.00 | -0.73 | 71.00 |" in table


def test_seeds_are_compared_in_order() -> None:
    rows = [{"seed": s, "zero_shot_accuracy": 0.5, "accuracy": 0.6 + s / 100} for s in (2, 0, 10)]
    table = comparison("coft", rows, {})
    assert "seeds 0 2 10" in table
    assert "60.00, 62.00, 70.00" in table


@pytest.mark.slow
def test_a_real_fit_of_a_real_process(
    serve: Callable[..., Any], folder: Path, tiny_model: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    serve("eurosat", train=24, test=3)
    arguments = ["--method", "zero-shot", "--model", str(tiny_model), "--seeds", "0"]
    places = ["--data", str(folder), "--cache", str(tmp_path / "cache")]
    assert main(["paper", "eurosat", *arguments, *places]) == 0
    (results,) = (folder / "results").glob("*/results.jsonl")
    row = json.loads(results.read_text())
    assert (row["images"], row["test_images"], row["classes"]) == (24, 3, 3)
    assert f"{100 * row['accuracy']:.2f}" in capsys.readouterr().out


@pytest.mark.slow
def test_help_says_where_to_read_on() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "studio", "paper", "--help"], capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert "docs/paper.md" in done.stdout
