"""Storing a group of events in one open transaction: once each, counted, and handed to the rooms that own them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, or_, select
from sqlalchemy.orm import Session

from bot.checks.changing import watch_changes
from bot.checks.pings import heartbeats_of, look_after
from bot.feedback.flows import RatingIn, outputs_arrived, rate_many
from bot.intake import rows
from bot.intake.agents import AgentRef
from bot.intake.bulk import Columns, Key, Row, hold_outputs, insert_new
from bot.intake.counted import count
from bot.intake.events import (
    EvaluationEvent,
    HeartbeatEvent,
    OutcomeEvent,
    OutputEvent,
    RatingEvent,
    RequestEvent,
)
from bot.intake.judging import Item
from bot.intake.noticing import first_heard, look_at_failures
from bot.intake.once import fresh_of, insert_once, output_ids_of, people_of
from bot.intake.places import heard_as, take_over
from bot.intake.requests import asked, withdrawn
from bot.intake.runs import Run
from bot.intake.telemetry.storing import hold_traces, make_due
from bot.intake.work import Learned, Work
from bot.quality.counting import CHANGES, OUTPUTS
from bot.quality.flows import mark_dirty, reobserve
from bot.quality.rules import evaluation_good
from bot.tables import Output
from bot.tables import RatingEvent as RatingEventRow


def store(tx: Session, now: datetime, items: Sequence[Item], *, live: bool) -> Learned:
    """Store the items and set what became of each (`said`). `live` false is an import: nothing is posted, no check runs.

    The order matters: outputs before what is said about them; counters and marks last, because others wait for those rows.
    """
    work = Work(tx, now, live)
    by_type: dict[str, list[Item]] = {}
    for item in items:
        by_type.setdefault(item.event.type, []).append(item)
    traces = sorted({trace_id for item in items if isinstance(item.event, Run) and (trace_id := rows.trace_of(item.event.trace_id)) and item.more is None})
    if traces:  # what their spans tell of the same runs is no second one; held first, as by whoever makes runs from spans
        (hold_traces if live else make_due)(tx, now, traces)
    if JUDGING & by_type.keys():
        spoken = [item for kind in ("output", *sorted(JUDGING)) for item in by_type.get(kind, ())]
        hold_outputs(tx, {(item.agent.id, getattr(item.event, "output", item.event.id)) for item in spoken})
    for kind, flow in ORDER.items():
        if kind in by_type:
            flow(work, by_type[kind])
    for (agent_id, source), output_ids in sorted(work.judged.items()):
        reobserve(tx, now, agent_id, sorted(output_ids), source)
    accepted = [item for item in items if item.said == "accepted"]
    if not accepted:
        work.counts.write(tx, now)
        return work.learned
    count(work.counts, accepted)
    agent_ids = sorted({item.agent.id for item in accepted})
    if live:
        first_heard(work, accepted)
        look_at_failures(work, accepted)
        work.counts.note(tx, agent_ids)
    else:
        work.counts.write(tx, now)
        mark_dirty(tx, now, agent_ids)
    return work.learned


def _runs(work: Work, items: list[Item]) -> None:
    made: list[tuple[Item, Row]] = []
    for item in items:
        event = item.event
        assert isinstance(event, Run)
        made.append((item, rows.run_row(item, event, work.received, work.stamp)))
    insert_once(work, rows.RUNS, made)
    _note_new_names(work, items)


def _note_new_names(work: Work, items: list[Item]) -> None:
    new: list[NewName] = []
    for item in items:
        event, agent = item.event, item.agent
        assert isinstance(event, Run)
        for name, value in (("model", event.model), ("version", event.version), ("prompt", event.prompt), ("index", event.index)):
            if value is not None and (name, value) not in agent.seen and item.said == "accepted":
                new.append((agent, name, value, event.at, event.id))
    if new:
        note_names(work, new)


NewName = tuple[AgentRef, str, str, datetime, str]  # of an agent: what, its name, when, in which run


def note_names(work: Work, names: Sequence[NewName]) -> None:
    """A model, version, prompt or index not seen before is a change, whoever forgot to announce it."""
    new: dict[Key, tuple[NewName, Row]] = {}
    for named in names:
        agent, name, value, at, run = named
        ext_id = f"seen:{name}:{value}"[:128]
        row = (agent.id, ext_id, work.stamp(at), work.received, "seen", name, value, f"first seen in run {run}")
        new.setdefault((agent.id, ext_id), (named, row))
    if not new:
        return
    inserted = insert_new(work.tx, rows.CHANGES, [row for _, row in new.values()], want_ids=True) or {}
    for key, ((agent, name, value, at, _), _) in new.items():
        work.learned.seen.append((agent, (name, value)))
        if key in inserted:
            work.counts.add(agent.id, agent.zone, CHANGES, at)
    if work.live and inserted:
        watch_changes(work.tx, work.now, [(agent.id, name, at) for key, ((agent, name, _, at, _), _) in new.items() if key in inserted])


def _outputs(work: Work, items: list[Item]) -> None:
    items = _with_free_places(work, items)
    made = []
    for item in items:
        assert isinstance(item.event, OutputEvent)
        made.append((item, rows.output_row(item, item.event, work.received, work.stamp)))
    inserted = insert_once(work, rows.OUTPUTS, made, want_ids=True, fill=True)
    arrived: dict[int, list[int]] = {}
    for (agent_id, _), output_id in inserted.items():
        arrived.setdefault(agent_id, []).append(output_id)
    for agent_id in sorted(arrived):
        outputs_arrived(work.tx, work.now, agent_id, sorted(arrived[agent_id]), live=work.live)


def _with_free_places(work: Work, items: list[Item]) -> list[Item]:
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


def _take_over(work: Work, item: Item, event: OutputEvent, place: tuple[str, str]) -> bool:
    row = rows.output_row(item, event, work.received, work.stamp)
    values: dict[str, Any] = dict(zip((name for name, _ in rows.OUTPUTS.types), row, strict=True))
    values.update(occurred_at=event.at, received_at=work.now, extra=rows.output_extra(event))
    counted_at = take_over(work.tx, work.now, item.agent.id, place, event.id, values)
    if counted_at is None:
        return False
    item.said = "accepted"
    work.counts.add(item.agent.id, item.agent.zone, OUTPUTS, counted_at, -1)  # it is counted again, at its own time
    return True


def _ratings(work: Work, items: list[Item]) -> None:
    fresh = fresh_of(work, rows.RATINGS, items)
    outputs = output_ids_of(work, fresh)
    insert_once(work, rows.RATINGS, [(item, (item.agent.id, item.event.id, item.content, work.received)) for item in fresh])
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


def _evaluations(work: Work, items: list[Item]) -> None:
    fresh = fresh_of(work, rows.EVALUATIONS, items)
    outputs = output_ids_of(work, fresh)
    made = []
    for item in fresh:
        event = item.event
        assert isinstance(event, EvaluationEvent)
        good = evaluation_good(item.agent.evaluations.get(event.name), event.score, event.label)
        output_id = outputs[item.agent.id, event.output] if event.output is not None else None
        made.append((item, rows.evaluation_row(item, event, work.received, work.stamp, output_id, good)))
    insert_once(work, rows.EVALUATIONS, made)
    for item in fresh:
        assert isinstance(item.event, EvaluationEvent)
        if item.said == "accepted" and item.event.output is not None:
            work.judge_again(item.agent.id, "evaluations", outputs[item.agent.id, item.event.output])


def _outcomes(work: Work, items: list[Item]) -> None:
    fresh = fresh_of(work, rows.OUTCOMES, items)
    outputs = output_ids_of(work, fresh)
    people = people_of(work, fresh)
    made = []
    for item in fresh:
        event = item.event
        assert isinstance(event, OutcomeEvent)
        person_id = people[event.person] if event.person is not None else None
        output_id = outputs[item.agent.id, event.output]
        made.append((item, rows.outcome_row(item, event, work.received, work.stamp, output_id, person_id)))
    insert_once(work, rows.OUTCOMES, made)
    for item in fresh:
        assert isinstance(item.event, OutcomeEvent)
        if item.said == "accepted":
            work.judge_again(item.agent.id, "outcomes", outputs[item.agent.id, item.event.output])


def _heartbeats(work: Work, items: list[Item]) -> None:
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
    insert_once(work, rows.PINGS, made)
    heard = [(targets[item.agent.id, item.event.check], item.event.status) for item, _ in made if item.said == "accepted" and isinstance(item.event, HeartbeatEvent)]
    if heard and work.live:
        look_after(work.tx, work.now, heard)


def _plain(columns: Columns, make: Any) -> Any:
    """Events that are a row and nothing else."""

    def store_them(work: Work, items: list[Item]) -> None:
        insert_once(work, columns, [(item, make(item, item.event, work.received, work.stamp)) for item in items])

    return store_them


def _requests(work: Work, items: list[Item]) -> None:
    if not work.live:
        for item in items:
            item.refuse("type", "not_imported", "a request asks somebody now: history is imported without requests")
        return
    asking: list[tuple[Item, RequestEvent]] = []
    ending: list[tuple[Item, RequestEvent]] = []
    for item in items:
        assert isinstance(item.event, RequestEvent)
        (asking if item.event.withdraws is None else ending).append((item, item.event))
    asked(work, asking)
    withdrawn(work, ending)


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
    "request": _requests,
}


# What is said about outputs: several such events of one group touch the same outputs, one kind after the other.
JUDGING = {"rating", "evaluation", "outcome"}
