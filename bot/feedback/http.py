"""One person's signed page for one purpose: `GET,POST /p/{signed}`. It expires, and changes nothing on GET."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qs

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from bot.clock import Clock
from bot.feedback import flows, reading
from bot.feedback.pages import HEADERS, Choice, Field, Sheet, page
from bot.feedback.rules import LINK_KEPT, REASONS, safe_link
from bot.lanes import Lanes, Urgency
from bot.people.flows import Refused, actor_of, require, roles_of
from bot.people.rules import Act
from bot.signing import BadSignature, Signer
from bot.tables import Agent, Output, Person

PURPOSE = "page"
LARGEST = 64_000  # bytes of a form


@dataclass(frozen=True)
class Visit:
    """Who opened which page about what; `form` is empty on GET."""

    person: Person
    subject: str  # output:31
    now: datetime
    form: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """A kind of page: `show` only looks, `act` does what was pressed and says what it did. Both check who it is."""

    show: Callable[[Session, Visit], Sheet]
    act: Callable[[Session, Visit], Sheet]


def page_link(signer: Signer, public_url: str, kind: str, person_id: int, subject: str, *, until: datetime) -> str:
    """The address of one person's page of a kind about one subject."""
    return f"{public_url}/p/{signer.sign(PURPOSE, {'kind': kind, 'person': person_id, 'subject': subject}, until=until)}"


def vote_link(signer: Signer, public_url: str, person_id: int, output_id: int, now: datetime) -> str:
    """Where one person can rate one output without Slack, for a week."""
    return page_link(signer, public_url, "vote", person_id, f"output:{output_id}", until=now + LINK_KEPT)


def page_route(lanes: Lanes, clock: Clock, signer: Signer, kinds: Mapping[str, Page]) -> Route:
    """The route of all signed pages; `kinds` are those of every room, by name.

    The signature in the address is the permission: no cookie takes part, so a foreign page cannot make a browser
    press anything here.
    """

    async def open_page(request: Request) -> Response:
        now = clock.now()
        try:
            claims = signer.read(PURPOSE, request.path_params["signed"], now=now)
        except BadSignature as bad:
            return _answer(_expired() if "expired" in str(bad) else _unknown())
        kind = kinds.get(str(claims.get("kind")))
        if kind is None:
            return _answer(_unknown())
        chosen, form = kind, dict[str, str]()
        acts = request.method == "POST"
        if acts:
            body = b""
            async for part in request.stream():
                body += part
                if len(body) > LARGEST:
                    return _answer(Sheet("That was too much", ["Please shorten your words and send them again."], status=413))
            form = {name: values[-1].replace("\0", "") for name, values in parse_qs(body.decode("utf-8", "replace")).items()}

        def visit(tx: Session) -> Sheet:
            person = tx.get(Person, int(claims["person"]))
            if person is None or not person.active:
                return _unknown()
            come = Visit(person, str(claims["subject"]), now, form)
            try:
                return chosen.act(tx, come) if acts else chosen.show(tx, come)
            except Refused as refused:
                return Sheet("This is not for you", [str(refused)], status=403)

        sheet = await lanes.write(visit, urgency=Urgency.PRESS) if acts else await lanes.read(visit)
        return _answer(sheet)

    return Route("/p/{signed}", open_page, methods=["GET", "POST"])


def _show_vote(tx: Session, visit: Visit, news: str = "") -> Sheet:
    found = _output(tx, visit)
    if found is None:
        return Sheet("This output is no longer known", ["It was removed, so there is nothing to rate. Newer ones can be rated."], status=404)
    agent, output = found
    shown = reading.shown(agent, output)
    vote = reading.vote_of(tx, output.id, visit.person.id)
    quote = shown.text or ("Its text is kept out of here by the registry." if shown.hidden else "It was reported without a text.")
    told = (vote.reason or "", vote.correction or "", vote.comment or "", vote.may_ask) if vote else ("", "", "", False)
    good = vote.good if vote else None
    return Sheet(
        title=f"Was this {shown.kind} of {shown.agent} good enough to use?",
        lines=[] if news else [f"This link is yours alone, {visit.person.name}." if visit.person.name else "This link is yours alone."],
        quote=quote,
        link=safe_link(shown.url),
        news=news,
        choices=(
            Choice("thumb", "good", "👍 Good", "primary", chosen=good is True),
            Choice("thumb", "bad", "👎 Bad", "danger", chosen=good is False),
        ),
        fields=(
            Field("reason", "If it was bad: what was wrong?", told[0], [("", "No reason"), *REASONS.items()]),
            Field("correction", "What should it have said?", told[1]),
            Field("comment", "Anything else?", told[2]),
            Field("may_ask", "You may ask me about it", "yes" if told[3] else "", tick=True, hint="The owners see your name beside your words; otherwise they do not."),
        ),
        after=(Choice("do", "tell", "Save these words"), Choice("do", "take back", "Take back my vote")) if vote else (),
        foot="Nobody but you sees how you voted. Your vote counts once, whether you give it here or in Slack.",
    )


def _vote(tx: Session, visit: Visit) -> Sheet:
    found = _output(tx, visit)
    if found is None:
        return _show_vote(tx, visit)
    output, person, form = found[1], visit.person, visit.form
    if form.get("do") == "take back":
        gone = flows.take_back(tx, visit.now, output, person.id)
        return _show_vote(tx, visit, "Your vote is taken back and no longer counts." if gone else "There is no vote of yours on this output.")
    thumb = form.get("thumb")
    if thumb in ("good", "bad"):
        flows.rate_output(tx, visit.now, output, person.id, thumb == "good", surface="link")
    elif form.get("do") != "tell":
        return _show_vote(tx, visit)
    reason = form.get("reason") if thumb != "good" else None
    words = {name: form.get(name, "").strip()[:3000] or None for name in ("correction", "comment")}
    kept = flows.tell_more(tx, visit.now, output, person.id, reason=reason if reason in REASONS else None, may_ask=form.get("may_ask") == "yes", **words)
    if not kept:
        return _show_vote(tx, visit, "Choose a thumb first; your words stand beside it.")
    return _show_vote(tx, visit, {"good": "Thank you, your thumbs-up counts.", "bad": "Thank you. It is noted as bad, and it counts."}.get(thumb or "", "Your words are saved. Thank you."))


PAGES: dict[str, Page] = {"vote": Page(_show_vote, _vote)}


def _output(tx: Session, visit: Visit) -> tuple[Agent, Output] | None:
    output = tx.get(Output, int(visit.subject.removeprefix("output:")))
    require(roles_of(tx, actor_of(visit.person), output.agent_id if output else None), Act.RATE)
    return (tx.get_one(Agent, output.agent_id), output) if output is not None else None


def _answer(sheet: Sheet) -> Response:
    return HTMLResponse(page(sheet), status_code=sheet.status, headers=HEADERS)


def _expired() -> Sheet:
    lines = ["Links like this one work for a few days, so that an old message cannot be used by somebody else. Nothing was changed.", "You can still answer in Slack, or ask for a new link where you got this one."]
    return Sheet("This link has had its time", lines, status=410)


def _unknown() -> Sheet:
    return Sheet("This link does not work", ["It is not complete, or it was not made here. Please open it again from the message you got it in; nothing was changed."], status=404)
