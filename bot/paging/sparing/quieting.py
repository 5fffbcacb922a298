"""Agreed quiet, as a problem and its page feel it: held back, shown as such, and calling again when it is over."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from bot import audit
from bot.agents.reading import ladder_of
from bot.blocks import Message
from bot.ladders.flows import call_anew, stop_climb
from bot.outbox import flows as outbox
from bot.outbox.rules import Priority
from bot.paging import showing
from bot.paging.reading import own_problems, quiet_words
from bot.quiet.messages import cover_words, held_back, held_over
from bot.quiet.reading import cover_of, covers_named
from bot.quiet.rules import Cover, Target
from bot.tables import Agent, Check, Page, Problem


def keeps_quiet(tx: Session, now: datetime, agent: Agent, check: Check | None, problem: Problem) -> bool:
    """Note on an open problem whether a silence or a window covers it now; True where it stays without a page because of that."""
    cover = _cover(tx, now, agent, check, problem)
    was = problem.quiet_until is not None
    if cover is not None:
        problem.quiet_by, problem.quiet_until = cover.key, cover.until
        tx.flush()
        if problem.page_id is None:
            show_held(tx, now, agent, problem)
            return True
    elif was:
        problem.quiet_until = None
        tx.flush()
        if problem.page_id is None and problem.severity == "page" and agent.channel_id:
            told = held_over(agent.name, problem.title, "The quiet that was agreed is over and it still fails: people are called now.")
            outbox.show(tx, now, key=_key(problem), to=agent.channel_id, message=told, priority=Priority.ANSWER)
    return False


def is_covered(tx: Session, now: datetime, agent: Agent, check: Check, problem: Problem) -> bool:
    """Whether a silence or a window covers it now."""
    return _cover(tx, now, agent, check, problem) is not None


def _cover(tx: Session, now: datetime, agent: Agent, check: Check | None, problem: Problem) -> Cover | None:
    return cover_of(tx, now, Target(agent.slug, agent.department, check.name if check else "", check.kind if check else "", problem.severity))


def show_held(tx: Session, now: datetime, agent: Agent, problem: Problem) -> None:
    """One quiet line in the owner channel: what fails, and why nobody is called; edited when it is over."""
    if not agent.channel_id:
        return
    cover = covers_named(tx, [problem.quiet_by or ""]).get(problem.quiet_by or "")
    if problem.closed_at is not None:
        told = held_over(agent.name, problem.title, problem.closed_why, problem.since, problem.closed_at)
    else:
        told = held_back(agent.name, problem.title, problem.says, problem.since, cover_words(cover) if cover else "silenced")
    outbox.show(tx, now, key=_key(problem), to=agent.channel_id, message=told, priority=Priority.ANSWER)


def reconcile(tx: Session, now: datetime, page: Page) -> None:
    """A page whose open problems are all quiet calls nobody; one that has another problem, or whose quiet is over, calls again.

    Who has acknowledged it keeps it all the while. The page's row is locked by the caller; showing it is theirs, too.
    """
    problems = own_problems(tx, page.id)  # what something else took down calls nobody here anyway
    if page.resolved_at is not None or page.test or not problems:
        page.quiet_until = None
        return
    quiet = [each.quiet_until for each in problems if each.quiet_until is not None]
    until = min(quiet) if len(quiet) == len(problems) else None
    if until is not None and page.quiet_until is None:
        page.quiet_until = until
        stop_climb(tx, now, "page", page.id, "its problems are silenced")
        outbox.drop(tx, showing.cause_of(page.id))
        why = quiet_words(tx, page, problems)
        audit.record(tx, now, "page.hold", f"page:{page.id}", came_from="timer", words=why, evidence={"until": until.isoformat()})
        showing.add_line(tx, now, page, f"quiet:{int(now.timestamp())}", Message(f"Nobody is called any more: {why}"))
    elif until is not None:
        page.quiet_until = until
    elif page.quiet_until is not None:
        page.quiet_until = None
        audit.record(tx, now, "page.release", f"page:{page.id}", came_from="timer")
        words = "The quiet that was agreed is over, and the problem is still there"
        if page.acked_at is None and page.parent_id is None:
            call_anew(tx, now, "page", page.id, ladder_of(tx, tx.get_one(Agent, page.agent_id)))
            words += ": calling begins from the start."
        elif page.acked_at is not None:
            words += ". Whoever has this page keeps it."
        else:
            words += "."
        showing.add_line(tx, now, page, f"loud:{int(now.timestamp())}", Message(words))


def _key(problem: Problem) -> str:
    return f"problem:{problem.id}:channel"
