"""Resolving a page by hand: at once where its checks are well; else looking again, or silencing a check that is wrong."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.agents.reading import owners_named
from bot.alone import alone
from bot.blocks import Message, clip, escape, when
from bot.db import wake
from bot.ladders.flows import BATCH
from bot.outbox import flows as outbox
from bot.outbox.rules import Priority
from bot.paging import showing
from bot.paging.flows import end_problem, resolve_page
from bot.paging.reading import named, own_problems
from bot.paging.sparing import cascades
from bot.paging.standing import locked
from bot.quality.flows import mark_dirty
from bot.stages.flows import stage_of
from bot.tables import Agent, Check, Page, Person, Problem

PATIENCE = timedelta(minutes=2)  # a look that takes longer is said to be outstanding


class Resolved(StrEnum):
    """What came of `Resolve`."""

    DONE = "done"
    FAILING = "failing"  # a check still fails: ask what to do
    OVER = "over"


def resolve(tx: Session, now: datetime, page_id: int, person: Person, *, came_from: str = "slack") -> Resolved:
    """Close a page whose checks are well, or rest because the agent is stopped; one that still fails is left as it is."""
    page = locked(tx, page_id)
    if page.resolved_at is not None:
        return Resolved.OVER
    failing = failing_of(tx, page)
    stopped = {problem.agent_id for problem, _ in failing if stage_of(tx, problem.agent_id).stage == "suspended"}
    if any(problem.agent_id not in stopped for problem, _ in failing):
        return Resolved.FAILING
    name = person.name or "Somebody"
    why = f"{name} resolved it while the agent is stopped; its checks look again once it is started." if stopped else f"{name} resolved it; the last look at the check was good."
    agents = {problem.agent_id for problem in own_problems(tx, page.id)} | {page.agent_id}
    for problem in own_problems(tx, page.id):
        _close(tx, now, problem, why)
    resolve_page(tx, now, page, why, by_id=person.id, came_from=came_from)
    mark_dirty(tx, now, agents)
    return Resolved.DONE


def failing_of(tx: Session, page: Page) -> list[tuple[Problem, Check]]:
    """The open problems whose check failed, or could not tell, when it was last looked at."""
    found = []
    for problem in own_problems(tx, page.id):
        check = tx.get(Check, problem.check_id) if problem.check_id is not None else None
        if check is not None and check.archived_at is None and not check.passes:
            found.append((problem, check))
    return found


def look_again(tx: Session, now: datetime, page_id: int, person: Person, *, came_from: str = "slack") -> bool:
    """"Fixed, checking again": every failing check is looked at now. It stays open if one still fails. False where it is over."""
    page = locked(tx, page_id)
    if page.resolved_at is not None:
        return False
    page.checking_at, page.checking_by = now, person.id
    for _, check in failing_of(tx, page):
        check.due_at = now
    wake(tx, "checks")
    wake(tx, "probes")
    audit.record(tx, now, "page.check_again", f"page:{page.id}", person_id=person.id, came_from=came_from)
    showing.add_line(tx, now, page, f"again:{int(now.timestamp())}", Message(f"{named(person)} says it is fixed: its checks are looked at again now."))
    return True


def set_aside(tx: Session, now: datetime, page_id: int, person: Person, check_id: int, *, came_from: str = "slack") -> bool:
    """"The check is wrong": it rests until its spec changes, and the owners are told. False where there is nothing to do any more."""
    page = locked(tx, page_id)
    found = next(((problem, check) for problem, check in failing_of(tx, page) if check.id == check_id), None)
    if page.resolved_at is not None or found is None:
        return False
    problem, check = found
    agent = tx.get_one(Agent, problem.agent_id)
    why = f"{person.name or 'Somebody'} says that the check {check.name} is wrong. It is silenced until it is changed in aiops.yml."
    _close(tx, now, problem, why)
    check.wrong_at, check.wrong_by, check.due_at, check.says = now, person.id, None, why
    audit.record(tx, now, "check.wrong", f"check:{agent.slug}:{check.name}", person_id=person.id, came_from=came_from, words=problem.says)
    showing.add_line(tx, now, page, f"wrong:{check.id}:{int(now.timestamp())}", Message(escape(why)))
    told = Message(
        f"{named(person)} silenced the check `{escape(check.name)}` of {escape(agent.name)} at {when(now)}, because the check itself is wrong. It said: {escape(clip(problem.says, 500))}\n"
        "Until it is changed in aiops.yml nobody is called by it. Please mend it, or take it out."
    )
    names = owners_named(tx, agent)
    for owner in (names.operations, names.business):
        if owner is not None and owner.slack_id and owner.person_id != person.id:
            outbox.show(tx, now, key=f"check:{check.id}:wrong:{int(now.timestamp())}:{owner.person_id}", to=owner.slack_id, message=told, priority=Priority.PAGE)
    if own_problems(tx, page.id):
        cascades.loosen(tx, now, page)
        showing.show_page(tx, now, page)
    else:
        resolve_page(tx, now, page, why, by_id=person.id, came_from=came_from)
    mark_dirty(tx, now, [agent.id])
    return True


def recheck_step(tx: Session, now: datetime) -> bool:
    """Tell what the look that somebody asked for has found, where the page is still open; says whether there was one."""
    asked = select(Page).where(Page.checking_at.is_not(None)).limit(BATCH)
    told = False
    for page in tx.scalars(asked.with_for_update(skip_locked=True, key_share=True)).all():
        with alone(tx, "a look asked for could not be told and is set aside", page=page.id) as tried:
            told = _tell_found(tx, now, page) or told
        if tried.failed:
            page.checking_at = None
    return told


def _tell_found(tx: Session, now: datetime, page: Page) -> bool:
    begun = page.checking_at or now
    failing = failing_of(tx, page)
    waits = [check for _, check in failing if check.looked_at is None or check.looked_at < begun or (check.due_at is not None and check.due_at <= begun)]
    if waits and now - begun < PATIENCE:
        return False
    page.checking_at = None
    if waits:
        words = "The look at the check is still outstanding: it takes longer than 2 minutes. The page stays open until it is good."
    elif failing:
        words = f"Looked again at {when(now)}: it still fails. " + " ".join(escape(clip(problem.says, 300)) for problem, _ in failing[:3]) + " The page stays open."
    else:
        words = "Looked again: this look was good. The page closes as soon as the check has been well as often as it asks for."
    _tell_asker(tx, now, page, begun, words)
    return True


def _tell_asker(tx: Session, now: datetime, page: Page, begun: datetime, words: str) -> None:
    """In the thread, and where whoever asked has the page in a DM, there too."""
    name = f"looked:{int(begun.timestamp())}"
    showing.add_line(tx, now, page, name, Message(words))
    root = showing.dm_key(page.id, page.checking_by or 0)
    if outbox.find(tx, root) is not None:
        outbox.line(tx, now, key=f"page:{page.id}:line:{name}:dm", thread=root, message=Message(words), priority=Priority.PAGE)
    showing.show_page(tx, now, page)


def _close(tx: Session, now: datetime, problem: Problem, why: str) -> None:
    """Close a problem by hand; its check stands as new, so that a failure found later opens another."""
    end_problem(tx, now, problem, why)
    check = tx.get(Check, problem.check_id) if problem.check_id is not None else None
    if check is not None:
        check.state, check.fails, check.passes, check.since, check.says = "new", 0, 0, None, ""
    tx.flush()
