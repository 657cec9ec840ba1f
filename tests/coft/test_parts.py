"""Large tables in parts: the same as at once, and how much memory labelling together needs."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from studio.coft import likeliest, parts, together
from studio.coft.given import REJECTED, UNKNOWN
from studio.coft.together import label_together


def draws(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Peak(TorchDispatchMode):
    """The most bytes that tensors made meanwhile held at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0
        self._made: list[weakref.ref[Tensor]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = {
            t.untyped_storage().data_ptr() for t in tree_leaves(args) if isinstance(t, Tensor)
        }
        out = func(*args, **(kwargs or {}))
        for made in tree_leaves(out):
            if isinstance(made, Tensor) and made.untyped_storage().data_ptr() not in before:
                self._made.append(weakref.ref(made))
        alive = {}
        for known in [t for t in (ref() for ref in self._made) if t is not None]:
            alive[known.untyped_storage().data_ptr()] = known.untyped_storage().nbytes()
        self._made = [ref for ref in self._made if ref() is not None]
        self.bytes = max(self.bytes, sum(alive.values()))
        return out


@pytest.mark.parametrize("anchor", [0.0, 32.0])
@pytest.mark.parametrize("answered", [False, True])
def test_labelling_together_needs_three_tables_beside_what_it_is_given(
    monkeypatch: pytest.MonkeyPatch, anchor: float, answered: bool
) -> None:
    images, classes = 1500, 200
    pictures = normalize(draws(images, 8), dim=1)
    guess = (3 * draws(images, classes, seed=1)).softmax(1)
    given = torch.full((images,), UNKNOWN)
    given[5] = REJECTED
    given[:3] = 1 if answered else UNKNOWN
    near = torch.randint(0, images, (images, 32), generator=torch.Generator().manual_seed(2))
    monkeypatch.setattr(parts, "PART_NUMBERS", 2**14)
    peak = Peak()
    with peak:
        label_together(
            pictures, guess, given, device=torch.device("cpu"), anchor=anchor, given_evidence=20.0,
            candidates=near,
        )  # fmt: skip
    tables = peak.bytes / (4 * images * classes)
    # And what does not grow with the classes: features, candidates, the parts at work.
    assert tables < 3.4 + answered, "with answers, the probabilities that they change are one more"


def test_parts_are_all_rows_once() -> None:
    for rows, columns in ((0, 3), (1, 1), (10, 2**19), (70_001, 10)):
        table = torch.empty(rows, columns, device="meta")
        seen = [range(part.start, part.stop) for part in parts.parts(table)]
        assert [row for part in seen for row in part] == list(range(rows))
        assert all(len(part) * columns <= max(columns, parts.PART_NUMBERS) for part in seen)


def test_rows_that_are_left_out_come_back() -> None:
    z = draws(6, 3)
    before = z.clone()
    with parts.without(z, torch.tensor([False, True, False, False, True, False])):
        assert z[[1, 4]].abs().sum() == 0
        assert torch.equal(z[0], before[0])
    assert torch.equal(z, before)


def test_given_labels_stand() -> None:
    z = parts.fixed(draws(4, 3).softmax(1), torch.tensor([2, UNKNOWN, REJECTED, 0]))
    assert z[0].tolist() == [0, 0, 1]
    assert z[3].tolist() == [1, 0, 0]
    torch.testing.assert_close(z[1:3].sum(1), torch.ones(2))


def test_vectors_without_their_mean_are_those_of_the_plain_formula() -> None:
    vectors, usable = draws(50, 6) + 3, torch.ones(50, dtype=torch.bool)
    usable[:9] = False
    for who in (usable, torch.ones_like(usable)):
        plain = normalize(vectors - vectors[who].mean(0), dim=1)
        torch.testing.assert_close(parts.without_mean(vectors, who), plain)
    same = torch.ones(4, 3)
    assert parts.without_mean(same, torch.ones(4, dtype=torch.bool)).abs().sum() == 0


@pytest.mark.parametrize("missing", ["none", "some", "most"])
def test_with_the_likeliest_classes_alone_labels_are_the_same(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """Held to the end, in the first round only, and free, as `label_together` decides."""
    classes, there = 40, {"none": 40, "some": 25, "most": 4}[missing]
    centres = draws(classes, 32, seed=1)
    truth = torch.arange(800) % there
    pictures = normalize(centres[truth] + 1.2 * draws(800, 32, seed=2), dim=1)
    texts = normalize(centres + 0.7 * draws(classes, 32, seed=3), dim=1)
    guess = (12 * pictures @ texts.T).softmax(1)
    given = torch.full((800,), UNKNOWN)
    given[3:6], given[9] = (truth[3:6] + 1) % classes, REJECTED

    def labelled() -> Tensor:
        cpu = torch.device("cpu")
        return label_together(pictures, guess, given, device=cpu, anchor=32.0, given_evidence=20.0)

    whole = labelled()
    monkeypatch.setattr(together, "LARGE_TABLE", 0)
    monkeypatch.setattr(likeliest, "PART_ROWS", 96)
    for kept, apart in ((classes, 2e-5), (24, 5e-3)):
        monkeypatch.setattr(likeliest, "KEPT", kept)
        few = labelled()
        assert few.dtype == torch.float32
        torch.testing.assert_close(few.double(), whole, rtol=0, atol=apart)
        torch.testing.assert_close(few.sum(1), torch.ones(800), rtol=0, atol=1e-2)
        assert float((few.argmax(1) == whole.argmax(1)).float().mean()) > 0.998


def test_with_the_likeliest_classes_alone_no_table_is_held_but_what_is_returned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images, classes = 1500, 200
    pictures = normalize(draws(images, 8), dim=1)
    guess = (3 * draws(images, classes, seed=1)).softmax(1)
    nothing = torch.full((images,), UNKNOWN)
    near = torch.randint(0, images, (images, 16), generator=torch.Generator().manual_seed(2))
    monkeypatch.setattr(together, "LARGE_TABLE", 0)
    monkeypatch.setattr(together, "ROUNDS", 2)
    monkeypatch.setattr(likeliest, "PART_ROWS", 64)
    monkeypatch.setattr(likeliest, "KEPT", 8)
    peak = Peak()
    with peak:
        label_together(
            pictures, guess, nothing, device=torch.device("cpu"), anchor=32.0, candidates=near
        )
    assert peak.bytes / (4 * images * classes) < 1.6


@pytest.mark.parametrize("there", [40, 20])
def test_whether_names_are_missing_is_asked_of_very_large_tables_as_well(
    monkeypatch: pytest.MonkeyPatch, there: int
) -> None:
    centres = draws(40, 32, seed=1)
    truth = torch.arange(800) % there
    pictures = normalize(centres[truth] + 0.8 * draws(800, 32, seed=2), dim=1)
    guess = (12 * pictures @ normalize(centres, dim=1).T).softmax(1)
    nobody = torch.full((800,), UNKNOWN)

    def anchor() -> float:
        cpu = torch.device("cpu")
        return together.anchor_beside_answers(pictures, guess, nobody, device=cpu, anchor=32.0)

    whole = anchor()
    assert whole == (0.0 if there == 40 else 32.0)
    monkeypatch.setattr(together, "LARGE_TABLE", 0)
    monkeypatch.setattr(likeliest, "KEPT", 24)
    assert anchor() == whole
