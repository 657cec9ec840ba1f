"""One damaged run: it is shown as damaged, or says in one line what is wrong; others are as before.

The ways to spoil a run are those of `python tools/attack.py damaged-run`.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from studio.cli import main
from studio.errors import StudioError
from studio.export.labels import labels_csv
from studio.files import write_json
from studio.runs import checkpoints
from studio.runs.again import command_of, request_of
from studio.runs.info import Status, read_status
from studio.runs.reader import RunReader
from studio.runs.records import Recorder
from studio.runs.result import RunResult
from studio.runs.resume import asked_of, cannot_predict, obstacle, what_to_do
from studio.runs.store import Run, RunStore
from tests.quick import quick
from tools.attacks.mutations import spoilings

N, C = 6, 2
GOOD, BAD = "20260101-000000-good-coft", "20260102-000000-bad-coft"
SPOILINGS = dict(spoilings())


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with every kind of file."""
    store = RunStore(tmp_path_factory.mktemp("good"))
    run = store.create(
        name="photos", method="coft", model="embedded", folder="/photos", class_names=("a", "b"),
        settings={"seed": 0, "k": 4}, request={"corrections": {}, "labels": {}},
    )  # fmt: skip
    run.set_status(state="running", stage="phase 1")
    images = {"root": "/photos", "images": [f"a/{i}.jpg" for i in range(N)], "refused": []}
    write_json(run.path / "images.json", images)
    write_json(run.path / "prompts.json", {"format": 1, "templates": ["a {}"], "sentences": {}})
    labels, share = torch.arange(N) % C, torch.linspace(0.1, 0.9, N)
    both, shares = labels.expand(2, -1), share.expand(2, -1)
    record = Recorder(run)
    record.write("progress", {"stage": "reading images", "done": 0, "total": N})
    record.write("zero_shot", {}, {"labels": labels, "confidence": share})
    record.write("step", {
        "phase": 1, "model": 0, "step": 1, "steps": 2, "epoch": 1, "epochs": 1, "loss": 0.5,
        "learning_rate": 0.1, "parts": {},
    })  # fmt: skip
    record.write(
        "monitor",
        {"phase": 1, "epoch": 1, "epochs": 1, "agreement": 0.5, "clean_fraction": 0.5},
        {"indices": torch.arange(3), "labels": both[:, :3]},
    )
    record.write("judged", {"round_number": 1}, {
        "labels": both, "clean_probability": shares, "own_clean_probability": shares,
        "clean": shares > 0.5, "confidence": shares,
    })  # fmt: skip
    record.write("finished", {"stage": "phase2", "stopped": False}, {
        "labels": labels, "confidence": share, "clean_probability": share, "clean": share > 0.5,
        "model_labels": both, "model_clean_probability": shares,
        "top_labels": torch.stack([labels, 1 - labels], dim=1),
        "top_probabilities": torch.stack([share, 1 - share], dim=1),
    })  # fmt: skip
    record.write("combined", {}, {"score": share})
    record.write("strangers", {}, {"score": share})
    (run.path / "model").mkdir()
    write_json(run.path / "model" / "model.json", {"format": 1, "models": 1, "class_names": []})
    shutil.copy(
        run.path / "arrays" / "combined-0000.safetensors",
        run.path / "model" / "classifier-0.safetensors",
    )
    write_json(run.path / "result.json", RunResult(run=GOOD, images=N, accuracy=0.75).to_dict())
    run.set_status(state="finished")
    return run.path


def place(good: Path, root: Path) -> RunStore:
    for name in (GOOD, BAD):
        shutil.copytree(good, root / name)
    return RunStore(root)


def look_at_all(run: Run, tmp_path: Path) -> list[str]:
    """Do all that is done with a run; what was said that is wrong with it."""
    said = []

    def read() -> None:
        reader = RunReader(run)
        reader.refresh()
        for outcome in reader.outcomes().values():
            assert len(outcome.paths) == len(outcome.labels) == len(outcome.clean)
            assert all(0 <= label < len(outcome.class_names) for label in outcome.labels)
            assert outcome.clean_share <= 1
        reader.history.of(0)
        _ = reader.prompts, reader.root, reader.mark, reader.curves.epochs

    for work in (
        read, lambda: labels_csv(run, tmp_path / "labels.csv"), lambda: command_of(run),
        lambda: request_of(run), lambda: RunResult.to_dict(run.result() or RunResult()),
        lambda: run.rename("other"), lambda: asked_of(run), lambda: checkpoints.latest(run),
    ):  # fmt: skip
        try:
            work()
        except StudioError as error:
            said.append(str(error))
    told = [*said, obstacle(run), what_to_do(run), cannot_predict(run)]
    assert not [text for text in told if "\n" in text]
    return said


def check_others(store: RunStore, capsys: pytest.CaptureFixture[str] | None = None) -> Any:
    """The other run is listed as it is; what is said of the spoilt one."""
    infos = {info.id: info for info in store.list()}
    assert (infos[GOOD].state, infos[GOOD].damage) == ("finished", "")
    assert store.active() is None
    if capsys is not None:
        assert main(["runs", "--runs", str(store.root), "--json"]) == 0
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert {line["run"]: line["state"] for line in lines} == {
            info.id: info.state for info in infos.values()
        }
    return infos.get(BAD)


def test_a_whole_run_is_not_damaged(good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    store = place(good, tmp_path / "runs")
    info = check_others(store, capsys)
    assert (info.state, info.damage) == ("finished", "")
    assert look_at_all(store.get(BAD), tmp_path) == []


@quick(60)
@given(name=st.sampled_from(sorted(SPOILINGS)))
def test_a_damaged_run_harms_no_other(
    good: Path, tmp_path_factory: pytest.TempPathFactory, name: str
):
    tmp_path = tmp_path_factory.mktemp("spoilt")
    store = place(good, tmp_path / "runs")
    SPOILINGS[name](store.root / BAD)
    check_others(store)
    look_at_all(store.get(BAD), tmp_path)
    check_others(store)
    store.delete(BAD)
    assert not (store.root / BAD).exists()


@pytest.mark.parametrize("name", ["arrays/ is a link to arrays", "arrays/ is a link to /"])
def test_links_in_the_place_of_arrays_are_damage(good: Path, tmp_path: Path, name: str):
    store = place(good, tmp_path / "runs")
    SPOILINGS[name](store.root / BAD)
    assert "arrays" in " ".join(look_at_all(store.get(BAD), tmp_path))
    check_others(store)


@quick(30)
@given(data=st.data())
def test_bytes_that_changed_harm_no_other_run(
    good: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
):
    tmp_path = tmp_path_factory.mktemp("spoilt")
    store = place(good, tmp_path / "runs")
    files = sorted(path for path in (store.root / BAD).rglob("*") if path.is_file())
    path = data.draw(st.sampled_from(files))
    spoilt = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        if spoilt:
            spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(spoilt[: data.draw(st.integers(0, len(spoilt)))])
    check_others(store)
    look_at_all(store.get(BAD), tmp_path)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("run.json is missing", "run.json is missing"),
        ("run.json is nested deep", "run.json is nested too deep"),
        ("run.json: folder is '/'", "run.json: the folder of images is /, the whole disk"),
        ("run.json: class_names is 5", "run.json: class_names is a number"),
        ("status.json: state is 'nonsense'", "status.json: there is no state 'nonsense'"),
        ("status.json is a pipe", "status.json is no ordinary file"),
        ("images.json: root is '/..'", "images.json: the folder of images is /.., the whole disk"),
        ("images.json is empty", "images.json is no JSON"),
        ("events.jsonl is zeros", "events.jsonl holds no events"),
        ("events.jsonl is missing", "events.jsonl is missing"),
        ("result.json is cut short", "result.json is no JSON"),
        ("arrays of finished: empty", "finished-0000.safetensors is cut short"),
        ("arrays of judged: missing", "arrays/judged-0000.safetensors is missing"),
        ("arrays of finished: 10^18 rows", "does not hold what it says of its tensor"),
        ("model/model.json is cut", "model.json is no JSON"),
    ],
)
def test_the_list_says_what_is_wrong(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, reason: str
):
    store = place(good, tmp_path / "runs")
    SPOILINGS[name](store.root / BAD)
    info = check_others(store, capsys)
    assert info.state == "damaged"
    assert reason in info.damage
    assert main(["runs", "--runs", str(store.root)]) == 0
    assert f"{BAD} is damaged: {info.damage}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("arrays of finished: of half the images", "does not fit the others"),
        ("arrays of finished: labels beyond the classes", "numbers of classes that there are not"),
        ("arrays of finished: negative labels", "numbers of classes that there are not"),
        ("arrays of finished: one axis more", "does not fit the others"),
        ("arrays of finished: labels as fractions", "holds no whole numbers"),
        ("arrays of combined: of one image more", "is about 12 images, images.json lists 6"),
        ("arrays of strangers: of one image more", "is about 12 images, images.json lists 6"),
        ("images.json: images is ['a']", "is about 6 images, images.json lists 1"),
    ],
)
def test_whoever_opens_it_is_told_what_does_not_fit(
    good: Path, tmp_path: Path, name: str, reason: str
):
    store = place(good, tmp_path / "runs")
    SPOILINGS[name](store.root / BAD)
    said = look_at_all(store.get(BAD), tmp_path)
    assert any(f"run {BAD} is damaged: " in text and reason in text for text in said)


def test_probabilities_that_are_none_count_as_nothing(good: Path, tmp_path: Path):
    store = place(good, tmp_path / "runs")
    SPOILINGS["arrays of finished: NaN"](store.root / BAD)
    reader = RunReader(store.get(BAD))
    reader.refresh()
    outcome = reader.final()
    assert outcome is not None
    assert outcome.confidence.tolist() == [0] * N


def test_a_run_at_work_stays_so_whatever_its_status_file_says(tmp_path: Path):
    store = RunStore(tmp_path)
    run = store.create(name="a", method="coft", model="m", folder="/f")
    (run.path / "status.json").write_text("{")
    assert [info.state for info in RunStore(tmp_path).list()] == ["damaged"]
    run.set_status(stage="phase 1")
    assert run.status()["state"] == "running"
    run.set_status(state="finished")
    assert [info.state for info in store.list()] == ["finished"]


@pytest.mark.parametrize(
    "number", [10**4000, -(10**4000), 10**400, 1e308, -1], ids=lambda n: f"{n}"[:9]
)
def test_numbers_that_nothing_has_are_not_known(number: float):
    fields = [f for f in Status.__annotations__ if f not in ("state", "reason", "stage")]
    whole = read_status({"state": "failed"})
    for field in set(fields) - {"progress", "step_name"}:
        assert read_status({"state": "failed", field: number}) == whole, field
    progress = {"done": number, "total": 5, "label": "x"}
    assert read_status({"state": "failed", "progress": progress})["progress"] is None
