"""What the baselines ship."""

from __future__ import annotations

import torch

from studio.baselines.shipping import ship_texts, ship_zero_shot
from studio.clip.backbone import Backbone
from studio.coft.classifier import Classifier
from studio.coft.events import Checkpoint, Finished
from tests.baselines.conftest import only, task_of
from tests.coft.conftest import Canvases


def test_texts_are_shipped_with_the_probabilities_that_are_reported(convnet: Backbone) -> None:
    images = Canvases(9)
    task = task_of(convnet, images)
    texts = task.space.texts(task.class_vectors.flip(0))
    events = list(ship_texts(task, texts, kind="prompts"))
    checkpoint, finished = only(events, Checkpoint), only(events, Finished)
    shipped = Classifier.load(checkpoint.tensors, checkpoint.meta, device="cpu")
    each = shipped.probabilities(images.batch(range(9)))
    torch.testing.assert_close(each, task.probabilities(texts), rtol=1e-3, atol=1e-4)
    assert finished.stage == "trained"
    assert torch.equal(finished.labels, 2 - task.start.event().labels)


def test_nothing_learned_is_zero_shot(convnet: Backbone) -> None:
    task = task_of(convnet, Canvases(9))
    finished = only(list(ship_zero_shot(task)), Finished)
    assert finished.stage == "zero-shot"
    assert torch.equal(finished.labels, task.start.event().labels)
    assert torch.equal(finished.clean, finished.confidence > 0.5)
