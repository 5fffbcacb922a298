"""What becomes of open pages when an owner changes, and of all problems when an agent is no longer at work: in one open transaction."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from bot import audit
from bot.agents.names import ROLE_WORDS
from bot.blocks import Message, clip, escape
from bot.ladders.flows import live_climb
from bot.ladders.reaching import why_unable
from bot.paging import rules, showing
from bot.paging.calling import Links, call_person
from bot.paging.flows import close_problem, end_problem
from bot.paging.reading import calls_of, named, open_pages, open_problems, problems_of, was_called
from bot.paging.standing import locked, take_turn
from bot.people.quiet_hours import quiet_until
from bot.quality.flows import mark_dirty
from bot.tables import Agent, Check, Page, Person


def pass_pages(tx: Session, now: datetime, agent: Agent, role: str, old_id: int, new: Person, links: Links | None = None) -> tuple[str, ...]:
    """Open pages call the new owner from now on; where the old one was called and nobody answered, the new one is called at once.

    Whoever has acknowledged a page keeps it. Returns a line for each page, escaped.
    """
    take_turn(tx, [agent.id])
    told = []
    for found in sorted(open_pages(tx, [agent.id]), key=lambda page: page.id):
        page = locked(tx, found.id)
        if page.resolved_at is not None:
            continue
        if role == "operations" and page.owner_id == old_id:
            page.owner_id = new.id
        holder = tx.get(Person, page.acked_by) if page.acked_by is not None else None
        title = escape(clip(next((problem.title for problem in problems_of(tx, page.id)), "a check fails"), 150))
        if holder is not None:
            stands = f"{named(holder)} has it still" if holder.id != new.id else "you have it"
            words = f"{named(new)} is {ROLE_WORDS[role]} of {escape(agent.name)} now. {named(holder)} still has this page."
        elif _call_now(tx, now, page, old_id, new, role, links):
            stands, words = "nobody has it, and you are called", f"{named(new)} is {ROLE_WORDS[role]} of {escape(agent.name)} now, and is called."
        else:
            stands, words = "nobody has it", f"{named(new)} is {ROLE_WORDS[role]} of {escape(agent.name)} now, and is called in their turn."
        showing.add_line(tx, now, page, f"owner:{role}:{int(now.timestamp())}", Message(words))
        audit.record(tx, now, "page.pass_on", f"page:{page.id}", person_id=new.id, came_from="slack", words=words, evidence={"role": role, "from": old_id, "to": new.id})
        showing.show_page(tx, now, page)
        told.append(f"page {page.id}, {stands}: {title}")
    return tuple(told)


def _call_now(tx: Session, now: datetime, page: Page, old_id: int, new: Person, role: str, links: Links | None) -> bool:
    """The old one's call went to nobody who answers: the new one gets theirs."""
    climb = live_climb(tx, "page", page.id)
    if climb is None or climb.rung == 0 or page.quiet_until is not None or page.parent_id is not None or why_unable(tx, now, new):
        return False
    if not was_called(tx, page.id, old_id) or was_called(tx, page.id, new.id):
        return False
    before = len(calls_of(tx, page.id))
    quiet = quiet_until(new, now)
    for route in rules.routes_at_once(rules.routes_of(new.slack_id, new.wake, new.addresses), quiet=quiet is not None):
        call_person(tx, now, climb, page, new, route=route, round=climb.round, rung=max(climb.rung - 1, 0), role=ROLE_WORDS[role], before=before, links=links)
    return True


def close_all(tx: Session, now: datetime, agent: Agent, by: Person, why: str) -> int:
    """The agent is no longer at work: its problems close, its pages resolve, everybody called hears it once. Returns how many problems."""
    take_turn(tx, [agent.id])
    for page in sorted(open_pages(tx, [agent.id]), key=lambda each: each.id):
        locked(tx, page.id)
    problems = open_problems(tx, [agent.id])
    with showing.gathered(tx, now):
        for problem in problems:
            check = tx.get(Check, problem.check_id) if problem.check_id is not None else None
            if check is None or close_problem(tx, now, check, why, by_id=by.id) is None:
                end_problem(tx, now, problem, why)
    # When it works again, each check stands as new: a failure found then opens another problem.
    rest = {"state": "new", "fails": 0, "passes": 0, "since": None}
    tx.execute(update(Check).where(Check.agent_id == agent.id, Check.archived_at.is_(None), Check.wrong_at.is_(None)).values(**rest).execution_options(synchronize_session="fetch"))
    mark_dirty(tx, now, [agent.id])
    return len(problems)
