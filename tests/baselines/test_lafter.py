"""LaFTer: a head from sentences, and what learns its labels."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from studio.baselines import lafter
from studio.clip.backbone import Backbone
from studio.clip.encode import encode_texts
from studio.coft.adapters import PromptTokens
from studio.coft.events import Checkpoint, Finished, Step
from studio.coft.given import REJECTED, UNKNOWN
from studio.coft.task import Task
from studio.prompts.templates import TEMPLATES
from studio.settings import Settings
from tests.baselines.conftest import QUICK, arguments, only, silent, task_of
from tests.coft.conftest import NAMES, Canvases


def test_the_text_head_names_sentences_of_every_class(
    convnet: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_of(convnet, Canvases(12), texts=True)
    monkeypatch.setattr(lafter, "RATE", 0.05)

    def right(head: nn.Linear) -> float:
        hits = []
        for number, name in enumerate(NAMES):
            texts = [template.replace("{}", name) for template in TEMPLATES["ensemble"]]
            vectors = task.start.space.texts(encode_texts(convnet, texts))
            hits.append((head(vectors).argmax(1) == number).float().mean())
        return float(torch.stack(hits).mean())

    monkeypatch.setattr(lafter, "TEXT_STEPS", 0)
    assert right(lafter._text_head(task)) < 0.8
    monkeypatch.setattr(lafter, "TEXT_STEPS", 400)
    assert right(lafter._text_head(task)) == 1.0


def test_the_labels_learned_are_the_text_heads_on_the_test_view(
    vit: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[tuple[torch.Tensor, torch.Tensor]] = []
    given = torch.full((30,), UNKNOWN)
    given[3], given[5] = 2, REJECTED
    made = arguments(vit, Canvases(30))
    task = task_of(vit, Canvases(30))
    head = nn.Linear(16, 3, bias=False)
    monkeypatch.setattr(lafter, "_text_head", lambda _: head)
    monkeypatch.setattr(
        lafter, "_train", lambda _task, _adapter, _head, *data: noted.append(data) or silent(None)
    )
    list(lafter.fit(Task(**made, settings=Settings(**QUICK), given=given)))
    ((indices, labels),) = noted
    expected = head(task.start.space.images(made["features"])).argmax(1)
    expected[3] = 2
    assert indices.tolist() == [i for i in range(30) if i != 5]
    assert torch.equal(labels, expected[indices])


@pytest.mark.slow
def test_adapter_and_head_learn_and_the_tower_stays(
    convnet: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {key: tensor.clone() for key, tensor in convnet.model.state_dict().items()}
    monkeypatch.setattr(lafter, "RATE", 0.02)
    made = arguments(convnet, Canvases(30))
    settings = Settings(**QUICK | {"phase1_epochs": 20})
    events = list(lafter.fit(Task(**made, settings=settings)))
    losses = [event.loss for event in events if isinstance(event, Step)]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    shipped = only(events, Checkpoint).tensors
    moved = {
        name
        for name in (key.removeprefix("models.0.visual.") for key in shipped)
        if f"visual.{name}" in before
        and not torch.equal(shipped[f"models.0.visual.{name}"], before[f"visual.{name}"])
    }
    assert moved
    assert all("bn" in name or "norm" in name for name in moved)
    assert only(events, Finished).stage == "trained"
    for key, tensor in convnet.model.state_dict().items():
        assert torch.equal(tensor, before[key]), key


def test_transformers_get_fifty_shallow_tokens(
    vit: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapters: list[Any] = []
    real = lafter._train
    monkeypatch.setattr(
        lafter, "_train", lambda task, adapter, *rest: adapters.append(adapter) or real(
            task, adapter, *rest
        ),
    )  # fmt: skip
    list(lafter.fit(Task(**arguments(vit, Canvases(12)), settings=Settings(**QUICK))))
    (adapter,) = adapters
    assert isinstance(adapter, PromptTokens)
    assert adapter.tokens.shape == (1, 50, 64)


def test_many_images_are_not_kept_in_memory(
    convnet: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def calls() -> int:
        images = Canvases(12)
        made = arguments(convnet, images)
        settings = Settings(**QUICK | {"phase1_epochs": 4, "monitor_images": 0})
        for event in lafter.fit(Task(**made, settings=settings)):
            if isinstance(event, Step) and event.step == event.steps:
                return len(images.calls)
        return 0

    assert calls() == 2 * 12  # two views of each
    monkeypatch.setattr(lafter, "CACHED_IMAGES", 11)
    assert calls() == 4 * 12  # one in each epoch
