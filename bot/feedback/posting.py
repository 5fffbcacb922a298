"""Outputs in Slack: posted as the registry says, taken over from an agent's own app, and their counts kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from hashlib import blake2b

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from bot.agents.reading import find_channel, spec_of
from bot.agents.spec import AgentSpec
from bot.blocks import typed
from bot.calendars import day_bounds, local_day
from bot.feedback.messages import output_message
from bot.feedback.reading import shown, tallies
from bot.feedback.rules import POSTED_WITHIN, Tally, per_day, sample_now
from bot.outbox import flows as outbox
from bot.outbox.rules import Priority
from bot.quality import counting
from bot.quality.counting import Counts
from bot.quality.flows import mark_dirty, reobserve
from bot.tables import Agent, Observation, OutMessage, Output

CHUNK = 500


def outputs_arrived(tx: Session, now: datetime, agent_id: int, output_ids: Sequence[int], *, live: bool) -> None:
    """These outputs are stored: judgements that came before them move to their day and kind, and Slack shows what it should.

    Not `live` (an import): nothing is posted. Outputs that stand in Slack already (`slack:`) are never posted twice.
    """
    judged: set[int] = set()
    for start in range(0, len(output_ids), CHUNK):
        chunk = list(output_ids[start : start + CHUNK])
        early = select(Observation.output_id, Observation.source)
        moved: dict[str, list[int]] = {}
        for output_id, source in tx.execute(early.where(Observation.output_id.in_(chunk))):
            moved.setdefault(source, []).append(output_id)
        for source, ids in sorted(moved.items()):
            reobserve(tx, now, agent_id, ids, source)
        judged.update(moved.get("people", ()))
    agent = tx.get_one(Agent, agent_id)
    counts = Counts()
    for start in range(0, len(output_ids), CHUNK):
        linked = select(Output.occurred_at).where(Output.id.in_(output_ids[start : start + CHUNK]), Output.slack_ts.is_not(None))
        for at in tx.scalars(linked):
            counts.add(agent_id, agent.zone, counting.OUTPUTS_SHOWN, at)
    posted = _show_all(tx, now, agent, output_ids, counts) if live else set()
    counts.write(tx, now)
    if posted & judged:  # rated before it stood in Slack: it was asked for there, and is answered
        reobserve(tx, now, agent_id, sorted(posted & judged), "people")


def _show_all(tx: Session, now: datetime, agent: Agent, output_ids: Sequence[int], counts: Counts) -> set[int]:
    """Post what the registry wants posted of these, and say which."""
    spec, posted = spec_of(agent), set[int]()
    if spec.outputs.post == "none":
        return posted
    channel = _channel(tx, agent, spec)
    if channel is None:
        return posted
    for start in range(0, len(output_ids), CHUNK):
        wanted = select(Output).where(Output.id.in_(output_ids[start : start + CHUNK]), Output.known, Output.slack_ts.is_(None), Output.occurred_at > now - POSTED_WITHIN)
        for output in tx.scalars(wanted.order_by(Output.occurred_at, Output.id)):
            if _show(tx, now, agent, spec, output, channel):
                counts.add(agent.id, agent.zone, counting.OUTPUTS_SHOWN, output.occurred_at)
                posted.add(output.id)
    return posted


def recount(tx: Session, now: datetime, agent_id: int, output_ids: Iterable[int]) -> None:
    """Bring "n rated" up to date on the outputs we posted."""
    ids = sorted(set(output_ids))
    agent = tx.get_one(Agent, agent_id)
    for start in range(0, len(ids), CHUNK):
        posted = list(tx.scalars(select(Output).where(Output.id.in_(ids[start : start + CHUNK]), Output.ours)))
        counted = tallies(tx, [output.id for output in posted]) if posted else {}
        for output in posted:
            row = outbox.find(tx, f"output:{output.id}")
            # One that was never posted, or was taken away, must not come to life by a vote from elsewhere.
            if row is not None and not row.gone and row.state in ("pending", "shown"):
                message = output_message(shown(agent, output), counted.get(output.id, Tally()).people)
                outbox.show(tx, now, key=row.key, to=row.target, message=message, priority=Priority.COUNT, expires_at=row.expires_at)


def take_message(tx: Session, now: datetime, agent: Agent, *, channel: str, ts: str, text: str) -> Output | None:
    """A message of an agent's own Slack app is an output of it, once; None where the place is taken by another agent's."""
    occurred = datetime.fromtimestamp(float(ts), UTC)
    spec = spec_of(agent)
    insert = sqlite_insert if tx.get_bind().dialect.name == "sqlite" else postgres_insert
    row = insert(Output).values(
        agent_id=agent.id,
        ext_id=f"slack:{channel}:{ts}",
        occurred_at=occurred,
        received_at=now,
        content=blake2b(f"{channel}:{ts}".encode(), digest_size=16).hexdigest(),
        known=True,
        kind="message",
        text=text.replace("\0", "")[:20000] if text and spec.data.store_text is not False else None,
        channel_id=channel,
        slack_ts=ts,
        ours=False,
        local_day=local_day(occurred, agent.zone),
    )
    new = tx.scalar(row.on_conflict_do_nothing().returning(Output.id))
    found = tx.scalars(select(Output).where(Output.channel_id == channel, Output.slack_ts == ts)).first()
    if new is not None:
        counts = Counts()
        counts.add(agent.id, agent.zone, counting.OUTPUTS, occurred)
        counts.add(agent.id, agent.zone, counting.OUTPUTS_SHOWN, occurred)
        counts.write(tx, now)
        mark_dirty(tx, now, [agent.id])
    return found if found is not None and found.agent_id == agent.id else None


def app_of(message: object) -> str | None:
    """The Slack app that wrote a message, as the event or the shortcut tells it."""
    if not isinstance(message, dict):
        return None
    profile = message.get("bot_profile") or {}
    found = message.get("app_id") or (profile.get("app_id") if isinstance(profile, dict) else None)
    return str(found) if found else None


def agent_of_app(tx: Session, app_id: str | None) -> Agent | None:
    """The live agent whose own Slack app this is; None where two agents share it (it would be a guess)."""
    if not app_id:
        return None
    found = list(tx.scalars(select(Agent).where(Agent.slack_app == app_id, Agent.archived_at.is_(None)).limit(2)))
    return found[0] if len(found) == 1 else None


def _channel(tx: Session, agent: Agent, spec: AgentSpec) -> str | None:
    if spec.outputs.in_ is None:
        return agent.channel_id
    found = find_channel(tx, spec.outputs.in_)
    return found.slack_id if found else (spec.outputs.in_ if not spec.outputs.in_.startswith("#") else None)


def _show(tx: Session, now: datetime, agent: Agent, spec: AgentSpec, output: Output, channel: str) -> bool:
    number, cause = per_day(spec.outputs.post), None
    if number is not None:
        day = local_day(now, agent.zone)
        cause = f"sample:{agent.id}:{day}"
        if not _is_sampled(tx, now, agent, number, day, cause):
            return False
    key = f"output:{output.id}"
    if outbox.find(tx, key) is not None:
        return False
    rated = tallies(tx, [output.id])[output.id].people
    row = outbox.show(tx, now, key=key, to=channel, message=output_message(shown(agent, output), rated), priority=Priority.OUTPUT, expires_at=now + POSTED_WITHIN)
    row.cause = cause
    output.ours = True
    tx.flush()
    return True


def _is_sampled(tx: Session, now: datetime, agent: Agent, number: int, day: str, cause: str) -> bool:
    def decide() -> bool:
        posted, last = tx.execute(select(func.count(), func.max(OutMessage.created_at)).where(OutMessage.cause == cause)).one()
        start, end = day_bounds(day, agent.zone)
        return sample_now(number, int(posted), last, now, start, end, f"{agent.slug}:{day}")

    if number <= 0 or not decide():
        return False
    # Two processes at once: the second must see what the first has posted, or the day gets more than its number.
    tx.execute(select(Agent.id).where(Agent.id == agent.id).with_for_update(key_share=True))
    return decide()


def plain_words(event: dict[str, object]) -> str:
    """The text of a Slack message; escaped text is turned back, since it is escaped again where it is shown."""
    return typed(str(event.get("text") or ""))
