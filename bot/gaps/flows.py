"""A gap is given to somebody, given to somebody else, and closed with what was supplied."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.agents.reading import agents_in_channel
from bot.calendars import at_local, local_day, parse_working_days, week_of
from bot.gaps import messages
from bot.gaps.reading import all_gaps, before_of
from bot.lists import flows as lists
from bot.outbox import flows as outbox
from bot.outbox.rules import Priority
from bot.tables import Agent, Digest, Gap, Person

DAY_ENDS = time(17, 0)


def due_on(day: date, person: Person) -> datetime:
    """The end of that day's work where they live."""
    return at_local(day, DAY_ENDS, person.zone or "UTC").astimezone(UTC)


def newest_gap(tx: Session, agent: Agent, key: str) -> Gap | None:
    """The last time somebody was to supply this topic."""
    return tx.scalars(select(Gap).where(Gap.agent_id == agent.id, Gap.topic == key).order_by(Gap.round.desc()).limit(1).execution_options(populate_existing=True)).first()


def open_gap(tx: Session, agent: Agent, key: str) -> Gap | None:
    """The same, where it is not supplied yet."""
    gap = newest_gap(tx, agent, key)
    return gap if gap is not None and gap.supplied_at is None else None


def assign(tx: Session, now: datetime, agent: Agent, key: str, label: str, owner: Person, day: date, by: Person) -> Gap:
    """That person supplies what is missing by that day: it is on their list from now on."""
    tx.execute(select(Agent.id).where(Agent.id == agent.id).with_for_update(key_share=True))
    newest = newest_gap(tx, agent, key)
    due, before = due_on(day, owner), None
    if newest is not None and newest.supplied_at is None:
        gap, before = newest, newest.owner_id
        gap.owner_id, gap.due_at = owner.id, due
    else:
        gap = Gap(agent_id=agent.id, topic=key, label=label[:120], round=newest.round + 1 if newest else 1, owner_id=owner.id, due_at=due, opened_at=now, opened_by=by.id)
        tx.add(gap)
    tx.flush()
    audit.record(tx, now, "gap.assign", f"gap:{gap.id}", person_id=by.id, words=f"{label} of {agent.slug}", evidence={"owner": owner.id, "due": due.isoformat()})
    lists.expect(tx, now, {owner.id})
    if before is not None and before != owner.id:
        lists.changed(tx, now, before)
    return gap


def supply(tx: Session, now: datetime, gap: Gap, by: Person, words: str) -> bool:
    """What was missing is there now; how often it was missed before is kept, to be compared. False where somebody was quicker."""
    gap = tx.scalars(select(Gap).where(Gap.id == gap.id).with_for_update(key_share=True).execution_options(populate_existing=True)).one()
    if gap.supplied_at is not None:
        return False
    agent = tx.get_one(Agent, gap.agent_id)
    before = before_of(tx, now, agent, gap.topic)
    gap.supplied_at, gap.supplied_by, gap.supplied = now, by.id, words.replace("\0", "").strip()[:3000]
    gap.before_missing, gap.before_cases = before.missing, before.cases
    tx.flush()
    audit.record(tx, now, "gap.supplied", f"gap:{gap.id}", person_id=by.id, words=gap.supplied, evidence={"before": [before.missing, before.cases]})
    lists.changed(tx, now, gap.owner_id)
    return True


def weekly_line(tx: Session, now: datetime, digest: Digest, thread: str, zone: str, working_days: str) -> None:
    """In the thread of the first digest of a week: what the agents of the channel did not know lately, and who supplies it."""
    week = week_of(date.fromisoformat(digest.local_date), parse_working_days(working_days)).isoformat()
    earlier = select(Digest.id).where(Digest.channel_id == digest.channel_id, Digest.local_date >= week, Digest.local_date < digest.local_date).limit(1)
    if tx.scalars(earlier).first() is not None:
        return
    found, _ = all_gaps(tx, now, agents_in_channel(tx, digest.channel_id))
    if found:
        outbox.show(tx, now, key=f"{thread}:gaps", to=digest.channel_id, message=messages.weekly(found, local_day(now, zone)), priority=Priority.OUTPUT, thread=thread)
