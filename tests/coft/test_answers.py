"""Answers as evidence about images alike, and how far seeds lie around them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from studio.ask.relabel import Worth, trusted, typical_images
from studio.ask.trust import Trust
from studio.coft import answers, together
from studio.coft.answers import Answers
from studio.coft.given import NONE, REJECTED, UNKNOWN, Evidence, FirstLabels
from studio.coft.together import label_together
from studio.coft.transduction import centred

CPU = torch.device("cpu")


def draws(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def weighed_by(
    pictures: Tensor,
    guess: Tensor,
    given: Tensor,
    *,
    weight: float,
    told: Evidence | None = None,
) -> Tensor:
    found = Answers.of(centred(pictures, given), told or Evidence.of(given), weight=weight)
    assert found is not None
    return found.added_to(guess)


def test_evidence_is_that_of_the_nearest_given_label_of_a_class(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pictures, guess = normalize(draws(9, 6), dim=1), draws(9, 3, seed=1).softmax(1)
    given = torch.full((9,), UNKNOWN)
    given[0], given[1], given[2], given[3] = 0, 0, 2, REJECTED
    monkeypatch.setattr(answers, "BLOCK", 4)
    weighed = weighed_by(pictures, guess, given, weight=7.0)
    others = [i for i in range(9) if i != 3]
    own = normalize(pictures - pictures[others].mean(0), dim=1)
    for i in range(9):
        cosines = own @ own[i]
        nearest = torch.tensor([float(cosines[:2].max()), -torch.inf, float(cosines[2])])
        logits = guess[i].log() + 7.0 * (-5.0 * (1 - nearest)).exp()
        torch.testing.assert_close(weighed[i], logits.softmax(0))
    assert Answers.of(own, Evidence.of(given), weight=0.0) is None
    assert Answers.of(own, Evidence.of(torch.full((9,), UNKNOWN)), weight=7.0) is None


def test_answers_spread_as_far_as_they_are_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures, guess = normalize(draws(9, 6), dim=1), draws(9, 3, seed=1).softmax(1)
    given, judged = torch.full((2, 9), UNKNOWN)
    given[3], judged[0], judged[1] = REJECTED, 0, 0
    trust = torch.tensor([0.2, 0.9, *[1.0] * 7])
    evidence = Evidence.of(given, judged, trust)
    weighed = weighed_by(pictures, guess, given, weight=7.0, told=evidence)
    own = centred(pictures, given)
    affinity = (-5.0 * (1 - own @ own[:2].T)).exp() * trust[:2]
    for i in range(9):
        worth = torch.tensor([float(affinity[i].max()), 0.0, 0.0])
        torch.testing.assert_close(weighed[i], (guess[i].log() + 7.0 * worth).softmax(0))


def test_a_class_does_not_grow_by_what_all_images_have_in_common() -> None:
    pictures = normalize(3.0 + draws(200, 64), dim=1)  # as CLIP's: all cosines near 0.9
    guess = torch.full((200, 2), 0.5)
    given = torch.full((200,), UNKNOWN)
    given[:5] = 0
    weighed = weighed_by(pictures, guess, given, weight=20.0)
    assert float(weighed[:5, 0].min()) > 0.99
    assert float(weighed[5:, 0].median()) < 0.8


def test_a_share_of_answers_can_be_taken_away_again() -> None:
    pictures, guess = normalize(draws(9, 6), dim=1), draws(9, 3, seed=1).softmax(1)
    told = Evidence.of(torch.tensor([0, 2, *[UNKNOWN] * 7]))
    found = Answers.of(pictures, told, weight=7.0)
    assert found is not None
    rows = slice(2, 6)
    in_full = found.of_rows(guess[rows], rows)
    torch.testing.assert_close(in_full, found.added_to(guess)[rows])
    torch.testing.assert_close(found.of_rows(in_full, rows, share=-1.0), guess[rows])
    third = found.of_rows(guess[rows], rows, share=0.3)
    torch.testing.assert_close(found.of_rows(in_full, rows, share=-0.7), third)


@pytest.mark.parametrize("many", [False, True])
def test_sure_images_rank_by_answers_as_far_as_first_labels_were_wrong(
    monkeypatch: pytest.MonkeyPatch, many: bool
) -> None:
    if many:
        monkeypatch.setattr(together, "LARGE_TABLE", 1)
    pictures, guess = normalize(draws(60, 6), dim=1), draws(60, 3, seed=1).softmax(1)
    nobody = torch.full((60,), UNKNOWN)
    told = torch.tensor([0, 2, *[UNKNOWN] * 58])

    others, none = torch.ones(60, dtype=torch.int64), torch.full((3,), UNKNOWN)

    def labelled(first_right: float) -> Tensor:
        return label_together(
            pictures, guess, nobody, device=CPU, given_evidence=7.0,
            evidence=Evidence.of(nobody, told, first=FirstLabels(others, first_right, none)),
        ).double()  # fmt: skip

    own = centred(pictures, nobody)
    near = (-5.0 * (1 - own @ own[:2].T)).exp()
    worth = torch.stack([near[:, 0], torch.zeros(60), near[:, 1]], dim=1)

    def ranks(first_right: float) -> Tensor:
        return (guess.log() + 7.0 * (1 - first_right) * worth).softmax(1).double()

    in_full = labelled(0.0)
    for first_right in (0.6, 1.0):
        # The assignments are the same: only what sure images rank by is another.
        changed = (labelled(first_right) - in_full) / together.TRACE
        torch.testing.assert_close(changed, ranks(first_right) - ranks(0.0), atol=2e-4, rtol=0)
        assert float(changed.abs().max()) > 0.01


def test_how_many_first_labels_answers_speak_for() -> None:
    sure = torch.ones(3)
    nobody = Trust(torch.empty(0), 0.1, (0.5,))
    person, judge = Trust(sure[:1], 0.0, (0.9,)), Trust(sure, 0.1, (0.5,))
    first, typical = torch.tensor([0, 1, 1]), torch.tensor([0, 2])
    assert Worth(sure, nobody, nobody, first, typical).first_right == 0.0
    assert Worth(sure, nobody, judge, first, typical).first_right == pytest.approx(0.5)
    assert Worth(sure, person, judge, first, typical).first_right == pytest.approx(0.6)
    told = Worth(sure, person, judge, first, typical).first_labels
    assert (told.labels is first, told.typical is typical) == (True, True)
    assert told.right == pytest.approx(0.6)


def test_a_class_that_no_answer_names_is_spoken_for_as_far_as_first_labels_are_right() -> None:
    """Where cars are named and trucks are not, trucks are not taken for cars."""
    pictures, guess = normalize(draws(9, 6), dim=1), draws(9, 4, seed=1).softmax(1)
    told = torch.tensor([0, *[UNKNOWN] * 8])
    # Class 0 is named, and nothing stands for class 2. All first labels are another: none of the
    # answers bears one out.
    first = FirstLabels(torch.full((9,), 4), 0.6, torch.tensor([3, 5, -1, 7]))

    def added(first: FirstLabels | None) -> Tensor:
        found = Answers.of(pictures, Evidence.of(told, first=first), weight=7.0)
        assert found is not None
        return found.added_to(guess)

    near = (-5.0 * (1 - pictures @ pictures[[0, 5, 7]].T)).exp()
    worth = torch.stack([near[:, 0], 0.6 * near[:, 1], torch.zeros(9), 0.6 * near[:, 2]], dim=1)
    torch.testing.assert_close(added(first), (guess.log() + 7.0 * worth).softmax(1))
    alone = torch.stack([near[:, 0], *torch.zeros(3, 9)], dim=1)
    torch.testing.assert_close(added(None), (guess.log() + 7.0 * alone).softmax(1))


def test_an_answer_that_bears_out_a_first_label_says_less_of_images_labelled_otherwise() -> None:
    pictures, guess = normalize(draws(6, 6), dim=1), draws(6, 2, seed=1).softmax(1)
    told = torch.tensor([0, 1, *[UNKNOWN] * 4])
    labels = torch.tensor([0, 0, 0, 1, 0, 1])  # the first answer bears one out, the second does not
    evidence = Evidence.of(told, first=FirstLabels(labels, 0.75, torch.tensor([0, 3])))
    found = Answers.of(pictures, evidence, weight=7.0)
    assert found is not None
    near = (-5.0 * (1 - pictures @ pictures[:2].T)).exp()
    near[:, 0] *= torch.where(labels == 0, 1.0, 0.25)
    torch.testing.assert_close(found.added_to(guess), (guess.log() + 7.0 * near).softmax(1))


def test_a_typical_image_is_most_like_the_mean_of_its_class() -> None:
    units = normalize(torch.tensor([[1.0, 0], [1, 0.5], [0.9, 1], [-1, 0.1], [0, 1]]), dim=1)
    labels = torch.tensor([0, 0, 0, 2, -1])
    assert typical_images(units, labels, classes=4).tolist() == [1, -1, 3, -1]


def test_what_is_of_no_name_stands_for_none() -> None:
    units = normalize(draws(4, 3), dim=1)
    given = torch.tensor([REJECTED, UNKNOWN, UNKNOWN, UNKNOWN])
    judged = torch.tensor([UNKNOWN, NONE, UNKNOWN, 1])

    def typical(first: list[int]) -> list[int]:
        return trusted(units, torch.tensor(first), given, judged, classes=2).typical.tolist()

    assert typical([0, 0, 1, 1])[0] == UNKNOWN
    assert typical([0, 0, 0, 1])[0] == 2
    assert typical([1, 1, 1, 0])[0] == 3  # whatever it was judged to be
