"""Zero-shot labels, from one sentence per class and from several."""

from __future__ import annotations

from studio.baselines import zero_shot
from studio.clip.backbone import Backbone
from studio.clip.encode import class_vectors
from studio.coft.events import Finished, ZeroShot
from studio.coft.start import ZeroShotStart
from studio.coft.task import Task
from studio.prompts.templates import TEMPLATES
from studio.settings import Settings
from tests.baselines.conftest import arguments, only
from tests.coft.conftest import NAMES, Canvases


def test_the_ensemble_labels_by_its_own_sentences_beside_the_runs_own(
    convnet: Backbone,
) -> None:
    made = arguments(convnet, Canvases(30))
    events = list(zero_shot.fit_ensemble(Task(**made, settings=Settings())))
    vectors = class_vectors(convnet, NAMES, TEMPLATES["ensemble"])
    own = ZeroShotStart.of(convnet, made["features"], vectors).event()
    assert only(events, Finished).labels.equal(own.labels)
    (plain,) = [
        e for e in zero_shot.fit(Task(**made, settings=Settings())) if isinstance(e, ZeroShot)
    ]
    assert only(events, ZeroShot).labels.equal(plain.labels)
    assert not plain.labels.equal(own.labels)
