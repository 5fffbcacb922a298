"""What waits for a person, source by source: each is one small function over indexed rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.agents.reading import ROLE_WORDS, retired_ids
from bot.blocks import button, clip
from bot.calendars import local_day
from bot.feedback.messages import review_button
from bot.feedback.reading import review_day
from bot.lists.messages import Item
from bot.quality.words import joined, plural
from bot.tables import (
    Agent,
    AgentOwner,
    Channel,
    Digest,
    DigestReview,
    FollowUp,
    Gap,
    Handover,
    Incident,
    IncidentItem,
    Page,
    Person,
    Problem,
    Review,
)

MOST = 50  # rows of one source: nobody works off more in a day


def pages_to_answer(tx: Session, now: datetime, person: Person) -> list[Item]:
    """Open pages of agents they operate that nobody has acknowledged."""
    rows = tx.execute(
        select(Page, Agent)
        .join(Agent, Agent.id == Page.agent_id)
        .where(Page.owner_id == person.id, Page.resolved_at.is_(None), Page.acked_at.is_(None), Page.test.is_(False), Page.parent_id.is_(None), Page.quiet_until.is_(None))
        .order_by(Page.opened_at)
        .limit(MOST)
    )
    return [
        Item(f"page:{page.id}", f"Answer the open page about {_whom(tx, page, agent)}", page.opened_at, button("Acknowledge", "paging.acknowledge", f"page:{page.id}", style="primary"))
        for page, agent in rows
    ]


def _whom(tx: Session, page: Page, agent: Agent) -> str:
    """The agent, and how many more are on its page."""
    more = (tx.scalar(select(func.count(Problem.agent_id.distinct())).where(Problem.page_id == page.id)) or 1) - 1
    return f"{agent.name} and {more} more" if more > 0 else agent.name


def incident_steps(tx: Session, now: datetime, person: Person) -> list[Item]:
    """The next step of each incident they lead; without a lead, the operations owner's."""
    owned = select(AgentOwner.agent_id).where(AgentOwner.person_id == person.id, AgentOwner.role == "operations", AgentOwner.until.is_(None))
    found = (
        select(Incident, Agent)
        .join(Agent, Agent.id == Incident.agent_id)
        .where(Incident.state == "open", (Incident.lead_id == person.id) | (Incident.lead_id.is_(None) & Incident.agent_id.in_(owned)))
        .order_by(Incident.opened_at)
        .limit(MOST)
    )
    items = []
    for incident, agent in tx.execute(found).all():
        steps = list(tx.scalars(select(IncidentItem).where(IncidentItem.incident_id == incident.id, IncidentItem.state == "open").order_by(IncidentItem.position)))
        required = [step for step in steps if step.required]
        step = next(iter(required or steps), None)
        detail = f"{incident.title}; {plural(len(required), 'required step')} left"
        if step is not None:
            what, press = f"Incident of {agent.name}: {step.words}", button("Done", "incidents.done", f"item:{step.id}", label=clip(f"Done: {step.words}", 75))
        else:
            what, press = f"Incident of {agent.name}: all steps are done, it can be closed", button("Close incident", "incidents.close", f"incident:{incident.id}")
        items.append(Item(f"incident:{incident.id}:{step.id if step else 'close'}", what, incident.opened_at, press, detail))
    return items


def steps_given(tx: Session, now: datetime, person: Person) -> list[Item]:
    """Steps of running incidents that were given to them, unless they lead those anyway."""
    rows = tx.execute(
        select(IncidentItem, Incident, Agent)
        .join(Incident, Incident.id == IncidentItem.incident_id)
        .join(Agent, Agent.id == Incident.agent_id)
        .where(Incident.state == "open", IncidentItem.state == "open", IncidentItem.assignee_id == person.id, (Incident.lead_id != person.id) | Incident.lead_id.is_(None))
        .order_by(Incident.opened_at, IncidentItem.position)
        .limit(MOST)
    )
    return [
        Item(
            f"step:{item.id}", f"Incident of {agent.name}: {item.words}", incident.opened_at,
            button("Done", "incidents.done", f"item:{item.id}", label=clip(f"Done: {item.words}", 75)), f"{incident.title}; step {item.position + 1} was given to you",
        )
        for item, incident, agent in rows
    ]  # fmt: skip


def follow_ups(tx: Session, now: datetime, person: Person) -> list[Item]:
    """What they promised so that a failure does not recur; and what went up to them as business owner."""
    business = select(AgentOwner.agent_id).where(AgentOwner.person_id == person.id, AgentOwner.role == "business", AgentOwner.until.is_(None))
    rows = tx.execute(
        select(FollowUp, Agent, Person)
        .join(Agent, Agent.id == FollowUp.agent_id)
        .join(Person, Person.id == FollowUp.owner_id)
        .where(FollowUp.closed_at.is_(None), (FollowUp.owner_id == person.id) | (FollowUp.escalated_at.is_not(None) & FollowUp.agent_id.in_(business)))
        .order_by(FollowUp.due_at, FollowUp.id)
        .limit(MOST)
    )
    items = []
    for row, agent, owner in rows:
        mine = row.owner_id == person.id
        day = at_zone(row.due_at, person.zone)
        due = f"was due {day}" if row.due_at <= now else f"due {day}"
        again = ", opened again because it did not hold" if row.turns else ""
        said = f"Follow-up for {agent.name}: {row.words}" if mine else f"Follow-up of {owner.name} for {agent.name}, not done in time: {row.words}"
        press = button("Done", "followups.done", f"followup:{row.id}") if mine else button("Change", "followups.change", f"followup:{row.id}")
        items.append(Item(f"followup:{row.id}:{row.turns}", said, row.created_at, press, f"{due}, incident #{row.incident_id}{again}"))
    return items


def gaps_to_supply(tx: Session, now: datetime, person: Person) -> list[Item]:
    """What agents do not know and they were asked to supply."""
    rows = tx.execute(select(Gap, Agent).join(Agent, Agent.id == Gap.agent_id).where(Gap.owner_id == person.id, Gap.supplied_at.is_(None), Agent.archived_at.is_(None)).order_by(Gap.due_at, Gap.id).limit(MOST))
    items = []
    for gap, agent in rows:
        day = at_zone(gap.due_at, person.zone)
        press = button("Supplied", "gaps.supplied", f"gap:{gap.id}", label=clip(f"Supplied: {gap.label}", 75))
        items.append(Item(f"gap:{gap.id}", f"Supply what {agent.name} does not know: {gap.label}", gap.opened_at, press, f"was due {day}" if gap.due_at <= now else f"due {day}"))
    return items


def at_zone(moment: datetime, zone: str) -> str:
    """The day of a moment, as somebody in that zone says it."""
    local = date.fromisoformat(local_day(moment, zone or "UTC"))
    return f"{local:%a} {local.day} {local:%b}"


def roles_to_accept(tx: Session, now: datetime, person: Person) -> list[Item]:
    """Roles they were named for and have not answered."""
    named = select(AgentOwner, Agent).join(Agent, Agent.id == AgentOwner.agent_id).where(
        AgentOwner.person_id == person.id, AgentOwner.until.is_(None), AgentOwner.accepted_at.is_(None), AgentOwner.declined_at.is_(None)
    )
    handed = select(Handover, Agent).join(Agent, Agent.id == Handover.agent_id).where(Handover.person_id == person.id, Handover.closed_at.is_(None))
    items = []
    for kind, found in (("owner", named.order_by(AgentOwner.id)), ("handover", handed.order_by(Handover.id))):
        for row, agent in tx.execute(found.where(Agent.archived_at.is_(None), Agent.id.not_in(retired_ids())).limit(MOST)):
            role = ROLE_WORDS.get(row.role, row.role)
            press = button("Accept", "agents.accept", f"{kind}:{row.id}", label=clip(f"Accept to be {role} of {agent.name}", 75))
            detail = "Until then it is shown as not confirmed; `Not me` is in the message that asked you"
            items.append(Item(f"{kind}:{row.id}", f"You are named {role} of {agent.name}: accept, or say it is not you", row.asked_at, press, detail))
    return items


def digests_to_mark(tx: Session, now: datetime, person: Person) -> list[Item]:
    """Summaries with agents of theirs, and those of others that were handed up to them as business owner: the newest per channel."""
    business = select(AgentOwner.agent_id).where(AgentOwner.person_id == person.id, AgentOwner.role == "business", AgentOwner.until.is_(None))
    # Columns, not whole digests: the content of one with 500 agents is half a megabyte.
    rows = tx.execute(
        select(Digest.id, Digest.channel_id, Digest.local_date, Digest.posted_at, DigestReview.person_id, Agent.name, Channel.name)
        .join(DigestReview, DigestReview.digest_id == Digest.id)
        .join(Agent, Agent.id == DigestReview.agent_id)
        .outerjoin(Channel, Channel.slack_id == Digest.channel_id)
        .where(
            DigestReview.reviewed_at.is_(None),
            (DigestReview.person_id == person.id) | ((DigestReview.chased > 0) & DigestReview.agent_id.in_(business)),
            Agent.archived_at.is_(None),
            Agent.id.not_in(retired_ids()),
        )
        .order_by(Digest.id.desc(), Agent.name)
        .limit(1000)
    ).all()
    by_channel: dict[tuple[str, bool], list[_Waiting]] = {}
    for digest_id, channel_id, day, posted_at, asked_id, agent, channel in rows:
        by_channel.setdefault((channel_id, asked_id == person.id), []).append(_Waiting(digest_id, date.fromisoformat(day), posted_at, asked_id, agent, channel))
    items = []
    for (channel_id, mine), theirs in by_channel.items():
        newest = theirs[0]
        names = list(dict.fromkeys(each.agent for each in theirs))
        shown = joined(names[:3] + ([f"{len(names) - 3} more"] if len(names) > 3 else []))
        days = len({each.digest_id for each in theirs})
        where = f"#{newest.channel}" if newest.channel else channel_id
        said = f"Look at the summary of {newest.day:%a} {newest.day.day} {newest.day:%b} in {where} and mark it as reviewed: {shown}"
        if not mine:
            people = tx.scalars(select(Person).where(Person.id.in_({each.asked_id for each in theirs})).order_by(Person.name))
            asked = [each.name or "someone" for each in people]
            said = f"The summary in {where} is not reviewed yet ({shown}). {joined(asked)} {'was' if len(asked) == 1 else 'were'} asked, and you answer for the outcome"
        detail = f"{plural(days, 'summary', 'summaries')} waiting; one press marks them all" if days > 1 else ""
        press = button("Reviewed", "digests.reviewed", f"digest:{newest.digest_id}")
        items.append(Item(f"digest:{channel_id}:{'own' if mine else 'up'}", said, theirs[-1].posted_at, press, detail))
    return items


@dataclass(frozen=True)
class _Waiting:
    """One agent of one summary that somebody must still mark."""

    digest_id: int
    day: date
    posted_at: datetime
    asked_id: int
    agent: str
    channel: str | None


def outputs_to_judge(tx: Session, now: datetime, person: Person) -> list[Item]:
    """Today's sample of outputs."""
    day = review_day(person, now)
    left = list(tx.scalars(select(Review).where(Review.person_id == person.id, Review.local_day == day, Review.state == "asked").limit(MOST)))
    if not left:
        return []
    agents = list(tx.scalars(select(Agent.name).where(Agent.id.in_({review.agent_id for review in left})).order_by(Agent.name)))
    said = f"Judge {plural(len(left), 'output')} of {joined(agents[:3] + ([f'{len(agents) - 3} more agents'] if len(agents) > 3 else []))}"
    return [Item(f"reviews:{day}", said, None, review_button(len(left), day), "Drawn at random, so that the scores are fair", len(left))]


def notices(tx: Session, now: datetime, person: Person) -> list[Item]:
    """Open problems of agents they operate that called nobody; not those for which quiet is agreed."""
    rows = tx.execute(
        select(Problem, Agent)
        .join(Agent, Agent.id == Problem.agent_id)
        .join(AgentOwner, (AgentOwner.agent_id == Agent.id) & (AgentOwner.role == "operations") & AgentOwner.until.is_(None))
        .where(AgentOwner.person_id == person.id, Problem.closed_at.is_(None), Problem.page_id.is_(None), Problem.under_id.is_(None), Problem.quiet_until.is_(None), Agent.archived_at.is_(None))
        .order_by(Problem.since)
        .limit(MOST)
    )
    return [
        Item(f"problem:{problem.id}", f"{agent.name}: {problem.title}", problem.since, button("Look closer", "status.agent", f"agent:{agent.slug}", label=f"Show {agent.name} in depth"), problem.says)
        for problem, agent in rows
    ]


# In the order they are shown: what presses first, first.
SOURCES: tuple[Callable[[Session, datetime, Person], list[Item]], ...] = (
    pages_to_answer,
    incident_steps,
    steps_given,
    follow_ups,
    gaps_to_supply,
    roles_to_accept,
    digests_to_mark,
    notices,
    outputs_to_judge,
)


def items_for(tx: Session, now: datetime, person_id: int) -> list[Item]:
    """All that waits for this person now."""
    person = tx.get(Person, person_id)
    if person is None or not person.active:
        return []
    return [item for source in SOURCES for item in source(tx, now, person)]

