"""Intervals, bounds, sequential detectors and histograms: pure, with the source of every formula."""

from __future__ import annotations

import math
from collections.abc import Mapping

Z90 = 1.6448536269514722  # two-sided 90%
# Wilson's interval covers too often where little was seen (91.5% on average at 5 outputs). Narrowing z by this many
# outputs' worth brings the coverage averaged over uniform truths to 90.0-90.4% from 5 outputs on
# (tests/quality/test_intervals.py enumerates it exactly; benchmarks/intervals.py prints it).
NARROWED = 0.2


def wilson(share: float, n: float, z: float = Z90) -> tuple[float, float]:
    """The Wilson score interval of a share (0..1) seen over n outputs; (0, 1) where nothing was seen.

    E. B. Wilson, "Probable inference", JASA 22 (1927); the form of Brown, Cai, DasGupta, Statistical Science 16
    (2001), eq. 4, with z narrowed for small n (see NARROWED). `share` may be fractional (an output's verdict is the
    mean of its votes): n then still counts outputs, which keeps the interval on the careful side.
    """
    if n <= 0:
        return 0.0, 1.0
    z *= n / (n + NARROWED)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


BINS_PER_DOUBLING = 8  # a bin is 9% wide, so a percentile read from it is within 4.5%


def bin_of(value: float) -> int:
    """The log-histogram bin of a positive number (milliseconds, nano-units); 0 for zero and below."""
    return 0 if value <= 0 else max(1, math.floor(math.log2(value) * BINS_PER_DOUBLING) + 1 + 128)


def value_of(number: int) -> float:
    """The middle (geometric) of a bin."""
    return 0.0 if number <= 0 else float(2 ** ((number - 1 - 128 + 0.5) / BINS_PER_DOUBLING))


def percentile(bins: Mapping[int, int], share: float) -> float | None:
    """The value below which `share` (0..1) of the counted values lie, by the nearest-rank rule; None where none is counted."""
    total = sum(bins.values())
    if total <= 0:
        return None
    rank, seen = max(1, math.ceil(share * total)), 0
    for number in sorted(bins):
        seen += bins[number]
        if seen >= rank:
            return value_of(number)
    return value_of(max(bins))
