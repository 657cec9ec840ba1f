from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.errors import RunError
from studio.ui.looked import look
from studio.ui.studio import Studio
from studio.ui.train_tab import TrainTab
from tests.ui.conftest import load, open_studio
from tests.ui.test_train_tab import QUICK, start


@pytest.fixture(scope="module")
def loaded(
    tmp_path_factory: pytest.TempPathFactory, image_folder: Path, tiny_model: Path
) -> Iterator[Studio]:
    with open_studio(tmp_path_factory.mktemp("looked")) as made:
        yield load(made, image_folder, tiny_model)


@pytest.fixture(scope="module")
def run_id(loaded: Studio, tiny_model: Path) -> str:
    made = start(TrainTab(loaded), str(tiny_model), QUICK)
    assert loaded.worker.wait(400)
    return made


def test_the_images_at_hand_can_be_looked_at_before_any_training(loaded: Studio) -> None:
    found = look(loaded, "")
    preview = loaded.workspace.view.preview
    assert preview is not None
    assert list(found.stages) == ["zero-shot"]
    assert found.outcome.labels.tolist() == preview.labels.tolist()
    assert found.outcome.truth is not None
    assert found.picture(3).endswith(".jpg")
    assert "before training" in found.summary()


def test_without_images_at_hand_there_is_nothing(studio: Studio) -> None:
    for run in ("", None, 5):
        with pytest.raises(RunError, match="Nothing to explore"):
            look(studio, run)


def test_a_run_is_looked_at_stage_by_stage(loaded: Studio, run_id: str) -> None:
    latest = look(loaded, run_id)
    assert list(latest.stages) == ["zero-shot", "phase1", "final"]
    assert latest.outcome is latest.stages["final"]
    for stage in latest.stages:
        found = look(loaded, run_id, stage)
        assert found.outcome is latest.stages[stage]
        assert found.outcome.truth is not None
    for nonsense in ("gone", None, 3, ["final"], {}):
        assert look(loaded, run_id, nonsense).outcome is latest.outcome


def test_a_second_look_makes_nothing_anew_but_new_labels_are_seen(
    loaded: Studio, tiny_model: Path, monkeypatch: Any
) -> None:
    assert look(loaded, "").outcome is look(loaded, "").outcome
    before = look(loaded, "").outcome
    names = loaded.workspace.view.names_text
    changed = names.replace("red", "crimson", 1)
    loaded.workspace.label(changed, str(tiny_model))
    loaded.workspace.wait(400)
    try:
        after = look(loaded, "").outcome
        assert after.class_names != before.class_names
    finally:
        loaded.workspace.label(names, str(tiny_model))
        loaded.workspace.wait(400)
    assert np.array_equal(look(loaded, "").outcome.labels, before.labels)
