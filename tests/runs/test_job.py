"""The whole job with a very small model, and what becomes of it when something goes wrong."""

from __future__ import annotations

import dataclasses
import errno
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studio.coft.events import Finished, Progress, Step, ZeroShot
from studio.coft.given import UNKNOWN
from studio.coft.task import Task
from studio.errors import FolderError, ModelError, PromptError, RunError, SettingsError, StudioError
from studio.images.folder import truth
from studio.images.preparing import prepare
from studio.prompts.prompt_set import PromptSet
from studio.runs import material, seen
from studio.runs.failures import explain
from studio.runs.given import Correction
from studio.runs.job import JobStopped, run_job
from studio.runs.model import label_each, load_classifier
from studio.runs.request import JobRequest, create_run
from studio.runs.result import RunResult
from studio.runs.store import Run, RunStore
from studio.scores.estimate import SOURCES
from studio.settings import Settings

RESULT_KEYS = {
    "run", "method", "model", "images", "refused", "classes", "zero_shot_accuracy", "accuracy",
    "clean_fraction", "clean_precision", "seconds", "seed", "single_accuracy", "settings",
    "knowledge", "test_images", "stopped", "stage",
}  # fmt: skip


@pytest.fixture
def request_(image_folder: Path, tiny_model: Path, quick_settings: dict[str, Any]) -> JobRequest:
    settings = Settings(**quick_settings)
    return JobRequest(folder=image_folder, model=str(tiny_model), settings=settings)


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("job-cache")


def never() -> bool:
    return False


def go(request: JobRequest, store: RunStore, cache_dir: Path, **more: Any) -> tuple[Run, RunResult]:
    run = create_run(request, store)
    return run, run_job(request, run, cache_dir=cache_dir, **{"stop": never, **more})


def fails(request: JobRequest, store: RunStore, cache_dir: Path, error: type[Exception]) -> Run:
    run = create_run(request, store)
    with pytest.raises(error):
        run_job(request, run, cache_dir=cache_dir, stop=never)
    return run


def finished(count: int = 36, *, stopped: bool = False) -> Finished:
    ones, labels = torch.full((count,), 0.5), torch.zeros(count, dtype=torch.int64)
    return Finished(
        labels=labels, confidence=ones, clean_probability=ones,
        model_labels=torch.stack([labels, labels]), model_clean_probability=torch.stack([ones] * 2),
        clean=ones > 1, top_labels=labels[:, None], top_probabilities=ones[:, None],
        stage="zero-shot", stopped=stopped,
    )  # fmt: skip


def last(run: Run, kind: str) -> dict[str, Any]:
    return [event for event in run.events()[0] if event["kind"] == kind][-1]


def test_prompts_make_the_first_labels_and_stay_with_the_run(
    request_: JobRequest, store: RunStore, cache_dir: Path
):
    request = dataclasses.replace(request_, method="zero-shot")
    plain, result = go(request, store, cache_dir)
    assert json.loads((plain.path / "prompts.json").read_text()) == {
        "format": 1, "templates": ["a {}"], "sentences": {},
    }  # fmt: skip
    assert result.prompts == "1 template"

    same = PromptSet(("a {}",))
    again, _ = go(dataclasses.replace(request, prompts=same), store, cache_dir)
    own = PromptSet(("the {}",), {"red_square": ("crimson box", "a {} tile")})
    other, result = go(dataclasses.replace(request, prompts=own), store, cache_dir)
    assert PromptSet.load(other.path / "prompts.json") == PromptSet(
        ("the {}",), {"red square": ("crimson box", "a {} tile")}
    )
    assert result.prompts == "1 template and 2 sentences"

    def first_labels(run: Run) -> Any:
        (line,) = [event for event in run.events()[0] if event["kind"] == "zero_shot"]
        return run.arrays(line["arrays"])["confidence"]

    assert torch.equal(first_labels(plain), first_labels(again))
    assert not torch.allclose(first_labels(plain), first_labels(other))


def test_prompts_for_classes_that_do_not_exist_are_refused(request_: JobRequest, store: RunStore):
    request = dataclasses.replace(request_, prompts=PromptSet((), {"zebra": ("stripes",)}))
    with pytest.raises(PromptError, match="zebra"):
        create_run(request, store)


@pytest.mark.slow
def test_phase_two_may_train_another_model(
    request_: JobRequest, other_tiny_model: Path, store: RunStore, cache_dir: Path
):
    """Here one that looks at larger images, of which nothing must get lost on the way."""
    settings = dataclasses.replace(request_.settings, phase2_model=str(other_tiny_model))
    request = dataclasses.replace(request_, settings=settings, test_folder=request_.folder)
    run, result = go(request, store, cache_dir)
    assert result.stage == "phase2"
    classifier = load_classifier(run.path / "model", device="cpu")
    assert classifier.backbone.image_size == 256
    assert classifier.backbone.name == str(other_tiny_model)

    folder, canvases = prepare(request.folder, cache_dir=cache_dir, size=256)
    labels = torch.mean(label_each(classifier, canvases), dim=0).argmax(-1)
    assert torch.equal(labels, run.arrays(last(run, "finished")["arrays"])["labels"])
    right = truth(folder, run.info.class_names)
    assert right is not None
    assert result.accuracy == pytest.approx((labels.numpy() == right).mean())

    _, alone = go(dataclasses.replace(request, settings=request_.settings), store, cache_dir)
    assert result.zero_shot_accuracy == alone.zero_shot_accuracy, "the first labels changed"


@pytest.mark.parametrize(
    ("changes", "method", "words"),
    [({}, "upl", "has one model"), ({"phase2_epochs": 0}, "coft", "needs a Phase II"),
     ({"phase2_init": "phase1"}, "coft+", "its own weights")],
)  # fmt: skip
def test_a_model_for_phase_two_that_would_not_be_used_is_refused(
    request_: JobRequest, store: RunStore, changes: dict[str, Any], method: str, words: str
):
    settings = dataclasses.replace(request_.settings, phase2_model="embedded", **changes)
    with pytest.raises(SettingsError, match=words):
        create_run(dataclasses.replace(request_, method=method, settings=settings), store)
    assert store.list() == []


def test_a_folder_becomes_a_result(request_: JobRequest, store: RunStore, cache_dir: Path):
    run, result = go(request_, store, cache_dir)
    assert set(result.to_dict()) >= RESULT_KEYS
    assert (result.run, result.images, result.refused) == (run.id, 36, 1)
    assert (result.classes, result.stopped, result.stage) == (3, False, "phase2")
    for name in ("zero_shot_accuracy", "accuracy", "single_accuracy", "clean_fraction"):
        assert 0 <= getattr(result, name) <= 1
    stored = json.loads((run.path / "result.json").read_text())
    assert stored == json.loads(json.dumps(result.to_dict()))
    assert run.result() == RunResult.from_dict(stored)
    info = run.info
    assert (info.state, info.truth_known) == ("finished", True)
    assert set(info.class_names) == {"red square", "green circle", "blue line"}
    images = run.images()
    assert len(images["images"]) == 36
    assert images["refused"][0]["path"] == "red_square/broken.png"
    kinds = {event["kind"] for event in run.events()[0]}
    assert kinds >= {
        "progress", "knowledge", "zero_shot", "seed_set", "step", "monitor", "judged",
        "checkpoint", "finished", "score",
    }  # fmt: skip
    scored = [event["stage"] for event in run.events()[0] if event["kind"] == "score"]
    assert scored[0] == "zero-shot"
    assert scored[-1] == "finished"
    assert not list(run.path.rglob("*.tmp")), "temporary files are left"
    assert not list(run.path.rglob("*.p*t*")), "something that looks like a pickle"


def test_a_result_says_how_many_labels_it_takes_to_be_right(
    request_: JobRequest, store: RunStore, cache_dir: Path
):
    run, result = go(request_, store, cache_dir)
    said = {e["stage"]: e for e in run.events()[0] if e["kind"] == "estimate"}
    for stage, name in (("zero-shot", "zero_shot_accuracy"), ("finished", "accuracy")):
        found = getattr(result, f"estimated_{name}")
        assert 0 <= found.low <= found.accuracy <= found.high <= 1
        assert (said[stage]["accuracy"], said[stage]["low"]) == (found.accuracy, found.low)
    clean = result.estimated_clean_precision
    assert clean is not None
    assert (said["clean"]["accuracy"], said["clean"]["high"]) == (clean.accuracy, clean.high)
    assert said["zero-shot"]["z"] == result.knowledge_z
    assert result.estimated_accuracy.source == SOURCES["after"]
    assert {"monitor", "judged"} <= set(said)
    places = [(e["phase"], e["epoch"]) for e in run.events()[0] if e.get("stage") == "monitor"
              and e["kind"] == "estimate"]  # fmt: skip
    monitors = [(e["phase"], e["epoch"]) for e in run.events()[0] if e["kind"] == "monitor"]
    assert places == monitors, "every epoch has its estimate"
    (strange,) = [e for e in run.events()[0] if e["kind"] == "strangers"]
    assert run.arrays(strange["arrays"])["score"].shape == (36,)
    (also,) = [e for e in run.events()[0] if e["kind"] == "combined"]
    score = run.arrays(also["arrays"])["score"]
    assert score.shape == (36,)
    assert 0 <= score.min() < score.max() <= 1
    kinds = [event["kind"] for event in run.events()[0]]
    assert kinds.index("estimate") < kinds.index("zero_shot"), "it comes too late to be of use"


@pytest.mark.slow
def test_the_seed_decides_the_run(request_: JobRequest, store: RunStore, cache_dir: Path):
    first, _ = go(request_, store, cache_dir)
    again, _ = go(request_, store, cache_dir)
    other_settings = dataclasses.replace(request_.settings, seed=1)
    other, _ = go(dataclasses.replace(request_, settings=other_settings), store, cache_dir)
    assert model_bytes(first) == model_bytes(again)
    assert model_bytes(first) != model_bytes(other)


def model_bytes(run: Run) -> list[bytes]:
    return [path.read_bytes() for path in sorted((run.path / "model").glob("*.safetensors"))]


def test_shuffled_truth_changes_scores_and_nothing_else(
    request_: JobRequest, store: RunStore, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
):
    """Labels never reach training: test 11 of the method's specification."""
    honest, _ = go(request_, store, cache_dir)

    def shuffled(*args: Any, **kwargs: Any) -> Any:
        found = true_truth(*args, **kwargs)
        return np.random.default_rng(5).permutation(found)

    true_truth = material.truth
    monkeypatch.setattr(material, "truth", shuffled)
    lied_to, _ = go(request_, store, cache_dir)

    assert model_bytes(honest)
    assert model_bytes(honest) == model_bytes(lied_to)
    assert said(honest) == said(lied_to)
    assert accuracies(honest) != accuracies(lied_to), "the shuffling changed nothing"


def accuracies(run: Run) -> list[Any]:
    return [event["accuracy"] for event in run.events()[0] if event["kind"] == "score"]


def said(run: Run) -> list[Any]:
    """Everything that the fit said, tensors included; scores left out, and time."""
    lines = []
    for event in run.events()[0]:
        if event["kind"] in ("score", "progress", "step"):  # steps are thinned out by the clock
            continue
        arrays = run.arrays(event["arrays"]) if "arrays" in event else {}
        plain = {key: value for key, value in event.items() if key != "time"}
        lines.append((plain, {key: tensor.tolist() for key, tensor in arrays.items()}))
    return lines


def test_more_epochs_than_were_asked_for_are_explained_once(
    request_: JobRequest, store: RunStore, cache_dir: Path
):
    settings = replace(request_.settings, phase1_epochs=1, phase1_min_steps=4)
    run, _ = go(replace(request_, settings=settings), store, cache_dir)
    told = [record for record in said(run) if "phase1_epochs" in str(record)]
    assert len(told) == 1, "in the run's notes, which terminal and page show"
    assert "epochs, not 1" in str(told[0])


def test_without_truth_accuracies_are_unknown(
    request_: JobRequest, store: RunStore, cache_dir: Path
):
    request = dataclasses.replace(request_, class_names=("dog", "cat"), method="zero-shot")
    run, result = go(request, store, cache_dir)
    assert result.zero_shot_accuracy is None
    assert result.accuracy is None
    assert result.clean_precision is None
    assert result.clean_fraction is not None
    assert run.info.truth_known is False


def test_a_model_that_knows_nothing_here_is_told_of_before_the_fit(
    request_: JobRequest, store: RunStore, cache_dir: Path
):
    names = ("tax law", "grammar", "melancholy")
    request = dataclasses.replace(request_, class_names=names, method="zero-shot")
    run, result = go(request, store, cache_dir)
    assert result.knowledge == "near chance"  # the weights are random
    kinds = [event["kind"] for event in run.events()[0]]
    assert kinds.index("knowledge") < kinds.index("warned") < kinds.index("zero_shot")
    (warned,) = [event for event in run.events()[0] if event["kind"] == "warned"]
    assert "near chance" in warned["message"]


def test_aliases_tell_the_truth_of_folders_with_other_names(
    request_: JobRequest, store: RunStore, cache_dir: Path
):
    request = dataclasses.replace(
        request_, class_names=("crimson", "lime"), aliases={"red_square": "crimson"},
        method="zero-shot",
    )  # fmt: skip
    _, result = go(request, store, cache_dir)
    assert result.accuracy is not None


def test_a_test_folder_is_what_accuracies_are_measured_on(
    request_: JobRequest, store: RunStore, cache_dir: Path, image_folder: Path, tmp_path: Path
):
    for name in ("red_square", "blue_line"):
        (tmp_path / "test" / name).mkdir(parents=True)
        for number in (1, 2):
            target = tmp_path / "test" / name / f"{number}.png"
            target.write_bytes((image_folder / name / f"{number}.png").read_bytes())
    run, plain = go(request_, store, cache_dir)
    request = dataclasses.replace(request_, test_folder=tmp_path / "test")
    run, result = go(request, store, cache_dir)
    assert (plain.test_images, result.test_images) == (None, 4)

    # The four are images of the folder, so that its own labels tell what to expect.
    paths = run.images()["images"]
    events = run.events()[0]
    for kind, key in (("finished", "accuracy"), ("zero_shot", "zero_shot_accuracy")):
        line = next(event for event in events if event["kind"] == kind)
        labels = run.arrays(line["arrays"])["labels"].tolist()
        names = run.info.class_names
        right = [
            names[labels[paths.index(f"{name}/{number}.png")]] == name.replace("_", " ")
            for name in ("red_square", "blue_line")
            for number in (1, 2)
        ]
        assert getattr(result, key) == pytest.approx(np.mean(right))


def test_what_cannot_work_is_refused_before_a_run_is_made(
    request_: JobRequest, store: RunStore, tmp_path: Path, image_folder: Path
):
    usual, unnamed = request_.settings, tmp_path / "unnamed"
    shutil.copytree(image_folder / "red_square", unnamed)
    wrong: list[tuple[type[StudioError], dict[str, Any]]] = [
        (FolderError, {"folder": tmp_path / "missing"}),
        (FolderError, {"folder": image_folder / "red_square"}),
        (FolderError, {"class_names": ("one",)}),
        (FolderError, {"test_folder": tmp_path / "missing"}),
        (FolderError, {"test_folder": unnamed}),
        (SettingsError, {"method": "magic"}),
        (ModelError, {"model": "no-such-model"}),
        (ModelError, {"model": "ViT-B-99:openai"}),
        (ModelError, {"settings": dataclasses.replace(usual, phase2_model="no-such-model")}),
        (ModelError, {"settings": dataclasses.replace(usual, consensus_model="no-such-model")}),
        (RunError, {"corrections": {"blue_line/0.png": Correction("relabelled", "horse")}}),
        (RunError, {"corrections": {"nowhere.png": Correction("rejected")}}),
        (RunError, {"labels": {"blue_line/0.png": "horse"}}),
    ]
    for error, changes in wrong:
        with pytest.raises(error):
            create_run(dataclasses.replace(request_, **changes), store)
    assert store.list() == []


def test_a_model_whose_weights_are_not_there_fails_the_run_in_one_line(
    request_: JobRequest, store: RunStore, cache_dir: Path, tiny_model: Path, tmp_path: Path
):
    shutil.copy(tiny_model / "open_clip_config.json", tmp_path)
    request = dataclasses.replace(request_, model=str(tmp_path))
    run = fails(request, store, cache_dir, ModelError)
    assert run.status()["state"] == "failed"
    assert str(tmp_path) in (run.status()["reason"] or "")
    assert not (run.path / "log.txt").exists()


def test_a_tower_that_takes_no_adapter_is_refused_before_weights_are_looked_for(
    request_: JobRequest, store: RunStore, cache_dir: Path, tiny_model: Path, tmp_path: Path
) -> None:
    described = json.loads((tiny_model / "open_clip_config.json").read_text())
    described["model_cfg"]["vision_cfg"] = {
        "timm_model_name": "convit_tiny", "timm_pool": "", "timm_proj": "linear", "image_size": 224,
    }  # fmt: skip
    (tmp_path / "open_clip_config.json").write_text(json.dumps(described))
    request = dataclasses.replace(request_, model=str(tmp_path))
    reason = fails(request, store, cache_dir, ModelError).status()["reason"] or ""
    assert "nothing can be added" in reason
    labels = dataclasses.replace(request, method="zero-shot")
    reason = fails(labels, store, cache_dir, ModelError).status()["reason"] or ""
    assert "weights" in reason, "labelling needs no adapter"


@pytest.mark.parametrize("setting", ["phase2_model", "consensus_model"])
def test_other_models_are_looked_at_before_the_weights_of_the_first_come(
    request_: JobRequest, store: RunStore, cache_dir: Path, setting: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    settings = dataclasses.replace(request_.settings, **{setting: "hf-hub:nobody/nothing"})
    monkeypatch.setattr("studio.clip.sources.Hub.files", lambda hub: [])
    monkeypatch.delattr(seen, "load_backbone")
    run = fails(dataclasses.replace(request_, settings=settings), store, cache_dir, ModelError)
    assert "nobody/nothing has no open_clip_config.json" in (run.status()["reason"] or "")


def test_a_model_that_phase_two_cannot_train_is_refused_before_weights_are_looked_for(
    request_: JobRequest, store: RunStore, cache_dir: Path, tiny_model: Path, tmp_path: Path
) -> None:
    described = json.loads((tiny_model / "open_clip_config.json").read_text())
    described["model_cfg"]["vision_cfg"] = {
        "timm_model_name": "tiny_vit_5m_224", "timm_pool": "avg", "timm_proj": "linear",
        "image_size": 224,
    }  # fmt: skip
    (tmp_path / "open_clip_config.json").write_text(json.dumps(described))
    settings = dataclasses.replace(request_.settings, phase2_model=str(tmp_path))
    request = dataclasses.replace(request_, settings=settings)
    reason = fails(request, store, cache_dir, ModelError).status()["reason"] or ""
    assert "cannot be trained as a whole" in reason


def test_names_that_learned_prompts_cannot_tell_apart_are_refused_before_images_are_read(
    request_: JobRequest, store: RunStore, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`tiny_model` reads 40 tokens."""
    names = ("cat", *("word " * 50 + end for end in ("red", "blue")))
    request = dataclasses.replace(request_, class_names=names)
    monkeypatch.delattr(material, "images_for")
    run = fails(request, store, cache_dir, ModelError)
    assert "are the same where they are cut" in (run.status()["reason"] or "")


def test_a_context_that_leaves_names_no_room_is_shortened_and_that_is_said(
    request_: JobRequest, store: RunStore, cache_dir: Path
) -> None:
    names = ("cat", "word " * 30 + "dog")
    settings = dataclasses.replace(request_.settings, n_ctx=16)
    request = dataclasses.replace(request_, class_names=names, settings=settings)
    run, _ = go(request, store, cache_dir)
    said = [event["message"] for event in run.events()[0] if event["kind"] == "warned"]
    assert sum("6 context vectors instead of n_ctx=16" in line for line in said) == 1


def test_a_bug_fails_the_run_and_leaves_its_traceback(
    request_: JobRequest, store: RunStore, cache_dir: Path, as_method
):
    def broken(_: Task) -> Iterator[Any]:
        yield Progress("phase 1", 1, 2)
        raise ZeroDivisionError("by nothing\nat all")

    request = dataclasses.replace(request_, method=as_method(broken))
    run = fails(request, store, cache_dir, ZeroDivisionError)
    assert run.status()["reason"] == "internal error: ZeroDivisionError: by nothing"
    assert "Traceback" in (run.path / "log.txt").read_text()
    assert run.result() is None


def test_too_little_memory_comes_with_advice(
    request_: JobRequest, store: RunStore, cache_dir: Path, as_method
):
    def hungry(_: Task) -> Iterator[Any]:
        yield Progress("phase 1", 1, 2)
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    request = dataclasses.replace(request_, method=as_method(hungry))
    run = fails(request, store, cache_dir, RunError)
    assert "micro_batch" in (run.status()["reason"] or "")
    assert "CUDA out of memory" in (run.path / "log.txt").read_text()


def test_a_method_without_an_outcome_is_a_bug(
    request_: JobRequest, store: RunStore, cache_dir: Path, as_method
):
    def mute(_: Task) -> Iterator[Any]:
        yield Progress("phase 1", 1, 1)

    request = dataclasses.replace(request_, method=as_method(mute))
    run = fails(request, store, cache_dir, RuntimeError)
    assert run.status()["state"] == "failed"


def test_stop_keeps_what_was_learned(request_: JobRequest, store: RunStore, cache_dir: Path):
    steps: list[Step] = []
    states: list[str] = []

    def listen(event: Any) -> None:
        if isinstance(event, Step):
            steps.append(event)
        if isinstance(event, Progress) and event.stage == "labelling":
            states.append(store.list()[0].state)

    run, result = go(
        request_, store, cache_dir, listen=listen, stop=lambda: bool(steps and steps[-1].phase == 2)
    )
    assert (result.stopped, result.stage) == (True, "phase2")
    assert run.status()["state"] == "stopped"
    assert set(states) == {"stopping"}
    assert model_bytes(run)
    assert run.result() is not None
    assert sum(step.phase == 2 for step in steps) < 6


def test_weighing_answers_is_shown_and_can_be_stopped(
    request_: JobRequest, store: RunStore, cache_dir: Path
):
    """Of very many images it takes hours, and nothing is learned until then."""
    said = Correction("judged", "red square")
    request = dataclasses.replace(request_, corrections={"red_square/0.png": said})
    weighed: list[Progress] = []

    def listen(event: Any) -> None:
        if isinstance(event, Progress) and event.stage == "weighing answers":
            weighed.append(event)

    run = create_run(request, store)
    with pytest.raises(JobStopped, match="before anything was learned"):
        run_job(request, run, cache_dir=cache_dir, listen=listen, stop=lambda: len(weighed) == 3)
    assert [event.done for event in weighed] == sorted(event.done for event in weighed)
    assert (len(weighed), weighed[0].done, weighed[0].total) == (3, 0, 36)


def test_stopped_before_anything_was_learned(request_: JobRequest, store: RunStore, tmp_path: Path):
    run = create_run(request_, store)
    with pytest.raises(JobStopped, match="before anything was learned"):
        run_job(request_, run, cache_dir=tmp_path / "cold", stop=lambda: True)
    assert run.status()["state"] == "stopped"
    assert run.result() is None


def test_ctrl_c_twice_interrupts(request_: JobRequest, store: RunStore, cache_dir: Path, as_method):
    def impatient(_: Task) -> Iterator[Any]:
        yield Progress("phase 1", 1, 2)
        raise KeyboardInterrupt

    request = dataclasses.replace(request_, method=as_method(impatient))
    run = create_run(request, store)
    with pytest.raises(KeyboardInterrupt):
        run_job(request, run, cache_dir=cache_dir, stop=never)
    assert run.status()["state"] == "interrupted"


def test_the_fit_is_told_nothing_but_images_names_and_settings(
    request_: JobRequest, store: RunStore, cache_dir: Path, as_method
):
    tasks: list[Task] = []

    def nosy(task: Task) -> Iterator[Any]:
        tasks.append(task)
        labels = torch.zeros(36, dtype=torch.int64)
        yield ZeroShot(labels, labels.float())
        yield finished()

    go(dataclasses.replace(request_, method=as_method(nosy)), store, cache_dir)
    (task,) = tasks
    assert set(vars(task)) == {
        "backbone", "images", "features", "class_vectors", "class_names", "settings", "given",
        "claims", "judged", "trust", "kept", "candidates", "others", "_student", "stop",
        "stop_alone", "ranks", "_first_labels",
    }  # fmt: skip
    assert (task.given == UNKNOWN).all(), "labels of nobody were given"
    assert (task.judged == UNKNOWN).all(), "nothing was judged"
    assert (task.claims == UNKNOWN).all(), "no labels came with the images"
    assert tuple(task.features.shape) == (36, 16)
    assert tuple(task.class_vectors.shape) == (3, 16)
    assert len(task.images) == 36
    assert not hasattr(task.images, "paths")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_so(number: int):
    error = OSError(number, "No space left on device")
    assert "disk is full" in str(explain(error))
    assert explain(ValueError("x")) is None
