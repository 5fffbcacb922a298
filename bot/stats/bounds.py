"""Exact bounds of a share, from the binomial distribution: pure Python, for the few moments that need them."""

from __future__ import annotations

import math

_TINY = 1e-300


def beta_below(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b): how likely a Beta(a, b) value lies below x.

    By Lentz's continued fraction, on the side where it converges fast (NIST Digital Library of Mathematical Functions,
    8.17.22 and 8.17.4).
    """
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1.0 - beta_below(b, a, 1 - x)
    front = math.exp(a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)) / a
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > _TINY else _TINY)
    value = d
    for m in range(1, 10_000):
        for step in (m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))):
            d = 1 + step * d
            d = 1 / (d if abs(d) > _TINY else _TINY)
            c = 1 + step / c
            c = c if abs(c) > _TINY else _TINY
            value *= d * c
        if abs(d * c - 1) < 1e-13:
            break
    return front * value


def highest_share(bad: float, n: int, doubt: float) -> float:
    """The share that `bad` of `n` exceeds only with probability `doubt`: the upper bound of C. J. Clopper and E. S. Pearson, Biometrika 26 (1934).

    `bad` may be fractional (an output's verdict is the mean of its votes): it is rounded up, and whatever lies between
    0 and 1 spreads less than yes and no of the same mean, so that the bound stays on the careful side.
    """
    if n <= 0:
        return 1.0
    k = math.ceil(bad - 1e-9)
    return 1.0 if k >= n else _where(k + 1, n - k, 1 - doubt)


def lowest_share(bad: float, n: int, doubt: float) -> float:
    """The lower bound of the same kind."""
    return 1.0 - highest_share(n - bad, n, doubt)


def _where(a: float, b: float, share: float) -> float:
    """Where Beta(a, b) has `share` of its weight below: by halving."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if beta_below(a, b, middle) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2
