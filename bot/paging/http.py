"""Acknowledging without Slack: one person's signed page about one page, linked in calls by other routes."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.blocks import clock_time, escape, when
from bot.feedback.http import Page as SignedPage
from bot.feedback.http import Visit, page_link
from bot.feedback.pages import Choice, Sheet
from bot.paging.flows import ack_page
from bot.paging.messages import PageView, lead, span
from bot.paging.scope import require_on
from bot.paging.viewing import page_view
from bot.paging.words.phrases import since
from bot.people.flows import actor_of
from bot.people.rules import Act
from bot.routes.words import plain_words, times_in
from bot.signing import Signer
from bot.tables import Page

LINK_LASTS = timedelta(days=2)


class AckLinks:
    """Links to acknowledge a page, one person each (see calling.Links)."""

    def __init__(self, signer: Signer | None, public_url: str | None) -> None:
        self._signer = signer
        self._url = public_url

    def acknowledge(self, now: datetime, page_id: int, person_id: int) -> str | None:
        if self._signer is None or not self._url:
            return None
        return page_link(self._signer, self._url, "ack", person_id, f"page:{page_id}", until=now + LINK_LASTS)


def show_ack(tx: Session, visit: Visit, news: str = "") -> Sheet:
    """What fails and who has it, with the one button; looking changes nothing."""
    page = _page(tx, visit)
    if page is None:
        return Sheet("This page is no longer known", ["It was removed, so there is nothing to acknowledge."], status=404)
    require_on(tx, page, actor_of(visit.person), Act.ACKNOWLEDGE)
    view = page_view(tx, page)
    lines = [f"{escape(each.says)} {since(each)}" for each in view.problems if each.closed_at is None or view.resolved_at]
    lines = [plain_words(times_in(line, visit.person.zone)) for line in (*lines, _standing(view))]
    free = view.acked_by is None and view.resolved_at is None and view.root is None
    return Sheet(
        title=lead(view),
        lines=lines,
        news=news,
        choices=(Choice("do", "acknowledge", "Acknowledge", "primary"),) if free else (),
        foot="Acknowledging says that you have it and stops the calls. The page resolves itself when the check recovers." if free else "",
    )


def act_ack(tx: Session, visit: Visit) -> Sheet:
    """The button was pressed."""
    page = _page(tx, visit)
    if page is None or visit.form.get("do") != "acknowledge":
        return show_ack(tx, visit)
    told = ack_page(tx, visit.now, page.id, visit.person, came_from="link")
    return show_ack(tx, visit, plain_words(times_in(told, visit.person.zone)))


def _standing(view: PageView) -> str:
    if view.root is not None and view.resolved_at is None:
        return f"It is part of page {view.root.id}: {escape(view.root.lead)}. Nobody is called about it by itself."
    if view.resolved_at is not None:
        return f"It is over: {escape(view.resolved_why)} It lasted {span(view.resolved_at - view.opened_at)}."
    if view.acked_by is not None and view.acked_at is not None:
        ends = f" until {when(view.until)}" if view.until else ""
        return f"{view.acked_by} has it since {clock_time(view.acked_at)}. Nobody else is called{ends}."
    if view.next is not None:
        return f"Nobody has answered yet. Next is {view.next.names} ({view.next.words}) at {clock_time(view.next.at)}."
    return "Nobody has answered yet."


def _page(tx: Session, visit: Visit) -> Page | None:
    number = visit.subject.removeprefix("page:")
    return tx.get(Page, int(number)) if number.isdigit() else None


PAGES: dict[str, SignedPage] = {"ack": SignedPage(show_ack, act_ack)}
