"""The post-incident review, gathered from the timeline and written as a file and a page."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot import audit
from bot.agents.reading import spec_of, workspace_of
from bot.blocks import Message
from bot.feedback.http import Page as SignedPage
from bot.feedback.http import Visit, page_link
from bot.feedback.pages import Sheet
from bot.incidents.failing import affected_words
from bot.incidents.gathering import gather
from bot.incidents.presses import incident_of_press
from bot.incidents.reading import follow_ups_of, incident_of_thread, items_of
from bot.incidents.review_words import FollowUpLine, Review, StepLine, moment_in, review_text
from bot.incidents.thread import entries, root_key
from bot.outbox import flows as outbox
from bot.outbox.rules import Priority
from bot.paging.reading import problems_of
from bot.people.flows import actor_of, require, roles_of
from bot.people.rules import Act
from bot.signing import Signer
from bot.surface.press import Answer, Handler, Press, Tell
from bot.tables import (
    Agent,
    Decision,
    FollowUp,
    Incident,
    IncidentMinutes,
    OutMessage,
    Page,
    Person,
    RegressionCase,
    TimelineEntry,
)

LINK_LASTS = timedelta(days=30)


def review_of(tx: Session, incident: Incident) -> Review:
    """Everything the review tells, from the rows."""
    agent = tx.get_one(Agent, incident.agent_id)
    people = {person_id: name or email or "someone" for person_id, name, email in tx.execute(select(Person.id, Person.name, Person.email))}
    page = tx.get(Page, incident.page_id) if incident.page_id else None
    problem = next(iter(sorted(problems_of(tx, page.id), key=lambda each: each.opened_at)), None) if page is not None else None
    answered = _answered(tx, page)
    before = tx.get(Incident, incident.before_id) if incident.before_id else None
    again = list(tx.scalars(select(FollowUp).where(FollowUp.reopened_for == incident.id).order_by(FollowUp.id)))
    zone = spec_of(agent).timezone or workspace_of(tx).timezone
    minutes = tx.execute(select(IncidentMinutes.person_id, IncidentMinutes.minutes).where(IncidentMinutes.incident_id == incident.id).order_by(IncidentMinutes.minutes.desc(), IncidentMinutes.person_id))
    told = moment_in(zone)
    return Review(
        id=incident.id,
        agent=agent.name,
        title=incident.title,
        severity=incident.severity,
        protocol=f"{incident.template.get('name', 'standard')}, version {incident.template.get('version', 1)}",
        zone=zone,
        began_at=incident.began_at or incident.opened_at,
        noticed_at=problem.opened_at if problem is not None else incident.opened_at,
        noticed_by=f"the check “{problem.title}”" if problem is not None else people.get(incident.opened_by or 0, "the bot"),
        opened_at=incident.opened_at,
        opened_by=people.get(incident.opened_by or 0, "the bot"),
        answered_at=answered[0] if answered else None,
        answered_by=people.get(answered[1] or 0, "somebody") if answered else ("" if page is not None else people.get(incident.opened_by or 0, "")),
        well_at=page.resolved_at if page is not None else incident.closed_at,
        closed_at=incident.closed_at,
        closed_by=people.get(incident.closed_by or 0, "the bot"),
        failing_why=incident.failing_why,
        outputs=affected_words(tx, incident),
        lead=people.get(incident.lead_id or 0, ""),
        minutes=[(people.get(person_id, "someone"), count) for person_id, count in minutes],
        steps=[StepLine(item.position + 1, item.words, item.state, item.required, people.get(item.by_id or 0, ""), item.at, item.due_at, item.answer, item.note) for item in items_of(tx, incident.id)],
        follow_ups=[FollowUpLine(each.words, people.get(each.owner_id, "someone"), each.due_at, each.closed_at, each.evidence, each.fixed_in, each.turns) for each in [*follow_ups_of(tx, incident.id), *again]],
        none_needed=f"{people.get(incident.none_needed_by, 'someone')}: {incident.none_needed_why}" if incident.none_needed_by else "",
        before=f"The same failure was incident {before.id}, opened {told(before.opened_at)}." if before else "",
        did_not_hold=[each.words for each in again],
        regression=tx.scalar(select(func.count()).select_from(RegressionCase).where(RegressionCase.incident_id == incident.id)) or 0,
        timeline=[(entry.at, people.get(entry.person_id or 0, ""), entry.words) for entry in tx.scalars(select(TimelineEntry).where(TimelineEntry.incident_id == incident.id).order_by(TimelineEntry.at, TimelineEntry.id))],
    )


def _answered(tx: Session, page: Page | None) -> tuple[datetime, int | None] | None:
    """When and by whom the page was first answered: an acknowledgement that lapsed later counts too."""
    if page is None:
        return None
    row = tx.execute(
        select(Decision.at, Decision.person_id)
        .where(Decision.subject == f"page:{page.id}", Decision.action.in_(("page.acknowledge", "page.take")), Decision.person_id.is_not(None))
        .order_by(Decision.at)
        .limit(1)
    ).first()
    if row is not None:
        return row.at, row.person_id
    return (page.acked_at, page.acked_by) if page.acked_at is not None else None


def file_review(tx: Session, now: datetime, incident: Incident, by: Person) -> bool:
    """Put the review into the thread as a Markdown file; False where the newest one says all there is."""
    gather(tx, incident)
    count = entries(tx, incident.id)
    key = f"incident:{incident.id}:review:{count}:{len(follow_ups_of(tx, incident.id))}"
    if outbox.find(tx, key) is not None:
        return False
    text = review_text(review_of(tx, incident))
    outbox.file(
        tx, now, key=key, to=incident.channel_id, name=f"incident-{incident.id}-review.md", content=text,
        title=f"Review of incident {incident.id}", comment=f"The review of incident #{incident.id} as it stands now.", thread=root_key(incident.id), priority=Priority.INCIDENT,
    )  # fmt: skip
    audit.record(tx, now, "incident.review", f"incident:{incident.id}", person_id=by.id)
    return True


def _where_it_is(tx: Session, incident: Incident, *, new: bool) -> str:
    """Where to read it, as far as is known by now: Slack may not have taken the file yet, or not at all."""
    newest = select(OutMessage).where(OutMessage.thread_key == root_key(incident.id), OutMessage.kind == "file").order_by(OutMessage.id.desc()).limit(5)
    rows = list(tx.scalars(newest))[1 if new else 0 :]
    last = next(iter(rows), None)
    refused = any(row.state == "failed" for row in rows[:1])
    if new:
        how = "as text, for Slack did not take the last one as a file" if refused else "as a file (or as text, where this app may not share files)"
        return f"The review of incident #{incident.id} is written, and goes into its thread now {how}."
    if last is not None and last.state == "pending":
        return f"The review of incident #{incident.id} is written already and on its way into its thread: nothing happened since."
    return f"The review of incident #{incident.id} is in its thread already{', as text' if refused else ''}: nothing happened since."


def handlers(signer: Signer | None, public_url: str | None) -> tuple[dict[str, Handler], dict[str, Handler]]:
    """The button `Review` and the word `review`, which know where this server's pages are."""

    def answer(tx: Session, press: Press, incident: Incident | None) -> Answer:
        if incident is None:
            return Tell(Message("This works in the thread of an incident: mention me there. `/aiops incident` lists the open ones."))
        require(roles_of(tx, press.actor, incident.agent_id), Act.SEE)
        person = tx.get_one(Person, press.actor.person_id)
        new = file_review(tx, press.now, incident, person)
        told = _where_it_is(tx, incident, new=new)
        if signer is not None and public_url:
            link = page_link(signer, public_url, "incident", person.id, f"incident:{incident.id}", until=press.now + LINK_LASTS)
            told += f" It is also <{link}|a page>, always as it stands; the link is yours for 30 days."
        return Tell(Message(told))

    def press_review(tx: Session, press: Press) -> Answer:
        return answer(tx, press, incident_of_press(tx, press))

    def words_review(tx: Session, press: Press) -> Answer:
        require(roles_of(tx, press.actor, None), Act.SEE)
        number = press.words[0].strip("#") if press.words else ""
        incident = tx.get(Incident, int(number)) if number.isdigit() and len(number) < 15 else incident_of_thread(tx, press.channel, press.thread_ts)
        return answer(tx, press, incident)

    return {"incidents.review": press_review}, {"review": words_review}


def show_review(tx: Session, visit: Visit) -> Sheet:
    """The review as a page; looking changes nothing."""
    number = visit.subject.removeprefix("incident:")
    incident = tx.get(Incident, int(number)) if number.isdigit() else None
    if incident is None:
        return Sheet("This incident is no longer known", ["There is nothing to read about it any more."], status=404)
    require(roles_of(tx, actor_of(visit.person), incident.agent_id), Act.SEE)
    return Sheet(f"Review of incident {incident.id}", quote=review_text(review_of(tx, incident)), foot="The same text is in the incident's thread after a press on Review: as a Markdown file, or as text where the app may not share files.")


PAGES: dict[str, SignedPage] = {"incident": SignedPage(show_review, show_review)}
