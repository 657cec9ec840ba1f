"""A run is corrected and trained again: its corrections hold, wherever they are read."""

from __future__ import annotations

import csv
import dataclasses
import shlex
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.cli import main
from studio.coft.events import SeedSet
from studio.coft.task import Task
from studio.errors import RunError
from studio.export.labels import labels_csv
from studio.images.canvases import Canvases
from studio.images.folder import parse_aliases, parse_class_names
from studio.prompts.prompt_set import PromptSet
from studio.runs.again import class_text, command_of, corrected, corrections_from, request_of
from studio.runs.checking import CLAIMED_FILE
from studio.runs.corrections import Corrections, corrections_of
from studio.runs.given import Correction
from studio.runs.given_table import GIVEN_FILE, read_corrections
from studio.runs.job import run_job
from studio.runs.request import JobRequest, create_run
from studio.runs.store import Run, RunStore
from studio.settings import Settings
from tests.runs.conftest import create

NAMES = ("crimson", "lime", "navy")


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("again-cache")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return RunStore(tmp_path_factory.mktemp("again-runs"))


@pytest.fixture(scope="module")
def first(
    runs: RunStore, image_folder: Path, tiny_model: Path, quick_settings: dict[str, Any],
    cache_dir: Path,
) -> Run:  # fmt: skip
    """A finished run in which three images are corrected."""
    request = JobRequest(
        folder=image_folder, class_names=NAMES, model=str(tiny_model),
        aliases={"red_square": "crimson"}, settings=Settings(**quick_settings),
        prompts=PromptSet(templates=("some {}",)),
    )  # fmt: skip
    run = create_run(request, runs)
    run_job(request, run, cache_dir=cache_dir, stop=lambda: False)
    said = Corrections.of(run)
    names = labels(run)
    said.add("relabelled", {path: other(names[path]) for path in PATHS[:2]})
    said.add("accepted", {PATHS[2]: names[PATHS[2]]})
    said.add("rejected", dict.fromkeys(PATHS[3:], ""))
    return run


PATHS = [
    "red_square/1.png", "blue_line/2.png", "green_circle/3.png", "red_square/4.png",
    "blue_line/5.png",
]  # fmt: skip


def other(name: str) -> str:
    return NAMES[(NAMES.index(name) + 1) % 3]


def labels(run: Run) -> dict[str, str]:
    """The final labels of a run by path, as the run itself gives them."""
    line = next(event for event in run.events()[0] if event["kind"] == "finished")
    numbers = run.arrays(line["arrays"])["labels"].tolist()
    return {p: NAMES[n] for p, n in zip(run.images()["images"], numbers, strict=True)}


@pytest.fixture(scope="module")
def told() -> list[Any]:
    return []


@pytest.fixture(scope="module")
def second(first: Run, runs: RunStore, cache_dir: Path, told: list[Any]) -> Run:
    """The run that was trained again with the corrections."""
    request = corrected(first)
    run = create_run(request, runs)
    run_job(request, run, cache_dir=cache_dir, stop=lambda: False, listen=told.append)
    return run


def test_the_same_is_asked_for_again(first: Run, image_folder: Path, tiny_model: Path):
    request = request_of(first)
    assert (request.folder, request.model) == (image_folder.resolve(), str(tiny_model))
    assert request.class_names == NAMES
    assert request.aliases == {"red_square": "crimson"}
    assert request.settings.to_dict() == first.info.settings
    assert request.prompts is not None
    assert request.prompts.templates == ("some {}",)
    assert not request.corrections


def test_given_labels_stand(first: Run, second: Run):
    before, after = labels(first), labels(second)
    wanted = corrections_of(first)
    assert sum(1 for c in wanted.values() if c.verdict == "relabelled") == 2
    for path, correction in wanted.items():
        if correction.label:
            assert after[path] == correction.label
    assert any(before[path] != after[path] for path in PATHS[:2])
    result = second.result()
    assert result is not None
    assert (result.given_labels, result.given_rejected) == (3, 2)


def test_rejected_images_are_in_no_training_set(first: Run, second: Run, told: list[Any]):
    rejected = {second.images()["images"].index(path) for path in PATHS[3:]}
    seeds = [event for event in told if isinstance(event, SeedSet)]
    assert seeds
    for event in seeds:
        assert not rejected & set(event.indices.tolist())
    line = next(event for event in reversed(second.events()[0]) if event["kind"] == "judged")
    clean = second.arrays(line["arrays"])["clean"]
    assert not clean[:, sorted(rejected)].any()
    # Settings with the filter "none" believe everything else: the emptiness above means something.
    others = sorted(set(range(clean.shape[1])) - rejected)
    assert clean[:, others].all()


# One round: in a second one, a rejected image is no seed but still among those that are ranked.
@pytest.mark.slow
@pytest.mark.parametrize(("method", "rounds"), [("coft", 1), ("coft+", 1)])
def test_training_never_sees_rejected_images(
    first: Run, runs: RunStore, cache_dir: Path, monkeypatch: pytest.MonkeyPatch, method: str,
    rounds: int,
):  # fmt: skip
    """With their pixels taken away the trained model is the same to the last bit."""
    settings = dataclasses.replace(request_of(first).settings, rounds=rounds)
    request = dataclasses.replace(corrected(first), method=method, settings=settings)
    black: set[int] = set()
    whole = Canvases.batch

    def batch(self: Canvases, indices: Sequence[int]) -> torch.Tensor:
        pixels = whole(self, indices).clone()
        pixels[[int(index) in black for index in indices]] = 0
        return pixels

    monkeypatch.setattr(Canvases, "batch", batch)

    def model(*paths: str) -> list[bytes]:
        black.clear()
        black.update(list(first.images()["images"]).index(path) for path in paths)
        run = create_run(request, runs)
        run_job(request, run, cache_dir=cache_dir, stop=lambda: False)
        return [p.read_bytes() for p in sorted((run.path / "model").glob("*.safetensors"))]

    plain = model()
    assert plain
    assert model(*PATHS[3:]) == plain
    assert model(PATHS[0]) != plain, "pictures are not taken away where training looks"


def test_the_new_run_keeps_what_it_was_given(first: Run, second: Run):
    assert read_corrections(second.path / GIVEN_FILE) == corrections_of(first)
    assert corrections_of(second) == corrections_of(first), "its own corrections begin with them"
    assert second.info.name == f"{first.info.name} corrected"
    again = corrected(second)
    assert again.name == second.info.name
    assert again.corrections == corrections_of(first)


def test_the_table_says_what_was_corrected(first: Run, second: Run, tmp_path: Path):
    own = labels(first)
    for run in (first, second):
        rows = {row["path"]: row for row in table(labels_csv(run, tmp_path / "labels.csv"))}
        for path, correction in corrections_of(first).items():
            row = rows[path]
            assert row["correction"] == correction.verdict
            assert row["clean"] == ("false" if correction.verdict == "rejected" else "true")
            if correction.label:
                assert row["label"] == correction.label
        assert sum(row["correction"] != "" for row in rows.values()) == len(PATHS)
    rows = {row["path"]: row for row in table(labels_csv(first, tmp_path / "labels.csv"))}
    assert all(rows[p]["label"] == own[p] for p in rows if p not in PATHS[:2])


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_corrections_come_from_a_run_or_from_its_table(first: Run, tmp_path: Path):
    exported = labels_csv(first, tmp_path / "labels.csv")
    assert corrections_from(exported) == corrections_from(first) == corrections_of(first)


def test_without_corrections_nothing_is_trained_again(store: RunStore, tmp_path: Path):
    run = create(store)
    run.set_status(state="finished")
    with pytest.raises(RunError, match="Nothing is corrected"):
        corrected(run)
    with pytest.raises(RunError, match="holds no corrections"):
        corrections_from(run)
    empty = tmp_path / "labels.csv"
    empty.write_text("path,label,correction\na.png,cat,\n")
    with pytest.raises(RunError, match=r"labels\.csv holds no corrections"):
        corrections_from(empty)


def test_another_run_at_work_is_named(first: Run, runs: RunStore):
    busy = create(runs)
    try:
        with pytest.raises(RunError, match=busy.id):
            create_run(corrected(first), runs)
    finally:
        busy.set_status(state="finished")


def test_corrections_to_a_class_that_is_gone_are_refused_before_there_is_a_run(
    first: Run, runs: RunStore
):
    request = dataclasses.replace(
        corrected(first), class_names=("crimson", "lemon"), aliases={}, prompts=None
    )
    before = [info.id for info in runs.list()]
    with pytest.raises(RunError, match="not in the list"):
        create_run(request, runs)
    assert [info.id for info in runs.list()] == before


def test_images_that_are_gone_are_told_of(first: Run, runs: RunStore, cache_dir: Path, as_method):
    def quiet(task: Task) -> Iterator[Any]:
        from tests.runs.test_job import finished

        assert int((task.given >= 0).sum()) == 1
        yield finished()

    more = {PATHS[0]: Correction("accepted", "lime"), "gone.png": Correction("rejected")}
    request = dataclasses.replace(corrected(first), corrections=more, method=as_method(quiet))
    run = create_run(request, runs)
    run_job(request, run, cache_dir=cache_dir, stop=lambda: False)
    warned = [event["message"] for event in run.events()[0] if event["kind"] == "warned"]
    assert any("1 corrected image is not in the folder any more: gone.png" in m for m in warned)


def test_the_command_of_a_run_repeats_it(
    first: Run, second: Run, cache_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for run in (first, second):
        words = shlex.split(command_of(run))
        assert words[:4] == ["python", "-m", "studio", "fit"]
        assert main([*words[3:], "--runs", str(tmp_path), "--cache", str(cache_dir)]) == 0
        (again,) = [Run(path) for path in tmp_path.iterdir() if (path / "run.json").is_file()]
        assert labels(again) == labels(run)
        assert again.info.settings == run.info.settings
        assert again.info.aliases == run.info.aliases
        assert again.info.truth_known == run.info.truth_known
        assert read_given(again) == read_given(run)
        for path in tmp_path.iterdir():
            shutil.rmtree(path, ignore_errors=True)
    capsys.readouterr()


def read_given(run: Run) -> Any:
    path = run.path / GIVEN_FILE
    return read_corrections(path) if path.is_file() else None


def test_a_command_names_what_is_not_the_default_and_quotes_it(runs: RunStore):
    settings = Settings(k=8, class_specific_context=True, phase1_lr=0.00125, seed=7)
    run = create(
        runs, folder="/my photos/it's", class_names=("cat", "traffic light"), method="coft+",
        settings=settings.to_dict(), seed=7, test_folder="/a b", model="/w/x y.json",
    )  # fmt: skip
    run.set_status(state="finished")
    text = command_of(run)
    assert "\n" not in text
    words = shlex.split(text)
    assert words[4:] == [
        "/my photos/it's", "--classes", "cat,traffic light", "--method", "coft+", "--model",
        "/w/x y.json", "--seed", "7", "--test", "/a b", "--set", "k=8", "--set", *words[-3:],
    ]  # fmt: skip
    pairs = [word for word in words if "=" in word]
    assert Settings.from_overrides({"seed": "7", **dict(p.split("=") for p in pairs)}) == settings


def test_a_command_does_not_map_folders_to_classes_that_are_called_the_same(store: RunStore):
    run = create(store, class_names=("dog", "house"), aliases={"dog": "dog", "house": "house"})
    assert "--classes dog,house " in command_of(run)


@pytest.mark.parametrize(
    ("names", "aliases"),
    [(("cat", "dog"), {}), (("cat, small", "dog"), {}), (("b", "a"), {"x y": "a", "z": "a"}),
     (("dog", "cat, small", "cow"), {"k": "cow"})],
)  # fmt: skip
def test_class_names_are_read_back_from_the_command(
    names: tuple[str, ...], aliases: dict[str, str]
):
    text = class_text(names, aliases)
    assert tuple(parse_class_names(text)) == names
    found = parse_aliases(text)
    assert {folder: name for folder, name in found.items() if folder != name} == aliases


def test_labels_to_check_stay_with_the_run(
    image_folder: Path, tiny_model: Path, runs: RunStore, quick_settings: dict[str, Any],
    cache_dir: Path,
):  # fmt: skip
    asked = dict.fromkeys(PATHS, "crimson")
    request = JobRequest(
        folder=image_folder, class_names=NAMES, model=str(tiny_model), labels=asked,
        settings=Settings(**{**quick_settings, "phase2_epochs": 0}),
    )  # fmt: skip
    run = create_run(request, runs)
    run_job(request, run, cache_dir=cache_dir, stop=lambda: False)
    assert request_of(run).labels == asked
    assert f"--labels {shlex.quote(str(run.path / CLAIMED_FILE))}" in command_of(run)
