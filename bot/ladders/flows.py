"""Starting, moving and stopping climbs: in one open transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from bot.agents.spec import StepSpec
from bot.db import wake
from bot.ladders import rules
from bot.ladders.reaching import Reach, reach_of
from bot.ladders.rules import NextCall, Place, Step
from bot.tables import Agent, Climb

BATCH = 100
CALLED_AT_ONCE = 50
POISON = timedelta(minutes=1)  # how long a climb that raised steps aside


def start_climb(tx: Session, now: datetime, kind: str, subject_id: int, steps: Iterable[StepSpec], *, is_new: bool = False) -> Climb:
    """Begin calling people about a subject; a climb already under way goes on as it is. A new subject has none."""
    found = live_climb(tx, kind, subject_id) if not is_new else None
    if found is not None:
        return found
    ordered = rules.in_order([Step(step.call, step.after) for step in steps])
    place = rules.begin(now)
    climb = Climb(
        subject_kind=kind,
        subject_id=subject_id,
        steps=[{"call": step.call, "after": int(step.after.total_seconds())} for step in ordered],
        round_at=now,
        next_at=rules.due(ordered, place),
        started_at=now,
    )
    tx.add(climb)
    if not is_new:
        tx.flush()
    wake(tx, "ladders")
    return climb


def stop_climb(tx: Session, now: datetime, kind: str, subject_id: int, why: str) -> bool:
    """Call nobody any more about this subject; says whether a climb was under way."""
    climb = live_climb(tx, kind, subject_id, lock=True)
    if climb is None:
        return False
    climb.stopped_at, climb.stopped_why, climb.next_at = now, why, None
    return True


def live_climb(tx: Session, kind: str, subject_id: int, *, lock: bool = False) -> Climb | None:
    """The climb under way about a subject; `lock` holds it until the commit, so that no call slips out meanwhile."""
    sought = select(Climb).where(Climb.subject_kind == kind, Climb.subject_id == subject_id, Climb.stopped_at.is_(None))
    if lock:
        sought = sought.with_for_update(key_share=True).execution_options(populate_existing=True)
    return tx.scalars(sought).first()


def may_be_due(now: datetime) -> ColumnElement[bool]:
    """Climbs whose time has come, or which the clock left behind."""
    left_behind = or_(and_(Climb.rung > 0, Climb.round_at > now + rules.LATE), Climb.next_at > now + rules.REST + rules.LATE)
    return or_(Climb.next_at <= now, left_behind)


def due_climbs(tx: Session, now: datetime, kind: str) -> list[Climb]:
    """A few climbs that may have to call now (see is_ready), claimed for this transaction: between them their calls go out."""
    sought = select(Climb).where(Climb.subject_kind == kind, Climb.next_at.is_not(None), may_be_due(now)).order_by(Climb.next_at)
    return list(tx.scalars(sought.limit(CALLED_AT_ONCE).with_for_update(skip_locked=True, key_share=True)))


def is_ready(climb: Climb, now: datetime) -> bool:
    """Whether a claimed climb is to call now; one that the clock left behind is set right first."""
    steps, place = steps_of(climb), place_of(climb)
    if rules.clock_went_back(steps, place, now):
        _stand(climb, steps, rules.set_back(steps, place, now))
    return climb.next_at is not None and climb.next_at <= now


def set_right(climb: Climb, now: datetime) -> bool:
    """Give a climb the time that its place on the ladder says; False where it has that already."""
    steps, place, was = steps_of(climb), place_of(climb), climb.next_at
    if rules.clock_went_back(steps, place, now):
        place = rules.set_back(steps, place, now)
    _stand(climb, steps, place)
    return climb.next_at != was


def take_rung(tx: Session, now: datetime, climb: Climb, agent: Agent) -> Reach:
    """Find whom to call now and move the climb on; the caller writes the calls."""
    steps, place = steps_of(climb), place_of(climb)
    reach = reach_of(tx, now, agent, steps, place.rung, climb)
    _stand(climb, steps, rules.after_calling(steps, place, reach.last, now))
    return reach


def hurry(tx: Session, now: datetime, climb: Climb) -> bool:
    """A call is known not to have arrived: the next rung of this round does not wait. Says whether there is one."""
    if climb.next_at is None or climb.rung == 0 or climb.next_at <= now:
        return False
    # The round is moved so that the rungs after it keep their distances.
    climb.round_at -= climb.next_at - now
    climb.next_at = now
    wake(tx, "ladders")
    return True


def call_next(tx: Session, now: datetime, kind: str, subject_id: int) -> bool:
    """Somebody asks for the next rung now, also where the climb has stopped since somebody answered.

    False where a call is under way already.
    """
    climb = _last_climb(tx, kind, subject_id)
    if climb is None or (climb.next_at is not None and climb.next_at <= now):
        return False
    _go_on(tx, now, climb, steps_of(climb), climb.rung, climb.round)
    return True


def call_anew(tx: Session, now: datetime, kind: str, subject_id: int, steps: Iterable[StepSpec]) -> Climb:
    """Begin a new round at the ladder's foot: whoever answered last is no longer on it."""
    climb = _last_climb(tx, kind, subject_id)
    if climb is None:
        return start_climb(tx, now, kind, subject_id, steps)
    ordered = rules.in_order([Step(step.call, step.after) for step in steps])
    climb.steps = [{"call": step.call, "after": int(step.after.total_seconds())} for step in ordered]
    _go_on(tx, now, climb, ordered, 0, climb.round + (1 if climb.rung else 0))
    return climb


def _last_climb(tx: Session, kind: str, subject_id: int) -> Climb | None:
    """The newest climb about a subject, under way or stopped, held until the commit."""
    sought = select(Climb).where(Climb.subject_kind == kind, Climb.subject_id == subject_id).order_by(Climb.id.desc()).limit(1)
    return tx.scalars(sought.with_for_update(key_share=True).execution_options(populate_existing=True)).first()


def _go_on(tx: Session, now: datetime, climb: Climb, steps: Sequence[Step], rung: int, round: int) -> None:
    climb.stopped_at, climb.stopped_why = None, ""
    # The round is moved so that the rungs after this one keep their distances.
    _stand(climb, steps, Place(rung, round, now - steps[rung].after))
    wake(tx, "ladders")


def step_aside(climb: Climb, now: datetime) -> None:
    """A climb that raised is tried again in a minute, and does not hold up the others."""
    climb.next_at = now + POISON


def next_call(tx: Session, climb: Climb, agent: Agent) -> NextCall | None:
    """Who is called next and when, for the message; None once the climb has stopped."""
    if climb.next_at is None:
        return None
    reach = reach_of(tx, climb.next_at, agent, steps_of(climb), climb.rung, climb)
    if not reach.anybody:
        return NextCall("the ladder begins again", f"round {climb.round + 1}", climb.next_at, climb.round + 1)
    return NextCall(reach.names(), reach.words, climb.next_at, climb.round)


def steps_of(climb: Climb) -> tuple[Step, ...]:
    return rules.in_order([Step(str(step["call"]), timedelta(seconds=int(step["after"]))) for step in climb.steps])


def place_of(climb: Climb) -> Place:
    return Place(climb.rung, climb.round, climb.round_at)


def _stand(climb: Climb, steps: Sequence[Step], place: Place) -> None:
    climb.rung, climb.round, climb.round_at = place.rung, place.round, place.round_at
    climb.next_at = rules.due(steps, place)
