"""The daily review queue: a seeded sample of outputs, drawn from each kind, dealt to named reviewers, at most ten a day each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta

from sqlalchemy import ColumnElement, func, select, tuple_, update
from sqlalchemy.orm import Session

from bot.agents.reading import spec_of, workspace_of
from bot.agents.sampling import reviewers_of, sampling_of
from bot.agents.spec import WorkspaceSpec
from bot.alone import alone
from bot.calendars import at_local, day_bounds, is_working_day, local_day, next_working_time, parse_working_days
from bot.db import wake
from bot.feedback.messages import review_message
from bot.feedback.reading import last_of, review_day, reviews_for
from bot.feedback.rules import REVIEWS_BEFORE, deal, draw, may_show_text, share_of
from bot.outbox import flows as outbox
from bot.people.flows import is_away
from bot.quality.flows import mark_dirty, reobserve
from bot.tables import Agent, Drawn, Output, Person, PersonList, Review, ReviewTimer, Vote

PEOPLE_A_STEP = 10
ROLL_EVERY = timedelta(minutes=10)  # how often reviewers are looked up anew


def review_step(tx: Session, now: datetime) -> bool:
    """Draw the day's outputs for up to ten reviewers whose working morning has come."""
    wanted = select(ReviewTimer).where(ReviewTimer.due_at <= now).order_by(ReviewTimer.due_at, ReviewTimer.id).limit(PEOPLE_A_STEP)
    timers = list(tx.scalars(wanted.with_for_update(skip_locked=True).execution_options(populate_existing=True)))
    if not timers:
        return _first_timer(tx, now)
    workspace = workspace_of(tx)
    roll = reviewers_of(tx)
    for timer in timers:
        if timer.person_id is None:
            _look_up(tx, now, workspace, roll)
            timer.due_at = now + ROLL_EVERY
            continue
        person = tx.get_one(Person, timer.person_id)
        mine = [agent_id for agent_id, people in roll.items() if person.id in people]
        timer.due_at = _next_time(now, person, workspace) if mine else None
        if mine and _is_morning(now, person, workspace) and _is_present(tx, person.id, now):
            with alone(tx, "no reviews drawn; the person steps aside until tomorrow", person=person.id):
                _draw_for(tx, now, person, mine, roll, workspace)
        timer.asked_until = now
    tx.flush()
    return True


def reviews_judged(tx: Session, now: datetime, pairs: Iterable[tuple[int, int]], *, live: bool) -> None:
    """A reviewer's own vote, over whatever surface, answers their review; a vote taken back asks again.

    `pairs` are (output, person) whose votes may have changed. Call it before the output is observed anew.
    """
    wanted = sorted(set(pairs))
    for start in range(0, len(wanted), 300):
        chunk = wanted[start : start + 300]
        asked = list(tx.scalars(select(Review).where(tuple_(Review.output_id, Review.person_id).in_(chunk))))
        if not asked:
            continue
        votes = select(Vote.output_id, Vote.person_id).where(Vote.output_id.in_({review.output_id for review in asked}), Vote.good.is_not(None))
        judged = {(output_id, person_id) for output_id, person_id in tx.execute(votes)}
        changed = []
        for review in asked:
            state = "done" if (review.output_id, review.person_id) in judged else "asked" if review.state == "done" else review.state
            if state != review.state:
                review.state, review.done_at = state, now if state == "done" else None
                changed.append(review)
        tx.flush()
        if live:
            for person_id, day in sorted({(review.person_id, review.local_day) for review in changed}):
                show_reviews(tx, now, person_id, day, only_if_open=True)


def undo_review(tx: Session, now: datetime, review: Review) -> bool:
    """`Undo`: the reviewer's judgement (or their skipping) is as if it had not been; False where there is none."""
    if review.state == "skipped":
        review.state, review.done_at = "asked", None
        tx.flush()
        show_reviews(tx, now, review.person_id, review.local_day, only_if_open=False)
        return True
    return False


def skip_review(tx: Session, now: datetime, review: Review) -> None:
    """The reviewer cannot judge this one; it is not asked again."""
    if review.state == "asked":
        review.state, review.done_at = "skipped", now
        tx.flush()
    show_reviews(tx, now, review.person_id, review.local_day, only_if_open=False)


def show_reviews(tx: Session, now: datetime, person_id: int, day: str, *, only_if_open: bool) -> bool:
    """Show the reviewer's message of that day, one output at a time, in their DM; False where there is no way to."""
    tx.execute(
        update(PersonList).where(PersonList.person_id == person_id, PersonList.local_date == day, PersonList.look_at.is_not(None)).values(look_at=now)
    )
    wake(tx, "lists")
    key = f"reviews:{person_id}:{day}"
    person = tx.get_one(Person, person_id)
    if not person.slack_id or (only_if_open and outbox.find(tx, key) is None):
        return False
    outbox.show(tx, now, key=key, to=person.slack_id, message=review_message(reviews_for(tx, person_id, day), last_of(tx, person_id, day)))
    return True


def _draw_for(tx: Session, now: datetime, person: Person, agent_ids: Sequence[int], roll: dict[int, list[int]], workspace: WorkspaceSpec) -> None:
    day = review_day(person, now)
    had = tx.scalar(select(func.count()).select_from(Review).where(Review.person_id == person.id, Review.local_day == day)) or 0
    most = workspace.reviews_per_person - had
    if most <= 0:
        return
    parts = []
    for agent in tx.scalars(select(Agent).where(Agent.id.in_(agent_ids)).order_by(Agent.id)):
        reviewers = [each for each in roll[agent.id] if each == person.id or _is_present(tx, each, now)]
        sample = _sample(tx, now, agent, workspace)
        taken = _taken(tx, sample, person.id)
        dealt = share_of([(each.output_id, each.twice) for each in sample], reviewers, person.id)
        parts.append([output_id for output_id in dealt if output_id not in taken])
    chosen = deal(parts, most)
    owner = {row.id: row.agent_id for row in tx.execute(select(Output.id, Output.agent_id).where(Output.id.in_(chosen)).order_by(Output.id).with_for_update(key_share=True))}
    for output_id in chosen:
        tx.add(Review(agent_id=owner[output_id], output_id=output_id, person_id=person.id, local_day=day, state="asked"))
    tx.flush()
    # What somebody judged before it was drawn has been judged: the reviewer is not asked to press again.
    reviews_judged(tx, now, [(output_id, person.id) for output_id in chosen], live=False)
    for agent_id in sorted(set(owner.values())):
        reobserve(tx, now, agent_id, [output_id for output_id in chosen if owner[output_id] == agent_id], "people")
    mark_dirty(tx, now, set(owner.values()))


def _sample(tx: Session, now: datetime, agent: Agent, workspace: WorkspaceSpec) -> list[Drawn]:
    """The agent's seeded sample of the days since its last working day: drawn when the first reviewer asks, and kept.

    Each drawn output remembers from how many it was drawn, so that the estimate can weigh it; what is reported later
    was not in the draw, and is not spoken for by it.
    """
    per_day, twice = sampling_of(tx, now, agent).per_day, spec_of(agent).reviews.twice
    today = local_day(now, agent.zone)
    kept = select(Drawn).where(Drawn.agent_id == agent.id, Drawn.local_day == today).order_by(Drawn.place)
    found = list(tx.scalars(kept))
    if found or not per_day:
        return found
    # Two processes at once: the second must see the draw of the first.
    tx.execute(select(Agent.id).where(Agent.id == agent.id).with_for_update(key_share=True))
    if found := list(tx.scalars(kept)):
        return found
    first = _last_working_day(date.fromisoformat(today), workspace).isoformat()
    start, end = day_bounds(first, agent.zone)[0], day_bounds(today, agent.zone)[0]
    frame: dict[str, list[int]] = {}
    days: dict[int, str] = {}
    columns = select(Output.id, Output.kind, Output.local_day).outerjoin(Drawn, Drawn.output_id == Output.id)
    outputs = columns.where(Output.agent_id == agent.id, Output.occurred_at >= start, Output.occurred_at < end, Output.known, Drawn.id.is_(None), _can_be_seen(agent))
    for output_id, kind, day in tx.execute(outputs):
        frame.setdefault(kind, []).append(output_id)
        days[output_id] = day
    for place, each in enumerate(draw(frame, per_day, agent.slug, today, twice)):
        of = {"stratum": each.stratum, "population": each.population, "number": each.number, "place": place, "twice": each.twice}
        tx.add(Drawn(agent_id=agent.id, output_id=each.output_id, local_day=today, output_day=days[each.output_id], **of))
    tx.flush()
    return list(tx.scalars(kept))


def _can_be_seen(agent: Agent) -> ColumnElement[bool]:
    """What a reviewer can look at: its text where the registry lets that be shown, its address, or its place in Slack. Nobody is asked to judge blindly."""
    elsewhere = Output.url.is_not(None) | Output.slack_ts.is_not(None)
    return elsewhere | (Output.text != "") if may_show_text(spec_of(agent)) else elsewhere


def _last_working_day(today: date, workspace: WorkspaceSpec) -> date:
    working, holidays = parse_working_days(workspace.working_days), frozenset(workspace.holidays)
    for back in range(1, 15):
        if is_working_day(today - timedelta(days=back), working, holidays):
            return today - timedelta(days=back)
    return today - timedelta(days=1)


def _taken(tx: Session, sample: Sequence[Drawn], person_id: int) -> set[int]:
    """Those that this person was asked of before, or that as many were asked of as shall judge them."""
    twice = {each.output_id: each.twice for each in sample}
    asked: dict[int, set[int]] = {}
    for output_id, who in tx.execute(select(Review.output_id, Review.person_id).where(Review.output_id.in_(twice))):
        asked.setdefault(output_id, set()).add(who)
    return {output_id for output_id, people in asked.items() if person_id in people or len(people) > twice[output_id]}


def _is_present(tx: Session, person_id: int, now: datetime) -> bool:
    person = tx.get(Person, person_id)
    return person is not None and person.active and person.kind == "member" and is_away(tx, person_id, now) is None


def _first_timer(tx: Session, now: datetime) -> bool:
    """The one timer that looks reviewers up; made on the first step of a new database."""
    if tx.scalar(select(ReviewTimer.id).where(ReviewTimer.person_id.is_(None)).limit(1)) is not None:
        return False
    tx.add(ReviewTimer(person_id=None, due_at=now))
    tx.flush()
    return True


def _look_up(tx: Session, now: datetime, workspace: WorkspaceSpec, roll: dict[int, list[int]]) -> None:
    """Give every reviewer a timer who has none (or whose timer stopped when they had nothing to review)."""
    wanted = {person_id for people in roll.values() for person_id in people}
    timers = {timer.person_id: timer for timer in tx.scalars(select(ReviewTimer).where(ReviewTimer.person_id.is_not(None)))}
    for person_id in sorted(wanted):
        timer = timers.get(person_id)
        if timer is None:
            timer = ReviewTimer(person_id=person_id)
            tx.add(timer)
        if timer.due_at is None:
            timer.due_at = _next_time(now, tx.get_one(Person, person_id), workspace)
    tx.flush()


def _is_morning(now: datetime, person: Person, workspace: WorkspaceSpec) -> bool:
    """Whether today's draw is due: a timer that fires days late must not draw in the night, nor on a holiday."""
    today = date.fromisoformat(local_day(now, person.zone))
    working = is_working_day(today, parse_working_days(workspace.working_days), frozenset(workspace.holidays))
    return working and now >= at_local(today, _list_time(workspace), person.zone) - REVIEWS_BEFORE


def _list_time(workspace: WorkspaceSpec) -> time:
    hour, minute = (int(part) for part in workspace.digest.at.split(":"))
    return time(hour, minute)


def _next_time(now: datetime, person: Person, workspace: WorkspaceSpec) -> datetime:
    """Half an hour before the list of the person's next working day."""
    working = parse_working_days(workspace.working_days)
    return next_working_time(now + REVIEWS_BEFORE, _list_time(workspace), person.zone, working, frozenset(workspace.holidays)) - REVIEWS_BEFORE
