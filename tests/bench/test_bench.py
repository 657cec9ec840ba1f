"""Benchmarks: what is asked for, going on after an end, the tables, and a real small one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from studio.bench import command
from studio.bench.plan import Entrant, LabelledSet, cells, labelled_sets
from studio.bench.results import Results
from studio.bench.stages import stages
from studio.bench.table import accuracies, detail, final_labels, percent, staged, tables
from studio.bench.work import fit
from studio.cli import main
from studio.errors import FolderError, RunError, SettingsError, StudioError
from studio.runs.store import RunStore


@pytest.fixture(scope="module")
def labelled(image_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one labelled set."""
    root = tmp_path_factory.mktemp("sets")
    for part in ("train", "test"):
        shutil.copytree(image_folder, root / "colours" / part)
    names = "\n".join(sorted(path.name for path in image_folder.iterdir()))
    (root / "colours" / "classes.txt").write_text(names)
    return root


def row(data: str, entrant: str, seed: int, accuracy: float, **more: Any) -> dict[str, Any]:
    return {
        "set": data, "entrant": entrant, "seed": seed, "accuracy": accuracy,
        "zero_shot_accuracy": 0.5, "single_accuracy": accuracy, "images": 9, "test_images": 4,
        "clean_fraction": 0.8, "clean_precision": None, "knowledge": "promising",
        "cpu_seconds": 120.0, "peak_memory_gib": 1.5,
    } | more  # fmt: skip


def test_an_entrant_is_a_method_with_settings_of_its_own() -> None:
    plain = Entrant.parse("coft")
    assert (plain.label, plain.method, plain.settings) == ("coft", "coft", ())
    tuned = Entrant.parse("coft:filter=self_clean, k=8")
    assert tuned.settings == ("filter=self_clean", "k=8")
    with pytest.raises(SettingsError, match="no method 'magic'"):
        Entrant.parse("magic")
    with pytest.raises(SettingsError, match="key=value, not 'k'"):
        Entrant.parse("coft:k")
    with pytest.raises(SettingsError, match="k must be a whole number"):
        Entrant.parse("coft:k=many")
    few = Entrant.parse("coft:shots=4,k=8,prompts=written")
    assert (few.shots, few.settings, few.prompts) == (4, ("k=8",), Path("written"))
    assert Entrant.parse("coft:model=ViT-B-16").model == "ViT-B-16"
    with pytest.raises(SettingsError, match="shots must be a whole number, not 'some'"):
        Entrant.parse("coft:shots=some")


def test_an_entrant_may_have_a_simulated_judge() -> None:
    judged = Entrant.parse("coft:judge=2C,judge_error=0.1,k=8")
    assert (judged.judge, judged.judge_error, judged.judge_random) == ("2C", 0.1, False)
    assert judged.settings == ("k=8",)
    assert Entrant.parse("coft:judge=20,judge_random=true").judge_random
    with pytest.raises(SettingsError, match="judge_error must be from 0 to 1, not 'most'"):
        Entrant.parse("coft:judge=2C,judge_error=most")
    with pytest.raises(StudioError, match="A budget is"):
        Entrant.parse("coft:judge=many")


@pytest.mark.parametrize(
    "wrong", ["coft:phase2_model=nosuch", "coft:model=nosuch", "upl:phase2_model=embedded"]
)
def test_models_that_cannot_be_used_are_refused_before_the_first_fit(
    labelled: Path, tmp_path: Path, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bench", "--data", str(labelled), "--methods", "zero-shot", wrong]
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {wrong}: ")
    assert not (tmp_path / "out").exists()


def test_a_folder_of_sets_stands_for_all_of_them(labelled: Path, tmp_path: Path) -> None:
    assert [s.name for s in labelled_sets([labelled])] == ["colours"]
    assert [s.name for s in labelled_sets([labelled / "colours"])] == ["colours"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(FolderError, match=r"No labelled set in .*empty"):
        labelled_sets([labelled, tmp_path / "empty"])
    with pytest.raises(FolderError, match=r"There is no folder .*nowhere"):
        labelled_sets([labelled, tmp_path / "nowhere"])


def test_every_set_comes_once_before_the_second_seed() -> None:
    sets = [LabelledSet(Path("a")), LabelledSet(Path("b"))]
    order = [c.key for c in cells(sets, [Entrant.parse("coft")], [0, 1])]
    assert order == [("a", "coft", 0), ("b", "coft", 0), ("a", "coft", 1), ("b", "coft", 1)]


def test_a_torn_last_line_is_run_again_and_the_rest_is_not(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(json.dumps(row("a", "coft", 0, 0.5)) + '\n{"set": "b", "entr')
    first, second = cells(
        [LabelledSet(Path("a")), LabelledSet(Path("b"))], [Entrant.parse("coft")], [0]
    )
    results = Results(path)
    assert results.has(first)
    assert not results.has(second)
    results.add(second, {"seed": 0, "accuracy": 0.25})
    assert Results(path).has(second)
    assert Results(path).has(first)


def test_the_table_shows_means_spreads_and_the_gain() -> None:
    rows = [
        row("a", "coft", 0, 0.6), row("a", "coft", 1, 0.7), row("b", "coft", 0, 0.8),
        row("b", "coft", 1, 0.8), row("a", "zero-shot", 0, 0.5),
    ]  # fmt: skip
    lines = accuracies(rows).splitlines()
    assert lines[0] == ("| method | a | b | mean | over zero-shot | CPU minutes | memory | seeds |")
    assert lines[2] == "| coft | 65.0 ± 7.1 | 80.0 | 72.5 | +22.5 | 2.0 | 1.5 GiB | 2 |"
    assert lines[3] == "| zero-shot | 50.0 |  |  |  | 2.0 | 1.5 GiB | 1 |"
    assert "| a | 9 / 4 | 50.0 | 65.0 ± 7.1 |" in detail(rows[:2])
    assert "mean of" not in detail(rows[:2])
    last = detail(rows[:4]).splitlines()[-1]
    means = "| 50.0 | 72.5 | 72.5 | 80.0 |  | **+22.5** |  | 2.0 | 1.5 GiB |  |"
    assert last == f"| **mean of 2** |  {means}"
    assert percent([None]) == ""


def test_right_labels_are_told_stage_by_stage() -> None:
    def labels(*rounds: float, finished: float) -> dict[str, Any]:
        each = [
            {"seeds": 0.9, "labels": right, "clean": right + 0.1, "weighted": None}
            for right in rounds
        ]
        return {"labels": {"zero_shot": 0.5, "finished": finished} | {"rounds": each}}

    rows = [
        row("a", "coft+", 0, 0.6, **labels(0.6, 0.7, finished=0.8)),
        row("a", "coft+", 1, 0.6, **labels(0.6, finished=0.7)),  # stopped in its second round
        row("b", "coft+", 0, 0.6),  # of a version that did not tell
        row("a", "coft+", 2, 0.6),
    ]
    assert staged(rows).splitlines()[2:] == [
        "| a | 1 | 50.0 | 90.0 | 60.0 | 70.0 |  |  |",
        "| a | 2 |  | 90.0 | 70.0 | 80.0 |  | 75.0 ± 7.1 |",
    ]
    assert final_labels(rows).splitlines()[2] == "| coft+ | 75.0 ± 7.1 |  |  |"
    assert final_labels(rows[:2]).splitlines()[2] == "| coft+ | 75.0 ± 7.1 | 75.0 |"
    assert "stage by stage" in tables(rows)
    assert "stage by stage" not in tables(rows[2:3])


def test_results_of_a_version_that_said_believed_are_read(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(json.dumps(row("a", "coft", 0, 0.5, labels={"rounds": [{"believed": 0.7}]})))
    (found,) = Results(path).rows
    assert found["labels"]["rounds"] == [{"clean": 0.7}]


def test_the_stages_of_a_run_are_its_own_scores(tmp_path: Path) -> None:
    def score(stage: str, accuracy: float, **more: Any) -> dict[str, Any]:
        return {"kind": "score", "stage": stage, "accuracy": accuracy} | more

    run = RunStore(tmp_path).create(name="n", method="coft+", model="m", folder="/f")
    for record in (
        score("zero-shot", 0.5),
        score("seed", 0.9, round=1, model=None),
        score("monitor", 0.1),
        score("judged", 0.6, round=1, clean_precision=0.7, belief_precision=0.65),
        score("seed", 0.8, round=2, model=0),
        score("seed", 0.6, round=2, model=1),
        score("judged", 0.65, round=2, clean_precision=0.75, belief_precision=0.7),
        score("finished", 0.66, clean_precision=0.8, clustering_accuracy=0.9),
    ):
        run.append(record)
    assert stages(run) == {
        "zero_shot": 0.5,
        "finished": 0.66,
        "grouped": 0.9,
        "rounds": [
            {"seeds": 0.9, "labels": 0.6, "clean": 0.7, "weighted": 0.65},
            {"seeds": pytest.approx(0.7), "labels": 0.65, "clean": 0.75, "weighted": 0.7},
        ],
    }


@pytest.mark.slow
def test_a_benchmark_of_real_fits_goes_on_where_it_ended(
    labelled: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    done: list[tuple[str, str, int]] = []

    def counted(cell: Any, **options: Any) -> dict[str, Any]:
        done.append(cell.key)
        return fit(cell, **options)

    monkeypatch.setattr(command, "fit", counted)
    arguments = [
        "bench", "--data", str(labelled), "--methods", "zero-shot", "--seeds", "0",
        "--model", str(tiny_model), "--out", str(tmp_path / "out"), "--cache", str(tmp_path / "c"),
    ]  # fmt: skip
    assert main(arguments) == 0
    first = capsys.readouterr().out
    assert main(arguments) == 0
    assert capsys.readouterr().out == first
    assert done == [("colours", "zero-shot", 0)]
    (line,) = (tmp_path / "out" / "results.jsonl").read_text().splitlines()
    result = json.loads(line)
    assert result["entrant"] == "zero-shot"
    assert result["test_images"] == 36
    assert result["accuracy"] == result["zero_shot_accuracy"]
    assert result["labels"]["finished"] == result["labels"]["zero_shot"]
    assert result["labels"]["grouped"] >= result["labels"]["finished"]
    assert result["cpu_seconds"] > 0
    assert result["peak_memory_gib"] > 0.05
    assert "zero-shot" in (tmp_path / "out" / "tables.md").read_text()


@pytest.mark.slow
def test_a_fit_that_fails_is_told_with_its_last_words(labelled: Path, tmp_path: Path) -> None:
    (cell,) = cells(labelled_sets([labelled]), [Entrant.parse("zero-shot")], [0])
    with pytest.raises(RunError, match=r"colours zero-shot 0: error: .*no-such-model"):
        fit(cell, model=str(tmp_path / "no-such-model"), out=tmp_path, cache=tmp_path / "c")


@pytest.mark.slow
def test_shots_are_true_labels_of_a_few_images_of_each_class(
    labelled: Path, tiny_model: Path, tmp_path: Path
) -> None:
    (data,) = labelled_sets([labelled])
    written = tmp_path / "prompts"
    written.mkdir()
    (written / "colours.json").write_text(json.dumps({"templates": ["this is {}."]}))
    told = {}
    for seed in (0, 1):
        (cell,) = cells([data], [Entrant.parse(f"zero-shot:shots=2,prompts={written}")], [seed])
        result = fit(cell, model=str(tiny_model), out=tmp_path, cache=tmp_path / "c")
        assert (result["given_labels"], result["given_rejected"]) == (6, 0)
        run = tmp_path / "runs" / result["run"]
        assert json.loads((run / "prompts.json").read_text())["templates"] == ["this is {}."]
        lines = (tmp_path / f"colours-2-shots-{seed}.csv").read_text().splitlines()[1:]
        assert all(Path(line.split(",")[0]).parent.name == line.split(",")[1] for line in lines)
        told[seed] = set(lines)
    assert told[0] != told[1]
    own = f"supervised:shots=2,phase2_epochs=1,model={tiny_model}"  # not all labels
    (cell,) = cells([data], [Entrant.parse(own)], [0])
    result = fit(cell, model="no-such-model", out=tmp_path, cache=tmp_path / "c")
    assert result["given_labels"] == 6
