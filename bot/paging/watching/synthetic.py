"""The pager tests itself: a real page from the row to Slack and back, and an outside watcher that alarms when it does not arrive."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import structlog
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from bot.agents.reading import find_channel
from bot.agents.spec import StepSpec
from bot.clock import Clock
from bot.ladders.flows import start_climb, stop_climb
from bot.lanes import Lanes, Urgency
from bot.marks import hold_mark
from bot.outbox import flows as outbox
from bot.paging import showing
from bot.tables import Agent, Call, Climb, Mark, OutMessage, Page, Problem, Stage
from bot.trust import trusted

log = structlog.get_logger(__name__)

MARK = "pager.synthetic"  # {page, opened_at, next_at, ok_at, ok_ms, failed_at, why, told_at, tell_error, tell}
SLUG = "aiops-bot-self-test"  # an agent that is archived from the start: no list, digest or count shows it
WITHIN = timedelta(seconds=60)  # later is not arrived
AGAIN = timedelta(seconds=30)  # where the channel is not known (yet), or archived
KEPT = timedelta(days=1)
TELL_WITHIN = timedelta(minutes=5)  # the outside watcher is told no later than this after the page arrived
TIMEOUT, TRIES, PAUSE = 10.0, 3, 1.0


@dataclass(frozen=True)
class Plan:
    """Where and how often a synthetic page is sent, and whom to tell that it arrived."""

    channel: str | None
    every: timedelta
    url: str | None


def synthetic_step(tx: Session, now: datetime, plan: Plan) -> str | None:
    """Send the next synthetic page, or see whether the last one arrived; the address to tell, where it did."""
    mark = hold_mark(tx, MARK)
    if mark is None or plan.channel is None:
        return None
    value = dict(mark.value)
    page = tx.get(Page, value["page"]) if value.get("page") else None
    if page is not None and page.resolved_at is None:
        _settle(tx, now, page, value)
    elif now >= _at(value.get("next_at"), now) or _at(value.get("next_at"), now) > now + plan.every + timedelta(minutes=1):
        _begin(tx, now, plan, value)
    tell = None
    if value.get("tell"):
        if plan.url is not None and now - _at(value.get("ok_at"), now) <= TELL_WITHIN:
            tell = plan.url
        value["tell"] = False  # once: if this process dies now, the watcher alarms, as it should
    if value != mark.value:
        mark.value = value
    return tell


def _begin(tx: Session, now: datetime, plan: Plan, value: dict[str, Any]) -> None:
    channel = find_channel(tx, str(plan.channel))
    if channel is None or channel.is_archived:
        first = "next_at" not in value  # at the very first start Slack's channels are still being read
        value["next_at"] = (now + min(plan.every, AGAIN)).isoformat()
        if not first:
            value.update(failed_at=now.isoformat(), why=f"the channel {plan.channel} is archived" if channel is not None else f"there is no channel {plan.channel}")
            log.error("the self-test of paging has no channel", channel=plan.channel)
        return
    value["next_at"] = (now + plan.every).isoformat()
    _forget_old(tx, now)
    agent = tx.scalars(select(Agent).where(Agent.slug == SLUG)).first()
    if agent is None:
        spec = {"name": "aiops-bot's self-test", "owners": {"business": "nobody", "operations": "nobody"}, "channel": channel.slack_id}
        agent = Agent(slug=SLUG, name="aiops-bot's self-test", zone="UTC", spec=spec, created_at=now, archived_at=now)
        tx.add(agent)
        tx.flush()
        tx.add(Stage(agent_id=agent.id, stage="shadow", since=now))
    page = Page(agent_id=agent.id, owner_id=None, severity="page", opened_at=now, test=True, synthetic=True)
    tx.add(page)
    tx.flush()
    says = "Nothing is broken: the bot looks whether its pages arrive."
    tx.add(Problem(agent_id=agent.id, check_id=None, page_id=page.id, fingerprint=f"{SLUG}:page", severity="page", title="a self-test", says=says, since=now, deadline_at=now, opened_at=now))
    tx.flush()
    start_climb(tx, now, "page", page.id, [StepSpec(call=channel.slack_id)])
    value.update(page=page.id, opened_at=now.isoformat())


def _settle(tx: Session, now: datetime, page: Page, value: dict[str, Any]) -> None:
    """It arrived, it is too late, or it is still under way."""
    rows = select(OutMessage).join(Call, Call.message_key == OutMessage.key).join(Climb, Climb.id == Call.climb_id)
    row = tx.scalars(rows.where(Climb.subject_kind == "page", Climb.subject_id == page.id)).first()
    late = now - page.opened_at > WITHIN
    if row is not None and row.shown_rev > 0:
        took = (row.shown_at or now) - page.opened_at
        late = took > WITHIN
        if not late:
            value.update(ok_at=now.isoformat(), ok_ms=int(took.total_seconds() * 1000), failed_at=None, why=None, tell=True)
    elif not late:
        return
    if late:
        why = (row.error or "Slack has not accepted it") if row is not None else "no call was made"
        value.update(failed_at=now.isoformat(), why=f"{why} within {int(WITHIN.total_seconds())} seconds"[:300], tell=False)
        log.error("the self-test page did not arrive", why=value["why"])
    page.resolved_at, page.resolved_why = now, "the self-test is over"
    stop_climb(tx, now, "page", page.id, "the self-test is over")
    outbox.drop(tx, showing.cause_of(page.id))
    if row is not None:
        outbox.remove(tx, now, row.key)
    tx.execute(update(Problem).where(Problem.page_id == page.id).values(closed_at=now, closed_why="The self-test is over.").execution_options(synchronize_session=False))


def _forget_old(tx: Session, now: datetime) -> None:
    """The rows of self-tests that are over: they are nobody's history."""
    old = select(Page.id).where(Page.synthetic, Page.resolved_at < now - KEPT).scalar_subquery()
    climbs = select(Climb.id).where(Climb.subject_kind == "page", Climb.subject_id.in_(old)).scalar_subquery()
    for gone in (
        delete(Call).where(Call.climb_id.in_(climbs)),
        delete(Climb).where(Climb.subject_kind == "page", Climb.subject_id.in_(old)),
        delete(Problem).where(Problem.page_id.in_(old)),
        delete(Page).where(Page.synthetic, Page.resolved_at < now - KEPT),
    ):
        tx.execute(gone.execution_options(synchronize_session=False))


def _at(text: object, otherwise: datetime) -> datetime:
    return datetime.fromisoformat(text) if isinstance(text, str) else otherwise


class SelfTest:
    """The loop "self-test": the rows in one transaction, the outside watcher beside it."""

    def __init__(self, lanes: Lanes, clock: Clock, plan: Plan, *, pause: float = PAUSE) -> None:
        self.lanes, self.clock, self.plan, self.pause = lanes, clock, plan, pause

    async def step(self, now: datetime) -> bool:
        """One look; says whether the outside watcher was told."""
        if self.plan.channel is None:
            return False
        url = await self.lanes.write(lambda tx: synthetic_step(tx, now, self.plan), urgency=Urgency.PAGE)
        if url is None:
            return False
        error = await self._tell(url)
        if error:
            log.error("the outside watcher was not told that pages arrive", error=error)
        await self.lanes.write(lambda tx: _note_told(tx, self.clock.now(), error))
        return True

    async def _tell(self, url: str) -> str:
        """Fetch the dead man's address; why it did not work, without the address, or nothing where it did."""
        error = ""
        async with httpx.AsyncClient(verify=trusted(), timeout=TIMEOUT, follow_redirects=True) as http:
            for tried in range(TRIES):
                try:
                    answer = await http.get(url)
                    if answer.is_success:
                        return ""
                    error = f"it answered {answer.status_code}"
                except (httpx.HTTPError, httpx.InvalidURL, OSError) as raised:
                    error = type(raised).__name__
                if tried + 1 < TRIES:
                    await asyncio.sleep(self.pause * 2**tried)
        return error


def _note_told(tx: Session, now: datetime, error: str) -> None:
    mark = tx.get(Mark, MARK, with_for_update=True)
    if mark is not None:
        mark.value = {**mark.value, "tell_error": error} if error else {**mark.value, "told_at": now.isoformat(), "tell_error": None}
