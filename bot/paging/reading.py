"""What others ask about problems and pages, and a page as its messages show it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.agents.reading import owners_named, spec_of
from bot.blocks import channel_link, clip, escape
from bot.ladders.flows import next_call
from bot.paging.messages import CallView, PageView, ProblemView
from bot.paging.rules import RANK
from bot.quiet.messages import cover_words
from bot.quiet.reading import covers_named
from bot.stages.flows import stage_of
from bot.tables import Agent, Call, Change, Check, Climb, Incident, Page, Person, Problem

LATELY = timedelta(days=2)  # a change older than this is hardly why it fails now


def open_problems(tx: Session, agent_ids: Sequence[int] | None = None) -> list[Problem]:
    """The open problems (of these agents), the most severe and then the oldest first."""
    sought = select(Problem).where(Problem.closed_at.is_(None)).order_by(Problem.since, Problem.id)
    if agent_ids is not None:
        sought = sought.where(Problem.agent_id.in_(agent_ids))
    return sorted(tx.scalars(sought), key=lambda problem: -RANK.get(problem.severity, 0))


def open_pages(tx: Session, agent_ids: Sequence[int] | None = None, *, tests: bool = False) -> list[Page]:
    """The pages not yet resolved (of these agents), unacknowledged first, then the oldest."""
    sought = select(Page).where(Page.resolved_at.is_(None)).order_by(Page.opened_at, Page.id)
    if agent_ids is not None:
        sought = sought.where(Page.agent_id.in_(agent_ids))
    if not tests:
        sought = sought.where(Page.test.is_(False))
    return sorted(tx.scalars(sought), key=lambda page: page.acked_at is not None)


def open_page_of(tx: Session, agent_id: int) -> Page | None:
    """The one page that is open for an agent, tests left aside."""
    return next(iter(open_pages(tx, [agent_id])), None)


def calls_of(tx: Session, page_id: int) -> list[Call]:
    """Every call made about a page, in order."""
    climbs = select(Climb.id).where(Climb.subject_kind == "page", Climb.subject_id == page_id)
    return list(tx.scalars(select(Call).where(Call.climb_id.in_(climbs)).order_by(Call.called_at, Call.id)))


def was_called(tx: Session, page_id: int, person_id: int) -> bool:
    """Whether a page has called this person."""
    return any(call.person_id == person_id for call in calls_of(tx, page_id))


def problems_of(tx: Session, page_id: int) -> list[Problem]:
    """The problems on a page, open ones first."""
    rows = tx.scalars(select(Problem).where(Problem.page_id == page_id).order_by(Problem.opened_at, Problem.id))
    return sorted(rows, key=lambda problem: problem.closed_at is not None)


def page_view(tx: Session, page: Page) -> PageView:
    """A page as every place shows it."""
    agent = tx.get_one(Agent, page.agent_id)
    climb = tx.scalars(select(Climb).where(Climb.subject_kind == "page", Climb.subject_id == page.id).order_by(Climb.id.desc())).first()
    acked = tx.get(Person, page.acked_by) if page.acked_by else None
    problems = problems_of(tx, page.id)
    incident = tx.scalars(select(Incident.id).where(Incident.page_id == page.id, Incident.closed_at.is_(None))).first()
    stage = stage_of(tx, agent.id)
    by = tx.get(Person, stage.by_id) if stage.by_id else None
    return PageView(
        id=page.id,
        agent=agent.name,
        severity=page.severity,
        opened_at=page.opened_at,
        problems=_test_problem(page) if page.test else tuple(problem_view(problem) for problem in problems),
        calls=tuple(_call_view(tx, call) for call in calls_of(tx, page.id)),
        next=next_call(tx, climb, agent) if climb is not None and page.acked_at is None and page.resolved_at is None and not page.test else None,
        round=climb.round if climb else 1,
        acked_by=named(acked) if acked else None,
        acked_at=page.acked_at,
        took=page.took,
        until=page.ack_until if page.acked_at else None,
        snoozed=page.snoozed,
        lapsed_by=named(tx.get_one(Person, page.lapsed_by)) if page.lapsed_by else None,
        lapsed_at=page.lapsed_at,
        stage=stage.stage,
        ordered_by=named(by) if by and stage.since >= page.opened_at else None,
        ordered_at=stage.since,
        resolved_at=page.resolved_at,
        resolved_why=page.resolved_why,
        runbook=None if page.test else spec_of(agent).runbook,
        changes=() if page.test else _changes(tx, agent, page),
        incident=incident,
        test=page.test,
        unconfirmed=not page.test and not owners_named(tx, agent).confirmed,
        why=_why(tx, problems),
        quiet=quiet_words(tx, page, problems),
    )


def problem_view(problem: Problem) -> ProblemView:
    """A problem as messages tell it."""
    evidence = tuple((str(label), str(words)) for label, words in problem.evidence.items())
    return ProblemView(problem.title, problem.says, problem.since, evidence, problem.closed_at)


def named(person: Person) -> str:
    """Their name, escaped, pinging nobody."""
    return escape(person.name or person.email or "someone")


def _call_view(tx: Session, call: Call) -> CallView:
    person = tx.get(Person, call.person_id) if call.person_id else None
    name = named(person) if person else channel_link(call.target.removeprefix("channel:"))
    return CallView(name, call.called_at, call.route, call.state)


def _test_problem(page: Page) -> tuple[ProblemView, ...]:
    says = "This is a test: nothing is broken. A real page looks like this and says here what fails, since when, and how we know."
    return (ProblemView("a test, nothing is broken", says, page.opened_at),)


def _changes(tx: Session, agent: Agent, page: Page) -> tuple[str, ...]:
    sought = select(Change).where(Change.agent_id == agent.id, Change.occurred_at > page.opened_at - LATELY, Change.occurred_at <= page.opened_at)
    rows = tx.scalars(sought.order_by(Change.occurred_at.desc()).limit(3))
    return tuple(
        clip(f"{row.input} is now {row.version}" + (f": {row.note}" if row.note else ""), 200) + f" ({_before(page, row)})" for row in rows
    )


def _before(page: Page, change: Change) -> str:
    minutes = int((page.opened_at - change.occurred_at).total_seconds() // 60)
    return f"{minutes} min before" if minutes < 120 else f"{minutes // 60} h before"


def quiet_words(tx: Session, page: Page, problems: Sequence[Problem]) -> str:
    """Why a held page calls nobody: each agreement once."""
    if page.quiet_until is None:
        return ""
    keys = [each.quiet_by for each in problems if each.closed_at is None and each.quiet_until is not None and each.quiet_by]
    told = "; ".join(cover_words(cover) for cover in covers_named(tx, keys).values())
    return f"{told[:1].upper()}{told[1:]}" + ("" if told.endswith((".", "!", "?")) else ".")


def _why(tx: Session, problems: Sequence[Problem]) -> str:
    first = next((problem for problem in problems if problem.check_id is not None), None)
    check = tx.get(Check, first.check_id) if first is not None else None
    return check.why if check is not None else ""
