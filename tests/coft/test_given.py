"""Labels that came with the images: judged, never changed by what the models think."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from studio.clip.backbone import Backbone
from studio.coft.events import Finished, Judged, SeedSet
from studio.coft.fit import fit, fit_plus
from studio.coft.given import REJECTED, UNKNOWN, with_claims
from studio.coft.start import chosen_seeds
from studio.coft.task import Task
from studio.settings import Settings
from tests.coft.conftest import Canvases, Inputs, only
from tests.coft.test_fit import QUICK


@pytest.mark.parametrize("mode", ["argmax_topk", "leaderboard"])
def test_an_image_with_a_claim_is_a_seed_of_that_class_or_of_none(mode: str) -> None:
    scores = torch.tensor([[0.9, 0.1, 0.0], [0.8, 0.2, 0.0], [0.1, 0.2, 0.7], [0.4, 0.3, 0.3]])
    claims = torch.tensor([1, UNKNOWN, 0, 2])
    settings = Settings(k=4, k_cap=False, seed_selection=mode)
    nobody = torch.full((4,), UNKNOWN)
    indices, labels = chosen_seeds(scores, nobody, settings, claims=claims)
    chosen = dict(zip(indices.tolist(), labels.tolist(), strict=True))
    assert chosen == {0: 1, 1: 0, 2: 0, 3: 2}
    assert with_claims(torch.tensor([[0, 0, 2, 0], [2, 2, 2, 2]]), claims).tolist() == [
        [1, 0, 0, 2], [1, 2, 0, 2],
    ]  # fmt: skip


def test_a_claim_that_zero_shot_gives_no_chance_may_be_a_seed() -> None:
    scores, nobody = torch.tensor([[1.0, 0.0]]), torch.tensor([UNKNOWN])
    _, labels = chosen_seeds(scores, nobody, Settings(k=1), claims=torch.tensor([1]))
    assert labels.tolist() == [1]


@pytest.mark.parametrize("method", [fit, fit_plus])
def test_claims_are_what_is_judged_and_corrections_outrank_them(
    vit: Backbone, inputs: Inputs, method: Any
) -> None:
    claims = (torch.arange(30) + (torch.arange(30) % 5 == 0)) % 3
    claims[7] = UNKNOWN
    given = torch.full((30,), UNKNOWN)
    given[3], given[4] = (claims[3] + 1) % 3, REJECTED
    settings = Settings(**QUICK, rounds=2, contrast_weight=0.0)
    events = list(
        method(Task(**inputs(vit, Canvases(30)), settings=settings, given=given, claims=claims))
    )
    claimed = [i for i in range(30) if i not in (3, 7)]
    for judged in (e for e in events if isinstance(e, Judged)):
        assert torch.equal(judged.labels[:, claimed], claims[claimed].expand(2, -1))
        assert judged.labels[:, 3].tolist() == [given[3]] * 2
        assert not judged.clean[:, 4].any()
    for seeds in (e for e in events if isinstance(e, SeedSet)):
        for index, label in zip(seeds.indices.tolist(), seeds.labels.tolist(), strict=True):
            assert index != 4
            assert label == (given[3] if index == 3 else claims[index]) or index == 7
    assert len(only(events, Finished).labels) == 30


def test_an_image_of_no_class_is_no_seed_unless_a_person_named_it() -> None:
    from studio.coft.given import NO_SEED, checked, without_strangers
    from studio.coft.start import seeds

    strangers = torch.tensor([True, False, True, True, False])
    given = torch.tensor([UNKNOWN, UNKNOWN, 1, REJECTED, UNKNOWN])
    told = without_strangers(given, strangers)
    assert told.tolist() == [NO_SEED, UNKNOWN, 1, REJECTED, UNKNOWN]
    assert without_strangers(None, strangers).tolist() == [-3, -1, -3, -3, -1]
    assert checked(told, images=5, classes=2).tolist() == told.tolist()
    scores = torch.tensor([[0.9, 0.1]] * 5)
    event = next(seeds(scores, told, Settings(k=9, k_cap=False)))
    assert isinstance(event, SeedSet)
    found = zip(event.indices.tolist(), event.labels.tolist(), strict=True)
    assert dict(found) == {1: 0, 4: 0, 2: 1}
