from __future__ import annotations

from math import comb

import pytest

from studio.scores.significance import sign_test


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (3, 3), (1, 9), (13, 5), (0, 20)])
def test_the_sign_test_is_the_binomial_tail(wins: int, losses: int) -> None:
    n, k = wins + losses, min(wins, losses)
    exact = min(1.0, 2 * sum(comb(n, i) for i in range(k + 1)) / 2**n)
    assert sign_test(wins, losses) == pytest.approx(exact)
    assert sign_test(wins, losses) == sign_test(losses, wins)


def test_the_sign_test_stands_large_folders() -> None:
    assert 0 < sign_test(50_200, 49_800) < 0.5
    assert sign_test(60_000, 40_000) == pytest.approx(0.0, abs=1e-12)
