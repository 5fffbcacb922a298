"""How often the product's 90% intervals hold the truth, computed exactly: `python -m benchmarks.intervals`.

Nothing is simulated: each possible count is weighed by its binomial probability. Averaged over truths drawn uniformly the
bar is 89 to 91% for every n from 5 to 10,000; for fixed truths of 0.1 to 0.9 at least 80% from n = 30 and 88 to 92%
from n = 1,000. Beside it: Wilson's interval as it stands in books, and Wald's.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from statistics import NormalDist

from bot.stats import Z90, wilson
from bot.stats.bounds import beta_below

SIZES = (5, 6, 7, 8, 10, 15, 20, 30, 50, 100, 200, 300, 500, 1000, 2000, 5000, 10_000)
TRUTHS = tuple(each / 10 for each in range(1, 10))
Interval = Callable[[float, float], tuple[float, float]]


def by_the_book(share: float, n: float) -> tuple[float, float]:
    """Wilson, 1927."""
    z = NormalDist().inv_cdf(0.95)
    centre, half = (share + z * z / (2 * n)) / (1 + z * z / n), z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return centre - half, centre + half


def wald(share: float, n: float) -> tuple[float, float]:
    """What is taught first."""
    half = Z90 * math.sqrt(share * (1 - share) / n)
    return share - half, share + half


def average(interval: Interval, n: int) -> float:
    """Coverage averaged over uniform truths: each count is equally likely, and the truth then Beta(k + 1, n - k + 1)."""
    total = 0.0
    for k in range(n // 2 + 1):  # the other half mirrors it
        low, high = interval(k / n, n)
        held = beta_below(k + 1, n - k + 1, high) - beta_below(k + 1, n - k + 1, low)
        total += held * (1 if 2 * k == n else 2)
    return total / (n + 1)


def at(interval: Interval, n: int, truth: float) -> float:
    """Coverage at one truth: counts within eight standard deviations hold all but 1e-14 of the probability."""
    spread = 8 * math.sqrt(n * truth * (1 - truth)) + 8
    total, log_in, log_out = 0.0, math.log(truth), math.log1p(-truth)
    for k in range(max(0, int(n * truth - spread)), min(n, int(n * truth + spread)) + 1):
        low, high = interval(k / n, n)
        if low <= truth <= high:
            total += math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * log_in + (n - k) * log_out)
    return total


def main() -> None:
    print(f"{'outputs':>8}{'ours, averaged':>16}{'Wilson':>9}{'Wald':>9}{'ours at 0.1 ... 0.9, least':>28}{'most':>8}")
    met = True
    for n in SIZES:
        mean, fixed = average(wilson, n), [at(wilson, n, truth) for truth in TRUTHS]
        good = 0.89 <= mean <= 0.91 and (n < 30 or min(fixed) >= 0.80) and (n < 1000 or (min(fixed) >= 0.88 and max(fixed) <= 0.92))
        met = met and good
        print(f"{n:>8,}{mean:>16.2%}{average(by_the_book, n):>9.2%}{average(wald, n):>9.2%}{min(fixed):>28.2%}{max(fixed):>8.2%}{'' if good else '   MISSED'}", flush=True)
    print("All bars are met." if met else "A BAR IS MISSED.")
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
