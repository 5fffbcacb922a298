"""Storing a group of events in one open transaction: once each, counted, and handed to the rooms that own them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, delete, or_, select, update
from sqlalchemy.orm import Session

from bot.checks.pings import heartbeats_of, look_after
from bot.db import wake
from bot.feedback.flows import RatingIn, outputs_arrived, rate_many
from bot.intake import messages, rows
from bot.intake.agents import AgentRef
from bot.intake.bulk import Columns, Kept, Key, Row, find_kept, hold_outputs, insert_new, stamp_for
from bot.intake.counted import count
from bot.intake.events import EvaluationEvent, HeartbeatEvent, OutcomeEvent, OutputEvent, RatingEvent, RunEvent
from bot.intake.judging import Item
from bot.intake.places import heard_as, take_over
from bot.outbox import flows as outbox
from bot.people.flows import person_for_report
from bot.quality.counting import CHANGES, OUTPUTS, Counts
from bot.quality.flows import mark_dirty, reobserve
from bot.quality.rules import evaluation_good
from bot.tables import Agent, Check, Output, Person
from bot.tables import RatingEvent as RatingEventRow
from bot.tables.table import UtcDateTime


@dataclass
class Learned:
    """What to remember once the transaction has committed."""

    heard: list[AgentRef] = field(default_factory=list)
    seen: list[tuple[AgentRef, tuple[str, str]]] = field(default_factory=list)

    def remember(self) -> None:
        for agent in self.heard:
            agent.heard = True
        for agent, what in self.seen:
            if len(agent.seen) > 1000:  # an agent that names every run's version anew must not fill the memory
                agent.seen.clear()
            agent.seen.add(what)


@dataclass
class _Work:
    """One transaction under way."""

    tx: Session
    now: datetime
    live: bool
    counts: Counts = field(default_factory=Counts)
    learned: Learned = field(default_factory=Learned)
    # (agent id, source) -> outputs whose observations may be others now
    judged: dict[tuple[int, str], set[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.stamp = stamp_for(self.tx)
        self.received: Any = self.stamp(self.now)

    def judge_again(self, agent_id: int, source: str, output_id: int) -> None:
        self.judged.setdefault((agent_id, source), set()).add(output_id)


def store(tx: Session, now: datetime, items: Sequence[Item], *, live: bool) -> Learned:
    """Store the items and set what became of each (`said`). `live` false is an import: nothing is posted, no check runs.

    The order matters: outputs before what is said about them; counters and marks last, because others wait for those rows.
    """
    work = _Work(tx, now, live)
    by_type: dict[str, list[Item]] = {}
    for item in items:
        by_type.setdefault(item.event.type, []).append(item)
    if JUDGING & by_type.keys():
        spoken = [item for kind in ("output", *sorted(JUDGING)) for item in by_type.get(kind, ())]
        hold_outputs(tx, {(item.agent.id, getattr(item.event, "output", item.event.id)) for item in spoken})
    for kind, flow in ORDER.items():
        if kind in by_type:
            flow(work, by_type[kind])
    for (agent_id, source), output_ids in sorted(work.judged.items()):
        reobserve(tx, now, agent_id, sorted(output_ids), source)
    accepted = [item for item in items if item.said == "accepted"]
    count(work.counts, accepted)
    work.counts.write(tx, now)
    if live and accepted:
        _first_heard(work, accepted)
        _look_at_failures(work, accepted)
    if accepted:
        mark_dirty(tx, now, sorted({item.agent.id for item in accepted}))
    return work.learned


def _runs(work: _Work, items: list[Item]) -> None:
    made: list[tuple[Item, Row]] = []
    for item in items:
        event = item.event
        assert isinstance(event, RunEvent)
        made.append((item, rows.run_row(item, event, work.received, work.stamp)))
    _insert(work, rows.RUNS, made)
    _note_new_names(work, items)


def _note_new_names(work: _Work, items: list[Item]) -> None:
    """A model or version not seen before is a change, whoever forgot to announce it."""
    new: dict[Key, tuple[Item, tuple[str, str], Row]] = {}
    for item in items:
        event, agent = item.event, item.agent
        assert isinstance(event, RunEvent)
        for what in (("model", event.model), ("version", event.version)):
            if what[1] is None or what in agent.seen or item.said != "accepted":
                continue
            name, value = what[0], what[1]
            ext_id = f"seen:{name}:{value}"[:128]
            row = (agent.id, ext_id, work.stamp(event.at), work.received, "seen", name, value, f"first seen in run {event.id}")
            new.setdefault((agent.id, ext_id), (item, (name, value), row))
    if not new:
        return
    inserted = insert_new(work.tx, rows.CHANGES, [row for _, _, row in new.values()], want_ids=True) or {}
    for key, (item, what, _) in new.items():
        agent = item.agent
        work.learned.seen.append((agent, what))
        if key in inserted:
            work.counts.add(agent.id, agent.zone, CHANGES, item.event.at)


def _outputs(work: _Work, items: list[Item]) -> None:
    items = _with_free_places(work, items)
    made = []
    for item in items:
        assert isinstance(item.event, OutputEvent)
        made.append((item, rows.output_row(item, item.event, work.received, work.stamp)))
    inserted = _insert(work, rows.OUTPUTS, made, want_ids=True, fill=True)
    arrived: dict[int, list[int]] = {}
    for (agent_id, _), output_id in inserted.items():
        arrived.setdefault(agent_id, []).append(output_id)
    for agent_id in sorted(arrived):
        outputs_arrived(work.tx, work.now, agent_id, sorted(arrived[agent_id]), live=work.live)


def _with_free_places(work: _Work, items: list[Item]) -> list[Item]:
    """Refuse outputs that claim a Slack message which is another output's; a message heard of before its report becomes that output."""
    places = [(e.slack.channel, e.slack.ts) for item in items if isinstance(e := item.event, OutputEvent) and e.slack]
    if not places:
        return items
    query = select(Output.channel_id, Output.slack_ts, Output.agent_id, Output.ext_id).where(
        or_(*(and_(Output.channel_id == channel, Output.slack_ts == ts) for channel, ts in places))
    )
    taken = {(row.channel_id, row.slack_ts): (row.agent_id, row.ext_id) for row in work.tx.execute(query)}
    free = []
    for item in items:
        event = item.event
        assert isinstance(event, OutputEvent)
        place = (event.slack.channel, event.slack.ts) if event.slack else None
        mine = (item.agent.id, event.id)
        heard = place is not None and taken.get(place) == (item.agent.id, heard_as(*place)) != mine
        if place is not None and heard and _take_over(work, item, event, place):
            taken[place] = mine
        elif place is not None and taken.setdefault(place, mine) != mine:
            item.refuse("slack", "place_taken", "another output already stands at this Slack message")
        else:
            free.append(item)
    return free


def _take_over(work: _Work, item: Item, event: OutputEvent, place: tuple[str, str]) -> bool:
    row = rows.output_row(item, event, work.received, work.stamp)
    values: dict[str, Any] = dict(zip((name for name, _ in rows.OUTPUTS.types), row, strict=True))
    values.update(occurred_at=event.at, received_at=work.now)
    counted_at = take_over(work.tx, work.now, item.agent.id, place, event.id, values)
    if counted_at is None:
        return False
    item.said = "accepted"
    work.counts.add(item.agent.id, item.agent.zone, OUTPUTS, counted_at, -1)  # it is counted again, at its own time
    return True


def _ratings(work: _Work, items: list[Item]) -> None:
    fresh = _fresh(work, rows.RATINGS, items)
    outputs = _output_ids(work, fresh)
    _insert(work, rows.RATINGS, [(item, (item.agent.id, item.event.id, item.content, work.received)) for item in fresh])
    new = [item for item in fresh if item.said == "accepted"]
    told = []
    for item in new:
        event = item.event
        assert isinstance(event, RatingEvent)
        output_id = outputs[item.agent.id, event.output]
        told.append(RatingIn(item.agent.id, output_id, event.person, event.good, event.reason, event.comment, event.correction, event.at))
    answers = rate_many(work.tx, work.now, told, live=work.live) if told else []
    for item, refused in zip(new, answers, strict=True):
        if refused is not None:  # a guest, a bot: the id stays free for who may
            item.refuse("person", "not_counted", refused)
            key = (RatingEventRow.agent_id == item.agent.id, RatingEventRow.ext_id == item.event.id)
            work.tx.execute(delete(RatingEventRow).where(*key))


def _evaluations(work: _Work, items: list[Item]) -> None:
    fresh = _fresh(work, rows.EVALUATIONS, items)
    outputs = _output_ids(work, fresh)
    made = []
    for item in fresh:
        event = item.event
        assert isinstance(event, EvaluationEvent)
        good = evaluation_good(item.agent.evaluations.get(event.name), event.score, event.label)
        output_id = outputs[item.agent.id, event.output] if event.output is not None else None
        made.append((item, rows.evaluation_row(item, event, work.received, work.stamp, output_id, good)))
    _insert(work, rows.EVALUATIONS, made)
    for item in fresh:
        assert isinstance(item.event, EvaluationEvent)
        if item.said == "accepted" and item.event.output is not None:
            work.judge_again(item.agent.id, "evaluations", outputs[item.agent.id, item.event.output])


def _outcomes(work: _Work, items: list[Item]) -> None:
    fresh = _fresh(work, rows.OUTCOMES, items)
    outputs = _output_ids(work, fresh)
    people = _people(work, fresh)
    made = []
    for item in fresh:
        event = item.event
        assert isinstance(event, OutcomeEvent)
        person_id = people[event.person] if event.person is not None else None
        output_id = outputs[item.agent.id, event.output]
        made.append((item, rows.outcome_row(item, event, work.received, work.stamp, output_id, person_id)))
    _insert(work, rows.OUTCOMES, made)
    for item in fresh:
        assert isinstance(item.event, OutcomeEvent)
        if item.said == "accepted":
            work.judge_again(item.agent.id, "outcomes", outputs[item.agent.id, item.event.output])


def _heartbeats(work: _Work, items: list[Item]) -> None:
    targets = heartbeats_of(work.tx, {item.agent.id for item in items})
    made: list[tuple[Item, Row]] = []
    for item in items:
        event = item.event
        assert isinstance(event, HeartbeatEvent)
        target = targets.get((item.agent.id, event.check))
        if target is None:
            known = ", ".join(sorted(name for agent_id, name in targets if agent_id == item.agent.id))
            there = f"it has {known}" if known else "it has none: add `kind: heartbeat` to its checks in aiops.yml"
            item.refuse("check", "unknown_check", f"{item.agent.slug} has no heartbeat check called {event.check!r}: {there}")
        else:
            made.append((item, rows.ping_row(item, event, work.received, work.stamp, target.check_id)))
    _insert(work, rows.PINGS, made)
    heard = [(targets[item.agent.id, item.event.check], item.event.status) for item, _ in made if item.said == "accepted" and isinstance(item.event, HeartbeatEvent)]
    if heard and work.live:
        look_after(work.tx, work.now, heard)


def _plain(columns: Columns, make: Any) -> Any:
    """Events that are a row and nothing else."""

    def store_them(work: _Work, items: list[Item]) -> None:
        _insert(work, columns, [(item, make(item, item.event, work.received, work.stamp)) for item in items])

    return store_them


ORDER: dict[str, Any] = {
    "run": _runs,
    "output": _outputs,
    "evaluation": _evaluations,
    "outcome": _outcomes,
    "rating": _ratings,
    "cost": _plain(rows.COSTS, rows.cost_row),
    "measure": _plain(rows.MEASURES, rows.measure_row),
    "change": _plain(rows.CHANGES, rows.change_row),
    "heartbeat": _heartbeats,
}


# What is said about outputs: several such events of one group touch the same outputs, one kind after the other.
JUDGING = {"rating", "evaluation", "outcome"}


def _insert(
    work: _Work,
    columns: Columns,
    made: Sequence[tuple[Item, Row]],
    *,
    want_ids: bool = False,
    fill: bool = False,
) -> dict[Key, int]:
    """Insert each new key once and say to every item what it was: accepted, duplicate, or an id used for something else.

    Returns the ids of new rows where `want_ids`. With `fill`, stubs of outputs are filled and count as new.
    """
    first: dict[Key, tuple[Item, Row]] = {}
    for both in made:
        first.setdefault(both[1][:2], both)
    if not first:
        return {}
    inserted = insert_new(work.tx, columns, [row for _, row in first.values()], want_ids=want_ids)
    if inserted is None and len(first) == len(made):  # nearly always: nothing was there before
        for item, _ in made:
            item.said = "accepted"
        return {}
    new: dict[Key, int] = dict.fromkeys(first, 0) if inserted is None else {key: id_ for key, id_ in inserted.items() if key in first}
    if len(new) < len(first):
        kept = find_kept(work.tx, columns.table, [key for key in first if key not in new])
        if fill:
            kept = _fill_stubs(work, kept, first, new)
    else:
        kept = {}
    for item, _ in made:
        key = (item.agent.id, item.event.id)
        if first[key][0] is item and key in new:
            item.said = "accepted"
        else:
            _say_again(item, kept[key].content if key in kept else first[key][0].content)
    return new


def _fill_stubs(work: _Work, kept: dict[Key, Kept], first: dict[Key, tuple[Item, Row]], new: dict[Key, int]) -> dict[Key, Kept]:
    lost = []
    for key, stub in sorted(kept.items(), key=lambda each: each[1].id):  # in one order, as whoever judges locks them
        if stub.content:
            continue
        item, row = first[key]
        values: dict[str, Any] = dict(zip((name for name, _ in rows.OUTPUTS.types), row, strict=True))
        values.update(occurred_at=item.event.at, received_at=work.now)
        changed = work.tx.execute(update(Output).where(Output.id == stub.id, Output.known.is_(False)).values(**values))
        if changed.rowcount:  # type: ignore[attr-defined]
            new[key] = stub.id
            del kept[key]
        else:
            lost.append(key)  # another transaction was quicker
    return {**kept, **find_kept(work.tx, "outputs", lost)} if lost else kept


def _fresh(work: _Work, columns: Columns, items: list[Item]) -> list[Item]:
    """Those whose id is new; the others are told so (before a stub is made for what they speak of)."""
    kept = find_kept(work.tx, columns.table, {(item.agent.id, item.event.id) for item in items})
    fresh = []
    for item in items:
        found = kept.get((item.agent.id, item.event.id))
        if found is None:
            fresh.append(item)
        else:
            _say_again(item, found.content)
    return fresh


def _say_again(item: Item, content: str) -> None:
    if content == item.content:
        item.said = "duplicate"
    else:
        item.refuse("id", "id_conflict", f"{type(item.event).noun} with the id {item.event.id!r} came before with other content: give this one an id of its own")


def _output_ids(work: _Work, items: Iterable[Item]) -> dict[Key, int]:
    """The rows of the outputs these events speak of; a stub is made for one that has not come yet."""
    wanted: dict[Key, Item] = {}
    for item in items:
        output: str | None = getattr(item.event, "output", None)
        if output is not None:
            wanted.setdefault((item.agent.id, output), item)
    if not wanted:
        return {}
    found = {key: kept.id for key, kept in find_kept(work.tx, "outputs", wanted).items()}
    missing = [key for key in wanted if key not in found]
    if missing:
        stubs = [rows.stub_row(wanted[key], key[1], work.received, work.stamp) for key in missing]
        found.update(insert_new(work.tx, rows.OUTPUTS, stubs, want_ids=True) or {})
        late = [key for key in missing if key not in found]  # another process made it in the meantime
        found.update({key: kept.id for key, kept in find_kept(work.tx, "outputs", late).items()})
    return found


def _people(work: _Work, items: Iterable[Item]) -> dict[str, int]:
    """The rows of the people these events name; one never seen gets a row, because what they did counts."""
    refs = {ref for item in items if (ref := getattr(item.event, "person", None)) is not None}
    found: dict[str, int] = {}
    by_name = or_(Person.slack_id.in_(sorted(refs)), Person.email.in_(sorted(refs)))
    for id_, slack_id, email in work.tx.execute(select(Person.id, Person.slack_id, Person.email).where(by_name)) if len(refs) > 3 else ():
        found.update((ref, id_) for ref in (slack_id, email) if ref is not None and ref in refs)
    for ref in sorted(refs - found.keys()):
        person = person_for_report(work.tx, ref, None)
        if person is None:
            raise ValueError(f"{ref!r} names nobody")  # judged before: a Slack id or an e-mail address
        found[ref] = person.id
    return found


def _first_heard(work: _Work, accepted: list[Item]) -> None:
    """The first live event of an agent: its channel learns that the bot can hear it."""
    first: dict[int, Item] = {}
    for item in accepted:
        if not item.agent.heard:
            first.setdefault(item.agent.id, item)
    for agent_id, item in sorted(first.items()):
        changed = work.tx.execute(update(Agent).where(Agent.id == agent_id, Agent.heard_at.is_(None)).values(heard_at=work.now))
        work.learned.heard.append(item.agent)
        if changed.rowcount:  # type: ignore[attr-defined]
            agent = work.tx.get_one(Agent, agent_id)
            if agent.channel_id:
                said = messages.heard(agent.name, type(item.event).noun, item.event.at)
                outbox.show(work.tx, work.now, key=f"heard:{agent_id}", to=agent.channel_id, message=said)


# Built once: nearly every group holds a failure, and building it anew took a fifth of the group's time.
_DUE_BY_FAILURE = (
    select(Check.id)
    .where(
        Check.agent_id.in_(bindparam("agents", expanding=True)),
        Check.kind == "run_failed",
        Check.archived_at.is_(None),
        or_(Check.due_at.is_(None), Check.due_at > bindparam("now", type_=UtcDateTime)),
    )
    .order_by(Check.id)
    .with_for_update()
)


def _look_at_failures(work: _Work, accepted: list[Item]) -> None:
    """A failed run makes the agent's run_failed checks due at once."""
    failed = {item.agent.id for item in accepted if isinstance(item.event, RunEvent) and item.event.status == "failed"}
    if not failed:
        return
    ids = work.tx.scalars(_DUE_BY_FAILURE, {"agents": sorted(failed), "now": work.now}).all()
    if ids:
        work.tx.execute(update(Check).where(Check.id.in_(ids)).values(due_at=work.now))
        wake(work.tx, "checks")
