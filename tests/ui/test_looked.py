from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.errors import RunError
from studio.ui.looked import look
from studio.ui.studio import Studio


def test_the_images_at_hand_can_be_looked_at_before_any_training(shared: Studio) -> None:
    found = look(shared, "")
    preview = shared.workspace.view.preview
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
    studio.workspace.change(busy="Loading the model")
    with pytest.raises(RunError, match="Loading the model: open this tab again"):
        look(studio, "")


def test_a_run_is_looked_at_stage_by_stage(shared: Studio, run_id: str) -> None:
    latest = look(shared, run_id)
    assert list(latest.stages) == ["zero-shot", "phase1", "final"]
    assert latest.outcome is latest.stages["final"]
    for stage in latest.stages:
        found = look(shared, run_id, stage)
        assert found.outcome is latest.stages[stage]
        assert found.outcome.truth is not None
    for nonsense in ("gone", None, 3, ["final"], {}):
        assert look(shared, run_id, nonsense).outcome is latest.outcome


def test_a_second_look_makes_nothing_anew_but_new_labels_are_seen(
    shared: Studio, tiny_model: Path, monkeypatch: Any
) -> None:
    assert look(shared, "").outcome is look(shared, "").outcome
    before = look(shared, "").outcome
    names = shared.workspace.view.names_text
    changed = names.replace("red", "crimson", 1)
    shared.workspace.label(changed, str(tiny_model))
    shared.workspace.wait(400)
    try:
        after = look(shared, "").outcome
        assert after.class_names != before.class_names
    finally:
        shared.workspace.label(names, str(tiny_model))
        shared.workspace.wait(400)
    assert np.array_equal(look(shared, "").outcome.labels, before.labels)
