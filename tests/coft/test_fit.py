"""The whole method on small models (tests 5, 6 and 11 of the specification, and stopping)."""

from __future__ import annotations

import dataclasses
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor

from studio.baselines import zero_shot
from studio.clip.backbone import Backbone
from studio.clip.encode import preprocess
from studio.coft import dual, phase2
from studio.coft.classifier import Classifier
from studio.coft.events import (
    Checkpoint,
    Event,
    Finished,
    Judged,
    Monitor,
    SeedSet,
    Step,
    Warned,
    ZeroShot,
)
from studio.coft.fit import NO_START, NOTHING_TO_LEARN, fit
from studio.coft.judge import TrainingSet
from studio.coft.rounds import CONTRADICTED
from studio.coft.student import Student
from studio.coft.task import Task
from studio.coft.towers import build_tower
from studio.errors import FolderError
from studio.settings import Settings
from tests.coft.conftest import Canvases, Inputs, only

QUICK: dict[str, Any] = {
    "phase1_epochs": 2,
    "phase1_min_steps": 0,
    "phase2_epochs": 1,
    "filter": "none",
    "monitor_images": 8,
    "seed_selection": "leaderboard",
    "k": 4,
    "phase2_batch": 16,
    "n_visual_tokens": 4,
    # Models of random weights contradict their first labels, which would then stand.
    "first_label_weight": 0.0,
}


def classifier_of(events: list[Event]) -> Checkpoint:
    """The shipped checkpoint."""
    (event,) = [e for e in events if isinstance(e, Checkpoint) and e.name == "classifier"]
    return event


@pytest.fixture(params=["vit", pytest.param("convnet", marks=pytest.mark.slow)])
def backbone(request: pytest.FixtureRequest) -> Backbone:
    """Both families of towers."""
    model: Backbone = request.getfixturevalue(request.param)
    return model


def test_a_fit_goes_through_all_stages_and_its_classifier_can_be_loaded(
    backbone: Backbone, inputs: Inputs
) -> None:
    images = Canvases(30)
    events = list(fit(Task(**inputs(backbone, images), settings=Settings(**QUICK))))
    finished, judged = only(events, Finished), only(events, Judged)
    assert isinstance(events[0], ZeroShot)
    assert isinstance(events[-1], Finished)
    assert finished.stage == "phase2"
    assert not finished.stopped
    assert judged.labels.shape == (2, 30)
    assert {(s.phase, s.model) for s in events if isinstance(s, Step)} == {
        (1, 0),
        (1, 1),
        (2, 0),
        (2, 1),
    }
    monitors = [m for m in events if isinstance(m, Monitor)]
    assert {m.phase for m in monitors} == {1, 2}
    for monitor in monitors:
        same = (monitor.labels[0] == monitor.labels[1]).float().mean()
        assert monitor.agreement == pytest.approx(float(same))
    assert only(events, SeedSet).per_class == (4, 4, 4)
    checkpoint = classifier_of(events)
    loaded = Classifier.load(checkpoint.tensors, checkpoint.meta, device="cpu")
    probabilities = loaded.probabilities(images.batch(range(30)))
    assert torch.equal(probabilities.argmax(1), finished.labels)
    torch.testing.assert_close(probabilities.amax(1), finished.confidence, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_another_model_learns_the_labels_that_the_first_one_weighs(
    vit: Backbone, convnet: Backbone, inputs: Inputs
) -> None:
    """The paper's distillation: Phase I on one model, Phase II on another."""
    images = Canvases(30)
    given = inputs(convnet, images)
    student = Student(convnet, images, given["features"], given["class_vectors"])
    settings = Settings(**QUICK)
    alone = list(fit(Task(**inputs(vit, images), settings=settings)))
    events = list(fit(Task(**inputs(vit, images), settings=settings, student=student)))
    assert torch.equal(only(events, Judged).labels, only(alone, Judged).labels)
    checkpoint = classifier_of(events)
    assert checkpoint.meta["open_clip"] == convnet.config
    loaded = Classifier.load(checkpoint.tensors, checkpoint.meta, device="cpu")
    labels = loaded.probabilities(images.batch(range(30))).argmax(1)
    assert torch.equal(labels, only(events, Finished).labels)


def test_a_label_that_is_less_likely_clean_weighs_less(
    vit: Backbone, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """label_weights=soft gives Phase II every label, and hard the clean ones only."""
    given = {**inputs(vit, Canvases(30)), "given": torch.tensor([1, -2] + [-1] * 28)}
    caught: list[Any] = []

    def catch(_task: Task, **options: Any) -> Any:
        caught.extend(options["data"])
        return iter(())

    monkeypatch.setattr(import_module("studio.coft.finetune"), "phase_two", catch)
    quick = {**QUICK, "filter": "peer_clean"}
    soft = Settings(**quick, label_weights="soft")
    judged = only(list(fit(Task(**given, settings=soft))), Judged)
    assert not judged.clean.all()
    for i, own in enumerate(caught):
        assert own.indices.tolist() == [0, *range(2, 30)], "all but the image that was rejected"
        assert own.weights[0] == 1, "a label that a person gave counts in full"
        torch.testing.assert_close(own.weights[1:], judged.clean_probability[i][2:])
    caught.clear()
    list(fit(Task(**given, settings=Settings(**quick, label_weights="hard"))))
    for i, own in enumerate(caught):
        assert torch.equal(own.indices, judged.clean[i].nonzero()[:, 0])
        assert (own.weights == 1).all()


@pytest.mark.parametrize("weights", ["soft", "hard"])
def test_labels_that_all_weigh_nothing_are_reported(
    vit: Backbone, inputs: Inputs, monkeypatch: pytest.MonkeyPatch, weights: str
) -> None:
    """Their clean probability is zero even in float32: Phase II has nothing to learn."""

    def rejecting(similar: Tensor, *_: Any, **__: Any) -> Tensor:
        return torch.full_like(similar, -200.0)

    monkeypatch.setattr(dual, "clean_log_odds", rejecting)
    settings = Settings(**{**QUICK, "filter": "peer_clean", "label_weights": weights})
    events = list(fit(Task(**inputs(vit, Canvases(30)), settings=settings)))
    assert only(events, Finished).stage == "phase1"
    assert NOTHING_TO_LEARN in [e.message for e in events if isinstance(e, Warned)]
    settings = dataclasses.replace(settings, phase2_epochs=0)
    events = list(fit(Task(**inputs(vit, Canvases(30)), settings=settings)))
    assert NOTHING_TO_LEARN not in [e.message for e in events if isinstance(e, Warned)]


def test_the_loss_of_phase_two_heeds_the_weights(vit: Backbone, inputs: Inputs) -> None:
    images = Canvases(12)
    given = inputs(vit, images)
    student = Student(vit, images, given["features"], given["class_vectors"])
    labels = torch.arange(12) % 3
    whole = TrainingSet(torch.arange(12), labels, torch.ones(12))
    settings = Settings(**QUICK, head_init="text", label_smoothing=0.0)
    tower, _ = build_tower(
        student=student, data=whole, adapter=None, settings=settings, generator=torch.Generator()
    )
    tuner = phase2._Tuner(tower, 0, 12, settings, part=12)
    pixels = preprocess(images.batch(range(12)), vit)
    losses = torch.nn.functional.cross_entropy(tower(pixels), labels, reduction="none")
    weights = torch.linspace(0, 1, 12)
    loss, _ = tuner.step(pixels, labels, 1e-20 * weights, None)  # shares of the batch count
    assert loss == pytest.approx(float((weights * losses).sum().detach() / weights.sum()), rel=1e-4)


def test_frozen_weights_stay_and_phase_two_moves_the_whole_visual_encoder_only(
    backbone: Backbone, inputs: Inputs
) -> None:
    before = {name: tensor.clone() for name, tensor in backbone.model.state_dict().items()}
    settings = Settings(**QUICK, phase2_lr=0.05, phase2_optimizer="adamw")
    events = list(fit(Task(**inputs(backbone, Canvases(30)), settings=settings)))
    for name, tensor in backbone.model.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    trained = classifier_of(events).tensors
    visual = {
        k.removeprefix("models.0.visual."): v
        for k, v in trained.items()
        if ".visual." in k and k.startswith("models.0")
    }
    for name, _ in backbone.visual.named_parameters():
        if name in visual:  # all but the projection that the new head replaces
            assert not torch.equal(visual[name], before[f"visual.{name}"]), name
    missing = {n for n, _ in backbone.visual.named_parameters()} - set(visual)
    assert missing <= {"proj", "head.proj.weight"}
    assert not any("text" in name or "token_embedding" in name for name in trained)


def test_same_seed_same_run_and_other_seed_other_run(vit: Backbone, inputs: Inputs) -> None:
    given = inputs(vit, Canvases(30))

    def run(seed: int) -> Checkpoint:
        return classifier_of(list(fit(Task(**given, settings=Settings(**QUICK, seed=seed)))))

    first, again, other = run(0), run(0), run(1)
    for name, tensor in first.tensors.items():
        assert torch.equal(tensor, again.tensors[name]), name
    assert any(
        not torch.equal(tensor, other.tensors[name]) for name, tensor in first.tensors.items()
    )


def test_the_two_models_label_some_images_differently(vit: Backbone, inputs: Inputs) -> None:
    images = Canvases(90, seed=2)
    settings = Settings(**QUICK | {"phase1_epochs": 1, "phase2_epochs": 0})
    judged = only(list(fit(Task(**inputs(vit, images), settings=settings))), Judged)
    assert not torch.equal(judged.labels[0], judged.labels[1])
    assert not torch.allclose(judged.clean_probability[0], judged.own_clean_probability[0])


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["peer_clean", "peer_clean_and_argmax_agree", "self_clean"])
@pytest.mark.parametrize("claimed", [False, True])
def test_one_share_of_clean_labels_from_stage_to_stage(
    vit: Backbone, inputs: Inputs, rule: str, claimed: bool
) -> None:
    """Phase I's curve ends at the share of the judged labels, and Phase II's begins there."""
    given = torch.tensor([1, -2, *[-1] * 58])
    claims = torch.arange(60) % 3 if claimed else None
    changes = {
        "filter": rule, "monitor_images": 60, "phase1_epochs": 3, "transduction": "off",
        "phase1_lr": 0.3,
    }  # fmt: skip
    settings = Settings(**QUICK | changes)
    task = Task(**inputs(vit, Canvases(60, seed=3)), settings=settings, given=given, claims=claims)
    events = list(fit(task))
    judged, finished = only(events, Judged), only(events, Finished)
    share = float(judged.clean.any(0).float().mean())
    assert 0 < share < 1
    assert share > float(judged.clean.float().mean()), "not the mean over both models"
    curves = [
        [e.clean_fraction for e in events if isinstance(e, Monitor) and e.phase == p]
        for p in (1, 2)
    ]
    assert curves[0][-1] == share
    assert curves[1] == [share]
    # At the end: the label of the classifier, if a model had given it and its peer judged it clean.
    clean = (judged.clean & (judged.labels == finished.labels)).any(0)
    assert torch.equal(finished.clean, clean)


def test_phase_two_sees_only_the_clean_set(vit: Backbone, inputs: Inputs) -> None:
    images = Canvases(60)
    given = inputs(vit, images)
    rule = {"filter": "peer_clean", "label_weights": "hard"}
    settings = Settings(**QUICK | rule | {"monitor_images": 0, "phase1_lr": 0.03})
    allowed: set[int] = set()
    for event in fit(Task(**given, settings=settings)):
        if isinstance(event, Judged):
            allowed = set(event.clean.any(0).nonzero()[:, 0].tolist())
        if isinstance(event, Step) and event.phase == 2:
            assert set(images.calls) <= allowed
        images.calls.clear()
    assert 0 < len(allowed) < 60


@pytest.mark.parametrize(("when", "stage"), [(1, "phase1"), (2, "phase2")])
def test_stopping_keeps_what_was_learned(
    vit: Backbone, inputs: Inputs, when: int, stage: str
) -> None:
    events: list[Event] = []

    def stop() -> bool:
        return any(isinstance(e, Step) and e.phase == when for e in events)

    for event in fit(Task(**inputs(vit, Canvases(30)), settings=Settings(**QUICK), stop=stop)):
        events.append(event)
    finished = only(events, Finished)
    assert finished.stopped
    assert finished.stage == stage
    assert len(finished.labels) == 30
    assert sum(isinstance(e, Step) and e.phase == when for e in events) == 1
    images = Canvases(30)
    checkpoint = classifier_of(events)
    loaded = Classifier.load(checkpoint.tensors, checkpoint.meta, device="cpu")
    assert torch.equal(loaded.probabilities(images.batch(range(30))).argmax(1), finished.labels)


def test_a_phase_one_classifier_of_the_convolutional_tower_loads_too(
    convnet: Backbone, inputs: Inputs
) -> None:
    images = Canvases(20)
    events = list(
        fit(Task(**inputs(convnet, images), settings=Settings(**QUICK | {"phase2_epochs": 0})))
    )
    checkpoint = classifier_of(events)
    assert checkpoint.meta["kind"] == "phase1"
    loaded = Classifier.load(checkpoint.tensors, checkpoint.meta, device="cpu")
    assert torch.equal(
        loaded.probabilities(images.batch(range(20))).argmax(1), only(events, Finished).labels
    )


def test_zero_shot_speaks_the_same_events(backbone: Backbone, inputs: Inputs) -> None:
    images = Canvases(20)
    events = list(zero_shot.fit(Task(**inputs(backbone, images), settings=Settings())))
    finished, checkpoint = only(events, Finished), classifier_of(events)
    assert torch.equal(finished.labels, only(events, ZeroShot).labels)
    loaded = Classifier.load(checkpoint.tensors, checkpoint.meta, device="cpu")
    assert torch.equal(loaded.probabilities(images.batch(range(20))).argmax(1), finished.labels)


def test_one_class_is_refused(vit: Backbone, inputs: Inputs) -> None:
    given = inputs(vit, Canvases(10))
    given |= {"class_names": given["class_names"][:1], "class_vectors": given["class_vectors"][:1]}
    with pytest.raises(FolderError, match="two classes"):
        list(fit(Task(**given, settings=Settings())))


def test_what_contradicts_the_first_labels_is_not_shipped(vit: Backbone, inputs: Inputs) -> None:
    """Without a Phase II the warning would be followed by the labels that it speaks of."""
    settings = Settings(
        **{**QUICK, "first_label_weight": 1.0, "phase1_epochs": 0, "phase2_epochs": 0}
    )
    task = Task(**inputs(vit, Canvases(30)), settings=settings)
    events = list(fit(task))
    assert CONTRADICTED in [e.message for e in events if isinstance(e, Warned)]
    finished = only(events, Finished)
    assert torch.equal(finished.labels, task.start.event().labels)


def test_a_start_that_changes_nothing_is_told(vit: Backbone, inputs: Inputs) -> None:
    settings = Settings(**{**QUICK, "phase2_init": "phase1"})
    events = list(fit(Task(**inputs(vit, Canvases(30)), settings=settings)))
    assert NO_START in [e.message for e in events if isinstance(e, Warned)]


@pytest.mark.parametrize("images", [1, 2, 3, 5])
@pytest.mark.parametrize("head", ["probe", "text"])
def test_equal_images_make_no_infinite_head(vit: Backbone, images: int, head: str) -> None:
    """Nothing, or rounding, is left of them when what they have in common is taken away."""
    features = torch.randn(1, vit.embed_dim, generator=torch.Generator().manual_seed(0))
    features = features.expand(images, -1) + 1e-8 * torch.randn(images, vit.embed_dim)
    student = Student(vit, Canvases(images), features, torch.eye(3, vit.embed_dim))
    student.space.image_mean.copy_(features.mean(0))
    data = TrainingSet(torch.arange(images), torch.arange(images) % 3, torch.ones(images))
    tower, _ = build_tower(
        student=student, data=data, adapter=None, settings=Settings(head_init=head),
        generator=torch.Generator(),
    )  # fmt: skip
    assert bool(tower.head.weight.isfinite().all())
    assert float(tower.head.weight.abs().max()) < 1e5


def test_stopped_before_the_first_step_nothing_untrained_is_shipped(
    vit: Backbone, inputs: Inputs
) -> None:
    """Two models of random prompts would be, with labels at random."""
    events: list[Event] = []
    task = Task(
        **inputs(vit, Canvases(30)), settings=Settings(**QUICK),
        stop=lambda: any(isinstance(event, SeedSet) for event in events),
    )  # fmt: skip
    for event in fit(task):
        events.append(event)
    assert not [event for event in events if isinstance(event, Step)]
    finished = only(events, Finished)
    assert finished.stopped
    assert torch.equal(finished.labels, task.start.event().labels)
