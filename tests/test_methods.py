"""What every method promises, and that none is told what a run is scored with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from studio.clip.backbone import Backbone
from studio.coft.classifier import Classifier
from studio.coft.events import Checkpoint, Event, Finished, Monitor, Step, ZeroShot
from studio.coft.given import REJECTED, UNKNOWN
from studio.errors import FolderError, RunError, SettingsError
from studio.methods import METHODS, ONE_MODEL, load_method
from studio.runs.job import run_job
from studio.runs.request import JobRequest, create_run
from studio.runs.store import RunStore
from studio.settings import Settings
from studio.views import runs as look
from tests.baselines.conftest import QUICK, _little_text, arguments, only
from tests.coft.conftest import Canvases, convnet, vit

__all__ = ["_little_text", "convnet", "vit"]

UNTRAINED = ("zero-shot", "zero-shot-ensemble", "transclip")
RIVALS = sorted(set(METHODS) - {"coft", "coft+"})
TRAINING = sorted(set(RIVALS) - set(UNTRAINED))


def told(name: str, count: int = 30) -> torch.Tensor:
    """Two given labels, one of them against all appearances, and a rejected image."""
    given = torch.full((count,), UNKNOWN)
    given[0], given[4], given[7] = 0, 2, REJECTED
    if name == "supervised":  # learns from nothing else
        given[:4] = torch.tensor([0, 1, 2, 0])
    return given


def events_of(name: str, backbone: Backbone, *, stop: Any = None, **changes: Any) -> list[Event]:
    events: list[Event] = []
    for event in load_method(name)(
        **arguments(backbone, Canvases(30)), settings=Settings(**QUICK | changes),
        given=told(name), stop=lambda: stop is not None and stop(events),
    ):  # fmt: skip
        events.append(event)
    return events


def classifier_of(events: list[Event]) -> Classifier:
    (found,) = [e for e in events if isinstance(e, Checkpoint) and e.name == "classifier"]
    return Classifier.load(found.tensors, found.meta, device="cpu")


@pytest.mark.parametrize("name", RIVALS)
def test_a_method_speaks_the_events_and_ships_what_it_reports(name: str, vit: Backbone) -> None:
    events = events_of(name, vit)
    finished = only(events, Finished)
    assert isinstance(events[0], ZeroShot)
    assert events[-1] is finished
    assert finished.labels.shape == finished.clean.shape == (30,)
    assert not finished.stopped
    shipped = classifier_of(events).probabilities(Canvases(30).batch(range(30)))
    if name != "transclip":  # which labels these images together, and new ones one by one
        free = told(name) == UNKNOWN
        assert torch.equal(shipped.argmax(1)[free], finished.labels[free])
        of_label = shipped.gather(1, finished.labels[:, None])[:, 0]
        torch.testing.assert_close(of_label, finished.confidence, rtol=1e-3, atol=1e-4)
    trained = {event.model for event in events if isinstance(event, Step)}
    assert trained == (set() if name in UNTRAINED else {0} if name in ONE_MODEL else {0, 1})
    if name in ONE_MODEL:
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
def test_what_a_person_said_stands(name: str, vit: Backbone) -> None:
    given = told(name)
    finished = only(events_of(name, vit), Finished)
    known = given >= 0
    assert torch.equal(finished.labels[known], given[known])
    assert finished.clean[known].all()
    assert not finished.clean[7]


@pytest.mark.parametrize("name", TRAINING)
def test_a_rejected_image_is_in_no_training(name: str, vit: Backbone) -> None:
    images = Canvases(30)
    made = arguments(vit, images)
    seen: set[int] = set()
    for event in load_method(name)(
        **made, settings=Settings(**QUICK | {"monitor_images": 0}), given=told(name),
        stop=lambda: False,
    ):  # fmt: skip
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
    free = told(name) == UNKNOWN
    shipped = classifier_of(events).probabilities(Canvases(30).batch(range(30)))
    assert torch.equal(shipped.argmax(1)[free], finished.labels[free])


@pytest.mark.parametrize("name", RIVALS)
def test_stopped_at_once_a_method_ships_zero_shot(name: str, vit: Backbone) -> None:
    events = events_of(name, vit, stop=lambda _: True)
    finished = only(events, Finished)
    assert finished.stopped
    assert finished.stage == "zero-shot"
    assert not any(isinstance(event, Step) for event in events)


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
    if name != "transclip":
        free = told(name) == UNKNOWN
        assert torch.equal(shipped.argmax(1)[free], only(events, Finished).labels[free])


@pytest.mark.parametrize("name", sorted(METHODS))
def test_one_class_is_refused(name: str, vit: Backbone) -> None:
    made = arguments(vit, Canvases(6))
    made |= {"class_names": made["class_names"][:1], "class_vectors": made["class_vectors"][:1]}
    with pytest.raises(FolderError, match="two classes"):
        list(load_method(name)(**made, settings=Settings(**QUICK), given=None, stop=lambda: False))


def test_an_unknown_method_is_refused_with_those_there_are() -> None:
    with pytest.raises(SettingsError, match=r"magic.*coft, coft\+, .*supervised"):
        load_method("magic")


def test_supervised_is_not_told_the_classes_that_sub_folders_tell_the_scorer(
    image_folder: Path, tiny_model: Path, quick_settings: dict[str, Any], tmp_path: Path
) -> None:
    request = JobRequest(
        folder=image_folder, method="supervised", model=str(tiny_model),
        settings=Settings(**quick_settings),
    )  # fmt: skip
    run = create_run(request, RunStore(tmp_path / "runs"))
    with pytest.raises(RunError, match="given labels only"):
        run_job(request, run, cache_dir=tmp_path / "cache", stop=lambda: False)
    assert run.info.truth_known
    assert run.info.state == "failed"


def test_every_method_has_a_name_and_coft_comes_first_to_choose() -> None:
    assert set(look.METHODS) == set(METHODS)
    choices = look.method_choices(METHODS)
    assert [value for _, value in choices][:2] == ["coft", "coft+"]
    assert sorted(value for _, value in choices) == sorted(METHODS)
    marked = [value for label, value in choices if label.startswith("To compare: ")]
    assert sorted(marked) == RIVALS
    assert len({label for label, _ in choices}) == len(choices)
