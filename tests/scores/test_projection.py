from __future__ import annotations

import numpy as np
import pytest

from studio.scores import projection
from studio.scores.neighbours import Floats, unit


def groups(number: int = 240, width: int = 16, classes: int = 4) -> tuple[Floats, Floats]:
    """Unit vectors in well-separated groups, and which group each is in."""
    noise = np.random.default_rng(0)
    centres = noise.normal(size=(classes, width))
    group = np.arange(number) % classes
    return unit((centres[group] + 0.15 * noise.normal(size=(number, width))).astype("f4")), group


def purity(plane: Floats, group: Floats) -> float:
    """Share of images whose nearest image on the plane is of the same group."""
    apart = ((plane[:, None] - plane[None]) ** 2).sum(-1)
    np.fill_diagonal(apart, np.inf)
    return float((group[apart.argmin(1)] == group).mean())


def test_pca_shows_where_images_differ_most() -> None:
    noise = np.random.default_rng(0)
    features = noise.normal(size=(500, 6)).astype("f4") * [9, 0.1, 4, 0.1, 0.1, 0.1]
    units = unit(features.astype("f4"))
    plane = projection.pca(units)
    assert plane.shape == (500, 2)
    assert abs(np.corrcoef(plane[:, 0], units[:, 0])[0, 1]) > 0.99
    assert abs(np.corrcoef(plane[:, 1], units[:, 2])[0, 1]) > 0.99
    assert plane.min(0).tolist() == [-1, -1]
    assert plane.max(0).tolist() == [1, 1]


def test_pca_is_never_mirrored() -> None:
    units, _ = groups()
    plane = projection.pca(units)
    assert np.abs(plane - projection.pca(units[::-1].copy())[::-1]).max() < 1e-3


@pytest.mark.parametrize("shape", [(0, 4), (1, 4), (2, 4), (5, 1)])
def test_pca_of_next_to_nothing_is_finite(shape: tuple[int, int]) -> None:
    features = np.random.default_rng(0).normal(size=shape).astype("f4")
    plane = projection.pca(unit(features) if len(features) else features)
    assert plane.shape == (shape[0], 2)
    assert np.isfinite(plane).all()


def test_equal_images_lie_in_one_place() -> None:
    assert projection.pca(np.zeros((30, 4), np.float32)).tolist() == [[0.0, 0.0]] * 30


def test_a_few_lone_images_leave_the_others_most_of_the_map() -> None:
    plane = np.random.default_rng(0).normal(size=(400, 2)).astype("f4")
    plane[:5] += [100, 0]
    plane[5:9] -= [30, 60]
    closed = projection.without_gaps(plane)
    for axis in range(2):
        assert np.array_equal(closed[:, axis].argsort(), plane[:, axis].argsort()), "order is lost"
    many, all_of_it = np.ptp(closed[9:], axis=0), np.ptp(closed, axis=0)
    assert (many / all_of_it > 0.6).all()
    assert (np.ptp(plane[9:], axis=0) / np.ptp(plane, axis=0) < 0.11).all()
    # Where there is no such gap nothing moves; of few images wider ones are left.
    for points in (np.linspace(-1, 1, 200), np.linspace(-1, 1, 20) ** 3):
        even = points[:, None].repeat(2, axis=1).astype("f4")
        assert np.allclose(projection.without_gaps(even), even - even[0], atol=1e-6)
    assert projection.without_gaps(np.zeros((30, 2), "f4")).tolist() == [[0, 0]] * 30


def test_of_a_large_set_some_are_laid_out_and_the_others_stand_amid_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without UMAP: what it is given is laid out along a line, by the group."""
    units, group = groups(120)
    laid: list[Floats] = []

    def along_a_line(some: Floats, _say: projection.Report, *_alike: object) -> Floats:
        laid.append(some)
        of = group[(some @ units.T).argmax(1)]
        return np.stack([of, 2.0 * of], 1).astype("f4")

    said: list[tuple[str, int, int]] = []
    monkeypatch.setattr(projection, "_fit", along_a_line)
    monkeypatch.setattr(projection, "without_gaps", lambda plane: plane)
    plane = projection.umap(units, landmarks=30, report=lambda *told: said.append(told))
    (chosen,) = laid
    assert len(chosen) == 30
    assert len({tuple(row) for row in chosen.tolist()}) == 30
    assert said == [("Placing the other images", 90, 90)]
    # All near their group, whose places are -1, -1/3, 1/3 and 1: the nearest landmarks are of it.
    expected = np.repeat(2 * group[:, None] / 3 - 1, 2, axis=1)
    assert np.abs(plane - expected).max() < 0.05
    assert np.array_equal(projection.umap(units, landmarks=120), projection.umap(units))
    assert [len(some) for some in laid[1:]] == [120, 120]


def test_an_image_stands_at_the_weighted_mean_of_its_nearest_landmarks() -> None:
    landmarks = np.eye(6, dtype="f4")
    plane = np.arange(12, dtype="f4").reshape(6, 2)
    image = np.array([[0.9, 0.3, 0.2, 0.1, 0.05, 0.0]], "f4")
    said: list[tuple[str, int, int]] = []
    (placed,) = projection._amid(image, landmarks, plane, lambda *told: said.append(told), k=3)
    weights = 1 / (1 - image[0, :3])
    np.testing.assert_allclose(placed, weights @ plane[:3] / weights.sum(), rtol=1e-5)
    assert said == [("Placing the other images", 1, 1)]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_umap_keeps_groups_together_and_comes_out_the_same_each_time() -> None:
    pytest.importorskip("umap")
    units, group = groups()
    said: list[str] = []
    plane = projection.umap(units, report=lambda text, done, total: said.append(text))
    assert plane.dtype == np.float32
    assert np.abs(plane).max() == 1
    assert purity(plane, group) == 1.0
    assert np.array_equal(plane, projection.umap(units))
    assert said[0] == "Comparing the images"
    assert said[-1] == "Laying out the images"
    # Of a large set only some are laid out; the others stand amid those that they are like.
    part = projection.umap(units, landmarks=80)
    assert purity(part, group) > 0.95
    # Many copies of one image are no trouble.
    copies = np.repeat(units[:30], 4, axis=0)
    assert np.isfinite(projection.umap(copies)).all()
