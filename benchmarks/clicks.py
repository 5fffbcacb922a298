"""From a rating click to the new count in the message: `python -m benchmarks.clicks [--database postgres] [--seconds 25]`.

A Slack-like workspace with Slack's limits and the product, each a process of its own. First people rate at a pace at which
fewer than 40 messages change in a minute: bar 1 s from the click until the message shows the new count. Then everybody rates
more messages at once than Slack lets us edit in a minute (ours: 45, of which counts may use 40): the bar is the floor that this
limit sets, times 1.1. The floor: messages beyond 40 wait until the first edits are a minute old.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import insert, select

from benchmarks.fleet import Fleet, database, quantile
from bot.db import Database
from bot.feedback.messages import output_message
from bot.feedback.reading import shown
from bot.outbox import flows as outbox
from bot.outbox.rules import Priority, Rhythm, edits_for
from bot.tables import Agent, OutMessage, Output

BAR, FLOOR_BAR = 1.0, 1.1
CHANNELS = 10
APP_TOKEN = "xapp-bench"


class Clicked(Fleet):
    """The fleet whose product hears clicks over Socket Mode."""

    def seed(self) -> dict[str, Any]:
        told = super().seed()
        told["apps"][0]["app_token"] = APP_TOKEN
        return told


def post_outputs(fleet: Fleet, count: int) -> None:
    """Outputs as rows, with the message that shows each of them: the product posts them as it starts."""
    db, now = Database(fleet.url), datetime.now(UTC)
    with db.transaction() as tx:
        agents = list(tx.scalars(select(Agent).order_by(Agent.id).limit(CHANNELS)))
        rows = [
            {"agent_id": agents[n % CHANNELS].id, "ext_id": f"o{n}", "occurred_at": now, "received_at": now, "content": "", "known": True, "kind": "reply", "text": f"An answer, number {n}.", "local_day": f"{now:%Y-%m-%d}", "ours": True}
            for n in range(count)
        ]
        tx.execute(insert(Output), rows)
        for output in tx.scalars(select(Output).order_by(Output.id)).all():
            agent = tx.get_one(Agent, output.agent_id)
            outbox.show(tx, now, key=f"output:{output.id}", to=agent.channel_id or "", message=output_message(shown(agent, output), 0), priority=Priority.OUTPUT)
    db.close()


def places(fleet: Fleet, count: int, within: float) -> list[tuple[str, str]]:
    """Where every output stands, once all do."""
    db, until = Database(fleet.url), time.monotonic() + within
    try:
        while time.monotonic() < until:
            with db.reading() as tx:
                found = [(str(channel), str(ts)) for channel, ts in tx.execute(select(OutMessage.channel, OutMessage.ts).where(OutMessage.key.like("output:%"), OutMessage.ts.is_not(None)).order_by(OutMessage.id))]
            if len(found) >= count:
                return found
            time.sleep(0.5)
    finally:
        db.close()
    raise SystemExit(f"only some of {count} outputs were posted in {within:.0f} s")


def message(client: httpx.Client, channel: str, ts: str, person: str) -> dict[str, Any]:
    history = client.get("/ui/history", params={"as": person, "channel": channel, "limit": 200}).json()
    return next(each for each in history["messages"] if each["ts"] == ts)


def press(client: httpx.Client, place: tuple[str, str], person: str) -> None:
    """A thumbs-up by this person, as the page of the workspace does it."""
    block = next(block for block in message(client, *place, person)["blocks"] if block["type"] == "context_actions")
    element = block["elements"][0]
    action = {"type": "feedback_buttons", "action_id": element["action_id"], "block_id": block["block_id"], "value": element["positive_button"]["value"], "text": element["positive_button"]["text"]}
    answer = client.post("/ui/press", json={"as": person, "container": {"type": "message", "channel": place[0], "ts": place[1]}, "block_id": block["block_id"], "action": action})
    if not answer.json().get("ok") or answer.json().get("error"):
        raise SystemExit(f"the press failed: {answer.text[:300]}")


def counts(client: httpx.Client, channels: set[str], person: str) -> dict[tuple[str, str], str]:
    """What every message says now of how many rated it."""
    found = {}
    for channel in sorted(channels):
        for each in client.get("/ui/history", params={"as": person, "channel": channel, "limit": 200}).json()["messages"]:
            found[channel, each["ts"]] = each["text"]
    return found


def paced(client: httpx.Client, stand: list[tuple[str, str]], per_minute: int, seconds: float, person: str) -> list[float]:
    """One click after the other at this pace, each on another message; how long until it showed."""
    took = []
    for place in stand[: int(per_minute * seconds / 60)]:
        began = time.perf_counter()
        press(client, place, person)
        while "(1 rated)" not in message(client, *place, person)["text"]:
            if time.perf_counter() - began > 20:
                break
            time.sleep(0.01)
        took.append(time.perf_counter() - began)
        time.sleep(max(0.0, 60 / per_minute - took[-1]))
    return took


def burst(client: httpx.Client, stand: list[tuple[str, str]], person: str, used: int) -> tuple[float, float]:
    """All at once; the seconds until the last count showed, and the floor: what the limit leaves when `used` edits are fresh."""
    began = time.perf_counter()
    for place in stand:
        press(client, place, person)
    pressed = time.perf_counter() - began
    waiting, channels = set(stand), {channel for channel, _ in stand}
    while waiting and time.perf_counter() - began < 150:
        said = counts(client, channels, person)
        waiting = {place for place in waiting if "(1 rated)" not in said.get(place, "")}
        time.sleep(0.05)
    most = edits_for(Priority.COUNT, Rhythm().edits_per_minute)
    floor = 60.0 if len(stand) + used > most else pressed
    return time.perf_counter() - began, floor


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    given.add_argument("--seconds", type=float, default=25, help="of the paced part")
    given.add_argument("--per-minute", type=int, default=36)
    given.add_argument("--burst", type=int, default=0, help="messages rated at once afterwards; more than 40 take a minute")
    options = given.parse_args()
    paced_count = int(options.per_minute * options.seconds / 60)
    with tempfile.TemporaryDirectory() as name, database(options.database, Path(name)) as url:
        fleet = Clicked(url, Path(name), agents=CHANNELS, checks=CHANNELS, channels=CHANNELS)
        fleet.fill(lambda n: datetime.now(UTC))
        post_outputs(fleet, paced_count + options.burst)
        with fleet.workspace("slack") as slack, fleet.product(slack, SLACK_APP_TOKEN=APP_TOKEN), httpx.Client(base_url=slack, timeout=20) as client:
            stand = places(fleet, paced_count + options.burst, 90)
            person = fleet.owner(0)
            took = paced(client, stand[:paced_count], options.per_minute, options.seconds, person)
            print(f"{len(took)} clicks, {options.per_minute} messages a minute: median {statistics.median(took):.2f} s, p90 {quantile(took, 0.9):.2f} s, slowest {max(took):.2f} s until the count showed (bar {BAR:.0f} s)")
            if options.burst:
                last, floor = burst(client, stand[paced_count:], person, len(took))
                print(f"{options.burst} messages at once: the last count showed after {last:.1f} s; the limit's floor is {floor:.1f} s: x{last / floor:.2f} (bar {FLOOR_BAR})")


if __name__ == "__main__":
    main()
