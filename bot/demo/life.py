"""The demo fleet at work: it settles in at the first start, then lives at a trickle through the product's own front door."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import structlog
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from bot.agents import flows as agents
from bot.agents import owners
from bot.agents.files import Kinds, read_text
from bot.calendars import at_local, zone_named
from bot.clock import Clock, Ids
from bot.demo import story
from bot.demo.town import fleet_text
from bot.lanes import Lanes
from bot.people.flows import actor_of
from bot.people.tokens import mint_token
from bot.tables import Agent, AgentOwner, DigestTimer, Mark, Person, Token
from bot.trust import trusted

log = structlog.get_logger(__name__)

MARK = "demo"  # the mark of a database that holds made-up agents
BEGUN = "demo.begun"  # left at the beginning of settling in: without MARK it was interrupted
TOKEN_NAME = "demo fleet"  # noqa: S105 - a name
EVERY = 20.0  # seconds between two looks at what the fleet does
# Owners who have not pressed `Accept` yet, so that "owner not confirmed" can be seen: (agent, role).
UNDECIDED = {("campaign-copy", "operations"), ("release-notes", "business")}
FOUNDED = timedelta(days=45)


def half_settled(tx: Session) -> bool:
    """Whether an earlier start was stopped while the demo settled in: it is made anew then."""
    return tx.get(Mark, BEGUN) is not None and tx.get(Mark, MARK) is None


def is_demo(tx: Session) -> bool:
    """Whether this database holds made-up agents, or some of them."""
    return any(tx.get(Mark, name) is not None for name in (BEGUN, MARK))


async def settle_in(lanes: Lanes, clock: Clock, kinds: Kinds, import_events: Callable[[Path], Any], folder: Path) -> bool:
    """Apply the demo's registry, have its owners accept, and read its synthetic past; returns False where that was done before."""
    if await lanes.read(lambda tx: tx.get(Mark, MARK)) is not None:
        return False
    now = clock.now()
    read = read_text(fleet_text(), kinds, file="fleet.yml")

    def found(tx: Session) -> None:
        tx.add(Mark(name=BEGUN, value={"at": now.isoformat()}))
        agents.apply_file(tx, now, read, by="the demo")
        tx.execute(update(Agent).values(created_at=now - FOUNDED, heard_at=now - FOUNDED))
        for row in tx.scalars(select(AgentOwner).where(AgentOwner.until.is_(None)).order_by(AgentOwner.id)).all():
            agent = tx.get_one(Agent, row.agent_id)
            if (agent.slug, row.role) not in UNDECIDED:
                owners.accept(tx, now, actor_of(tx.get_one(Person, row.person_id)), f"owner:{row.id}")

    await lanes.write(found)
    path = folder / "demo-history.ndjson"
    await asyncio.to_thread(_write_history, path, now)
    try:
        await import_events(path)
    finally:
        path.unlink(missing_ok=True)
    return True


def _write_history(path: Path, now: datetime) -> None:
    with path.open("wb") as file:
        for event in story.history(now):
            file.write(orjson.dumps(event) + b"\n")


def last_morning(now: datetime) -> datetime:
    """When the last summary was due in the demo's town: at nine on its last working morning."""
    day = now.astimezone(zone_named(story.ZONE)).date()
    while day.weekday() >= 5 or at_local(day, time(9), story.ZONE) > now:
        day -= timedelta(days=1)
    return at_local(day, time(9), story.ZONE)


def make_due(tx: Session, now: datetime) -> datetime:
    """Have the last working morning's summaries due, so that there is one to read at any hour; returns when they were."""
    due = last_morning(now)
    tx.execute(update(DigestTimer).values(due_at=due))
    return due


@contextlib.asynccontextmanager
async def living(lanes: Lanes, clock: Clock, ids: Ids, base_url: str, *, first: bool, turn: Callable[[], None]) -> AsyncIterator[None]:
    """Send what the fleet does now over HTTP, with a token, as any agent would; on the first day the nightly job breaks.

    The loops `turn` once the others were heard: a demo begun at night would else open with their silence.
    """
    text = await lanes.write(lambda tx: _fresh_token(tx, clock.now(), ids))
    async with httpx.AsyncClient(verify=trusted(), base_url=base_url, headers={"Authorization": f"Bearer {text}"}, timeout=10) as client:
        if first:
            await _send(client, story.first_words(clock.now()))
        turn()
        if first:
            await _send(client, [story.broken_night(clock.now())])
            await lanes.write(lambda tx: tx.add(Mark(name=MARK, value={"since": clock.now().isoformat()})))
        task = asyncio.create_task(_trickle(client, clock))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _trickle(client: httpx.AsyncClient, clock: Clock) -> None:
    while True:
        now = clock.now()
        await _send(client, story.trickle(now, int(now.timestamp() / EVERY)))
        await asyncio.sleep(EVERY)


async def _send(client: httpx.AsyncClient, events: list[dict[str, Any]]) -> None:
    if not events:
        return
    try:
        answer = await client.post("/v1/events", content=orjson.dumps(events), headers={"Content-Type": "application/json"})
        if answer.status_code != 202 or answer.json()["refused"]:
            log.warning("the demo's events were refused", status=answer.status_code, answer=answer.text[:300])
    except httpx.HTTPError as error:
        log.warning("the demo's events were not sent", error=type(error).__name__)


def _fresh_token(tx: Session, now: datetime, ids: Ids) -> str:
    tx.execute(delete(Token).where(Token.name == TOKEN_NAME))  # of the start before: the demo's list need not remember it
    return mint_token(tx, now, ids, name=TOKEN_NAME, scopes=["events"], agents=None)[0]
