"""What a test of somebody's routes says: the calls themselves, and the one message that tells how each route stands: pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.blocks import Block, Message, actions, button, clip, clock_time, context, escape, section, when
from bot.paging.words.phrases import span

ROUTES = {"slack": "Slack", "email": "E-mail", "webhook": "Webhook", "pagerduty": "PagerDuty"}

LASTS_MINUTES = 30  # how long a test goes on


class State(StrEnum):
    """How a test call by one route stands."""

    WAITING = "waiting"
    ARRIVED = "arrived"  # the other side has accepted it
    FAILED = "failed"  # given up


@dataclass(frozen=True)
class Way:
    """One route of a test."""

    route: str
    state: State
    at: datetime | None = None  # when it was accepted
    why: str = ""  # what went wrong, as the outbox keeps it
    tries: int = 0
    heard_at: datetime | None = None  # when they said that it reached them


@dataclass(frozen=True)
class Trial:
    """A whole test."""

    id: int
    started_at: datetime
    ways: tuple[Way, ...]
    missing: tuple[str, ...] = ()  # routes they should be woken by, without an address
    ended_at: datetime | None = None
    quiet_until: datetime | None = None
    only_slack: bool = False

    @property
    def settled(self) -> bool:
        """Whether nothing is awaited any more: each route has failed, or they said that it reached them."""
        return bool(self.ways) and all(way.heard_at is not None or way.state is State.FAILED for way in self.ways)


def trial_call(test_id: int, route: str, who: str, link: str | None) -> Message:
    """One call by one route; by other routes than Slack with the `link` that says it arrived."""
    lead = f"TEST PAGE by {ROUTES[route]}: nothing is broken"
    asked = f"{who} You asked whether calls reach you this way. A real page would come like this."
    if route == "slack":
        todo = "Press `It reached me` if your phone or computer told you at once."
        pressed = actions(button("It reached me", "paging.heard", f"routetest:{test_id}", style="primary", label="Say that this test call reached you"))
        return Message(f"{lead}\n{asked}\n{todo}", [section(f"*{lead}*\n{asked}"), pressed, context(todo)])
    todo = f"To say that it reached you, open {link}" if link else "Look at the bot's message in Slack for how your other routes did."
    return Message(f"{lead}\n{asked}\n{todo}")


def call_over(heard: bool) -> Message:
    """The call in Slack, once there is nothing left to press."""
    text = "This was a test: nothing is broken."
    said = "You said that it reached you." if heard else "The test is over."
    return Message(f"{text} {said}", [context(f"{text} {said}")])


def trial_message(trial: Trial) -> Message:
    """How each route stands, edited in place."""
    arrived = sum(way.state is State.ARRIVED for way in trial.ways)
    title = f"Test of your routes, started {when(trial.started_at)}"
    lines = [_line(trial, way) for way in trial.ways]
    lines += [f":x: *{ROUTES.get(route, route)}*: there is no address for it. Add it under your name in aiops.yml and run `aiops apply`." for route in trial.missing]
    if not trial.ways:
        lines.append(":x: You have neither a Slack account nor another route: nothing can call you.")
    notes = []
    if trial.only_slack:
        notes.append("Only Slack calls you: when it is down, or does not ring for you, your pages wait. Ask whoever keeps aiops.yml to give you `wake: [email]`, webhook or pagerduty.")
    if trial.quiet_until is not None:
        notes.append(f"Slack does not ring for you now (do not disturb until {when(trial.quiet_until)}): a page {'would ring nowhere' if trial.only_slack else 'would take your other routes at once'}.")
    if trial.ended_at is not None:
        notes.append(f"The test is over: {arrived} of {len(trial.ways)} {'route' if len(trial.ways) == 1 else 'routes'} took the call. Accepted is not heard: only you know what rang.")
    else:
        notes.append("I edit this message as answers come in.")
    blocks: list[Block] = [section(f"*{title}*"), section("\n".join(lines)), context(*notes)]
    return Message("\n".join([title, *lines, *notes]), blocks)


def _line(trial: Trial, way: Way) -> str:
    name = f"*{ROUTES.get(way.route, way.route)}*"
    reached = f" You said at {clock_time(way.heard_at)} that it reached you." if way.heard_at is not None else ""
    if way.state is State.ARRIVED:
        took = f", {span(way.at - trial.started_at)} after you asked" if way.at is not None else ""
        at = f" at {clock_time(way.at)}" if way.at is not None else ""
        return f":white_check_mark: {name}: accepted{at}{took}.{reached}"
    if way.state is State.FAILED:
        return f":x: {name}: it did not get through: {escape(reason(way.why))}."
    trouble = f" Not yet: {escape(reason(way.why))}; it is tried again." if way.why and trial.ended_at is None else ""
    if trial.ended_at is not None:
        return f":x: {name}: not accepted within {span(trial.ended_at - trial.started_at)}" + (f": {escape(reason(way.why))}." if way.why else ".")
    return f":hourglass_flowing_sand: {name}: on its way.{trouble}{reached}"


def plain_line(trial: Trial, way: Way) -> str:
    """How one route stands, for a terminal."""
    name = ROUTES.get(way.route, way.route)
    if way.state is State.ARRIVED:
        return f"{name}: accepted{f', {span(way.at - trial.started_at)} after you asked' if way.at is not None else ''}."
    if way.state is State.FAILED:
        return f"{name}: it did not get through: {reason(way.why)}."
    return f"{name}: not accepted yet{f': {reason(way.why)}' if way.why else ''}; it is tried until {LASTS_MINUTES} minutes after you asked."


_REASONS = {
    "no_starttls_for_the_password": "the mail server offers no encryption, so the password is kept back",
    "not_an_email_address": "the address is not an e-mail address",
    "not_an_http_address": "the address does not begin with https://",
    "ConnectError": "nobody answers at that address",
    "ConnectTimeout": "nobody answers at that address in time",
    "ConnectionRefusedError": "the mail server does not answer",
    "gaierror": "the server's name is not known",
    "TimeoutError": "the server did not answer in time",
    "ReadTimeout": "the server took the call and did not answer in time",
    "smtp_535": "the mail server does not accept our user or password",
    "smtp_550": "the mail server knows no such mailbox",
    "http_400": "the other side does not accept it (400): for PagerDuty look at the integration key",
    "http_401": "the other side does not let us in (401)",
    "http_403": "the other side does not let us in (403)",
    "http_404": "there is nothing at that address (404)",
    "http_410": "the address is closed for good (410)",
    "user_not_found": "Slack does not know this account",
    "cannot_dm_bot": "Slack allows no direct message to this account",
}


def reason(error: str) -> str:
    """What the outbox keeps (`email said smtp_550 for routetest:1:email`) in words; no address is ever in it."""
    word = error.split(" said ", 1)[-1].split(" for ", 1)[0].strip()
    return _REASONS.get(word, clip(error.split(" for routetest:", 1)[0], 150) or "no reason given")


def plain_name(name: str) -> str:
    """A name that pings nobody."""
    return escape(name) or "Hello"
