"""Whether one labeller is better than another, or only luckier."""

from __future__ import annotations

import math


def sign_test(wins: int, losses: int) -> float:
    """Probability that two equally good labellers differ at least so much, two-sided and exact.

    wins, losses: images on which only the one, only the other is right (McNemar's exact test).
    """
    n, k = wins + losses, min(wins, losses)
    if not n:
        return 1.0
    # In logarithms: the binomial coefficients of a large folder overflow.
    logs = [
        math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - n * math.log(2)
        for i in range(k + 1)
    ]
    return min(1.0, 2 * math.fsum(math.exp(value) for value in logs))
