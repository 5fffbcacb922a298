"""What every replay begins with: the folder of the data, a registry of the three agents, and ways to look into the house."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.applications import Starlette

from bot.app import House
from bot.outbox.rules import Rhythm
from bot.quality.reading import Totals, totals
from bot.tables import Agent, AgentNow, Check, Day, Digest, Finding, OutMessage, Page, Problem
from tests.kit.house import Town
from tests.kit.server import serving
from tests.replay import convert, figures
from tests.replay.convert import AIRLINE, CODER, HELP, Event, Row
from tests.replay.figures import Record, Sum

NOW = datetime(2026, 11, 19, 6, 0, tzinfo=UTC)  # Thursday, seven in Paris: two hours before the summary
ZONES = {HELP: "Europe/London", CODER: "America/Los_Angeles", AIRLINE: "America/New_York"}
TARGETS = {HELP: 0.45, CODER: 0.80, AIRLINE: 0.80}
NAMES = {HELP: "Help desk", CODER: "Coding agent", AIRLINE: "Airline desk"}
DEPARTMENTS = {HELP: "Customer service", CODER: "Engineering", AIRLINE: "Customer service"}
OWNERS = "{business: maya@example.com, operations: U0OMAR, backup: U0LEA}"

_AGENT = {
    CODER: f"""
  {CODER}:
    name: {NAMES[CODER]}
    department: {DEPARTMENTS[CODER]}
    timezone: {ZONES[CODER]}
    owners: {OWNERS}
    channel: "#support-ai"
    checks: {{runs: {{kind: run_failed, why: "a message was lost"}}}}
""",
    HELP: f"""
  {HELP}:
    name: {NAMES[HELP]}
    department: Customer service
    timezone: {ZONES[HELP]}
    owners: {OWNERS}
    channel: "#support-ai"
    outputs: {{post: all}}
    target: {TARGETS[HELP]}
    expect_every: 30d
    checks: {{quality: {{kind: quality, at_least: 0.8, why: "people act on the answers"}}}}
""",
    AIRLINE: f"""
  {AIRLINE}:
    name: {NAMES[AIRLINE]}
    department: Customer service
    timezone: {ZONES[AIRLINE]}
    owners: {OWNERS}
    channel: "#support-ai"
    expect_every: 7d
    evaluations: {{reward: {{at_least: 1}}}}
    checks: {{runs: {{kind: run_failed}}, quiet: {{kind: no_data, every: 30d}}}}
""",
}


def registry(*agents: str) -> str:
    head = 'workspace: {timezone: Europe/Paris, digest: {at: "09:00"}, leads: [hala]}\npeople:\n  hala: {slack: U0HALA}\nagents:'
    return head + "".join(_AGENT[each] for each in agents)


@dataclass(frozen=True)
class Data:
    """The three files, read once."""

    rows: dict[str, list[Row]]

    def events(self, agent: str, until: datetime = NOW) -> list[Event]:
        rows = self.rows[agent]
        if agent == CODER:
            return list(convert.coding_agent(rows))
        return list(convert.help_desk(rows, until) if agent == HELP else convert.airline_desk(rows, until))

    def history(self) -> list[Event]:
        """All events of all agents, in the order of their times."""
        return sorted((event for agent in ZONES for event in self.events(agent)), key=lambda event: datetime.fromisoformat(event["at"]))

    def record(self, agent: str, until: datetime = NOW) -> Record:
        rows = self.rows[agent]
        if agent == CODER:
            return figures.coding_agent(rows, ZONES[CODER])
        return (figures.help_desk if agent == HELP else figures.airline_desk)(rows, until, ZONES[agent])


def folder() -> Path:
    named = os.environ.get("AIOPS_TEST_DATA")
    if not named:
        pytest.skip("AIOPS_TEST_DATA names no folder: set it to the one that holds the data sets to replay")
    missing = [name for name in convert.FILES.values() if not (Path(named) / name).is_file()]
    if missing:
        pytest.skip(f"the folder that AIOPS_TEST_DATA names lacks {', '.join(missing)}")
    return Path(named)


def counters_of(each: Sum) -> dict[str, tuple[int, float]]:
    """The metrics of a day by the files: name of the counter -> (n, sum)."""
    told = {
        "runs": (each.runs, sum(each.took)), "runs.failed": (each.failed, 0), "outputs": (each.outputs, 0), "changes": (each.changes, 0), "run.ms": (len(each.took), sum(each.took)),
        "tokens.input": (0, each.tokens_in), "tokens.output": (0, each.tokens_out), "cost.USD": (0, each.nano),
        "ratings.good": (each.thumbs[True], 0), "ratings.bad": (each.thumbs[False], 0),
        "outcomes.accepted": (each.results["accepted"], 0), "outcomes.overridden": (each.results["overridden"], 0),
        "quality.people": (len(each.people), sum(each.people) * 1000), "quality.evaluations": (len(each.evaluations), sum(each.evaluations) * 1000),
        "quality.outcomes": (len(each.outcomes), sum(each.outcomes) * 1000),
    }  # fmt: skip
    return {name: cell for name, cell in told.items() if cell != (0, 0)}


Counters = dict[tuple[str, str], dict[str, tuple[int, int]]]  # (agent, local day) -> metric -> (n, sum)


def counted(tx: Session) -> Counters:
    """Everything the product has counted by day."""
    found: Counters = {}
    rows = select(Agent.slug, Day.local_day, Day.metric, func.sum(Day.n), func.sum(Day.sum)).join(Day, Day.agent_id == Agent.id)
    for slug, day, metric, n, total in tx.execute(rows.group_by(Agent.slug, Day.local_day, Day.metric)):
        if metric != "evaluations":  # it counts what came in; the quality of outputs is compared
            found.setdefault((slug, day), {})[metric] = (int(n), int(total))
    return found


def agree(found: Counters, records: dict[str, Record], *, in_order: bool = True) -> None:
    """Every counter of every day says what the files say, and there is no other.

    Not `in_order`, a model is first heard of at another run of the same months: then changes are only counted.
    """
    wanted = {(slug, day.isoformat()): cells for slug, record in records.items() for day, each in record.days.items() if (cells := counters_of(each))}
    if not in_order:
        assert sum(cells.get("changes", (0, 0))[0] for cells in found.values()) == sum(cells.get("changes", (0, 0))[0] for cells in wanted.values())
        for days in (found, wanted):
            for counted_cells in days.values():
                counted_cells.pop("changes", None)
    assert sorted(found) == sorted(wanted)
    for key, cells in wanted.items():
        assert sorted(found[key]) == sorted(cells), key
        for metric, (n, total) in cells.items():
            counted_n, counted_sum = found[key][metric]
            if n:  # tokens and money count the runs that said so; the files are asked for the sums alone
                assert counted_n == n, (key, metric)
            slack = n * 0.5 + 1e-6 if metric.startswith("quality.") else 0  # a share is kept in thousandths
            assert abs(counted_sum - total) <= slack, (key, metric)


def agent(tx: Session, slug: str) -> Agent:
    return tx.scalars(select(Agent).where(Agent.slug == slug)).one()


def now_of(tx: Session, slug: str) -> AgentNow:
    return tx.scalars(select(AgentNow).join(Agent, Agent.id == AgentNow.agent_id).where(Agent.slug == slug)).one()


def totals_of(tx: Session, slug: str, first: date, last: date) -> Totals:
    return totals(tx, agent(tx, slug).id, first.isoformat(), last.isoformat())


def digests(tx: Session) -> list[Digest]:
    return list(tx.scalars(select(Digest).where(Digest.channel_id == "C0SUPPORT").order_by(Digest.id)))


def quiet(tx: Session) -> tuple[Any, ...]:
    """All that an import must leave alone: what is to be said, how checks stand, what is open."""
    said = [(row.key, row.want_rev) for row in tx.scalars(select(OutMessage).order_by(OutMessage.id))]
    checks = [(row.name, row.state, row.due_at, row.looked_at, row.says) for row in tx.scalars(select(Check).order_by(Check.id))]
    open_things = [tx.scalar(select(func.count()).select_from(table)) for table in (Finding, Problem, Page)]
    return said, checks, open_things


@contextlib.asynccontextmanager
async def successor(t: Town) -> AsyncIterator[Town]:
    """Another house on the same database and workspace; the first lets go of its connections, as one that was killed does."""
    await t.house.close()
    house = House(t.house.settings, clock=t.clock, ids=t.house.ids, rhythm=Rhythm.limitless())
    try:
        async with serving(Starlette(routes=house.routes())) as url:
            app = t.ws.app()
            app.request_url = f"{url}/slack/events"
            t.ws.store.save(app)
            await house.open()
            yield Town(t.ws, house, t.clock, url, t.http, t.written, t.token)
    finally:
        await house.close()


async def imported(t: Town, path: Path) -> list[dict[str, Any]]:
    return await t.job("import", file=str(path))


def read_aloud(message: dict[str, Any]) -> str:
    """A delivered message as someone reads it, block by block."""
    return "\n".join(_words(message.get("blocks") or []))


def _words(value: Any) -> Iterable[str]:
    if isinstance(value, list):
        for each in value:
            yield from _words(each)
    elif isinstance(value, dict):
        if value.get("type") in ("mrkdwn", "plain_text"):
            yield str(value["text"])
        else:
            for name in ("text", "elements", "fields"):
                yield from _words(value.get(name))
