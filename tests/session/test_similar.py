from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.session.opened import open_run
from studio.session.session import Session
from studio.session.similar import similar_of, vectors_of
from studio.session.source import AT_HAND
from studio.session.tasks import Task
from tests.ui.conftest import with_a_copy


def ended(task: Task | None) -> Task:
    assert task is not None
    assert task.ended.wait(60)
    return task


@pytest.fixture(scope="module")
def shared_images(tmp_path_factory: pytest.TempPathFactory, image_folder: Path) -> Path:
    """One of the images stands there twice."""
    return with_a_copy(image_folder, tmp_path_factory.mktemp("alike"))


def test_neighbours_and_copies_of_the_images_at_hand(shared: Session) -> None:
    opened = open_run(shared, AT_HAND)
    task = similar_of(opened)
    vectors = ended(vectors_of(opened)).value
    assert vectors.rows.tolist() == list(range(37))
    alike = ended(task).value
    paths = opened.outcome.paths
    (group,) = alike.exact
    assert {paths[i] for i in group.indices} == {"blue_line/3.png", "blue_line/3 (copy).png"}
    first, second = group.indices
    assert vectors.nearest(first, 3)[0][0] == second
    assert vectors.nearest(first, 3)[1][0] == pytest.approx(1, abs=1e-4)
    assert sorted(alike.outliers.order.tolist()) == list(range(37))


def test_it_is_computed_once_for_the_same_images_and_model(shared: Session) -> None:
    assert vectors_of(open_run(shared, AT_HAND)) is vectors_of(open_run(shared, AT_HAND))
    assert similar_of(open_run(shared, AT_HAND)) is similar_of(open_run(shared, AT_HAND))


def test_an_image_without_features_has_no_neighbours(shared: Session) -> None:
    vectors = ended(vectors_of(open_run(shared, AT_HAND))).value
    fewer = type(vectors)(vectors.rows[1:], vectors.units[1:])
    assert fewer.nearest(0, 3) == ([], [])
    assert fewer.nearest(5, 3)[0] == [i for i in vectors.nearest(5, 4)[0] if i != 0][:3]
    assert np.isfinite(fewer.units).all()


def test_a_model_that_cannot_be_had_is_told(shared: Session) -> None:
    from dataclasses import replace

    opened = replace(open_run(shared, AT_HAND), model="no-such-model")
    task = similar_of(opened)
    assert "no model 'no-such-model'" in ended(task).error
    assert vectors_of(replace(opened, folder=None)) is None
    assert similar_of(replace(opened, folder=None)) is None
