"""Traffic that belongs to no agent: counted by its name, shown to the leads, registered or set aside by them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import date, datetime, time, timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from bot import audit
from bot.agents import forms
from bot.agents import unowned_words as words
from bot.agents.reading import find_channel, leads_channel_or_people, workspace_of
from bot.calendars import at_local, local_day
from bot.outbox import flows as outbox
from bot.people.flows import Refused, require, roles_of
from bot.people.rules import Act
from bot.surface.press import Answer, Ask, Handler, Mend, Press, Quiet
from bot.tables import Agent, Person, UnownedAgent

MOST_NAMES = 1000  # names that are remembered: a program that makes one up for every run must not fill the table
SHOWN = 5  # at a time; the others follow when these are settled
REFRESH = timedelta(hours=1)  # the volume in the message is brought up to date that often
LONGEST = timedelta(days=366)

Finder = Callable[[str, str], int | None]  # (service, agent's name) -> the agent of the registry it belongs to by now


def count_nobody(tx: Session, now: datetime, names: Collection[tuple[str, str]], *, traces: int = 1) -> None:
    """One more trace of each of these (service, agent's name); `traces` 0 for what only sends metrics or logs."""
    by_name: dict[tuple[str, str], int] = {}
    for name in names:
        by_name[name] = by_name.get(name, 0) + traces
    wanted = select(UnownedAgent.service, UnownedAgent.agent_name).where(or_(*((UnownedAgent.service == s) & (UnownedAgent.agent_name == a) for s, a in by_name)))
    known = {(row.service, row.agent_name) for row in tx.execute(wanted)}
    room = MOST_NAMES - int(tx.scalar(select(func.count()).select_from(UnownedAgent)) or 0)
    kept = {name: n for name, n in sorted(by_name.items()) if name in known or (room := room - 1) >= 0}
    if not kept:
        return
    insert = sqlite_insert if tx.get_bind().dialect.name == "sqlite" else postgres_insert
    made = insert(UnownedAgent).values([{"service": s, "agent_name": a, "first_at": now, "last_at": now, "traces": n} for (s, a), n in kept.items()])
    more = {"traces": UnownedAgent.traces + made.excluded.traces, "last_at": made.excluded.last_at}
    tx.execute(made.on_conflict_do_update(index_elements=["service", "agent_name"], set_=more))


def unowned_step(tx: Session, now: datetime, find: Finder) -> bool:
    """Show the leads what belongs to nobody, once each, and take back what the registry names by now."""
    leads = leads_channel_or_people(tx)
    waiting = or_(UnownedAgent.ignored_until.is_(None), UnownedAgent.ignored_until <= now)
    rows = list(tx.scalars(select(UnownedAgent).where(UnownedAgent.agent_id.is_(None), waiting).order_by(UnownedAgent.traces.desc(), UnownedAgent.id).limit(200).with_for_update(skip_locked=True)))
    open_ = []
    for row in rows:
        found = find(row.service, row.agent_name)
        if found is not None:
            row.agent_id = found
            if row.shown_at is not None:
                _show(tx, now, row, leads)
        elif row.ignored_until is None or row.last_at > row.ignored_until:
            open_.append(row)
    for row in open_:
        if row.ignored_until is not None:  # its time is over, and it is still there: told anew
            row.shown_at = row.ignored_until = row.ignored_by = None
    shown = [row for row in open_ if row.shown_at is not None]
    for row in [each for each in open_ if each.shown_at is None][: max(0, SHOWN - len(shown))]:
        if leads:
            row.shown_at = now
            _show(tx, now, row, leads)
    for row in shown:
        _show(tx, now, row, leads)
    return False


def something_unowned(tx: Session, now: datetime) -> bool:
    """Whether there is a name that nobody was told of, or whose message is old."""
    open_ = (UnownedAgent.agent_id.is_(None), or_(UnownedAgent.ignored_until.is_(None), UnownedAgent.ignored_until <= now))
    news = or_(UnownedAgent.shown_at.is_(None), UnownedAgent.ignored_until.is_not(None), UnownedAgent.last_at > now - REFRESH)
    return tx.scalar(select(UnownedAgent.id).where(*open_, news).limit(1)) is not None


def _show(tx: Session, now: datetime, row: UnownedAgent, leads: list[str]) -> None:
    zone = workspace_of(tx).timezone
    agent = tx.get(Agent, row.agent_id) if row.agent_id is not None else None
    by = tx.get(Person, row.ignored_by) if row.ignored_by is not None else None
    told = words.Unowned(
        row.id, row.service, row.agent_name, row.first_at, row.last_at, row.traces,
        registered=agent.name if agent is not None else "", ignored_until=row.ignored_until if row.ignored_until is not None and row.ignored_until > now else None, ignored_by=by.name if by is not None else "",
    )  # fmt: skip
    for target in leads:
        key = f"unowned:{row.id}:{int((row.shown_at or now).timestamp())}:{target}"
        if outbox.find(tx, key) is not None or (row.agent_id is None and told.ignored_until is None):
            outbox.show(tx, now, key=key, to=target, message=words.unowned(told, zone))


def _row(tx: Session, value: str) -> UnownedAgent:
    number = value.rpartition(":")[2]
    row = tx.get(UnownedAgent, int(number), with_for_update=True, populate_existing=True) if number.isdigit() else None
    if row is None:
        raise Refused("This is from an older message and no longer stands.")
    if row.agent_id is not None:
        raise Refused(f"It is registered by now: {tx.get_one(Agent, row.agent_id).name}.")
    return row


def register(tx: Session, press: Press) -> Answer:
    """`Register` opens the form that adds an agent, with what is known filled in."""
    require(roles_of(tx, press.actor, None), Act.ADD_AGENT)
    row = _row(tx, press.value)
    here = find_channel(tx, press.channel) if press.channel else None
    channel = here.slack_id if here is not None and not here.is_archived else ""
    return Ask(forms.add_view(me=press.actor.slack_id or "", channel=channel, name=words.name_of(row.service, row.agent_name) if words.names_itself(row.service, row.agent_name) else "", unowned=row.id))


def telemetry_of(tx: Session, value: str) -> dict[str, str] | None:
    """What `telemetry:` of the registry says for the traffic that a form was opened from; None where it was opened otherwise."""
    number = value.removeprefix("unowned:")
    row = tx.get(UnownedAgent, int(number)) if value.startswith("unowned:") and number.isdigit() else None
    if row is None or not words.names_itself(row.service, row.agent_name):
        return None
    return {key: told for key, told in (("service", row.service), ("agent", row.agent_name)) if told} or None


def registered(tx: Session, now: datetime, value: str, agent: Agent) -> None:
    """The agent was added from that form: the leads' message says so."""
    number = value.removeprefix("unowned:")
    row = tx.get(UnownedAgent, int(number)) if value.startswith("unowned:") and number.isdigit() else None
    if row is not None and words.names_itself(row.service, row.agent_name):  # else it stays nobody's until its program says who it is
        row.agent_id = agent.id
        tx.flush()
        _show(tx, now, row, leads_channel_or_people(tx))


def ask_ignore(tx: Session, press: Press) -> Answer:
    """`Ignore until` asks for a day."""
    require(roles_of(tx, press.actor, None), Act.IGNORE_TRAFFIC)
    row = _row(tx, press.value)
    today = date.fromisoformat(local_day(press.now, workspace_of(tx).timezone))
    return Ask(words.ignore_view(row.id, words.name_of(row.service, row.agent_name), today + timedelta(days=30)))


def ignore(tx: Session, press: Press) -> Answer:
    """The submitted day."""
    require(roles_of(tx, press.actor, None), Act.IGNORE_TRAFFIC)
    row = _row(tx, press.value)
    zone = workspace_of(tx).timezone
    try:
        day = date.fromisoformat(str(press.values.get("day") or ""))
    except ValueError:
        return Mend({"day": "Choose a day."})
    until = at_local(day, time(0), zone)
    if until <= press.now:
        return Mend({"day": "Choose a day after today."})
    if until > press.now + LONGEST:
        return Mend({"day": "At most a year: then somebody should look again."})
    row.ignored_until, row.ignored_by = until, press.actor.person_id
    reason = str(press.values.get("why") or "").strip()
    audit.record(tx, press.now, "unowned.ignore", f"unowned:{row.id}", person_id=press.actor.person_id, words=reason, evidence={"service": row.service, "agent": row.agent_name, "until": until.isoformat()})
    tx.flush()
    _show(tx, press.now, row, leads_channel_or_people(tx))
    return Quiet()


def undo(tx: Session, press: Press) -> Answer:
    """`Undo` under what was set aside: it is asked about again at once, in the same message."""
    require(roles_of(tx, press.actor, None), Act.IGNORE_TRAFFIC)
    row = _row(tx, press.value)
    if row.ignored_until is None or row.ignored_until <= press.now:
        raise Refused("It is not set aside any more.")
    row.ignored_until = row.ignored_by = None
    audit.record(tx, press.now, "unowned.undo", f"unowned:{row.id}", person_id=press.actor.person_id, words="", evidence={"service": row.service, "agent": row.agent_name})
    tx.flush()
    _show(tx, press.now, row, leads_channel_or_people(tx))
    return Quiet()


ACTIONS: dict[str, Handler] = {"unowned.register": register, "unowned.ignore": ask_ignore, "unowned.undo": undo}
VIEWS: dict[str, Handler] = {"unowned.ignore": ignore}
