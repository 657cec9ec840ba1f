"""Vectors of very many images in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.scores import graph_files
from studio.scores.neighbours import Floats, nearest_to, unit
from studio.scores.unit_files import UnitFiles, in_memory


@pytest.fixture(scope="module")
def features() -> Floats:
    """One of them lies at the mean of all, so that it has no direction."""
    made = np.random.default_rng(0).normal(2, 1, (700, 24)).astype(np.float32)
    made[5] = np.delete(made, 5, 0).mean(0)
    return made


def test_what_is_kept_is_what_the_features_say(features: Floats, tmp_path: Path) -> None:
    units, direction = unit(features), features[3] - features[9]
    kept = UnitFiles(tmp_path).of("these", lambda: features)
    assert isinstance(kept.units, np.memmap)
    assert kept.units.dtype == np.float16
    np.testing.assert_allclose(kept.units, units, atol=5e-4)
    np.testing.assert_allclose(kept.along(direction), units @ direction, atol=5e-3)
    exact = features @ direction / np.linalg.norm(features, axis=1) / np.linalg.norm(direction)
    np.testing.assert_allclose(kept.cosines(direction), exact, atol=5e-4)
    assert kept.graph == graph_files.key_of(units)
    assert nearest_to(kept.units, 7, k=4)[0].tolist() == nearest_to(units, 7, k=4)[0].tolist()
    assert not kept.units[5].any()


def test_it_is_made_once_and_again_where_it_is_damaged(features: Floats, tmp_path: Path) -> None:
    files, asked = UnitFiles(tmp_path), []

    def make() -> Floats:
        asked.append(1)
        return features

    first = files.of("these", make)
    assert np.array_equal(files.of("these", make).units, first.units)
    assert len(asked) == 1
    files.of("others", make)
    assert len(asked) == 2
    for file in tmp_path.glob("units/*.around.npy"):
        file.write_bytes(file.read_bytes()[:100])
    again = files.of("these", make)
    assert len(asked) == 3
    assert np.array_equal(again.lengths, first.lengths)


def test_without_a_disk_it_is_the_same(features: Floats, tmp_path: Path) -> None:
    kept, held = UnitFiles(tmp_path).of("these", lambda: features), in_memory(features)
    assert np.array_equal(kept.units, held.units)
    assert (kept.graph, kept.mean.tolist()) == (held.graph, held.mean.tolist())
