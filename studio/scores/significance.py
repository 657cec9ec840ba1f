"""Whether one labeller is better than another, or only luckier."""

from __future__ import annotations

import math

_NOTHING = 1e-22
"""Of the largest part of a sum, what a million such parts would not change."""


def sign_test(wins: int, losses: int) -> float:
    """Probability that two equally good labellers differ at least so much, two-sided and exact.

    wins, losses: images on which only the one, only the other is right (McNemar's exact test).
    """
    n, k = wins + losses, min(wins, losses)
    return min(1.0, 2 * at_most_heads(k, throws=n))


def at_most_heads(heads: int, *, throws: int) -> float:
    """Probability of no more than so many heads in so many throws of an even coin."""
    # In logarithms: the binomial coefficients of a large folder overflow.
    whole = math.lgamma(throws + 1) - throws * math.log(2)
    terms: list[float] = []
    largest = 0.0
    for i in range(heads, -1, -1):
        term = math.exp(whole - math.lgamma(i + 1) - math.lgamma(throws - i + 1))
        terms.append(term)
        largest = max(largest, term)
        # Below the middle each is less than the one before: of a million throws thousands count.
        if 2 * i <= throws and term <= _NOTHING * largest:
            break
    return math.fsum(terms)
