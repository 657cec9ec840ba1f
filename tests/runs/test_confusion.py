from __future__ import annotations

from collections.abc import Callable

import numpy as np

from studio.runs.confusion import confusion, images_of
from studio.runs.outcome import Outcome

Make = Callable[..., Outcome]


def test_cells_count_how_labels_meet(outcome: Make) -> None:
    whole = outcome()  # every fifth image: the second model says the next class
    found = confusion(whole)
    assert found.counts.sum() == 60
    assert found.total == 12
    assert {(r, c) for r, c, _ in found.pairs()} == {(0, 1), (1, 2), (2, 0)}
    for row, column, images in found.pairs():
        indices = images_of(whole, row, column)
        assert len(indices) == images == found.counts[row, column]
        assert (whole.model_labels[0][indices] == row).all()
        assert (whole.model_labels[1][indices] == column).all()
        assert (np.diff(whole.clean_probability[indices]) >= 0).all()  # least clean first


def test_the_truth_can_stand_in_for_the_other_model(outcome: Make) -> None:
    truth = np.full(60, -1)
    truth[:10] = 0
    whole = outcome(truth=truth)
    found = confusion(whole, truth=True)
    assert found.counts.sum() == 10  # unknown ones are not counted
    assert found.counts[:, 0].sum() == 10
    assert found.columns == "the sub-folder"
    assert len(images_of(whole, 1, 0, truth=True)) == found.counts[1, 0]


def test_only_some_images_are_counted(outcome: Make) -> None:
    whole = outcome()
    either = (whole.model_labels == 1).any(0)
    assert confusion(whole, label=1).counts.sum() == either.sum() < 60
