"""Naming owners, asking them, their answers, and handing a role over: in one open transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.agents import messages
from bot.agents.introductions import introduce
from bot.agents.messages import FILE, Naming, Unconfirmed
from bot.agents.reading import ROLE_WORDS, ROLES, is_retired, ladder_of, lead_people, leads_channel_or_people, spec_of
from bot.blocks import mention
from bot.db import wake
from bot.outbox import flows as outbox
from bot.people.flows import Actor, Refused, owners_of
from bot.people.rules import RULES, Act
from bot.tables import Agent, AgentOwner, Handover, Person

ANSWER_WITHIN = timedelta(days=3)
REMIND_AFTER = timedelta(days=2)  # whoever shall take a role over is reminded once
EXPIRES_AFTER = timedelta(days=7)  # then they are no longer asked, and the one who holds it goes on
GATHER = timedelta(hours=1)  # owners who become due this soon come into the same message to the leads

Named = AgentOwner | Handover


def name_owner(tx: Session, now: datetime, agent: Agent, role: str, person: Person, by_id: int | None) -> AgentOwner | Handover | None:
    """Name a person for a role: at once where nobody accepted it yet, else as a hand-over that waits for their `Accept`.

    Who names themself has accepted. None where it already stands so. Ask them afterwards with `ask`, once for everything.
    """
    _gate(tx, agent)
    holder = owners_of(tx, agent.id).get(role)
    _withdraw(tx, now, agent, role, but=person.id if holder is not None and holder.person_id != person.id else None)
    if holder is not None and holder.person_id == person.id:
        return None
    audit.record(
        tx, now, "owner.name", f"agent:{agent.slug}", person_id=by_id, came_from="slack" if by_id else "file",
        evidence={"role": role, "person": person.id, "before": holder.person_id if holder else None},
    )  # fmt: skip
    if holder is not None and holder.accepted_at is not None:
        return _start_handover(tx, now, agent, holder, person, by_id)
    if holder is not None:
        _end(tx, now, holder)
    himself = by_id == person.id
    row = AgentOwner(
        agent_id=agent.id, role=role, person_id=person.id, since=now, asked_at=now, by_id=by_id,
        accepted_at=now if himself else None, chase_at=None if himself else now + ANSWER_WITHIN,
    )  # fmt: skip
    tx.add(row)
    tx.flush()
    _registry_changed(tx, now, agent)
    return row


def hand_over(tx: Session, now: datetime, agent: Agent, role: str, person: Person, by_id: int, note: str = "") -> Handover | None:
    """Ask somebody to take a role from whoever holds it, accepted or not: that one stays until then. None where they are asked already."""
    _gate(tx, agent)
    holder = owners_of(tx, agent.id)[role]
    _withdraw(tx, now, agent, role, but=person.id)
    row = _start_handover(tx, now, agent, holder, person, by_id, note)
    if row is None:
        return None
    evidence = {"role": role, "person": person.id, "before": holder.person_id, "until": (now + EXPIRES_AFTER).isoformat()}
    audit.record(tx, now, "owner.hand_over", f"agent:{agent.slug}", person_id=by_id, words=note, evidence=evidence)
    ask(tx, now, [row])
    return row


def _gate(tx: Session, agent: Agent) -> None:
    """Two who name somebody for one role at once come one after the other."""
    tx.scalars(select(Agent.id).where(Agent.id == agent.id).with_for_update(key_share=True)).one()


def _start_handover(tx: Session, now: datetime, agent: Agent, holder: AgentOwner, person: Person, by_id: int | None, note: str = "") -> Handover | None:
    open_one = tx.scalars(select(Handover).where(Handover.agent_id == agent.id, Handover.role == holder.role, Handover.closed_at.is_(None))).first()
    if open_one is not None:
        return None  # the same person is already asked: another would have been withdrawn above
    row = Handover(
        agent_id=agent.id, role=holder.role, person_id=person.id, by_id=by_id, asked_at=now, chase_at=now + ANSWER_WITHIN,
        from_id=holder.person_id, note=note or None, next_at=now + REMIND_AFTER,
    )  # fmt: skip
    tx.add(row)
    tx.flush()
    wake(tx, "handovers")
    if by_id == person.id:
        _take_over(tx, now, row)
    return row


def _withdraw(tx: Session, now: datetime, agent: Agent, role: str, *, but: int | None, how: str = "superseded") -> None:
    """Somebody else is named (or the holder again): whoever was asked before is no longer."""
    for row in tx.scalars(select(Handover).where(Handover.agent_id == agent.id, Handover.role == role, Handover.closed_at.is_(None))):
        if row.person_id != but:
            close_handover(tx, now, row, how)


def close_handover(tx: Session, now: datetime, row: Handover, how: str) -> None:
    """It is asked no longer, and the role stays where it is; `how` is one of superseded, taken_back, expired, left, ended."""
    row.closed_at, row.chase_at, row.next_at, row.how = now, None, None, how
    tx.flush()
    show_naming(tx, now, row)
    wake(tx, "handovers")
    wake(tx, "lists")


def take_back(tx: Session, now: datetime, row: Handover, by_id: int) -> bool:
    """Whoever handed it over thinks again; False where it was settled before. Leave was asked before."""
    if row.closed_at is not None:
        return False
    agent = tx.get_one(Agent, row.agent_id)
    close_handover(tx, now, row, "taken_back")
    audit.record(tx, now, "owner.take_back", f"agent:{agent.slug}", person_id=by_id, evidence={"role": row.role, "person": row.person_id})
    return True


def end_asking(tx: Session, now: datetime, agent: Agent, how: str = "ended") -> None:
    """Nobody is asked about this agent any more; who holds a role keeps it."""
    for role in ROLES:
        _withdraw(tx, now, agent, role, but=None, how=how)
    for row in owners_of(tx, agent.id).values():
        if row.accepted_at is None:
            row.chase_at = None
            tx.flush()
            show_naming(tx, now, row)


def ask_again(tx: Session, now: datetime, agent: Agent) -> None:
    """The agent works again: whoever had not accepted yet is waited for anew."""
    for row in owners_of(tx, agent.id).values():
        if row.accepted_at is None:
            row.chase_at = now + ANSWER_WITHIN
            tx.flush()
            show_naming(tx, now, row)


def end_role(tx: Session, now: datetime, agent: Agent, role: str, by_id: int | None) -> None:
    """Nobody holds the role any more (backup and sponsor only: the two owners are never without a name)."""
    if role in ("business", "operations"):
        raise ValueError(f"an agent is never without its {ROLE_WORDS[role]}: name another instead")
    _withdraw(tx, now, agent, role, but=None, how="ended")
    holder = owners_of(tx, agent.id).get(role)
    if holder is not None:
        _end(tx, now, holder)
        audit.record(tx, now, "owner.end", f"agent:{agent.slug}", person_id=by_id, came_from="slack" if by_id else "file", evidence={"role": role, "person": holder.person_id})
        _registry_changed(tx, now, agent)


def end_all_roles(tx: Session, now: datetime, agent: Agent) -> None:
    """The agent is archived: nobody is asked about it any more."""
    for role in ROLES:
        _withdraw(tx, now, agent, role, but=None, how="ended")
    for row in owners_of(tx, agent.id).values():
        _end(tx, now, row)


def _end(tx: Session, now: datetime, row: AgentOwner) -> None:
    row.until, row.chase_at = now, None
    tx.flush()
    if row.accepted_at is None:
        show_naming(tx, now, row)


def accept(tx: Session, now: datetime, actor: Actor, ref: str) -> Named:
    """The named person takes the role; pressing twice is pressing once. Raises Refused."""
    row = _of_actor(tx, actor, ref)
    if row.accepted_at is not None:
        return row
    agent = tx.get_one(Agent, row.agent_id)
    if agent.archived_at is not None or is_retired(tx, agent):
        raise Refused(f"{agent.name} is no longer at work: nothing is asked of you any more.")
    if isinstance(row, Handover):
        _gate(tx, agent)
        if row.closed_at is not None and row.declined_at is None:
            raise Refused(messages.settled(row.how, _holder_name(tx, row)))
        later = select(Handover.id).where(Handover.agent_id == row.agent_id, Handover.role == row.role, Handover.id > row.id).limit(1)
        if row.declined_at is not None and (now > row.asked_at + EXPIRES_AFTER or tx.scalars(later).first() is not None):
            raise Refused(f"You said that it is not you, and since then it was asked anew or a week has passed. {_holder_name(tx, row) or 'Somebody else'} has the role: ask them to hand it to you.")
        _take_over(tx, now, row)
    else:
        if row.until is not None:
            raise Refused("Somebody else has this role by now: nothing is asked of you any more.")
        row.accepted_at, row.declined_at, row.chase_at = now, None, None
    audit.record(tx, now, "owner.accept", f"agent:{agent.slug}", person_id=actor.person_id, evidence={"role": row.role})
    tx.flush()
    show_naming(tx, now, row)
    _registry_changed(tx, now, agent)
    return row


def _take_over(tx: Session, now: datetime, row: Handover) -> None:
    """The new one accepted: now the old one's time ends."""
    agent = tx.get_one(Agent, row.agent_id)
    current = owners_of(tx, agent.id).get(row.role)
    if row.closed_at is not None and current is not None and current.since > row.closed_at:
        raise Refused("Somebody else has this role by now: nothing is asked of you any more.")
    _withdraw(tx, now, agent, row.role, but=row.person_id)
    row.from_id = current.person_id if current is not None else row.from_id
    if current is not None:
        current.until, current.chase_at = now, None
        tx.flush()
        old = tx.get_one(Person, current.person_id)
        new = tx.get_one(Person, row.person_id)
        if old.slack_id and old.active:
            outbox.show(tx, now, key=f"handed-over:{row.id}", to=old.slack_id, message=messages.handed_over(agent.name, row.role, new.name))
    row.accepted_at, row.closed_at, row.declined_at, row.chase_at, row.next_at, row.how = now, now, None, None, None, "accepted"
    wake(tx, "handovers")
    tx.add(AgentOwner(agent_id=agent.id, role=row.role, person_id=row.person_id, since=now, asked_at=None, accepted_at=now, by_id=row.by_id))
    tx.flush()
    _registry_changed(tx, now, agent)


def decline(tx: Session, now: datetime, actor: Actor, ref: str) -> Named:
    """`Not me`: the role stays as it is, and the one who can name another is told. Raises Refused."""
    row = _of_actor(tx, actor, ref)
    if row.declined_at is not None:
        return row
    if row.accepted_at is not None:
        raise Refused("You have accepted this already. To hand it over, name another with `/aiops agent`.")
    agent = tx.get_one(Agent, row.agent_id)
    ended = row.closed_at if isinstance(row, Handover) else row.until
    if ended is not None:
        raise Refused(messages.settled(row.how if isinstance(row, Handover) else None, _holder_name(tx, row)))
    row.declined_at = now
    if isinstance(row, Handover):
        row.closed_at, row.chase_at, row.next_at, row.how = now, None, None, "declined"
        wake(tx, "handovers")
    audit.record(tx, now, "owner.decline", f"agent:{agent.slug}", person_id=actor.person_id, evidence={"role": row.role})
    tx.flush()
    show_naming(tx, now, row)
    holder = _holder_name(tx, row) if isinstance(row, Handover) else ""
    message = messages.not_me(actor.name, agent.name, agent.slug, row.role, holder=holder)
    for target in _who_names(tx, agent, actor.person_id, row.by_id):
        outbox.show(tx, now, key=f"not-me:{ref}:{target}", to=target, message=message)
    return row


def _who_names(tx: Session, agent: Agent, decliner: int, by_id: int | None) -> list[str]:
    """The business owner; where it is they who declined, whoever named them; else the leads; else the channel."""
    business = owners_of(tx, agent.id).get("business")
    for person_id in (business.person_id if business and business.declined_at is None else None, by_id):
        person = tx.get(Person, person_id) if person_id and person_id != decliner else None
        if person is not None and person.active and person.slack_id:
            return [person.slack_id]
    leads = [target for target in leads_channel_or_people(tx) if target not in {each.slack_id for each in lead_people(tx) if each.id == decliner}]
    return leads or ([agent.channel_id] if agent.channel_id else [])


def find_named(tx: Session, ref: str) -> Named | None:
    """The row behind `owner:12` or `handover:5`."""
    kind, _, number = ref.partition(":")
    number = number.split(":")[0]
    if kind not in ("owner", "handover") or not number.isdigit():
        return None
    table: type[AgentOwner] | type[Handover] = AgentOwner if kind == "owner" else Handover
    # The agent's row first: the order in which everybody who changes owners takes their locks.
    agent_id = tx.scalar(select(table.agent_id).where(table.id == int(number)))
    if agent_id is None:
        return None
    tx.scalars(select(Agent.id).where(Agent.id == agent_id).with_for_update(key_share=True)).one()
    if kind == "owner":
        return tx.get(AgentOwner, int(number), populate_existing=True, with_for_update=True)
    return tx.get(Handover, int(number), populate_existing=True, with_for_update=True)


def _of_actor(tx: Session, actor: Actor, ref: str) -> Named:
    row = find_named(tx, ref)
    if row is None:
        raise Refused("This is from an older message and no longer stands. `/aiops agent` shows what is yours now.")
    if row.person_id != actor.person_id or actor.kind != "member":
        raise Refused(RULES[Act.ACCEPT_ROLE].else_ask)
    return row


# --- the one message that asks -----------------------------------------------------------------------------------


def ask(tx: Session, now: datetime, rows: Iterable[Named]) -> int:
    """Ask each person, in one direct message for everything they were named for at this moment. Returns how many people."""
    asked = {(row.person_id): row for row in rows if row.accepted_at is None}
    for row in asked.values():
        show_naming(tx, now, row)
    return len(asked)


def together(tx: Session, row: Named) -> list[Named]:
    """Everything this person was named for at the same moment: it stands in one message."""
    owners = tx.scalars(select(AgentOwner).where(AgentOwner.person_id == row.person_id, AgentOwner.asked_at == row.asked_at))
    handovers = tx.scalars(select(Handover).where(Handover.person_id == row.person_id, Handover.asked_at == row.asked_at))
    return [*sorted(owners, key=lambda each: each.id), *sorted(handovers, key=lambda each: each.id)]


def show_naming(tx: Session, now: datetime, row: Named, *, page: int = 0) -> None:
    """Make the person's message tell what stands now; a person without a Slack account is left to the leads."""
    person = tx.get_one(Person, row.person_id)
    if person.slack_id is None or row.asked_at is None:
        return
    rows = [naming_of(tx, each) for each in together(tx, row)]
    key = f"naming:{person.id}:{int(row.asked_at.timestamp() * 1_000_000)}"
    outbox.show(tx, now, key=key, to=person.slack_id, message=messages.naming(rows, page=page))


def naming_of(tx: Session, row: Named) -> Naming:
    """A role somebody was named for, as their message tells it."""
    agent = tx.get_one(Agent, row.agent_id)
    by = tx.get(Person, row.by_id) if row.by_id else None
    handover = isinstance(row, Handover)
    ended = row.closed_at if isinstance(row, Handover) else row.until
    if row.accepted_at is not None:
        state, at = "accepted", row.accepted_at
    elif row.declined_at is not None and (handover or ended is None):
        state, at = "declined", row.declined_at
    elif ended is not None:
        state, at = (row.how if isinstance(row, Handover) and row.how in messages.SETTLED else "gone"), ended
    elif is_retired(tx, agent):
        state, at = "gone", None
    else:
        state, at = "asked", None
    carries: dict[str, Any] = (row.carries or {}) if isinstance(row, Handover) else {}
    return Naming(
        ref=f"{'handover' if handover else 'owner'}:{row.id}", agent=agent.name, slug=agent.slug, role=row.role, channel_id=agent.channel_id,
        runbook=spec_of(agent).runbook, by=mention(by.slack_id, by.name) if by else FILE, instead_of=_holder_name(tx, row) if handover else "", state=state, at=at,
        note=(row.note or "") if isinstance(row, Handover) else "", until=row.asked_at + EXPIRES_AFTER if isinstance(row, Handover) and row.next_at is not None else None,
        travels=tuple((str(title), tuple(map(str, told))) for title, told in carries.get("sections", ())), brief=str(carries.get("brief", "")), passed=tuple(map(str, carries.get("passed", ()))),
        called=_called(tx, agent, row.role),
    )  # fmt: skip


def _called(tx: Session, agent: Agent, role: str) -> str:
    """Where the agent's ladder calls a role: a key of messages.CALLED."""
    calls = [step.call for step in ladder_of(tx, agent)]
    mine = {"operations": "operations_owner", "business": "business_owner"}.get(role, role)
    if mine not in calls:
        return "never"
    before = set(calls[: calls.index(mine)])
    return "usual" if before == {"backup": {"operations_owner"}, "business": {"operations_owner", "backup"}}.get(role) else "later" if before else "first"


def _holder_name(tx: Session, row: Named) -> str:
    holder = owners_of(tx, row.agent_id).get(row.role)
    return tx.get_one(Person, holder.person_id).name if holder is not None and holder.person_id != row.person_id else ""


def _registry_changed(tx: Session, now: datetime, agent: Agent) -> None:
    """Owners changed: the introduction in the channel and what others fold must tell so."""
    if agent.channel_id:
        introduce(tx, now, agent.channel_id, only_edit=True)
    wake(tx, "lists")


# --- three days later --------------------------------------------------------------------------------------------


def chase_step(tx: Session, now: datetime) -> bool:
    """Tell the leads, in one message, of every named owner who has not accepted in time. Returns whether anybody was due."""
    due = _due(tx, now)
    if not any(row.chase_at is not None and row.chase_at <= now for row in due):
        return False
    told: list[tuple[Agent, Unconfirmed]] = []
    for row in due:
        row.chase_at = None
        agent = tx.get_one(Agent, row.agent_id)
        ended = row.closed_at if isinstance(row, Handover) else row.until
        if row.accepted_at is not None or ended is not None or agent.archived_at is not None or row.asked_at is None or is_retired(tx, agent):
            continue
        person = tx.get_one(Person, row.person_id)
        told.append((agent, Unconfirmed(agent.name, agent.slug, row.role, person.name, person.slack_id, row.asked_at, row.declined_at is not None)))
    targets = leads_channel_or_people(tx)
    for target in targets:
        _tell(tx, now, target, [each for _, each in told])
    if not targets:  # nobody leads: then whoever reads the agent's channel should know
        for channel in sorted({agent.channel_id for agent, _ in told if agent.channel_id}):
            _tell(tx, now, channel, [each for agent, each in told if agent.channel_id == channel])
    return True


def _tell(tx: Session, now: datetime, target: str, rows: Sequence[Unconfirmed]) -> None:
    if rows:
        ordered = sorted(rows, key=lambda each: (each.agent, ROLES.index(each.role)))
        outbox.show(tx, now, key=f"unconfirmed:{target}:{int(now.timestamp())}:{ordered[0].slug}:{ordered[0].role}", to=target, message=messages.unconfirmed(ordered))


def _due(tx: Session, now: datetime) -> list[Named]:
    soon = now + GATHER
    owners = tx.scalars(select(AgentOwner).where(AgentOwner.chase_at <= soon).order_by(AgentOwner.chase_at, AgentOwner.id).limit(500).with_for_update(skip_locked=True))
    found: list[Named] = list(owners)
    found += tx.scalars(select(Handover).where(Handover.chase_at <= soon).order_by(Handover.chase_at, Handover.id).limit(500).with_for_update(skip_locked=True))
    return found
