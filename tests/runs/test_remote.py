"""A Job of Hugging Face, before a hub that is a folder."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studio.cli import main
from studio.errors import RunError, SettingsError
from studio.prompts.prompt_set import PromptSet
from studio.runs import follow as module
from studio.runs.follow import Follower
from studio.runs.given import Correction
from studio.runs.mirror import Mirror, check_mirror, mirrored, names_in
from studio.runs.reader import RunReader
from studio.runs.remote import BUCKET, MOUNT, RemoteJob, planned, submit
from studio.runs.request import JobRequest
from studio.runs.run import Run
from studio.runs.store import RunStore
from studio.settings import Settings

TOKEN = "hf_secret_of_somebody"


class Hub:
    """A bucket that is a folder, and a Job whose stage the test says."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.jobs, self.stage = folder, list[dict[str, Any]](), "RUNNING"
        self.fault: Exception | None = None

    def _may(self) -> None:
        if self.fault is not None:
            raise self.fault

    def create_bucket(self, bucket_id: str, *, private: bool, exist_ok: bool) -> None:
        self._may()
        assert private
        assert exist_ok
        assert bucket_id == f"ann/{BUCKET}"

    def batch_bucket_files(self, bucket: str, *, add: list[tuple[Path | bytes, str]]) -> None:
        for data, name in add:
            target = self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data if isinstance(data, bytes) else data.read_bytes())

    def run_job(self, **asked: Any) -> SimpleNamespace:
        self.jobs.append(asked)
        return SimpleNamespace(id="job-1")

    def inspect_job(self, *, job_id: str, namespace: str) -> SimpleNamespace:
        self._may()
        assert (job_id, namespace) == ("job-1", "ann")
        return SimpleNamespace(status=SimpleNamespace(stage=self.stage, message="out of memory"))

    def cancel_job(self, *, job_id: str, namespace: str) -> None:
        self.stage = "CANCELED"

    def list_bucket_tree(self, bucket: str, *, prefix: str, recursive: bool) -> Iterator[Any]:
        self._may()
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            if path.is_file() and name.startswith(prefix):
                data = path.read_bytes()
                yield SimpleNamespace(type="file", path=name, size=len(data), xet_hash=hash(data))

    def download_bucket_files(self, bucket: str, files: list[tuple[str, Path]]) -> None:
        for name, target in files:
            shutil.copy(self.folder / name, target)


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path / "bucket")


@pytest.fixture
def request_(image_folder: Path, tiny_model: Path, quick_settings: dict[str, Any]) -> JobRequest:
    return JobRequest(
        folder=image_folder, class_names=("red square", "green circle", "blue line"),
        aliases={"red_square": "red square"}, method="zero-shot", model=str(tiny_model),
        settings=Settings.from_dict({**quick_settings, "seed": 4}), name="shapes",
        prompts=PromptSet(("a drawing of a {}.",), {}),
        corrections={"blue_line/3.png": Correction("relabelled", "green circle")},
    )  # fmt: skip


def plan(request: JobRequest, **changes: Any) -> RemoteJob:
    asked = {"name": "shapes", "owner": "ann", "space": "bob/coft", "flavor": "t4-small"}
    return planned(request, **{**asked, **changes})


def test_a_job_is_the_same_command_with_its_files_in_a_bucket(
    request_: JobRequest, hub: Hub, tmp_path: Path, image_folder: Path, tiny_model: Path
) -> None:
    job = plan(request_, minutes=30)
    assert job.image == "hf.co/spaces/bob/coft"
    assert job.most == pytest.approx(0.20)
    assert "0.20 $ at most, on the account ann" in job.sentence
    assert submit(job, token=TOKEN, api=hub) == "job-1"
    (asked,) = hub.jobs
    assert (asked["flavor"], asked["timeout"], asked["namespace"]) == ("t4-small", "30m", "ann")
    (volume,) = asked["volumes"]
    assert (volume.type, volume.source, volume.mount_path) == ("bucket", f"ann/{BUCKET}", MOUNT)
    assert TOKEN not in json.dumps([asked["command"], asked["labels"]])
    # The Job's own side, with its disk in another place.
    here = [
        f"{tmp_path}/job-{part[5:]}"
        if part in ("/tmp/runs", "/tmp/cache")
        else part.replace(MOUNT, str(hub.folder))
        for part in asked["command"]
    ]
    assert here[:4] == ["python", "-m", "studio", "fit"]
    assert main(here[3:]) == 0
    (run,) = RunStore(tmp_path / "job-runs").list()
    assert (run.name, run.seed, run.method) == ("shapes", 4, "zero-shot")
    assert run.settings["phase1_batch"] == request_.settings.phase1_batch
    assert run.class_names == request_.class_names
    copied = hub.folder / "shapes" / "run"
    assert json.loads((copied / "status.json").read_text())["state"] == "finished"

    # The page's side.
    local = RunStore(tmp_path / "runs").create(
        name="shapes", method="zero-shot", model=str(tiny_model), folder=str(image_folder),
        class_names=request_.class_names,
    )  # fmt: skip
    follower = Follower(local, job, id="job-1", root=image_folder, api=hub)
    follower.follow(stop=lambda: False, wait=lambda _: pytest.fail("it has ended"))
    assert local.status()["state"] == "finished"
    reader = RunReader(local)
    reader.refresh()
    outcome = reader.final()
    assert outcome is not None
    assert len(outcome) == 36
    assert reader.root == image_folder
    assert outcome.corrections["blue_line/3.png"].label == "green circle"
    done = RunReader(Run(tmp_path / "job-runs" / run.id))
    done.refresh()
    assert (done.final().labels == outcome.labels).all()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "changes", [{"owner": "a b"}, {"owner": "../x"}, {"flavor": "tpu"}, {"minutes": 0}]
)
def test_what_cannot_be_asked_for_is_said(request_: JobRequest, changes: dict[str, Any]) -> None:
    with pytest.raises(RunError):
        plan(request_, **changes)


def test_a_refusal_does_not_quote_the_token(request_: JobRequest, hub: Hub) -> None:
    hub.fault = ValueError(f"401: {TOKEN} may not\nstart Jobs")
    with pytest.raises(RunError, match=r"401: \.\.\. may not") as caught:
        submit(plan(request_), token=TOKEN, api=hub)
    assert caught.value.__cause__ is None
    assert "\n" not in str(caught.value)


@pytest.fixture
def followed(request_: JobRequest, hub: Hub, tmp_path: Path) -> tuple[Follower, Run, Path]:
    run = RunStore(tmp_path / "runs").create(
        name="x", method="coft", model="embedded", folder=str(request_.folder)
    )
    there = hub.folder / "shapes" / "run"
    there.mkdir(parents=True)
    follower = Follower(run, plan(request_), id="job-1", root=request_.folder, api=hub)
    return follower, run, there


def test_a_job_that_dies_fails_the_run(followed: tuple[Follower, Run, Path], hub: Hub) -> None:
    follower, run, there = followed
    status = {"state": "running", "stage": "Phase I", "fraction": 0.4}
    (there / "status.json").write_text(json.dumps(status))
    assert not follower.pull()
    assert (run.status()["state"], run.status()["stage"]) == ("running", "Phase I")
    hub.stage = "ERROR"
    follower.follow(stop=lambda: False, wait=lambda _: None)
    assert run.status()["state"] == "failed"
    assert run.status()["reason"] == "the Job ended: error (out of memory)"


def test_a_job_can_be_cancelled(followed: tuple[Follower, Run, Path], hub: Hub) -> None:
    follower, run, _ = followed
    follower.follow(stop=lambda: True, wait=lambda _: None)
    assert hub.stage == "CANCELED"
    assert "canceled" in str(run.status()["reason"])


def test_a_hub_that_cannot_be_reached_is_asked_for_a_while(
    followed: tuple[Follower, Run, Path], hub: Hub
) -> None:
    follower, run, _ = followed
    hub.fault, waited = OSError("no route"), list[float]()
    follower.follow(stop=lambda: False, wait=waited.append)
    assert len(waited) == module.PATIENCE - 1
    assert "no route" in str(run.status()["reason"])


def test_only_files_of_a_run_are_taken_from_a_bucket(followed: tuple[Follower, Run, Path]) -> None:
    follower, run, there = followed
    before = (run.path / "run.json").read_bytes()
    for name in (
        "run.json",
        "owner.lock",
        "x.sh",
        "x/status.json",
        "arrays/a.safetensors",
    ):
        target = there / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("{}")
    (there / "images.json").write_text(json.dumps({"root": "/etc", "images": ["passwd"]}))
    follower.pull()
    assert (run.path / "run.json").read_bytes() == before
    assert sorted(names_in(run.path)) == ["arrays/a.safetensors", "images.json", "status.json"]
    assert not (run.path / "x.sh").exists()
    assert run.images()["root"] != "/etc"


def test_a_mirror_copies_what_is_new(tmp_path: Path) -> None:
    run, target = tmp_path / "run", tmp_path / "copy"
    (run / "arrays").mkdir(parents=True)
    (run / "events.jsonl").write_text("one\n")
    (run / "secret.key").write_text("no")
    with mirrored(run, target, tell=print, every=60):
        (run / "arrays" / "a-0000.safetensors").write_text("x")
        (run / "status.json").write_text("{}")
    assert sorted(names_in(target)) == ["arrays/a-0000.safetensors", "events.jsonl", "status.json"]
    assert not (target / "secret.key").exists()
    mirror = Mirror(run, target)
    assert mirror.copy() == 3
    assert mirror.copy() == 0
    with (run / "events.jsonl").open("a") as file:
        csv.writer(file).writerow(["two"])
    assert mirror.copy() == 1
    assert (target / "events.jsonl").read_text().startswith("one\ntwo")
    with mirrored(run, None, tell=print):
        pass


def test_a_mirror_that_cannot_be_is_told_of_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(SettingsError, match=r"--mirror .*(is a file|not a directory).*folder"):
            check_mirror(place)
    check_mirror(tmp_path / "new" / "copy")
    assert (tmp_path / "new" / "copy").is_dir()
    check_mirror(None)


def test_a_mirror_that_is_not_whole_in_the_end_is_told_of(tmp_path: Path) -> None:
    run, target, told = tmp_path / "run", tmp_path / "copy", list[str]()
    (run / "arrays").mkdir(parents=True)
    (run / "arrays" / "a-0000.safetensors").write_text("x")
    (run / "events.jsonl").write_text("one\n")
    target.mkdir()
    (target / "arrays").write_text("in the way")
    with mirrored(run, target, tell=told.append, every=60):
        pass
    assert len(told) == 1
    assert "is not whole" in told[0]
    (target / "arrays").unlink()
    with mirrored(run, target, tell=told.append, every=60):
        pass
    assert len(told) == 1
