"""Which images are worth an answer, of a run and of a folder."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from studio.api.judging import JudgeOrder, judge
from studio.api.run import Run
from studio.api.suggesting import shortlist
from studio.cli import main
from studio.errors import StudioError
from studio.progress import never
from studio.prompts.prompt_set import PromptSet
from studio.runs.corrections import Corrections
from studio.runs.first_labels import Encoded
from studio.runs.job import run_job
from studio.runs.reader import RunReader
from studio.runs.request import JobRequest, create_run
from studio.runs.store import RunStore
from studio.settings import Settings

NAMES = ("red square", "green circle", "blue line")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_folder_and_its_names_become_a_list_of_images_worth_an_answer(
    image_folder: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "ask.csv"
    common = ["suggest", str(image_folder), "--classes", ",".join(NAMES), "--model",
              str(tiny_model), "--cache", str(tmp_path / "cache"), "--out", str(out)]  # fmt: skip
    assert main([*common, "--budget", "2C"]) == 0
    assert "Labelling all images together: " in capsys.readouterr().err
    rows = rows_of(out)
    assert list(rows[0]) == ["path", "pseudo-label", "shortlist", "why"]
    assert len({row["path"] for row in rows}) == len(rows) == 6
    for row in rows:
        assert (image_folder / row["path"]).is_file()
        assert row["pseudo-label"] in NAMES
        assert set(row["shortlist"].split("|")) == set(NAMES)
        assert row["why"].startswith(("stands for ", "looks like no other image"))
    assert main([*common, "--budget", "many"]) == 2


def test_a_run_suggests_what_nobody_has_answered(
    image_folder: Path, tiny_model: Path, tmp_path: Path, quick_settings: dict[str, Any]
) -> None:
    request = JobRequest(
        folder=image_folder, model=str(tiny_model), class_names=NAMES, method="zero-shot",
        settings=Settings(**quick_settings),
    )  # fmt: skip
    folder = create_run(request, RunStore(tmp_path / "runs"))
    run_job(request, folder, cache_dir=tmp_path / "cache", stop=lambda: False)
    run = Run(folder)
    first = run.suggest(4, cache=tmp_path / "cache", progress=False)
    paths = [row["path"] for row in first]
    assert len(paths) == 4
    labels = {row["path"]: row["label"] for row in run.labels}
    assert [row["pseudo-label"] for row in first] == [labels[path] for path in paths]
    kept = Corrections.of(folder)
    kept.add("relabelled", {paths[0]: NAMES[0]})
    kept.add("judged", {paths[1]: ""})
    again = [row["path"] for row in run.suggest("1C", cache=tmp_path / "cache", progress=False)]
    assert len(again) == 3
    assert not set(paths[:2]) & set(again)


def test_images_that_are_gone_are_not_suggested_and_the_others_are(
    image_folder: Path, tiny_model: Path, tmp_path: Path, quick_settings: dict[str, Any]
) -> None:
    images = Path(shutil.copytree(image_folder, tmp_path / "images"))
    request = JobRequest(
        folder=images, model=str(tiny_model), class_names=NAMES, method="zero-shot",
        settings=Settings(**quick_settings),
    )  # fmt: skip
    folder = create_run(request, RunStore(tmp_path / "runs"))
    run_job(request, folder, cache_dir=tmp_path / "cache", stop=lambda: False)
    run = Run(folder)
    labels = {row["path"]: row["label"] for row in run.labels}
    gone = [row["path"] for row in run.suggest(3, cache=tmp_path / "cache", progress=False)]
    for path in gone:
        (images / path).unlink()
    rows = list(run.suggest(100, cache=tmp_path / "cache", progress=False))
    assert {row["path"] for row in rows} == {*labels} - {*gone}
    assert all(row["pseudo-label"] == labels[row["path"]] for row in rows)
    for path in images.rglob("*.png"):
        path.unlink()
    with pytest.raises(StudioError, match=r"None of the images|no image"):
        run.suggest(3, cache=tmp_path / "cache", progress=False)


def test_a_bar_in_a_name_is_told_from_those_between_names() -> None:
    cell = shortlist(["black|white", "cat, or dog"])
    assert cell == r"black\|white|cat, or dog"
    assert re.split(r"(?<!\\)\|", cell) == [r"black\|white", "cat, or dog"]


@pytest.mark.parametrize("command", ["suggest", "judge"])
@pytest.mark.parametrize("budget", ["0", "many", "0C"])
def test_what_is_no_budget_is_said_before_an_image_is_looked_at(
    command: str, budget: str, image_folder: Path, tmp_path: Path, capsys: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def look(*_: Any, **__: Any) -> None:
        raise AssertionError("looked at the images first")

    monkeypatch.setattr("studio.api.target.Target.open", look)
    more = ["--url", "http://127.0.0.1:9/v1"] if command == "judge" else []
    out = str(tmp_path / "out.csv")
    common = [str(image_folder), "--cache", str(tmp_path), "--out", out, "--budget", budget]
    assert main([command, *common, *more]) == 2
    assert "A budget is how many images" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["suggest", "judge"])
def test_images_are_labelled_with_what_the_run_read_about_each_class(
    command: str, image_folder: Path, tiny_model: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    prompts = PromptSet(sentences={name: (f"a drawing of {name}",) for name in NAMES})
    request = JobRequest(
        folder=image_folder, model=str(tiny_model), class_names=NAMES, method="zero-shot",
        prompts=prompts,
    )  # fmt: skip
    folder = create_run(request, RunStore(tmp_path / "runs"))
    run_job(request, folder, cache_dir=tmp_path / "cache", stop=lambda: False)
    # Stopped before it had a classifier, a run says nothing about all classes of an image.
    monkeypatch.setattr(RunReader, "outcome", lambda self: self._outcome("zero_shot"))
    read: list[PromptSet] = []
    label = Encoded.label_softly

    def spy(self: Encoded, names: Any, prompts: PromptSet, **more: Any) -> Any:
        read.append(prompts)
        return label(self, names, prompts, **more)

    def nobody_asks(*_: Any, **__: Any) -> None:
        raise StudioError("nobody asks")

    monkeypatch.setattr(Encoded, "label_softly", spy)
    if command == "suggest":
        Run(folder).suggest(2, cache=tmp_path / "cache", progress=False)
    else:
        monkeypatch.setattr("studio.api.judging.judge_images", nobody_asks)
        order = JudgeOrder(
            folder.id, "2", tmp_path / "runs", tmp_path / "cache", judge="seer",
            url="http://127.0.0.1:9/v1", yes=True,
        )  # fmt: skip
        with pytest.raises(StudioError, match="nobody asks"):
            judge(
                order, begin=lambda _: lambda *_: None, tell=print, progress=print, stop=never,
                agree=lambda _: True,
            )  # fmt: skip
    assert [one.sentences for one in read] == [prompts.sentences]


@pytest.mark.slow
def test_a_run_weighs_what_a_judge_said(
    image_folder: Path, tiny_model: Path, tmp_path: Path, quick_settings: dict[str, Any]
) -> None:
    from studio.runs.given import Correction

    request = JobRequest(
        folder=image_folder, model=str(tiny_model), class_names=NAMES,
        settings=Settings(**quick_settings),
        corrections={"red_square/1.png": Correction("judged", NAMES[1])},
    )  # fmt: skip
    folder = create_run(request, RunStore(tmp_path / "runs"))
    result = run_job(request, folder, cache_dir=tmp_path / "cache", stop=lambda: False)
    assert (result.judged_labels, result.given_labels) == (1, 0)
    assert Corrections.of(folder).current()["red_square/1.png"] == Correction("judged", NAMES[1])


@pytest.mark.parametrize("given", [["--classes", "a,b"], ["--names", "FILE"], ["--model", "x"]])
@pytest.mark.parametrize("command", [["suggest", "--out", "ask.csv"], ["judge", "--dry-run"]])
def test_what_a_run_has_of_its_own_is_not_silently_passed_over(
    given: list[str], command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JUDGE_MODEL", "judge")
    run = RunStore(tmp_path / "runs").create(name="a", method="coft", model="m", folder="f")
    run.set_status(state="finished")
    names = tmp_path / "names.txt"
    names.write_text("a\nb\n")
    given = [str(names) if word == "FILE" else word for word in given]
    name, *more = command
    assert main([name, run.id, "--runs", str(tmp_path / "runs"), *more, *given]) == 2
    assert "of its own" in capsys.readouterr().err
