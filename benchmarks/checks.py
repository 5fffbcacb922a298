"""How fast 10,000 due checks are looked at: `python -m benchmarks.checks`; SQLite and PostgreSQL, about a minute.

All of them are due at once and need no network: heartbeats that are well (`--kinds` takes others; runs and counters are
empty for those). One process looks, a hundred at a time, each hundred in one transaction, as the product does. Beside the
time stands the processor time, which does not depend on who else uses the machine.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select, update

from benchmarks.fleet import Fleet, database
from bot.checks import flows
from bot.db import Database
from bot.tables import Check

BAR = 10.0  # seconds for 10,000 checks
SPECS = {
    "heartbeat": {"kind": "heartbeat", "every": "1h", "grace": "5m"}, "run_failed": {"kind": "run_failed"},
    "no_data": {"kind": "no_data"}, "error_rate": {"kind": "error_rate"}, "latency": {"kind": "latency", "under": "2s"},
}  # fmt: skip


def measure(kind: str, count: int, kinds: list[str]) -> bool:
    with tempfile.TemporaryDirectory(prefix="aiops-bench-", ignore_cleanup_errors=True) as name, database(kind, Path(name)) as url:
        fleet, now = Fleet(url, Path(name), checks=count), datetime.now(UTC)
        fleet.fill(lambda n: now - timedelta(minutes=10), due=now)
        db = Database(url)
        with db.transaction() as tx:
            ids = list(tx.scalars(select(Check.id).order_by(Check.id)))
            for place, chosen in enumerate(kinds):
                mine = ids[place :: len(kinds)]
                for first in range(0, len(mine), 500):
                    tx.execute(update(Check).where(Check.id.in_(mine[first : first + 500])).values(kind=chosen, spec=SPECS[chosen]))
        steps, began, used = 0, time.perf_counter(), time.process_time()
        busy = True
        while busy:
            with db.transaction() as tx:
                busy = flows.look_step(tx, now)
            steps += busy
        took, used = time.perf_counter() - began, time.process_time() - used
        with db.reading() as tx:
            left = len(tx.scalars(select(Check.id).where(Check.due_at <= now)).all())
        db.close()
    bar = BAR * count / 10_000
    print(f"{kind}: {count:,} checks ({', '.join(kinds)}) looked at in {took:.1f} s, {used:.1f} s of processor time = {took / bar:.2f} of the bar of {bar:g} s; {count / took:,.0f}/s; {left} left due")
    return took < bar and not left


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["sqlite", "postgresql"])
    parser.add_argument("--checks", type=int, default=10_000)
    parser.add_argument("--kinds", default="heartbeat", help=f"separated by commas: {', '.join(SPECS)}")
    told = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    met = [measure(kind, told.checks, told.kinds.split(",")) for kind in ([told.only] if told.only else ["sqlite", "postgresql"])]
    return 0 if all(met) else 1


if __name__ == "__main__":
    raise SystemExit(main())
