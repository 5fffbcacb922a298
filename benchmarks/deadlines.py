"""How long after a deadline Slack has accepted the first call, with 10,000 checks in the database.

    python -m benchmarks.deadlines                      # SQLite and PostgreSQL, about two minutes
    python -m benchmarks.deadlines --only sqlite --pages 100 --seconds 30

Heartbeats go overdue at random moments, one for each of so many agents with an owner of their own. The product (real Bolt,
slack_sdk, its own loops and outbox) and the Slack-like workspace, here without Slack's limits (`storm` has them), are
processes of their own on this machine. A time is
counted from the moment the check promised to the `ts` Slack gave the call; both clocks are this machine's. Beside it
stands the floor of a product that polls every 0.5 s and is otherwise infinitely fast: p50 250 ms, max 500 ms.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.fleet import BEFORE, Fleet, cpu_seconds, database, quantile

P50_BAR_MS, MAX_BAR_MS = 100, 500
SETTLE = 25.0  # seconds until the first deadline: the product starts and reads the directory


def measure(kind: str, pages: int, seconds: float, checks: int, seed: int) -> bool:
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="aiops-bench-", ignore_cleanup_errors=True) as name, database(kind, Path(name)) as url:
        fleet = Fleet(url, Path(name), agents=pages, checks=checks)
        begin = datetime.now(UTC) + timedelta(seconds=SETTLE)
        deadlines = {n: begin + timedelta(seconds=dice.uniform(0, seconds)) for n in range(pages)}
        later = [begin + timedelta(minutes=dice.uniform(20, 60)) for _ in range(checks)]
        fleet.fill(lambda n: deadlines.get(n, later[n]) - BEFORE)
        with fleet.workspace("none") as slack, fleet.product(slack, AIOPS_SLACK_POSTS_PER_SECOND="0") as product:
            time.sleep(max(0.0, (begin - datetime.now(UTC)).total_seconds()))
            used = cpu_seconds(product.pid)
            time.sleep(seconds + 3)
            used = cpu_seconds(product.pid) - used
            accepted, stages = fleet.first_calls(), fleet.stages()
    took = [(accepted[n] - at.timestamp()) * 1000 for n, at in deadlines.items() if n in accepted]
    if not took:
        print(f"{kind}: NO CALL ARRIVED")
        return False
    p50, p99, most = quantile(took, 0.5), quantile(took, 0.99), max(took)
    print(f"{kind}: {len(took)} of {pages} calls accepted; deadline to accepted p50 {p50:.0f} ms, p99 {p99:.0f} ms, max {most:.0f} ms, min {min(took):.0f} ms")
    print(f"  = {p50 / P50_BAR_MS:.2f} of the bar of {P50_BAR_MS} ms (p50), {most / MAX_BAR_MS:.2f} of {MAX_BAR_MS} ms (max); {p50 / 250:.2f} and {most / 500:.2f} of the floor of polling; {used / (seconds + 3):.0%} of one core")
    gaps = [[(b - a) * 1000 for a, b in itertools.pairwise([deadlines[n].timestamp(), *moments])] for n, moments in stages.items()]
    words = ("noticed", "called", "taken for delivery", "accepted")
    print("  of it, p50 and p99 in ms: " + ", ".join(f"{word} {quantile(list(each), 0.5):.0f} / {quantile(list(each), 0.99):.0f}" for word, each in zip(words, zip(*gaps, strict=True), strict=True)))
    return len(took) == pages and p50 < P50_BAR_MS and most < MAX_BAR_MS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["sqlite", "postgresql"])
    parser.add_argument("--pages", type=int, default=200, help="deadlines missed, each of an agent and owner of its own")
    parser.add_argument("--seconds", type=float, default=40, help="they are spread over so many seconds, at most 300")
    parser.add_argument("--checks", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=7)
    told = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {told.checks:,} checks, {told.pages} deadlines in {told.seconds:g} s")
    kinds = [told.only] if told.only else ["sqlite", "postgresql"]
    met = [measure(kind, told.pages, min(told.seconds, 300.0), told.checks, told.seed) for kind in kinds]
    return 0 if all(met) else 1


if __name__ == "__main__":
    raise SystemExit(main())
