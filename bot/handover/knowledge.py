"""Gathering what comes with a role: what is open, why each check is there, and where the runbook stands."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.agents.names import ROLE_WORDS
from bot.agents.reading import spec_of
from bot.blocks import clip, escape, when
from bot.handover.telling import Knowledge, Open
from bot.incidents.passing import open_follow_ups
from bot.incidents.reading import items_of, open_incidents
from bot.paging.reading import open_pages, open_problems, problems_of
from bot.people.flows import find_ref, owners_of
from bot.quiet.messages import plain_cover
from bot.quiet.reading import covers_of_agents
from bot.requests.reading import open_requests
from bot.stages.flows import MEANING, stage_of
from bot.tables import Agent, Check, Digest, DigestReview, Person, Request, Review

READ = 200  # rows of one kind: more are never told
DAY = "{date_short_pretty}"


def knowledge_of(tx: Session, now: datetime, agent: Agent, role: str, holder_id: int | None) -> Knowledge:
    """Everything that whoever takes this role should know, as it stands now."""
    spec, stage = spec_of(agent), stage_of(tx, agent.id)
    why = f" ({escape(clip(stage.reason, 200))})" if stage.reason else ""
    row = owners_of(tx, agent.id).get(role)
    holder = tx.get(Person, holder_id) if holder_id is not None else None
    name = escape(holder.name or "somebody") if holder is not None else "nobody"
    confirmed = "" if row is None or row.accepted_at is not None else ", never confirmed"
    return Knowledge(
        slug=agent.slug,
        stage=f"{stage.stage}: {MEANING[stage.stage]}, since {when(stage.since, DAY)}{why}",
        held=f"{name} is its {ROLE_WORDS[role]} since {when(row.since, DAY)}{confirmed}" if row is not None else f"nobody is its {ROLE_WORDS[role]}",
        open=open_things(tx, now, agent, holder_id),
        checks=tuple((each.name, f"{each.kind}, {'calls people' if each.severity == 'page' else 'only shows'}{', silenced as wrong' if each.wrong_at else ''}", each.why) for each in _checks(tx, agent)),
        inputs=tuple(_input(tx, input_name, each) for input_name, each in spec.inputs.items()),
        runbook=_runbook(spec.runbook),
    )


def open_things(tx: Session, now: datetime, agent: Agent, holder_id: int | None) -> tuple[Open, ...]:
    """What is open of an agent, kind by kind; what the one who hands over holds themself says so."""
    slug = agent.slug
    return (
        Open("Open pages", "open page", tuple(_pages(tx, agent)), "`/aiops page`"),
        Open("Open problems that call nobody", "open problem", tuple(_notices(tx, agent)), f"`/aiops status {slug}`"),
        Open("Running incidents", "running incident", tuple(_incidents(tx, agent, holder_id)), "`/aiops incident`"),
        Open("Follow-ups", "follow-up", tuple(_follow_ups(tx, now, agent)), f"`/aiops followups {slug}`"),
        Open("Requests that wait for an answer", "request", tuple(_requests(tx, agent)), f"`/aiops requests {slug}`"),
        Open("Reviews due", "review due", tuple(_reviews(tx, agent, holder_id)), "`/aiops mine`", many="reviews due"),
        Open("Agreed quiet", "agreed quiet time", tuple(escape(plain_cover(cover, agent.zone)) for cover in covers_of_agents(tx, now, [agent]).get(agent.id, [])), "`/aiops silence`"),
    )


def _pages(tx: Session, agent: Agent) -> Iterable[str]:
    for page in open_pages(tx, [agent.id])[:READ]:
        person = tx.get(Person, page.acked_by) if page.acked_by is not None else None
        title = next((problem.title for problem in problems_of(tx, page.id)), "a check fails")
        has = f"{escape(person.name)} has it" if person is not None else "nobody is called now" if page.quiet_until else "part of another page" if page.parent_id else "nobody has it"
        yield f"page {page.id} since {when(page.opened_at)}, {has}: {escape(clip(title, 200))}"


def _notices(tx: Session, agent: Agent) -> Iterable[str]:
    for problem in open_problems(tx, [agent.id])[:READ]:
        if problem.page_id is None and problem.under_id is None:
            yield f"since {when(problem.since)}: {escape(clip(problem.title, 200))}"


def _incidents(tx: Session, agent: Agent, holder_id: int | None) -> Iterable[str]:
    for incident in open_incidents(tx, [agent.id])[:READ]:
        items = [item for item in items_of(tx, incident.id) if item.state == "open"]
        lead = tx.get(Person, incident.lead_id) if incident.lead_id is not None else None
        mine = [str(item.position + 1) for item in items if item.assignee_id == holder_id and holder_id is not None]
        left = sum(item.required for item in items)
        given = f", step{'s'[: len(mine) > 1]} {', '.join(mine)} come{'s'[: len(mine) == 1]} to you" if mine else ""
        yield f"#{incident.id} {escape(clip(incident.title, 180))}: since {when(incident.opened_at, DAY)}, led by {escape(lead.name) if lead else 'nobody'}, {left} required step{'' if left == 1 else 's'} left{given}"


def _follow_ups(tx: Session, now: datetime, agent: Agent) -> Iterable[str]:
    for row in open_follow_ups(tx, agent.id)[:READ]:
        owner = tx.get_one(Person, row.owner_id)
        due = "was due" if row.due_at <= now else "due"
        yield f"{escape(clip(row.words, 180))}: {due} {when(row.due_at, DAY)}, with {escape(owner.name)}, of incident #{row.incident_id}"


def _requests(tx: Session, agent: Agent) -> Iterable[str]:
    rows: list[Request] = open_requests(tx, [agent.id], most=READ)[0]
    for row in rows:
        person = tx.get(Person, row.claimed_by) if row.claimed_by is not None else None
        yield f"{'approval' if row.kind == 'approval' else 'hand-off'} {row.id} since {when(row.received_at)}, {f'claimed by {escape(person.name)}' if person else 'claimed by nobody'}: {escape(clip(row.title, 180))}"


def _reviews(tx: Session, agent: Agent, holder_id: int | None) -> Iterable[str]:
    waiting = select(Digest.local_date).join(DigestReview, DigestReview.digest_id == Digest.id).where(DigestReview.agent_id == agent.id, DigestReview.reviewed_at.is_(None))
    for day in tx.scalars(waiting.where(DigestReview.person_id == holder_id).order_by(Digest.local_date.desc()).limit(READ)):
        yield f"the summary of {day} is not marked as reviewed"
    asked = tx.scalars(select(Review.id).where(Review.agent_id == agent.id, Review.person_id == holder_id, Review.state == "asked").limit(READ)).all()
    if asked:
        yield f"{len(asked)} output{'s'[: len(asked) > 1]} of the daily sample wait{'s'[: len(asked) == 1]} to be judged"


def _checks(tx: Session, agent: Agent) -> list[Check]:
    return list(tx.scalars(select(Check).where(Check.agent_id == agent.id, Check.archived_at.is_(None)).order_by(Check.severity.desc(), Check.name)))


def _input(tx: Session, name: str, spec: object) -> str:
    kind, owner, every = getattr(spec, "kind", "other"), getattr(spec, "owner", None), getattr(spec, "refresh", None)
    person = find_ref(tx, owner) if owner else None
    days = f", looked at every {every.days} days" if every is not None and every.days else ""
    return f"{escape(name)} ({escape(str(kind))}){days}, {f'kept by {escape(person.name)}' if person is not None else 'yours as operations owner'}"


def _runbook(runbook: str | None) -> str:
    if not runbook:
        return ""
    if runbook.startswith(("https://", "http://")) and not set(runbook) & set("<>|\" ") and len(runbook) <= 1500:
        return f"<{escape(runbook)}|{escape(clip(runbook, 120))}>"
    return escape(clip(" ".join(runbook.split()), 2000))


