"""Problems open and close; pages are answered: what happens, in one open transaction."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.agents.reading import ladder_of, owners_named
from bot.agents.spec import StepSpec
from bot.blocks import Message, escape
from bot.db import wake
from bot.ladders.flows import live_climb, start_climb, stop_climb
from bot.outbox import flows as outbox
from bot.outbox.rules import Priority
from bot.paging import messages, quieting, rules, showing
from bot.paging.reading import named, open_page_of, page_view, problem_view, problems_of, was_called
from bot.paging.rules import Finding, Joins
from bot.people.flows import Actor, Refused, actor_of, require, roles_of
from bot.people.rules import Act, Role
from bot.quality.flows import mark_dirty
from bot.tables import Agent, Check, Page, Person, Problem


class Answered(StrEnum):
    """What came of somebody answering a page."""

    DONE = "done"
    ALREADY = "already"  # somebody has it
    OVER = "over"  # it has resolved


def open_problem(tx: Session, now: datetime, check: Check, finding: Finding) -> Problem:
    """A check fails: one problem per check. Severity `page` calls people, `notice` is shown and calls nobody."""
    # The agent's row is the gate: two processes must not open two pages for one agent.
    agent = tx.scalars(select(Agent).where(Agent.id == check.agent_id).with_for_update(key_share=True)).one()
    problem = tx.scalars(select(Problem).where(Problem.check_id == check.id, Problem.closed_at.is_(None))).first()
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
    problem.title, problem.says, problem.evidence = finding.title, finding.says, dict(finding.evidence)
    if rules.RANK.get(check.severity, 0) > rules.RANK.get(problem.severity, 0):
        problem.severity = check.severity  # what was a notice is worth a page now
    tx.flush()
    if not quieting.keeps_quiet(tx, now, agent, check, problem):
        place_problem(tx, now, agent, check, problem)
    mark_dirty(tx, now, [agent.id])
    return problem


def place_problem(tx: Session, now: datetime, agent: Agent, check: Check, problem: Problem) -> None:
    """Show an open problem where it belongs: a notice in the channel, or a page that calls people. The agent's row is held."""
    if problem.severity != "page":
        _show_notice(tx, now, agent, check, problem)
    elif problem.page_id is None:
        _put_on_page(tx, now, agent, problem)
    else:
        showing.show_page(tx, now, tx.get_one(Page, problem.page_id))


def _put_on_page(tx: Session, now: datetime, agent: Agent, problem: Problem) -> None:
    page = open_page_of(tx, agent.id)
    if page is None:
        operations = owners_named(tx, agent).operations
        page = Page(agent_id=agent.id, owner_id=operations.person_id if operations else None, severity=problem.severity, opened_at=now)
        tx.add(page)
        tx.flush()
        problem.page_id = page.id
        start_climb(tx, now, "page", page.id, ladder_of(tx, agent))
        audit.record(tx, now, "page.open", f"page:{page.id}", came_from="timer", words=problem.says, evidence=dict(problem.evidence))
        showing.show_page(tx, now, page, wait=True)
        return
    page = locked(tx, page.id)
    joins = rules.how_it_joins(page.severity, problem.severity)
    problem.page_id = page.id
    if joins is Joins.CALLING:
        page.severity = problem.severity
        let_go(page)
        stop_climb(tx, now, "page", page.id, "it became more severe: calling from the start")
        start_climb(tx, now, "page", page.id, ladder_of(tx, agent))
    showing.add_line(tx, now, page, f"joined:{problem.id}", Message(f"A further problem of {escape(agent.name)}: {escape(problem.says)}"))
    if page.acked_at is not None and page.ack_until is not None:
        # It worsened while somebody has it: their acknowledgement no longer waits for the morning.
        page.ack_until = rules.ack_ends_worsened(page.renewed_at or page.acked_at, page.ack_until, now)
        page.ack_due_at = max(now, rules.ack_due(page.renewed_at or page.acked_at, page.ack_until))
    audit.record(tx, now, "page.join", f"page:{page.id}", came_from="timer", words=problem.says, evidence={"joins": joins.value})
    quieting.reconcile(tx, now, page)
    showing.show_page(tx, now, page)


def close_problem(tx: Session, now: datetime, check: Check, why: str) -> Problem | None:
    """The check is well again (or gone): its problem closes, and a page without open problems resolves itself."""
    problem = tx.scalars(select(Problem).where(Problem.check_id == check.id, Problem.closed_at.is_(None)).with_for_update(key_share=True)).first()
    if problem is None:
        return None
    problem.closed_at, problem.closed_why = now, why
    tx.flush()
    agent = tx.get_one(Agent, check.agent_id)
    if problem.page_id is None and problem.quiet_until is not None:
        quieting.show_held(tx, now, agent, problem)
    elif problem.page_id is None:
        _show_notice(tx, now, agent, check, problem)
    else:
        _off_page(tx, now, problem, why)
    mark_dirty(tx, now, [agent.id])
    return problem


def _off_page(tx: Session, now: datetime, problem: Problem, why: str) -> None:
    page = locked(tx, problem.page_id or 0)
    still = [each for each in problems_of(tx, page.id) if each.closed_at is None]
    if still:
        showing.add_line(tx, now, page, f"recovered:{problem.id}", Message(f"Recovered: {escape(problem.title)}. {escape(why)} {len(still)} still open."))
        quieting.reconcile(tx, now, page)
        showing.show_page(tx, now, page)
    elif page.resolved_at is None:
        resolve_page(tx, now, page, why)


def resolve_page(tx: Session, now: datetime, page: Page, why: str, by_id: int | None = None) -> None:
    """It is over: calls not yet sent are dropped, every place is edited, everybody called is told quietly."""
    page.resolved_at, page.resolved_why, page.ack_due_at, page.checking_at, page.quiet_until = now, why, None, None, None
    page.resolved_by = by_id
    stop_climb(tx, now, "page", page.id, "it recovered" if by_id is None else "it was resolved")
    outbox.drop(tx, showing.cause_of(page.id))
    audit.record(tx, now, "page.resolve", f"page:{page.id}", person_id=by_id, came_from="timer" if by_id is None else "slack", words=why)
    showing.add_line(tx, now, page, "over", messages.over_line(page_view(tx, page)))
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


def hold_until(page: Page, now: datetime, until: datetime, *, snoozed: bool = False) -> None:
    """Nobody is called until then; the timer warns before."""
    page.ack_until, page.ack_due_at, page.snoozed = until, rules.ack_due(now, until), snoozed


def let_go(page: Page) -> None:
    """Nobody has it any more."""
    page.acked_at = page.acked_by = page.renewed_at = page.ack_until = page.ack_due_at = None
    page.took = page.snoozed = False


def page_roles(tx: Session, page: Page, actor: Actor) -> set[Role]:
    """All roles of somebody with regard to a page: also whether it called them, and whether they have it."""
    agent = tx.get_one(Agent, page.agent_id)
    roles = roles_of(tx, actor, agent.id, channel_id=agent.channel_id)
    if roles & {Role.GUEST, Role.STRANGER}:
        return roles
    if was_called(tx, page.id, actor.person_id):
        roles.add(Role.CALLED)
    if page.acked_by == actor.person_id:
        roles.add(Role.RESPONDER)
    return roles


def ack_page(tx: Session, now: datetime, page_id: int, person: Person, *, came_from: str = "cli") -> str:
    """Acknowledge from outside Slack (`aiops ack`, a signed link); returns the words for the one who asked.

    Raises Refused for somebody who may not, and LookupError where there is no such page.
    """
    page = tx.get(Page, page_id)
    if page is None:
        raise LookupError(f"There is no page {page_id}.")
    require(page_roles(tx, page, actor_of(person)), Act.ACKNOWLEDGE)
    return told(tx, page, acknowledge(tx, now, page_id, person.id, came_from=came_from), person.id)


def told(tx: Session, page: Page, answered: Answered, person_id: int) -> str:
    """What to say to somebody who answered a page."""
    tx.refresh(page)
    by = tx.get(Person, page.acked_by) if page.acked_by else None
    if answered is Answered.OVER or page.test:
        return f"This page is over: {escape(page.resolved_why)} There is nothing to do."
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


def locked(tx: Session, page_id: int) -> Page:
    """The page, held until the commit: first its climb and then itself, the order in which the calling step takes them."""
    live_climb(tx, "page", page_id, lock=True)
    return tx.scalars(select(Page).where(Page.id == page_id).with_for_update(key_share=True).execution_options(populate_existing=True)).one()


def _show_notice(tx: Session, now: datetime, agent: Agent, check: Check, problem: Problem) -> None:
    if agent.channel_id:
        told = messages.notice_message(problem_view(problem), agent.name, check.why, problem.closed_why)
        outbox.show(tx, now, key=f"problem:{problem.id}:channel", to=agent.channel_id, message=told, priority=Priority.ANSWER)
