"""Which images are most alike: found once, and asked in the spaces of those who compare images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from studio.errors import Stopped
from studio.scores import graph, graph_files, neighbours
from studio.scores.graph import closest
from studio.scores.graph_files import GraphFiles
from studio.scores.neighbours import Floats, nearest, unit


def grouped(number: int = 1200, width: int = 24, groups: int = 30) -> Floats:
    noise = np.random.default_rng(0)
    centres = noise.normal(size=(groups, width))
    return unit(
        (centres[np.arange(number) % groups] + noise.normal(size=(number, width))).astype("f4")
    )


def draws(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("block_bytes", [1, 4 * 40 * 7, 2**26])
def test_the_closest_are_the_nearest_others_that_may_be_taken(
    monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    pictures = normalize(draws(40, 6), dim=1)
    usable = torch.ones(40, dtype=torch.bool)
    usable[11] = False
    monkeypatch.setattr(graph, "BLOCK_BYTES", block_bytes)
    everybody = torch.stack([torch.tensor([j for j in range(40) if j != i]) for i in range(40)])
    for candidates in (None, everybody[:, :30]):
        near, cosines = closest(pictures, count=3, usable=usable, candidates=candidates)
        for i in range(40):
            others = range(40) if candidates is None else candidates[i, :16].tolist()
            allowed = [j for j in others if j not in (i, 11)]
            best = sorted(allowed, key=lambda j: -float(pictures[i] @ pictures[j]))[:3]
            assert near[i].tolist() == best
            torch.testing.assert_close(cosines[i], pictures[best] @ pictures[i])


def test_candidates_of_a_graph_give_what_comparing_all_gives() -> None:
    """In another space: about another mean, as labelling together sees images."""
    units = grouped()
    found = nearest(units, k=graph.KEPT)
    assert found is not None
    vectors = normalize(torch.from_numpy(units) + 0.03 * draws(24, seed=1), dim=1)
    for count in (3, 10):
        whole = closest(vectors, count=count)
        quick = closest(vectors, count=count, candidates=torch.from_numpy(found.indices))
        assert float((whole[0] == quick[0]).float().mean()) > 0.999
        torch.testing.assert_close(whole[1], quick[1], rtol=0, atol=1e-2)


def test_an_image_whose_candidates_may_not_be_taken_is_compared_with_all() -> None:
    units = torch.from_numpy(grouped(400))
    found = nearest(units.numpy(), k=graph.KEPT)
    assert found is not None
    usable = torch.ones(400, dtype=torch.bool)
    usable[found.indices[7]] = False
    candidates = torch.from_numpy(found.indices)
    near, cosines = closest(units, count=3, usable=usable, candidates=candidates)
    whole = closest(units, count=3, usable=usable)
    assert near[7].tolist() == whole[0][7].tolist()
    assert not set(near[7].tolist()) & set(found.indices[7].tolist())
    torch.testing.assert_close(cosines[7], whole[1][7])


@pytest.mark.parametrize("number", [1, 2, 3])
def test_few_images_have_what_there_is(number: int) -> None:
    vectors = normalize(draws(number, 4), dim=1)
    found = nearest(vectors.numpy(), k=graph.KEPT)
    assert found is not None
    near, cosines = closest(vectors, count=3, candidates=torch.from_numpy(found.indices))
    assert near.shape == cosines.shape == (number, max(1, number - 1))


@pytest.mark.long
@pytest.mark.slow
def test_of_many_images_nearly_all_nearest_are_found_without_comparing_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    units = grouped(3000)
    units[:2] = units[2]  # copies
    exact = nearest(units, k=10)
    assert exact is not None
    monkeypatch.setattr(graph, "EXACT_UP_TO", 100)
    monkeypatch.setattr(graph, "nearest", None)
    found = graph.graph(units)
    assert found is not None
    assert found.indices.shape == (3000, graph.KEPT)
    own = np.arange(3000)[:, None]
    assert not (found.indices == own).any()
    assert (np.diff(found.cosines, axis=1) <= 0).all()
    shared = [
        len(set(a) & set(b)) / 10 for a, b in zip(exact.indices, found.indices[:, :10], strict=True)
    ]
    assert np.mean(shared) > 0.97
    np.testing.assert_allclose(
        found.cosines, np.einsum("nkd,nd->nk", units[found.indices], units), atol=1e-5
    )
    again = graph.graph(units)
    assert again is not None
    np.testing.assert_array_equal(found.indices, again.indices)
    few, _ = closest(torch.from_numpy(units), count=3)  # nobody compared them before: nor here
    assert (few.numpy() == found.indices[:, :3]).mean() > 0.99


def test_a_graph_is_found_once_and_then_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, told = torch.from_numpy(grouped() + np.float32(0.3)), []
    first = GraphFiles(tmp_path).of_features(raw, progress=lambda *at: told.append(at))
    assert told[-1] == (1200, 1200)
    units = unit(raw.numpy())
    whole = nearest(units, k=graph.KEPT)
    assert whole is not None
    np.testing.assert_array_equal(first.indices, whole.indices)
    monkeypatch.setattr(graph, "nearest", None)  # may not be asked again
    again = GraphFiles(tmp_path).of_features(raw)
    np.testing.assert_array_equal(first.indices, again.indices)
    np.testing.assert_array_equal(first.cosines, again.cosines)
    assert again.indices.dtype == np.int64
    np.testing.assert_array_equal(first.first(3).indices, whole.indices[:, :3])
    other = units[::-1].copy()
    with pytest.raises(TypeError):
        GraphFiles(tmp_path).of(other)


def test_the_graph_of_few_images_is_not_kept(tmp_path: Path) -> None:
    GraphFiles(tmp_path).of(grouped(graph_files.FEWEST - 1))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["cut", "range", "shape", "type"])
def test_a_damaged_graph_is_found_anew(tmp_path: Path, damage: str) -> None:
    from safetensors.torch import load_file, save_file

    units = grouped()
    first = GraphFiles(tmp_path).of(units)
    (file,) = (tmp_path / "graphs").iterdir()
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:900])
    else:
        stored = load_file(file)
        if damage == "range":
            stored["indices"][5, 5] = 1200
        elif damage == "shape":
            stored["indices"] = stored["indices"][:, :5].contiguous()
        else:
            stored["indices"] = stored["indices"].float()
        save_file(stored, file)
    np.testing.assert_array_equal(GraphFiles(tmp_path).of(units).indices, first.indices)


def test_finding_can_be_stopped_and_a_full_disk_costs_time_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Stopped):
        GraphFiles(tmp_path).of(grouped(), stop=lambda: True)
    assert not list(tmp_path.iterdir())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(graph_files, "replace_file", full)
    assert len(GraphFiles(tmp_path).of(grouped())) == 1200


def test_neighbours_of_all_and_of_one_space_are_the_same() -> None:
    """`neighbours.nearest` and `closest` compare alike."""
    units = grouped(200)
    found = neighbours.nearest(units, k=5)
    assert found is not None
    np.testing.assert_array_equal(closest(torch.from_numpy(units), count=5)[0], found.indices)


@pytest.mark.parametrize("among", [False, True])
def test_images_that_may_not_be_asked_come_after_all_others(among: bool) -> None:
    """Also after those whose cosine is below 0, and never oneself."""
    units = normalize(torch.cat([draws(6, 4) + 3, -draws(30, 4, seed=1) - 3]), dim=1)
    usable = torch.ones(36, dtype=torch.bool)
    usable[:4] = False
    candidates = (torch.arange(36)[:, None] + torch.arange(1, 36)) % 36 if among else None
    near, cosines = closest(units, count=10, usable=usable, candidates=candidates)
    assert bool(usable[near].all())
    assert not bool((near == torch.arange(36)[:, None]).any())
    usable[5:] = False  # one is left, so the others have to be rejected ones
    near, cosines = closest(units, count=3, usable=usable, candidates=candidates)
    assert near[0, 0] == 4
    assert cosines[0, 1:].tolist() == [graph.UNUSABLE] * 2
    assert not bool((near == torch.arange(36)[:, None]).any())


def test_what_cannot_say_how_far_it_is_says_that_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "EXACT_UP_TO", 10)
    units = np.random.default_rng(0).normal(size=(80, 8)).astype(np.float32)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    told: list[tuple[int, int]] = []
    graph.graph(units, k=4, progress=lambda *far: told.append(far))
    assert told == [(0, 80), (80, 80)]
