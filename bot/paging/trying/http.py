"""Saying without Slack that a test call arrived: one person's signed page for one route of one test."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.feedback.http import Page as SignedPage
from bot.feedback.http import Visit, page_link
from bot.feedback.pages import Choice, Sheet
from bot.paging.trying.flows import heard
from bot.paging.trying.messages import ROUTES
from bot.signing import Signer
from bot.tables import RouteTest

LINK_LASTS = timedelta(hours=1)


class TrialLinks:
    """Links of test calls (see `HeardLinks` in flows)."""

    def __init__(self, signer: Signer | None, public_url: str | None) -> None:
        self._signer = signer
        self._url = public_url

    def heard(self, now: datetime, test_id: int, route: str, person_id: int) -> str | None:
        if self._signer is None or not self._url:
            return None
        return page_link(self._signer, self._url, "heard", person_id, f"routetest:{test_id}:{route}", until=now + LINK_LASTS)


def show_heard(tx: Session, visit: Visit) -> Sheet:
    """What was tried, with the one button; looking changes nothing."""
    test, route = _found(tx, visit)
    if test is None:
        return Sheet("This test is no longer known", ["There is nothing to say about it any more."], status=404)
    name = ROUTES[route]
    if route in test.heard:
        return Sheet(f"Test call by {name}", [f"You said that it reached you at {datetime.fromisoformat(test.heard[route]):%H:%M} UTC. Thank you."])
    return Sheet(
        f"Test call by {name}", ["You asked whether calls reach you this way. Nothing is broken."],
        choices=(Choice("do", "heard", "It reached me", "primary"),), foot="The bot's message in Slack shows how your other routes did.",
    )  # fmt: skip


def act_heard(tx: Session, visit: Visit) -> Sheet:
    """The button was pressed."""
    test, route = _found(tx, visit)
    if test is not None and visit.form.get("do") == "heard":
        heard(tx, visit.now, test, route)
    return show_heard(tx, visit)


def _found(tx: Session, visit: Visit) -> tuple[RouteTest | None, str]:
    kind, _, rest = visit.subject.partition(":")
    number, _, route = rest.partition(":")
    test = tx.get(RouteTest, int(number)) if kind == "routetest" and number.isdigit() and route in ROUTES else None
    return (test if test is not None and test.person_id == visit.person.id else None), route


PAGES: dict[str, SignedPage] = {"heard": SignedPage(show_heard, act_heard)}
