"""500 owners at once: how long until each has been called: `python -m benchmarks.storm`; about three minutes.

500 agents, each with an owner of its own, miss a deadline at the same moment. First with a Slack that has no limits, beside
the bar of 2 s; then with Slack's limits enforced by the workspace, beside their floor (bot/workspace/limits.py: one post a
second per channel, ten a second to the whole workspace), which no sender can beat. Product and workspace are processes of
their own; the time is Slack's own timestamp of each first call.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.fleet import BEFORE, Fleet, cpu_seconds, database, quantile
from bot.workspace.limits import Limits

BAR, RATIO = 2.0, 1.1
SETTLE, PATIENCE = 25.0, 150.0


def measure(kind: str, owners: int, limits: str) -> bool:
    with tempfile.TemporaryDirectory(prefix="aiops-bench-", ignore_cleanup_errors=True) as name, database(kind, Path(name)) as url:
        fleet = Fleet(url, Path(name), agents=owners, checks=owners)
        deadline = datetime.now(UTC) + timedelta(seconds=SETTLE)
        fleet.fill(lambda n: deadline - BEFORE)
        posts = "10" if limits == "slack" else "0"
        with fleet.workspace(limits) as slack, fleet.product(slack, AIOPS_SLACK_POSTS_PER_SECOND=posts) as product:
            time.sleep(max(0.0, (deadline - datetime.now(UTC)).total_seconds()))
            used, calls = cpu_seconds(product.pid), 0
            until = time.monotonic() + PATIENCE
            while calls < owners and time.monotonic() < until:
                time.sleep(2)
                calls = len(fleet.first_calls())
            used = cpu_seconds(product.pid) - used
            accepted = fleet.first_calls()
    took = [at - deadline.timestamp() for at in accepted.values()]
    if not took:
        print(f"{kind}, limits {limits}: NO CALL ARRIVED")
        return False
    last, floor = max(took), Limits(enforce=limits == "slack").floor(dict.fromkeys(map(str, accepted), 1))
    print(f"{kind}, limits {limits}: {len(took)} of {owners} owners called; first after {min(took):.2f} s, half after {quantile(took, 0.5):.2f} s, all after {last:.2f} s; {used:.1f} s of processor time")
    if floor:
        print(f"  floor {floor:.1f} s: {last / floor:.2f} of it (bar {RATIO})")
        return len(took) == owners and last / floor < RATIO
    print(f"  = {last / BAR:.2f} of the bar of {BAR:g} s")
    return len(took) == owners and last < BAR


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["sqlite", "postgresql"])
    parser.add_argument("--limits", choices=["none", "slack"])
    parser.add_argument("--owners", type=int, default=500)
    told = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {told.owners} owners")
    runs = [(kind, limits) for kind in ([told.only] if told.only else ["sqlite", "postgresql"]) for limits in ([told.limits] if told.limits else ["none", "slack"])]
    met = [measure(kind, told.owners, limits) for kind, limits in runs]
    return 0 if all(met) else 1


if __name__ == "__main__":
    raise SystemExit(main())
