"""An accuracy from few checks holds as often as it says, and answers decide between ways."""

from __future__ import annotations

import numpy as np
import pytest

from studio.ask.accuracy import checks, decide, first_drawn, right_share


def labelled(share: float, *, number: int = 1000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels (N,), confidences (N,) that say something, and which labels are right (N,)."""
    draws = np.random.default_rng(0)
    right = draws.random(number) < share
    confidence = np.clip(0.4 + 0.2 * right + 0.15 * draws.normal(size=number), 0, 1)
    return draws.integers(0, 7, number), confidence, right


def test_every_beginning_of_the_order_is_spread_over_the_labels() -> None:
    labels, confidence, _ = labelled(0.5)
    order = checks(labels, confidence, seed=3)
    assert sorted(order.tolist()) == list(range(1000))
    assert order.tolist() == checks(labels, confidence, seed=3).tolist()
    counts = np.bincount(labels[order[:70]], minlength=7) / np.bincount(labels, minlength=7)
    assert np.abs(counts - 0.07).max() < 0.02
    assert checks(labels[:0], confidence[:0]).tolist() == []


def test_every_image_is_as_likely_to_be_checked() -> None:
    labels, confidence, _ = labelled(0.5, number=50)
    times = np.zeros(50)
    for seed in range(600):
        times[checks(labels, confidence, seed=seed)[:10]] += 1
    assert np.abs(times / 600 - 0.2).max() < 0.09


@pytest.mark.parametrize("share", [0.03, 0.5, 0.9])
@pytest.mark.parametrize("count", [20, 100])
def test_the_interval_holds_nine_times_in_ten(share: float, count: int) -> None:
    labels, confidence, right = labelled(share)
    errors, held = [], 0
    for seed in range(200):
        asked = checks(labels, confidence, seed=seed)[:count]
        found = right_share({int(i): bool(right[i]) for i in asked}, labels, confidence)
        errors.append(found.value - right.mean())
        held += found.low <= right.mean() <= found.high
    assert held >= 0.86 * 200
    assert abs(np.mean(errors)) < 0.015, "biased"


def test_more_checks_narrow_the_interval_and_no_checks_know_nothing() -> None:
    labels, confidence, right = labelled(0.6)
    asked = checks(labels, confidence)
    few, many = (
        right_share({int(i): bool(right[i]) for i in asked[:n]}, labels, confidence)
        for n in (20, 30)
    )
    assert few.with_more(10) == pytest.approx(many.high - many.low, abs=0.06)
    assert few.with_more(10) < few.high - few.low
    nothing = right_share({}, labels, confidence)
    assert (nothing.low, nothing.high, nothing.checks) == (0.0, 1.0, 0)


def test_answers_speak_for_the_way_that_is_right_more_often_by_more_than_chance() -> None:
    draws = np.random.default_rng(0)
    truth = draws.integers(0, 5, 300)
    good = np.where(draws.random(300) < 0.8, truth, (truth + 1) % 5)
    bad = np.where(draws.random(300) < 0.4, truth, (truth + 2) % 5)
    told = {i: int(truth[i]) for i in range(40)}
    found = decide(told, {"zero-shot": good, "trained": bad}, usual="trained")
    assert (found.best, found.sure) == ("zero-shot", True)
    assert found.ahead == pytest.approx(found.shares["zero-shot"] - found.shares["trained"])
    alike = decide(told, {"zero-shot": good, "trained": good.copy()}, usual="trained")
    assert (alike.best, alike.sure) == ("trained", False)
    assert decide({}, {"a": good, "b": bad}, usual="b").best == "b"
    assert 0.95 <= found.chance < 1
    few = {i: int(truth[i]) for i in range(9)}
    assert not decide(few, {"a": truth, "b": (truth + 1) % 5}, usual="b").sure
    one = decide({0: int(truth[0])}, {"a": truth, "b": (truth + 1) % 5}, usual="b")
    assert one.best == "b", "one answer decided"


@pytest.mark.parametrize(("won", "lost", "sure"), [(4, 0, True), (3, 0, False), (7, 1, True),
                                                   (5, 1, False)])  # fmt: skip
def test_what_speaks_clearly(won: int, lost: int, sure: bool) -> None:
    """Of checks that one of the ways labels right, a share above one half with 95 in 100."""
    truth = np.zeros(20, np.int64)
    usual, other = truth.copy(), truth.copy()
    usual[:won] = 1
    other[won : won + lost] = 1
    found = decide(dict.fromkeys(range(20), 0), {"other": other, "usual": usual}, usual="usual")
    assert found.sure == sure
    assert found.best == ("other" if sure else "usual")


def test_images_that_somebody_chose_are_not_taken_for_drawn_ones() -> None:
    order = list(range(100, 200))
    assert first_drawn(order, set(order[:30])) == order[:30]
    skipped = set(order[:30]) - {order[3], order[17]}
    assert first_drawn(order, skipped) == sorted(skipped), "a skipped image ended it"
    assert first_drawn(order, set(order[50:])) == []
    chosen = {*order[:10], *order[60:70]}
    assert first_drawn(order, chosen) == order[:10]
    assert first_drawn(order, set()) == []


def test_a_share_is_made_of_plain_numbers() -> None:
    labels = np.arange(40) % 4
    for told in ({}, {image: image % 3 > 0 for image in range(20)}):
        share = right_share(told, labels, np.linspace(0.2, 0.9, 40, dtype=np.float32))
        assert [type(end) for end in (share.value, share.low, share.high)] == [float] * 3


def test_the_interval_is_said_with_what_ten_more_would_bring() -> None:
    labels, confidence, right = labelled(0.6)
    found = right_share(
        {int(i): bool(right[i]) for i in checks(labels, confidence)[:40]}, labels, confidence
    )
    first, second = found.sentences()
    assert "from 40 checked images" in first
    assert f"between {100 * found.low:.0f} and" in first
    assert "10 more would narrow that" in second


@pytest.mark.parametrize("number", [1, 2])
def test_an_interval_that_leaves_everything_open_is_not_said(number: int) -> None:
    labels, confidence, right = labelled(0.6)
    found = right_share(
        {int(i): bool(right[i]) for i in checks(labels, confidence)[:number]}, labels, confidence
    )
    first, second = found.sentences()
    assert not found.tells
    assert "too few to tell" in first
    assert "%" not in first
    assert second.startswith("10 more that are drawn would tell it to within about ")


@pytest.mark.parametrize("given", [200, 500])
def test_a_share_of_the_images_that_were_drawn_from(given: int) -> None:
    """Labels that were told their own answers are right and sure: those of the others are not."""
    labels, confidence, right = labelled(0.4)
    told_own = np.arange(1000) < given
    right, confidence = right | told_own, np.where(told_own, 1, confidence)
    errors, held = [], 0
    for seed in range(200):
        order = checks(labels, confidence, seed=seed)
        order = order[~told_own[order]]
        told = {int(i): bool(right[i]) for i in order[:40]}
        found = right_share(told, labels, confidence, among=order)
        errors.append(found.value - right[~told_own].mean())
        held += found.low <= right[~told_own].mean() <= found.high
    assert abs(np.mean(errors)) < 0.015, "biased"
    assert held >= 0.86 * 200
    assert found.left_out == given
    assert f"That leaves out {given} images, whose answers these labels were told." in (
        found.sentences()
    )
