"""What takes what down: failures that come from another one are listed on its page, and call nobody by themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from bot import audit
from bot.agents.dependencies import graph_of
from bot.blocks import Message, escape
from bot.ladders.flows import stop_climb
from bot.outbox import flows as outbox
from bot.outbox.rules import Priority
from bot.paging import messages, rules, showing
from bot.paging.reading import own_problems
from bot.paging.standing import locked
from bot.paging.viewing import page_view, short_lead
from bot.paging.words.phrases import LISTED, listed
from bot.tables import Agent, Call, Climb, OutMessage, Page, Person, Problem

_CHUNK = 500
T = TypeVar("T")


def comes_from_above(tx: Session, now: datetime, agent: Agent, problem: Problem) -> Page | None:
    """Where something it depends on has a page, the problem is listed there and calls nobody; returns that page."""
    root = _root_of(tx, agent, problem)
    if root is None:
        return None
    before = tx.scalars(select(Problem.id).where(Problem.under_id == root.id).limit(LISTED)).all()
    problem.under_id, problem.free_at = root.id, None
    tx.flush()
    if len(before) < LISTED:  # of very many the page tells the count
        showing.add_line(tx, now, root, f"down:{problem.id}", Message(f"It takes down {escape(agent.name)} too: {escape(problem.says)} Nobody is called about that."))
    audit.record(tx, now, "page.down", f"page:{root.id}", came_from="timer", words=problem.says, evidence={"agent": agent.slug})
    showing.show_page(tx, now, root)
    return root


def take_down(tx: Session, now: datetime, agent: Agent, problem: Problem, page: Page) -> None:
    """A root fails: what is open because of it, on pages already out too, becomes part of its page."""
    graph = graph_of(tx)
    check = problem.fingerprint.partition(":")[2]
    slugs = sorted(graph.dependents(agent.slug, check))
    found: list[tuple[Problem, Agent]] = []
    for part in _parts(slugs):
        sought = select(Problem, Agent).join(Agent, Agent.id == Problem.agent_id).where(Problem.closed_at.is_(None), Problem.severity == "page", Agent.slug.in_(part))
        found += [(each, other) for each, other in tx.execute(sought.where(Problem.id != problem.id, or_(Problem.page_id.is_not(None), Problem.under_id.is_not(None))))]
    found = [(each, other) for each, other in found if each.under_id != page.id and graph.takes_down(agent.slug, check, other.slug, each.fingerprint.partition(":")[2])]
    standing = _standing(tx, {each.under_id for each, _ in found if each.under_id is not None})
    taken = [(each, other) for each, other in found if each.under_id is None or each.free_at is not None or each.under_id not in standing]
    if not taken:
        return
    for each, _ in taken:
        each.under_id, each.free_at = page.id, None
    tx.flush()
    out = sorted({each.page_id for each, _ in taken if each.page_id is not None} - {page.id})
    parts = [made for page_id in out if (made := _becomes_part(tx, now, page_id, page)) is not None]
    below: list[Page] = []
    if parts:
        ids = [part.id for part in parts]
        # What these had taken down themselves comes from the same root; so do the pages that were part of them.
        for each in tx.scalars(select(Problem).where(Problem.under_id.in_(ids), Problem.closed_at.is_(None))):
            each.under_id, each.free_at = page.id, None
        below = list(tx.scalars(select(Page).where(Page.parent_id.in_(ids), Page.resolved_at.is_(None)).order_by(Page.id)))
        for each_page in below:
            each_page.parent_id = page.id
        tx.flush()
    names = list(dict.fromkeys(other.name for _, other in taken))
    showing.add_line(tx, now, page, f"takes:{problem.id}", Message(f"It takes down {escape(listed(names, len(names)))}: they were failing already, and nobody is called about them any more."))
    for made in [*parts, *below]:
        showing.show_page(tx, now, made)
    _tell_called(tx, now, page, parts, names)
    showing.show_page(tx, now, page)


def loosen(tx: Session, now: datetime, page: Page) -> None:
    """Something on a root's page recovered: what no open failure there takes down any more has 2 minutes to recover, too."""
    down = tx.execute(
        select(Problem, Agent.slug).join(Agent, Agent.id == Problem.agent_id).where(Problem.under_id == page.id, Problem.closed_at.is_(None), Problem.free_at.is_(None))
    ).all()
    if not down:
        return
    graph = graph_of(tx)
    left = [] if page.resolved_at is not None else [each.fingerprint.partition(":") for each in own_problems(tx, page.id)]
    freed = [each for each, slug in down if not any(graph.takes_down(above, check, slug, each.fingerprint.partition(":")[2]) for above, _, check in left)]
    for each in freed:
        each.free_at = now + rules.FREE_AFTER
    tx.flush()
    for part in tx.scalars(select(Page).where(Page.parent_id == page.id, Page.resolved_at.is_(None)).order_by(Page.id)):
        showing.show_page(tx, now, part)
    _mend_told(tx, now, page)


def stand_by(tx: Session, now: datetime, page: Page) -> bool:
    """A page left with nothing but what another one took down becomes part of that one; says whether it did."""
    under = tx.scalars(select(Problem.under_id).where(Problem.page_id == page.id, Problem.closed_at.is_(None), Problem.under_id.is_not(None), Problem.under_id != page.id).limit(1)).first()
    root = tx.get(Page, under) if under is not None else None
    if root is None:
        return False
    if page.parent_id is None:
        _becomes_part(tx, now, page.id, root)
    return True


def _root_of(tx: Session, agent: Agent, problem: Problem) -> Page | None:
    """The page of what took this problem down, held until the commit; None where nothing did."""
    graph = graph_of(tx)
    if not graph.concerns(agent.slug):
        return None
    whole, single = graph.roots(agent.slug, problem.fingerprint.partition(":")[2])
    prints = sorted(f"{slug}:{check}" for slug, check in single)
    found: list[Problem] = []
    above = select(Problem).where(Problem.closed_at.is_(None), Problem.severity == "page", Problem.id != problem.id, Problem.free_at.is_(None))
    above = above.where(or_(Problem.page_id.is_not(None), Problem.under_id.is_not(None)))
    for part in _parts(sorted(whole)):
        found += tx.scalars(above.where(Problem.agent_id.in_(select(Agent.id).where(Agent.slug.in_(part)))))
    for part in _parts(prints):
        found += tx.scalars(above.where(Problem.fingerprint.in_(part)))
    for each in sorted(found, key=lambda one: (one.opened_at, one.id)):
        page = locked(tx, each.under_id or each.page_id or 0)
        if _stands(page):
            return page
    return None


def _stands(page: Page) -> bool:
    """Whether a page can carry what its failures take down: it is open, nobody's part, and calls people (quiet is agreed for itself, not for others)."""
    return page.resolved_at is None and page.parent_id is None and page.quiet_until is None and not page.test


def _standing(tx: Session, page_ids: Iterable[int]) -> set[int]:
    return {page.id for part in _parts(sorted(page_ids)) for page in tx.scalars(select(Page).where(Page.id.in_(part))) if _stands(page)}


def _becomes_part(tx: Session, now: datetime, page_id: int, root: Page) -> Page | None:
    """Stop the calls of a page whose failures all come from a root; None where it has others, or is over."""
    page = locked(tx, page_id)
    if page.resolved_at is not None or page.test:
        return None
    if own_problems(tx, page.id):
        showing.show_page(tx, now, page)
        return None
    page.parent_id, page.ack_due_at, page.checking_at = root.id, None, None
    stop_climb(tx, now, "page", page.id, f"it is part of page {root.id}")
    outbox.drop(tx, showing.cause_of(page.id))
    lead = short_lead(tx, root)
    audit.record(tx, now, "page.part_of", f"page:{page.id}", came_from="timer", words=lead, evidence={"root": root.id})
    showing.add_line(tx, now, page, f"part:{root.id}", Message(f"It comes from page {root.id}: {escape(lead)}. Nobody is called about this one any more."))
    showing.show_page(tx, now, page)
    return page


def _tell_called(tx: Session, now: datetime, root: Page, parts: Sequence[Page], names: Sequence[str]) -> None:
    """One calm word to each person whom these pages called, however many they are; the root's owner hears it with their call."""
    ids = [part.id for part in parts]
    calls = list(tx.scalars(select(Call).join(Climb, Climb.id == Call.climb_id).where(Climb.subject_kind == "page", Climb.subject_id.in_(ids), Call.person_id.is_not(None)).order_by(Call.id))) if ids else []
    routes: dict[int, set[str]] = {}
    for call in calls:
        if call.person_id != root.owner_id and call.state != "dropped":
            routes.setdefault(call.person_id or 0, set()).add(call.route)
    if not routes:
        return
    told = messages.taken_over(page_view(tx, root), names, len(names))
    for person_id, used in routes.items():
        person = tx.get_one(Person, person_id)
        if person.slack_id:
            outbox.show(tx, now, key=_told_key(root.id, person_id), to=person.slack_id, message=told, priority=Priority.PAGE)
        if "email" in used and person.addresses.get("email"):
            key = f"{_told_key(root.id, person_id)}:email"
            outbox.call(tx, now, key=key, to=str(person.addresses["email"]), message=Message(told.text), cause=key, route="email")


def _mend_told(tx: Session, now: datetime, root: Page) -> None:
    """Those who got the calm word read there, too, that the root is over."""
    if root.resolved_at is None:
        return
    told = messages.taken_over(page_view(tx, root), (), 0)
    sought = select(OutMessage.key).where(OutMessage.key.startswith(f"page:{root.id}:told:"), OutMessage.route == "slack")
    for key in tx.scalars(sought).all():
        outbox.mend(tx, now, key, told)


def _told_key(page_id: int, person_id: int) -> str:
    return f"page:{page_id}:told:{person_id}"


def _parts(values: Sequence[T]) -> list[Sequence[T]]:
    return [values[first : first + _CHUNK] for first in range(0, len(values), _CHUNK)]
