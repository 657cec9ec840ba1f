"""What ranks send one another, and how they share out batches; no second process is needed."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

from studio import collective, messages
from studio.ranks import ALONE, Team


def through(value: Any) -> Any:
    """A value as it comes out at another rank."""
    data = messages.to_bytes(value)
    head = messages.head_of(data)
    sent = messages.rest_of(head, data)
    assert len(messages.rest_of(head, None)) == len(sent), "another length is made room for"
    return messages.value_of(head, sent)


@pytest.mark.parametrize("length", [0, 1, 900, 1015, 1016, 5000])
def test_values_of_every_length_arrive_as_they_were(length: int) -> None:
    value = {"text": "x" * length, "none": None, "number": 0.1, "truth": True, "tensor": {"of": 1}}
    assert through(value) == value


def test_tensors_arrive_with_their_kind_and_shape() -> None:
    shared = torch.arange(12.0).view(3, 4)
    value = [shared, {"column": shared[:, 1], "empty": torch.empty(0, 7)}, torch.tensor(True)]
    found = through(value)
    for one, other in zip(
        [found[0], *found[1].values(), found[2]],
        [value[0], *value[1].values(), value[2]],  # type: ignore[union-attr]
        strict=True,
    ):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)


def test_tensors_make_a_message_as_long_as_they_are_and_come_out_in_memory_of_their_own() -> None:
    """Features of a million images are gigabytes on each rank; the rest of a message is let go."""
    large = torch.randn(300, 70)
    value = {"large": large, "kinds": [large.half(), large.bfloat16(), large > 0, large.double()]}
    assert len(messages.to_bytes(value)) < large.nbytes * (1 + 0.5 + 0.5 + 0.25 + 2) + 1024
    found = through(value)
    for one, other in zip([large, *value["kinds"]], [found["large"], *found["kinds"]], strict=True):
        assert torch.equal(one, other)
    for own in (found["large"], *found["kinds"]):
        assert (own.storage_offset(), own.untyped_storage().nbytes()) == (0, own.nbytes)
    stream = torch.Generator().manual_seed(3)
    state = through([large, stream.get_state()])[1]
    assert torch.Generator().set_state(state).initial_seed() == 3


@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
@pytest.mark.parametrize("batch", [1, 2, 7, 64])
def test_every_row_of_a_batch_is_some_ranks_and_no_others(ranks: int, batch: int) -> None:
    rows = [list(range(batch))[collective.rows_of(batch, place, ranks)] for place in range(ranks)]
    assert list(itertools.chain(*rows)) == list(range(batch))
    assert max(map(len, rows)) - min(map(len, rows)) <= 1


def test_one_process_has_all_of_a_batch_and_all_models() -> None:
    team = ALONE.team(2)
    assert isinstance(team, Team)
    assert (team.mine, team.rows(7), list(team.share(range(3)))) == (
        (0, 1),
        slice(0, 7),
        [0, 1, 2],
    )
    assert team.told(None) == []
    assert team.told({"a": 1}) == [{"a": 1}]
