"""What every method promises, and that none is told what a run is scored with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from studio import cli
from studio.clip.backbone import Backbone
from studio.coft.classifier import Classifier
from studio.coft.events import Checkpoint, Event, Finished, Monitor, Step, ZeroShot
from studio.coft.given import REJECTED, UNKNOWN
from studio.coft.task import Task
from studio.errors import FolderError, RunError, SettingsError
from studio.methods import METHODS, Method, method_of, title_of
from studio.runs.given import Correction
from studio.runs.job import run_job
from studio.runs.request import JobRequest, check, create_run
from studio.runs.store import RunStore
from studio.settings import Settings
from studio.views import runs as look
from tests.baselines.conftest import QUICK, _little_text, arguments, only
from tests.coft.conftest import Canvases, convnet, vit

__all__ = ["_little_text", "convnet", "vit"]

RIVALS = sorted(method.name for method in METHODS.values() if not method.ours)
TRAINING = [name for name in RIVALS if METHODS[name].trains]
TOGETHER = ("together", "transclip", "transclip-released", "stata", "zlap", "ecalp")
"""Which label the images of a run together, and new ones one by one."""


def given_to(name: str, count: int = 30) -> torch.Tensor:
    """Two given labels, one of them against all appearances, and a rejected image."""
    given = torch.full((count,), UNKNOWN)
    given[0], given[4], given[7] = 0, 2, REJECTED
    if METHODS[name].needs_given:
        given[:4] = torch.tensor([0, 1, 2, 0])
    return given


def events_of(name: str, backbone: Backbone, *, stop: Any = None, **changes: Any) -> list[Event]:
    events: list[Event] = []
    for event in method_of(name).load()(Task(
        **arguments(backbone, Canvases(30)), settings=Settings(**QUICK | changes),
        given=given_to(name), stop=lambda: stop is not None and stop(events),
    )):  # fmt: skip
        events.append(event)
    return events


def classifier_of(events: list[Event]) -> Classifier:
    (shipped,) = [e for e in events if isinstance(e, Checkpoint) and e.name == "classifier"]
    return Classifier.load(shipped.tensors, shipped.meta, device="cpu")


@pytest.mark.parametrize("name", RIVALS)
def test_a_method_speaks_the_events_and_ships_what_it_reports(name: str, vit: Backbone) -> None:
    events = events_of(name, vit)
    finished = only(events, Finished)
    assert isinstance(events[0], ZeroShot)
    assert events[-1] is finished
    assert finished.labels.shape == finished.clean.shape == (30,)
    assert not finished.stopped
    shipped = classifier_of(events).probabilities(Canvases(30).batch(range(30)))
    if name not in TOGETHER:
        free = given_to(name) == UNKNOWN
        assert torch.equal(shipped.argmax(1)[free], finished.labels[free])
        of_label = shipped.gather(1, finished.labels[:, None])[:, 0]
        torch.testing.assert_close(of_label, finished.confidence, rtol=1e-3, atol=1e-4)
    trained = {event.model for event in events if isinstance(event, Step)}
    method = METHODS[name]
    assert trained == (set(range(method.models)) if method.trains else set())
    if method.models == 1:
        assert torch.equal(finished.model_labels[0], finished.model_labels[1])
    for monitor in (event for event in events if isinstance(event, Monitor)):
        assert monitor.labels.shape == (2, 8)
        assert 0 <= monitor.clean_fraction <= 1
    for step in (event for event in events if isinstance(event, Step)):
        assert 1 <= step.step <= step.steps
        assert 1 <= step.epoch <= step.epochs
    if name in TRAINING:
        last = [event for event in events if isinstance(event, Step)][-1]
        assert (last.step, last.epoch) == (last.steps, last.epochs)


@pytest.mark.parametrize("name", RIVALS)
def test_given_labels_stand(name: str, vit: Backbone) -> None:
    given = given_to(name)
    finished = only(events_of(name, vit), Finished)
    labelled = given >= 0
    assert torch.equal(finished.labels[labelled], given[labelled])
    assert finished.clean[labelled].all()
    assert not finished.clean[7]


@pytest.mark.parametrize("name", TRAINING)
def test_a_rejected_image_is_in_no_training(name: str, vit: Backbone) -> None:
    images = Canvases(30)
    made = arguments(vit, images)
    seen: set[int] = set()
    for event in method_of(name).load()(Task(
        **made, settings=Settings(**QUICK | {"monitor_images": 0}), given=given_to(name),
        stop=lambda: False,
    )):  # fmt: skip
        if isinstance(event, Step):
            seen |= set(images.calls)
            images.calls.clear()
    assert seen
    assert 7 not in seen


@pytest.mark.parametrize("name", TRAINING)
def test_stopping_keeps_what_was_learned(name: str, vit: Backbone) -> None:
    events = events_of(name, vit, stop=lambda so_far: any(isinstance(e, Step) for e in so_far))
    finished = only(events, Finished)
    assert finished.stopped
    assert finished.stage != "zero-shot"
    assert sum(isinstance(event, Step) for event in events) == 1
    free = given_to(name) == UNKNOWN
    shipped = classifier_of(events).probabilities(Canvases(30).batch(range(30)))
    assert torch.equal(shipped.argmax(1)[free], finished.labels[free])


@pytest.mark.parametrize("name", RIVALS)
def test_stopped_at_once_a_method_ships_zero_shot(name: str, vit: Backbone) -> None:
    events = events_of(name, vit, stop=lambda _: True)
    finished = only(events, Finished)
    assert finished.stopped
    assert finished.stage == "zero-shot"
    assert not any(isinstance(event, Step) for event in events)


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINING)
def test_same_seed_same_run_and_other_seed_other_run(name: str, vit: Backbone) -> None:
    def weights(seed: int) -> dict[str, torch.Tensor]:
        return classifier_of(events_of(name, vit, seed=seed, monitor_images=0)).state()

    first, again, other = weights(0), weights(0), weights(1)
    assert all(torch.equal(tensor, again[key]) for key, tensor in first.items())
    assert any(not torch.equal(tensor, other[key]) for key, tensor in first.items())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["upl", "lafter", "fixmatch", "self-training", "transclip"])
def test_a_centred_convolutional_tower_works_as_well(name: str, convnet: Backbone) -> None:
    before = {key: tensor.clone() for key, tensor in convnet.model.state_dict().items()}
    events = events_of(name, convnet)
    for key, tensor in convnet.model.state_dict().items():
        assert torch.equal(tensor, before[key]), key
    shipped = classifier_of(events).probabilities(Canvases(30).batch(range(30)))
    if name not in TOGETHER:
        free = given_to(name) == UNKNOWN
        assert torch.equal(shipped.argmax(1)[free], only(events, Finished).labels[free])


@pytest.mark.parametrize("name", sorted(METHODS))
def test_one_class_is_refused(name: str, vit: Backbone) -> None:
    made = arguments(vit, Canvases(6))
    made |= {"class_names": made["class_names"][:1], "class_vectors": made["class_vectors"][:1]}
    with pytest.raises(FolderError, match="two classes"):
        list(
            method_of(name).load()(
                Task(**made, settings=Settings(**QUICK), given=None, stop=lambda: False)
            )
        )


def test_an_unknown_method_is_refused_with_those_there_are() -> None:
    with pytest.raises(SettingsError, match=r"magic.*coft, coft\+, .*supervised"):
        method_of("magic")


def test_supervised_never_sees_the_classes_that_sub_folders_give_the_scorer(
    image_folder: Path, tiny_model: Path, quick_settings: dict[str, Any], tmp_path: Path
) -> None:
    request = JobRequest(
        folder=image_folder, method="supervised", model=str(tiny_model),
        settings=Settings(**quick_settings),
    )  # fmt: skip
    # The one that is given is of an image that has gone since.
    corrections = {"blue_line/3.png": Correction("rejected"),
                   "gone.png": Correction("accepted", "blue line")}  # fmt: skip
    request = replace(request, corrections=corrections)
    run = create_run(request, RunStore(tmp_path / "runs"))
    with pytest.raises(RunError, match="given labels only"):
        run_job(request, run, cache_dir=tmp_path / "cache", stop=lambda: False)
    assert run.info.truth_known
    assert run.info.state == "failed"


def test_a_method_that_needs_given_labels_is_refused_without_any_at_once(
    image_folder: Path,
) -> None:
    request = JobRequest(folder=image_folder, method="supervised")
    rejected = {"blue_line/3.png": Correction("rejected")}
    for corrections in ({}, rejected):
        with pytest.raises(SettingsError, match=r"given labels alone.*--corrections"):
            check(replace(request, corrections=corrections))
    check(replace(request, corrections={"blue_line/3.png": Correction("accepted", "blue line")}))
    check(replace(request, method="coft"))


def test_every_method_has_a_title_of_its_own_and_coft_comes_first_to_choose() -> None:
    assert all(name == method.name for name, method in METHODS.items())
    choices = look.method_choices()
    assert [value for _, value in choices][:2] == ["coft", "coft+"]
    assert sorted(value for _, value in choices) == sorted(METHODS)
    marked = [value for label, value in choices if label.startswith("To compare: ")]
    assert sorted(marked) == RIVALS
    assert len({label for label, _ in choices}) == len(choices)
    assert title_of("of another version") == "of another version"


def test_the_traits_are_what_runs_ask_of_methods() -> None:
    def those(trait: str) -> set[str]:
        return {name for name, method in METHODS.items() if getattr(method, trait)}

    assert those("ours") == those("two_phases") == {"coft", "coft+"}
    assert those("prompts") == {"coft", "coft+", "upl", "fpl", "ifpl", "grip"}
    assert those("adapter") == {"coft", "coft+", "lafter"}
    assert those("needs_given") == {"supervised"}
    assert set(METHODS) - those("trains") == {"zero-shot", "zero-shot-ensemble", *TOGETHER}
    assert {name for name, method in METHODS.items() if method.models == 2} == {
        "coft", "coft+", "self-training", "self-training-seeds", "supervised",
    }  # fmt: skip


ALWAYS_FIRST = """
import torch
from studio.baselines.shipping import ship
from studio.coft.classifier import unit_tower

def fit(task):
    yield task.start.event()
    texts = task.space.texts(task.class_vectors)
    bias = torch.tensor([9.0, 0.0, 0.0])
    tower = unit_tower(task.backbone, task.space, texts, bias=bias)
    yield from ship(task, tower, kind="fixed")
"""


def test_a_new_method_is_one_file_and_one_line(
    image_folder: Path, tiny_model: Path, quick_settings: dict[str, Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "always_first.py").write_text(ALWAYS_FIRST)
    monkeypatch.syspath_prepend(tmp_path)
    # The one line, as it would stand among the others in studio/methods.py.
    line = Method("always-first", "Always the first class", "always_first", trains=False)
    monkeypatch.setitem(METHODS, line.name, line)
    with pytest.raises(SystemExit):
        cli.main(["fit", "--help"])
    assert "always-first" in capsys.readouterr().out
    assert ("To compare: Always the first class", "always-first") in look.method_choices()
    assert "does not train" in look.no_curves("always-first", "finished")
    request = JobRequest(
        folder=image_folder, method="always-first", model=str(tiny_model),
        settings=Settings(**quick_settings),
    )  # fmt: skip
    run = create_run(request, RunStore(tmp_path / "runs"))
    seen: list[Event] = []
    run_job(request, run, cache_dir=tmp_path / "cache", stop=lambda: False, listen=seen.append)
    assert run.info.state == "finished"
    assert (only(seen, Finished).labels == 0).all()


@pytest.mark.parametrize("name", ["fpl", "ifpl", "grip", "lafter", "fixmatch"])
def test_the_curve_of_clean_labels_ends_at_the_share_of_the_outcome(
    name: str, vit: Backbone
) -> None:
    events = events_of(name, vit, monitor_images=30)
    last = [event for event in events if isinstance(event, Monitor)][-1]
    share = float(only(events, Finished).clean.float().mean())
    assert last.clean_fraction == pytest.approx(share, abs=0.04)  # one image, by rounding
