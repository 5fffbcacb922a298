"""How long things are kept: texts as long as the registry says (`data.store_text`), 5-minute counters nine days, what events told in detail 90."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import takewhile

from sqlalchemy import delete, null, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from bot.agents.reading import spec_of
from bot.lanes import Lanes, Urgency
from bot.marks import mark_of, put_mark
from bot.quality.counting import TALLIES_KEPT
from bot.tables import Agent, Attempt, Evaluation, OutMessage, Output, Ping, Request, Run, Tally

EVERY = timedelta(hours=6)
BATCH = 200  # outputs of one transaction: a click waits for it on SQLite
LAST = 10  # pings of a check that stay, however old: a yearly job is judged by its last ones
GONE = "(This text is no longer kept.)"  # in our copy of what was posted; the post in Slack stays as it is


class Keeping:
    """Looks through all agents four times a day, beside the writers; only what is over costs them something."""

    def __init__(self, lanes: Lanes, events: timedelta = timedelta(days=90)) -> None:
        self._lanes, self._events = lanes, events
        self._looked_at: datetime | None = None

    async def step(self, now: datetime) -> bool:
        """Forget what is over, agent by agent, a few rows at a time."""
        if self._looked_at is not None and timedelta() <= now - self._looked_at < EVERY:
            return False
        self._looked_at = now
        for agent_id, kept in await self._lanes.read(_agents):
            await self._lanes.write(partial(_forget_counters, agent_id=agent_id, before=now - TALLIES_KEPT), urgency=Urgency.INTAKE)
            before = now - kept
            await self._lanes.write(partial(_forget_context, agent_id=agent_id, before=before), urgency=Urgency.INTAKE)
            after: tuple[datetime, int] | None = None
            while found := await self._lanes.read(partial(_texts, agent_id=agent_id, before=before, after=after)):
                after = found[-1]
                await self._lanes.write(partial(_forget_texts, ids=[id_ for _, id_ in found]), urgency=Urgency.INTAKE)
        for forget in (_forget_runs, _forget_pings, _forget_attempts):
            while await self._lanes.write(partial(forget, before=now - self._events), urgency=Urgency.INTAKE):
                pass
        return False


def _agents(tx: Session) -> list[tuple[int, timedelta]]:
    """Every agent, also those taken out of the registry, with how long its texts are kept."""
    return [(agent.id, spec_of(agent).data.store_text or timedelta()) for agent in tx.scalars(select(Agent).order_by(Agent.id))]


def _forget_counters(tx: Session, *, agent_id: int, before: datetime) -> None:
    tx.execute(delete(Tally).where(Tally.agent_id == agent_id, Tally.bucket_at < before), execution_options={"synchronize_session": False})


def _forget_context(tx: Session, *, agent_id: int, before: datetime) -> None:
    """What a request told of the conversation; what was asked and answered stays on record."""
    over = (Request.agent_id == agent_id, Request.received_at < before, Request.state != "open", Request.context.is_not(None))
    ids = tx.scalars(select(Request.id).where(*over)).all()
    if ids:
        tx.execute(update(Request).where(Request.id.in_(ids)).values(context=null()), execution_options={"synchronize_session": False})


def _texts(tx: Session, *, agent_id: int, before: datetime, after: tuple[datetime, int] | None) -> list[tuple[datetime, int]]:
    """The next outputs whose text is over."""
    wanted = select(Output.occurred_at, Output.id).where(Output.agent_id == agent_id, Output.occurred_at < before, or_(Output.text.is_not(None), Output.input.is_not(None)))
    if after is not None:
        at, id_ = after
        wanted = wanted.where(Output.occurred_at >= at, or_(Output.occurred_at > at, Output.id > id_))
    return [(at, id_) for at, id_ in tx.execute(wanted.order_by(Output.occurred_at, Output.id).limit(BATCH))]


def _forget_texts(tx: Session, *, ids: Sequence[int]) -> None:
    """Empty the texts of those outputs, what evaluators said of them, and our copies of what was posted."""
    quietly = {"synchronize_session": False}
    tx.execute(update(Output).where(Output.id.in_(ids)).values(text=None, input=None), execution_options=quietly)
    tx.execute(update(Evaluation).where(Evaluation.output_id.in_(ids), Evaluation.explanation.is_not(None)).values(explanation=None), execution_options=quietly)
    copies = (OutMessage.key.in_([f"output:{id_}" for id_ in ids]), OutMessage.state == "shown", OutMessage.shown_rev == OutMessage.want_rev)
    tx.execute(update(OutMessage).where(*copies).values(want={"text": GONE}), execution_options=quietly)


def _forget_runs(tx: Session, *, before: datetime) -> bool:
    """Empty what runs told beside what is counted. Their ids stay, so that a file imported again still counts nothing twice."""
    ids, more = _next(tx, Run, Run.received_at, before)
    if ids:
        tx.execute(update(Run).where(Run.id.in_(ids)).values(error=None, extra=null()), execution_options={"synchronize_session": False})
    return more


def _forget_pings(tx: Session, *, before: datetime) -> bool:
    ids, more = _next(tx, Ping, Ping.received_at, before)
    if ids:
        newer = aliased(Ping)
        last = select(newer.id).where(newer.check_id == Ping.check_id).order_by(newer.id.desc()).limit(1).offset(LAST - 1).scalar_subquery()
        tx.execute(delete(Ping).where(Ping.id.in_(ids), Ping.id < last), execution_options={"synchronize_session": False})
    return more


def _forget_attempts(tx: Session, *, before: datetime) -> bool:
    """How messages were delivered; attempts of unknown outcome stay until they are looked up."""
    ids, more = _next(tx, Attempt, Attempt.at, before)
    if ids:
        tx.execute(delete(Attempt).where(Attempt.id.in_(ids), Attempt.outcome.is_not(None)), execution_options={"synchronize_session": False})
    return more


def _next(tx: Session, table: type[Run | Ping | Attempt], came_at: InstrumentedAttribute[datetime], before: datetime) -> tuple[list[int], bool]:
    """The next rows that came before then, in the order they came, and whether there may be more. Each is met once: a mark says how far it went."""
    mark = f"kept: {table.__tablename__}"
    rows = tx.execute(select(table.id, came_at).where(table.id > mark_of(tx, mark).get("through", 0)).order_by(table.id).limit(BATCH)).all()
    over = [id_ for id_, _ in takewhile(lambda row: row[1] < before, rows)]
    if over:
        put_mark(tx, mark, {"through": over[-1]})
    return over, len(over) == BATCH
