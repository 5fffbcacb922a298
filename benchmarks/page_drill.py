"""Kill the product with SIGKILL at random points while agents break, and count pages that were lost or left doubled.

    python benchmarks/page_drill.py                                  200 kills, SQLite (about 12 minutes)
    python benchmarks/page_drill.py --database-url postgresql        ... on the PostgreSQL that comes as a wheel
    python benchmarks/page_drill.py --database-url postgresql --processes 3     ... three processes, one of them killed each time
    python benchmarks/page_drill.py --drop-answers 0.1               ... and each tenth answer of Slack is lost after its effect
    python benchmarks/page_drill.py --control blind                  a control: Slack lets nobody look, so copies must be left
    python benchmarks/page_drill.py --control forgetful              a control: what waits is lost with the process, so pages must be lost

A Slack-like server is a process of its own, the product another. Agents report failed runs (and try again until they are told
that it was stored), ladders climb, people press Acknowledge in the workspace (and press again where the app does not answer),
runs recover. Meanwhile the product is killed and started again, and at the end let come to rest. What is judged is read from
Slack alone. Look-ups wait a tenth of the product's time unless --real-time is given. The exit code is 1 on any loss or copy;
a control succeeds where the drill finds what it must.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import delete, func, select

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import drilling
from benchmarks.drilling import Served, Workspace, has_button, marker
from bot.db import Database
from bot.tables import Attempt, OutMessage

PEOPLE, CHANNELS = 40, 10
ROLES = ("operations owner", "backup", "business owner")
LADDER = "ladders: {quick: [{call: operations_owner}, {after: 3s, call: backup}, {after: 6s, call: business_owner}]}"


@dataclass
class Story:
    """What happens to one agent: it fails, perhaps somebody acknowledges, perhaps it recovers."""

    number: int
    acknowledges: int | None  # which of the three owners presses
    recovers: bool
    hasty: bool = False  # it recovers at once, perhaps before the product could look: then no page is right, too
    failed: bool = False
    acked_by: int | None = None
    recovered: bool = False

    @property
    def slug(self) -> str:
        return f"agent-{self.number:03d}"

    @property
    def name(self) -> str:
        return f"Agent {self.number:03d}"

    @property
    def channel(self) -> str:
        return f"C0C{self.number % CHANNELS}"

    @property
    def owners(self) -> tuple[int, int, int]:
        """Who operates it, who stands in, who owns the outcome."""
        return self.number % PEOPLE, (self.number + 13) % PEOPLE, (self.number + 27) % PEOPLE


def tell_stories(count: int, dice: random.Random) -> list[Story]:
    return [Story(number, dice.choice([None, 0, 0, 1]), dice.random() < 0.5, dice.random() < 0.3) for number in range(count)]


def registry(stories: list[Story]) -> str:
    agents = "\n".join(
        f"  {story.slug}: {{name: {story.name}, department: Drills, stage: autonomous, channel: {story.channel}, ladder: quick, "
        f"owners: {{operations: U0P{story.owners[0]}, backup: U0P{story.owners[1]}, business: U0P{story.owners[2]}}}, checks: {{runs: {{kind: run_failed}}}}}}"
        for story in stories
    )
    return f"workspace: {{timezone: UTC, leads: [U0P0]}}\n{LADDER}\nagents:\n{agents}\n"


# --- what happens --------------------------------------------------------------------------------------------------


@dataclass
class Drill:
    options: argparse.Namespace
    dice: random.Random
    ws: Workspace
    houses: list[Served]
    db: Database
    token: str
    stories: list[Story]
    kills_done: bool = False
    begun: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    moments: Counter[str] = field(default_factory=Counter)

    @property
    def patience(self) -> float:
        """Seconds to wait for what should come."""
        return 30 if self.options.control else 300

    async def run(self) -> None:
        async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
            killing = asyncio.create_task(self.kill_at_random_moments())
            lives = [asyncio.create_task(self.live(http, story)) for story in self.stories]
            await killing
            await asyncio.gather(*lives)

    async def kill_at_random_moments(self) -> None:
        for number in range(self.options.kills):
            # As many agents have broken as kills have passed: the stories lie evenly over the drill.
            self.begun = (number + 1) * len(self.stories) // self.options.kills
            await asyncio.sleep(self.dice.uniform(0.0, self.options.life))
            house = self.dice.choice(self.houses)
            await asyncio.to_thread(house.end)
            self.note_moment()
            if self.options.control == "forgetful":
                with self.db.transaction() as tx:
                    tx.execute(delete(OutMessage).where(OutMessage.state == "pending", OutMessage.shown_rev == 0))
            await asyncio.to_thread(house.start)
            drilling.show_progress(f"kill {number + 1} of {self.options.kills}; {sum(story.failed for story in self.stories)} of {len(self.stories)} agents have failed")
        self.begun = len(self.stories)
        self.kills_done = True

    def note_moment(self) -> None:
        """What the kill met: the only look inside, for the figures and not for the judgement."""
        with self.db.reading() as tx:
            pending = tx.scalar(select(func.count()).where(OutMessage.state == "pending")) or 0
            unsure = tx.scalar(select(func.count()).where(Attempt.outcome.is_(None))) or 0
        self.moments["while messages were due"] += pending > 0
        self.moments["with a call to Slack unanswered"] += unsure > 0

    async def live(self, http: httpx.AsyncClient, story: Story) -> None:
        while self.begun <= story.number:  # noqa: ASYNC110 - a number grows, there is no event for it
            await asyncio.sleep(0.1)
        dice = random.Random(self.options.seed * 1000 + story.number)
        await asyncio.sleep(dice.uniform(0.0, 1.0))
        await self.report(http, story, "bad", status="failed", error=f"broken in {story.slug}")
        story.failed = True
        if story.acknowledges is not None:
            await self.acknowledge(story, dice)
        if story.recovers:
            patience = time.monotonic() + self.patience
            while not story.hasty and time.monotonic() < patience and not await asyncio.to_thread(self.pages_of, story):  # noqa: ASYNC110
                await asyncio.sleep(0.5)  # a product that is dead just then would never see it fail
            await asyncio.sleep(dice.uniform(0.0, 5.0))
            await self.report(http, story, "good", status="ok")
            story.recovered = True

    def pages_of(self, story: Story) -> list[dict[str, Any]]:
        return [message for message in self.ws.standing(story.channel) if f"PAGE {story.name}" in message["text"].split("\n")[0]]

    async def report(self, http: httpx.AsyncClient, story: Story, name: str, **run: Any) -> None:
        """An agent reports a run, and tries again with the same id until it is told that it was stored."""
        event = {"id": f"{story.slug}-{name}", "type": "run", "agent": story.slug, "at": datetime.now(UTC).isoformat(), **run}
        tries = 0
        while True:
            house = self.houses[(story.number + tries) % len(self.houses)]
            tries += 1
            try:
                answer = await http.post(f"http://127.0.0.1:{house.port}/v1/events", json=event, headers={"Authorization": f"Bearer {self.token}"})
            except httpx.HTTPError:
                await asyncio.sleep(0.2)
                continue
            if answer.status_code == 202:
                return
            if answer.status_code < 500:
                raise SystemExit(f"an event was refused: {answer.text}")
            await asyncio.sleep(0.2)

    async def acknowledge(self, story: Story, dice: random.Random) -> None:
        """Wait for one's own call (for half a minute; somebody else's drill may be over before), and press until the app has taken it."""
        assert story.acknowledges is not None
        owner = story.owners[story.acknowledges]
        person, patience = f"U0P{owner}", time.monotonic() + self.patience
        while time.monotonic() < patience:
            await asyncio.sleep(dice.uniform(0.1, 0.8))
            channel = await asyncio.to_thread(self.ws.dm, person)
            found = await asyncio.to_thread(self.ws.standing, channel)
            mine = [message for message in found if story.name in message["text"] and has_button(message, "paging.acknowledge")]
            for message in mine:
                if await asyncio.to_thread(self.ws.press, person, channel, message, "paging.acknowledge"):
                    story.acked_by = owner
                    return
                self.seen["presses that met a dead process"] += 1

    # --- the end ---------------------------------------------------------------------------------------------------

    def come_to_rest(self) -> None:
        """Until nothing new stands in Slack for longer than the longest timer of the drill."""
        quiet = 45 if self.options.real_time else 12
        last, since, latest = "", time.monotonic(), time.monotonic() + 600
        while time.monotonic() - since < quiet:
            now = repr([(message["ts"], message["text"], marker(message)) for message in self.everything()])
            if now != last:
                last, since = now, time.monotonic()
            if time.monotonic() > latest:
                raise SystemExit("it does not come to rest")
            time.sleep(1)

    def everything(self) -> list[dict[str, Any]]:
        places = [f"C0C{n}" for n in range(CHANNELS)] + [self.ws.dm(f"U0P{n}") for n in range(PEOPLE)]
        return [{**message, "where": place} for place in places for message in self.ws.standing(place)]


@dataclass
class Verdict:
    """What was found, by kind; empty lists are what a drill hopes for."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    untrue: list[str] = field(default_factory=list)  # shown otherwise than it is
    figures: Counter[str] = field(default_factory=Counter)

    @property
    def well(self) -> bool:
        return not (self.lost or self.doubled or self.untrue)


def judge(drill: Drill) -> Verdict:
    """Compare what stands in Slack with what the agents reported and the people pressed."""
    found, told = drill.everything(), Verdict()
    told.figures["messages standing"] = len(found)
    copies = Counter(marker(message) for message in found if marker(message))
    told.doubled += [f"{count} copies of {next(message['text'][:60] for message in found if marker(message) == name)!r}" for name, count in copies.items() if count > 1]
    by_place: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for message in found:
        by_place[message["where"]].append(message)
    for story in drill.stories:
        _judge_one(drill, story, by_place, told)
    return told


def _judge_one(drill: Drill, story: Story, by_place: dict[str, list[dict[str, Any]]], told: Verdict) -> None:
    dms = [by_place[drill.ws.dm(f"U0P{owner}")] for owner in story.owners]
    mine = [[message for message in dm if "PAGE " in message["text"].split("\n")[0] and story.name in message["text"]] for dm in dms]
    roots = [message for message in by_place[story.channel] if f"PAGE {story.name}" in message["text"].split("\n")[0] and message.get("thread_ts") in (None, message["ts"])]
    reached = [bool(own) for own in mine]
    told.figures["people reached"] += sum(reached)
    if len(roots) > 1:
        told.doubled.append(f"{story.name}: {len(roots)} pages in its channel")
    shown = roots[0]["text"] if roots else ""
    if not roots and not any(reached) and story.hasty and story.recovered and story.acked_by is None:
        told.figures["recovered before it was looked at"] += 1
        return
    if not roots:
        told.lost.append(f"{story.name}: no page in its channel")
    for role, own in zip(ROLES, mine, strict=True):
        calls = [message for message in own if f"You are called as {role}" in message["text"]]
        rounds = Counter(found.group(1) if (found := re.search(r"This is round (\d+)", call["text"])) else "1" for call in calls)  # a new one each half hour
        told.doubled += [f"{story.name}: {count} calls to its {role} in round {number}" for number, count in rounds.items() if count > 1]
    if not reached[0] and not story.recovered:
        told.lost.append(f"{story.name}: its owner was not called")
    if story.acked_by is None and not story.recovered:
        told.figures["pages that climbed to the end"] += 1
        told.lost += [f"{story.name}: its {role} was not called" for role, each in zip(ROLES, reached, strict=True) if not each]
    if story.acked_by is not None:
        told.figures["pages acknowledged"] += 1
        person = f"Person {story.acked_by:03d}"
        if person not in shown or not ("acknowledged" in shown or "had it" in shown):
            told.untrue.append(f"{story.name}: acknowledged by {person}, and its page does not say so")
    if story.recovered:
        told.figures["pages that recovered"] += 1
        if "It is over" not in shown:
            told.untrue.append(f"{story.name}: it recovered, and its page does not say so")
        for role, own, dm in zip(ROLES, mine, dms, strict=True):
            pages = [message for message in own if message["text"].startswith(f"PAGE {story.name}") and message.get("reply_count")]
            ends = [line for page in pages for line in dm if line.get("thread_ts") == page["ts"] and line["ts"] != page["ts"] and "It is over" in line["text"]]
            if own and len(ends) != 1:
                (told.doubled if ends else told.lost).append(f"{story.name}: its {role} was told {len(ends)} times that it is over")
    elif "It is over" in shown:
        told.untrue.append(f"{story.name}: its page says that it is over, and it still fails")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="page_drill.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--agents", type=int, default=0, help="how many agents break; by default two for three kills")
    parser.add_argument("--processes", type=int, default=1, help="processes of the product on one PostgreSQL")
    parser.add_argument("--seed", type=int, default=None, help="repeat an earlier drill's choices")
    parser.add_argument("--life", type=float, default=1.5, help="a process is killed at a random moment within so many seconds of work")
    parser.add_argument("--delay", type=float, default=0.05, help="seconds that each answer of Slack takes")
    parser.add_argument("--drop-answers", type=float, default=0.0, metavar="SHARE", help="share of posts and edits whose answer is lost after the effect")
    parser.add_argument("--database-url", default="", help="an empty database; `postgresql` starts the one that comes as a wheel")
    parser.add_argument("--control", choices=["blind", "forgetful"], help="prove that the drill can fail")
    parser.add_argument("--real-time", action="store_true", help="with the product's own waits")
    options = parser.parse_args()
    if options.processes > 1 and not options.database_url.startswith("postgresql"):
        parser.error("several processes need a PostgreSQL: --database-url postgresql")
    return options


def main() -> int:
    options = read_options()
    options.seed = options.seed if options.seed is not None else secrets.randbelow(10**6)
    dice = random.Random(options.seed)
    folder = Path(tempfile.mkdtemp(prefix="page-drill-"))
    stories = tell_stories(options.agents or max(options.kills * 2 // 3, 4), dice)
    began = time.monotonic()
    with drilling.database(options.database_url, folder) as url:
        print(
            f"seed {options.seed}: {len(stories)} agents, {options.kills} kills, {options.processes} at work, answers dropped {options.drop_answers:.0%}, "
            f"{url.split(':')[0]}{f', control: {options.control}' if options.control else ''}", flush=True,
        )  # fmt: skip
        ports = [drilling.free_port() for _ in range(options.processes)]
        ws = Workspace(folder, drilling.seed(PEOPLE, CHANNELS, ports[0]))
        ws.start()
        token = asyncio.run(drilling.make_ready(url, ws.url, registry(stories)))
        orders: list[dict[str, Any]] = [{"kind": "delay", "method": "*", "times": None, "delay": options.delay}]
        if options.drop_answers:
            orders.append({"kind": "drop_after", "method": "chat.*", "times": None, "share": options.drop_answers, "seed": options.seed})
        if options.control == "blind":  # the product looks with `inclusive`, the drill without
            orders.append({"kind": "error", "error": "missing_scope", "method": "conversations.*", "contains": "inclusive", "times": None})
            orders.append({"kind": "drop_after", "method": "chat.postMessage", "times": None, "share": 0.2, "seed": options.seed})
        ws.faults(add=orders)
        houses = [Served(url, ws.url, port, folder / "house.log", options.real_time) for port in ports]
        db = Database(url)
        try:
            for house in houses:
                house.start()
            drill = Drill(options, dice, ws, houses, db, token, stories)
            asyncio.run(drill.run())
            ws.faults(clear=True)
            drill.come_to_rest()
            told = judge(drill)
        finally:
            for house in houses:
                house.end()
            db.close()
            ws.stop()
    report(options, drill, told, time.monotonic() - began)
    well = told.well if options.control is None else bool(told.doubled if options.control == "blind" else told.lost)
    if well:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"the logs and the workspace are in {folder}")
    return 0 if well else 1


def report(options: argparse.Namespace, drill: Drill, told: Verdict, took: float) -> None:
    for words, count in drill.moments.items():
        print(f"kills {words}: {count} of {options.kills}")
    for words, count in (*told.figures.items(), *drill.seen.items()):
        print(f"{words}: {count}")
    for name, each in (("lost", told.lost), ("left doubled", told.doubled), ("shown untruly", told.untrue)):
        print(f"{name}: {len(each)}")
        for words in each[:20]:
            print(f"  {words}")
    ending = "0 lost, 0 left doubled" if told.well else "NOT WELL"
    if options.control:
        ending = f"the control {'failed as it must' if not told.well else 'did NOT fail: the drill sees nothing'}"
    print(f"seed {options.seed}: {ending}, in {took:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
