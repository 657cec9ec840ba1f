"""What answers are worth, learned without a true label."""

from __future__ import annotations

import torch

from studio.ask.trust import nearest_answers, trust_of


def answered(*, names_right: float, wrong: float, count: int = 200) -> tuple[torch.Tensor, ...]:
    """Answers (n,), first labels (n,) and which answers are right (n,)."""
    draws = torch.Generator().manual_seed(0)
    truth = torch.randint(0, 10, (count,), generator=draws)

    def spoilt(share: float) -> torch.Tensor:
        others = (truth + torch.randint(1, 10, (count,), generator=draws)) % 10
        return torch.where(torch.rand(count, generator=draws) < share, others, truth)

    answers, first = spoilt(wrong), spoilt(1 - names_right)
    return answers, first, answers == truth


def test_where_names_are_right_a_lonely_contradiction_counts_little() -> None:
    answers, first, _ = answered(names_right=0.95, wrong=0.1)
    trust = trust_of(answers, [first], classes=10).values
    assert float(trust[answers == first].min()) > 0.95
    assert float(trust[answers != first].max()) < 0.65


def test_where_names_are_wrong_answers_are_believed() -> None:
    answers, first, right = answered(names_right=0.2, wrong=0.1)
    trust = trust_of(answers, [first], classes=10).values
    assert float(trust[answers != first].min()) > 0.75
    assert abs(float(trust.mean()) - float(right.float().mean())) < 0.08


def test_what_another_source_said_and_the_nearest_answers_are_witnesses() -> None:
    answers, first, right = answered(names_right=0.2, wrong=0.2)
    _, other, _ = answered(names_right=0.95, wrong=0.2)
    alone = trust_of(answers, [first], classes=10).values
    both = trust_of(answers, [first, torch.where(right, answers, other)], classes=10).values
    assert float(both[~right].mean()) < float(alone[~right].mean()) - 0.2
    silent = trust_of(answers, [first, torch.full_like(first, -1)], classes=10).values
    torch.testing.assert_close(silent, alone)


def test_a_source_that_contradicts_itself_is_trusted_less() -> None:
    answers, first, _ = answered(names_right=0.3, wrong=0.1, count=20)
    sure = trust_of(answers, [first], classes=10, again=(40, 0))
    unsure = trust_of(answers, [first], classes=10, again=(20, 20))
    assert unsure.wrong > sure.wrong
    assert float(unsure.values.mean()) < float(sure.values.mean())


def test_no_answers_are_no_trouble() -> None:
    nobody = torch.zeros(0, dtype=torch.int64)
    assert len(trust_of(nobody, [nobody], classes=3).values) == 0


def test_the_nearest_answer_is_a_witness_only_where_it_is_near() -> None:
    units = torch.nn.functional.normalize(torch.tensor([[1, 0.1], [1, 0], [-1, 1.0]]), dim=1)
    assert nearest_answers(units, torch.tensor([4, 5, 6])).tolist() == [5, 4, -1]
    assert nearest_answers(units[:1], torch.tensor([4])).tolist() == [-1]
