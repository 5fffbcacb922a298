"""`page stats`: the pages of the last weeks, loaded and told, so that noise is visible."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from bot.blocks import Block, Message, context, escape, section
from bot.paging.noise.figures import SPANS, Called, Figures, PageFact, Share, figures_of
from bot.paging.words.phrases import span
from bot.quality.words import plural
from bot.tables import Agent, Call, Climb, Decision, Page, Person, Problem

ANSWERS = ("page.acknowledge", "page.take", "page.snooze")
SHOWN = 8
PART = 500  # ids in one question


def stats(tx: Session, now: datetime, agent_ids: Sequence[int] | None = None) -> list[Figures]:
    """The figures of each span of days, of these agents or of all."""
    facts = facts_of(tx, now - timedelta(days=max(SPANS)), agent_ids)
    return [figures_of(facts, now, days) for days in SPANS]


def facts_of(tx: Session, since: datetime, agent_ids: Sequence[int] | None = None) -> list[PageFact]:
    """Every page opened since then that tells something: no test, not part of another, and not about a check that comes and goes."""
    flapping = select(Problem.page_id).where(Problem.flapping_at.is_not(None), Problem.page_id.is_not(None))
    asked = select(Page, Agent.slug).join(Agent, Agent.id == Page.agent_id)
    asked = asked.where(Page.opened_at > since, Page.test.is_(False), Page.parent_id.is_(None), Page.id.not_in(flapping))
    if agent_ids is not None:
        shared = select(Problem.page_id).where(Problem.agent_id.in_(agent_ids), Problem.page_id.is_not(None))
        asked = asked.where(or_(Page.agent_id.in_(agent_ids), Page.id.in_(shared)))  # a page may be about several agents
    rows = tx.execute(asked.order_by(Page.opened_at)).all()
    ids = [page.id for page, _ in rows]
    answered: dict[str, datetime] = {}
    called: dict[int, dict[int, Called]] = {}
    for first in range(0, len(ids), PART):
        part = ids[first : first + PART]
        # A page forgets who had it once their hold ends; the decisions do not.
        subjects = [f"page:{page_id}" for page_id in part]
        given = select(Decision.subject, func.min(Decision.at)).where(Decision.subject.in_(subjects), Decision.action.in_(ANSWERS)).group_by(Decision.subject)
        answered.update({subject: at for subject, at in tx.execute(given)})  # noqa: C416 - rows are no pairs to mypy
        calls = select(Climb.subject_id, Call.called_at, Person.id, Person.name, Person.zone).join(Climb, Climb.id == Call.climb_id).join(Person, Person.id == Call.person_id)
        calls = calls.where(Climb.subject_kind == "page", Climb.subject_id.in_(part), Call.state != "dropped").order_by(Call.called_at, Call.id)
        for page_id, at, person_id, name, zone in tx.execute(calls):
            called.setdefault(page_id, {}).setdefault(person_id, Called(person_id, name or "someone", at, zone or "UTC"))
    return [
        PageFact(slug, page.opened_at, answered.get(f"page:{page.id}"), page.resolved_at, page.resolved_by is not None, tuple(called.get(page.id, {}).values()))
        for page, slug in rows
    ]


# --- in words --------------------------------------------------------------------------------------------------------


def stats_message(found: Sequence[Figures], *, about: str, sees: frozenset[int] | None, one_agent: bool) -> Message:
    """The answer to `/aiops page stats`. `sees` are the people whose own line is told; None for all of them."""
    title = f"Pages of {escape(about)}" if about else "Pages"
    blocks: list[Block] = [section(f"*{title}*")]
    lines: list[str] = [title]
    for each in found:
        told = span_lines(each, sees=sees, one_agent=one_agent)
        blocks.append(section("\n".join([f"*Last {each.days} days*", *(escape(line) for line in told)])))
        lines += [f"Last {each.days} days", *(escape(line) for line in told)]
    note = (
        "Answered: acknowledged, taken or snoozed for the first time. Night: 22:00 to 08:00 of whoever was called. "
        "Left out: tests, checks that come and go, and pages that became part of another one."
    )
    if sees is not None:
        note += " Of single people you see your own line; leads see everybody's."
    return Message("\n".join([*lines, note]), [*blocks, context(note)])


def span_lines(figures: Figures, *, sees: frozenset[int] | None, one_agent: bool) -> list[str]:
    """The figures of one span, in plain lines."""
    if not figures.pages:
        return ["No page was opened."]
    lines = [plural(figures.pages, "page") + (f", {figures.open} of them still open" if figures.open else "")]
    for words, times in (("Answered", figures.answer), ("Over", figures.recover)):
        if times.half is not None and times.nine_of_ten is not None:
            half, most = span(timedelta(seconds=times.half)), span(timedelta(seconds=times.nine_of_ten))
            lines.append(f"{words}: half of them within {half}, 9 of 10 within {most} (of {times.n})")
    if not figures.answer.n:
        lines.append("Answered: none")
    if figures.ended:
        lines.append(f"Noise: {figures.alone} of {figures.ended} went away by themselves, without anybody ({figures.alone / figures.ended:.0%})")
    if figures.hours:
        lines.append("At night: " + ", ".join(f"{hour:02}:00 {count}" for hour, count in figures.hours))
    else:
        lines.append("At night: nobody was woken")
    if not one_agent:
        lines.append("By agent: " + _shares(figures.agents, noise=True))
    people = [each for each in figures.people if sees is None or each.id in sees]
    if people:
        lines.append(("By person called: " if sees is None else "You were called about: ") + _shares(people, noise=False, names=sees is None))
    return lines


def _shares(shares: Sequence[Share], *, noise: bool, names: bool = True) -> str:
    told = []
    for each in shares[:SHOWN]:
        more = [f"{each.night} at night"] if each.night else []
        more += [f"{each.alone} by themselves"] if noise and each.alone else []
        told.append(f"{f'{each.name} ' if names else ''}{each.pages if names else plural(each.pages, 'page')}" + (f" ({', '.join(more)})" if more else ""))
    left = len(shares) - SHOWN
    return ", ".join(told) + (f", and {left} more" if left > 0 else "")
