"""Problems open and close; pages are answered: what happens, in one open transaction."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.agents.spec import StepSpec
from bot.blocks import Message, escape, when
from bot.db import wake
from bot.known import forget, known
from bot.ladders.flows import start_climb, stop_climb
from bot.outbox import flows as outbox
from bot.outbox.rules import Priority
from bot.paging import messages, rules, showing
from bot.paging.ahead import HELD
from bot.paging.reading import check_of, named, own_problems, problem_view
from bot.paging.rules import Finding
from bot.paging.scope import require_on
from bot.paging.sparing import cascades, flapping, grouping, quieting
from bot.paging.standing import hold_until, locked, take_turn
from bot.paging.viewing import page_view
from bot.paging.words.phrases import by_check
from bot.people.flows import Refused, actor_of
from bot.people.rules import Act
from bot.quality.flows import mark_dirty
from bot.tables import Agent, Check, Page, Person, Problem


class Answered(StrEnum):
    """What came of somebody answering a page."""

    DONE = "done"
    ALREADY = "already"  # somebody has it
    OVER = "over"  # it has resolved
    PART = "part"  # it is part of another page, and calls nobody


def open_problem(tx: Session, now: datetime, check: Check, finding: Finding) -> Problem:
    """A check fails: one problem per check. Severity `page` calls people, `notice` is shown and calls nobody.

    Who opens several in one transaction takes the turns of all their agents first (standing.take_turn).
    """
    take_turn(tx, [check.agent_id])
    # The agent's row is the gate of its problems: two processes must not open two for one check.
    agent = known(tx, HELD, check.agent_id, lambda: tx.scalars(select(Agent).where(Agent.id == check.agent_id).with_for_update(key_share=True)).one())
    problem = known(tx, "open problem", check.id, lambda: tx.scalars(select(Problem).where(Problem.check_id == check.id, Problem.closed_at.is_(None))).first())
    forget(tx, "open problem", check.id)
    is_new = problem is None
    if problem is None:
        problem = Problem(
            agent_id=agent.id,
            check_id=check.id,
            fingerprint=f"{agent.slug}:{check.name}",
            severity=check.severity,
            since=finding.since or now,
            opened_at=now,
            title=finding.title,
            says=finding.says,
        )
        tx.add(problem)
    flapping.fails_again(now, problem)
    problem.title, problem.says, problem.evidence = finding.title, finding.says, dict(finding.evidence)
    if rules.RANK.get(check.severity, 0) > rules.RANK.get(problem.severity, 0):
        problem.severity = check.severity  # what was a notice is worth a page now
    if is_new and grouping.opens_with_others(tx, now, agent, check, problem):
        mark_dirty(tx, now, [agent.id])
        return problem
    tx.flush()
    flaps = is_new and flapping.opens(tx, now, check, problem)
    if not quieting.keeps_quiet(tx, now, agent, check, problem):
        place_problem(tx, now, agent, check, problem)
    if flaps and problem.page_id is not None:
        words = f"{escape(agent.name)}: {escape(problem.title)}. It comes and goes: it failed {problem.turns} times since {when(problem.flapping_at or now)}. From now on it is held open, without a new page each time, until it has been the same for {messages.span(rules.STEADY)}."
        showing.add_line(tx, now, tx.get_one(Page, problem.page_id), f"flaps:{problem.id}", Message(words))
    mark_dirty(tx, now, [agent.id])
    return problem


def place_problem(tx: Session, now: datetime, agent: Agent, check: Check, problem: Problem) -> None:
    """Show an open problem where it belongs: a notice in the channel, on the page of what took it down, or on a page that calls people. The agent's row is held."""
    if problem.severity != "page":
        _show_notice(tx, now, agent, check, problem)
        return
    for page_id in dict.fromkeys((problem.under_id, problem.page_id)):
        if page_id is not None:
            showing.show_page(tx, now, tx.get_one(Page, page_id))
    if problem.page_id is None and problem.under_id is None and cascades.comes_from_above(tx, now, agent, problem) is None:
        page = grouping.put_on_page(tx, now, agent, problem)
        tx.flush()
        cascades.take_down(tx, now, agent, problem, page)


def close_problem(tx: Session, now: datetime, check: Check, why: str, *, recovered: bool = False, by_id: int | None = None) -> Problem | None:
    """The check is well again (`recovered`) or gone: its problem closes, and a page without open problems resolves itself (or by `by_id`).

    A problem that comes and goes is held open when it recovers, until it has been well for a while.
    """
    take_turn(tx, [check.agent_id])
    problem = tx.scalars(select(Problem).where(Problem.check_id == check.id, Problem.closed_at.is_(None)).with_for_update(key_share=True)).first()
    if problem is None:
        return None
    agent = tx.get_one(Agent, check.agent_id)
    if recovered and flapping.recovers(now, problem):
        tx.flush()
        place_problem(tx, now, agent, check, problem)
        return problem
    end_problem(tx, now, problem, why)
    if problem.page_id is None and problem.under_id is None and problem.quiet_until is not None:
        quieting.show_held(tx, now, agent, problem)
    elif problem.page_id is None and problem.under_id is None:
        _show_notice(tx, now, agent, check, problem)
    else:
        _off_page(tx, now, problem, why, by_id)
    mark_dirty(tx, now, [agent.id])
    return problem


def end_problem(tx: Session, now: datetime, problem: Problem, why: str) -> None:
    """The row of a problem that is over: no timer of it is left."""
    problem.closed_at, problem.closed_why = now, why
    problem.steady_at = problem.free_at = None
    tx.flush()


def _off_page(tx: Session, now: datetime, problem: Problem, why: str, by_id: int | None = None) -> None:
    if problem.under_id is not None and problem.under_id != problem.page_id:
        showing.show_page(tx, now, tx.get_one(Page, problem.under_id))
    if problem.page_id is None:
        return
    page = locked(tx, problem.page_id)
    still = own_problems(tx, page.id)
    if still:
        showing.add_line(tx, now, page, f"recovered:{problem.id}", Message(f"{'Recovered' if by_id is None else 'Closed'}: {escape(problem.title)}{by_check(check_of(problem))}. {escape(why)} {len(still)} still open."))
        quieting.reconcile(tx, now, page)
        cascades.loosen(tx, now, page)
        showing.show_page(tx, now, page)
    elif page.resolved_at is not None or cascades.stand_by(tx, now, page):
        showing.show_page(tx, now, page)
    else:
        resolve_page(tx, now, page, why, by_id)


def resolve_page(tx: Session, now: datetime, page: Page, why: str, by_id: int | None = None, *, came_from: str = "slack") -> None:
    """It is over: calls not yet sent are dropped, every place is edited, everybody called is told quietly."""
    page.resolved_at, page.resolved_why, page.ack_due_at, page.checking_at, page.quiet_until = now, why, None, None, None
    page.resolved_by = by_id
    stop_climb(tx, now, "page", page.id, "it recovered" if by_id is None else "it was resolved")
    outbox.drop(tx, showing.cause_of(page.id))
    audit.record(tx, now, "page.resolve", f"page:{page.id}", person_id=by_id, came_from="timer" if by_id is None else came_from, words=why)
    showing.add_line(tx, now, page, "over", messages.over_line(page_view(tx, page)))
    tx.flush()
    cascades.loosen(tx, now, page)
    showing.show_page(tx, now, page)
    showing.tell_all(tx, now, page)
    wake(tx, "incidents")


def acknowledge(tx: Session, now: datetime, page_id: int, person_id: int, *, took: bool = False, came_from: str = "slack", until: datetime | None = None) -> Answered:
    """Somebody has it: the climb stops and every place says who. Does not resolve. Leave was asked before.

    `until` is the end they chose (a snooze); otherwise it ends after 4 hours, or in their morning.
    """
    page = locked(tx, page_id)
    if page.resolved_at is not None:
        return Answered.OVER
    if page.parent_id is not None:
        return Answered.PART
    if page.acked_at is not None:
        return Answered.ALREADY
    person = tx.get_one(Person, person_id)
    page.acked_at, page.acked_by, page.took, page.renewed_at = now, person_id, took, None
    hold_until(page, now, until or rules.ack_ends(now, person.zone or "UTC"), snoozed=until is not None)
    stop_climb(tx, now, "page", page.id, f"{person.name} answered")
    outbox.drop(tx, showing.cause_of(page.id))
    verb, act = ("snoozed it", "page.snooze") if page.snoozed else ("took it", "page.take") if took else ("acknowledged", "page.acknowledge")
    waited = messages.span(now - page.opened_at)
    ends = {"until": page.ack_until.isoformat()} if page.ack_until else {}
    audit.record(tx, now, act, f"page:{page.id}", person_id=person_id, came_from=came_from, words=f"after {waited}", evidence=ends)
    if page.test:
        page.resolved_at, page.resolved_by, page.ack_due_at = now, person_id, None
        page.resolved_why = f"you answered this test page {waited} after it was sent, so calls do reach you."
        showing.show_page(tx, now, page)
        return Answered.DONE
    showing.add_line(tx, now, page, f"acked:{int(now.timestamp())}", Message(f"{named(person)} {verb}, {waited} after the page opened. {messages.quiet_until(page.ack_until)}"))
    showing.show_page(tx, now, page)
    mark_dirty(tx, now, [page.agent_id])
    return Answered.DONE


def ack_page(tx: Session, now: datetime, page_id: int, person: Person, *, came_from: str = "cli") -> str:
    """Acknowledge from outside Slack (`aiops ack`, a signed link); returns the words for the one who asked.

    Raises Refused for somebody who may not, and LookupError where there is no such page.
    """
    page = tx.get(Page, page_id)
    if page is None:
        raise LookupError(f"There is no page {page_id}.")
    require_on(tx, page, actor_of(person), Act.ACKNOWLEDGE)
    return told(tx, page, acknowledge(tx, now, page_id, person.id, came_from=came_from), person.id)


def told(tx: Session, page: Page, answered: Answered, person_id: int) -> str:
    """What to say to somebody who answered a page."""
    tx.refresh(page)
    by = tx.get(Person, page.acked_by) if page.acked_by else None
    if answered is Answered.DONE and page.test:
        return f"Thank you: {escape(page.resolved_why)}"
    if answered is Answered.OVER or page.test:
        return f"This page is over: {escape(page.resolved_why)} There is nothing to do."
    if answered is Answered.PART:
        return f"This page is part of page {page.parent_id}: what fails here comes from there, and nobody is called about it by itself. There is nothing to do for you."
    if answered is Answered.DONE:
        return f"You have it. {messages.quiet_until(page.ack_until)} The page resolves itself when the check recovers."
    if page.acked_by == person_id:
        return f"You have it already. {messages.quiet_until(page.ack_until)}"
    return f"{named(by) if by else 'Somebody'} has it already, so there is nothing for you to do. Thank you."


def send_test_page(tx: Session, now: datetime, agent: Agent, person: Person) -> Page:
    """A real page, calls and all, to this person only; it ends when they acknowledge it, and says how long that took."""
    sought = select(Page).where(Page.test, Page.agent_id == agent.id, Page.owner_id == person.id, Page.resolved_at.is_(None))
    found = tx.scalars(sought).first()
    if found is not None:
        return found
    if person.kind != "member" or not person.active:
        raise Refused("Test pages go to full members of this workspace.")
    page = Page(agent_id=agent.id, owner_id=person.id, severity="page", opened_at=now, test=True)
    tx.add(page)
    tx.flush()
    start_climb(tx, now, "page", page.id, [StepSpec(call=f"person:{person.id}")])
    audit.record(tx, now, "page.test", f"page:{page.id}", person_id=person.id)
    return page


def _show_notice(tx: Session, now: datetime, agent: Agent, check: Check, problem: Problem) -> None:
    if agent.channel_id:
        told = messages.notice_message(problem_view(problem), agent.name, check.why, problem.closed_why)
        outbox.show(tx, now, key=f"problem:{problem.id}:channel", to=agent.channel_id, message=told, priority=Priority.ANSWER)
