"""What a page says, in the channel, in a DM, on a call and in its thread: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.blocks import (
    Block,
    Message,
    actions,
    button,
    channel_link,
    clip,
    clock_time,
    confirm,
    context,
    escape,
    header,
    option,
    overflow,
    section,
    when,
)
from bot.ladders.rules import NextCall

SHOWN_PROBLEMS = 5


@dataclass(frozen=True)
class ProblemView:
    """One failing check, as a page tells it."""

    title: str
    says: str
    since: datetime
    evidence: tuple[tuple[str, str], ...] = ()
    closed_at: datetime | None = None


@dataclass(frozen=True)
class CallView:
    """One person or channel called."""

    name: str
    at: datetime
    route: str = "slack"
    state: str = "sent"


@dataclass(frozen=True)
class PageView:
    """All that a page shows, the same in every place."""

    id: int
    agent: str
    severity: str
    opened_at: datetime
    problems: tuple[ProblemView, ...]
    calls: tuple[CallView, ...] = ()
    next: NextCall | None = None
    round: int = 1
    acked_by: str | None = None  # escaped name
    acked_at: datetime | None = None
    took: bool = False
    until: datetime | None = None  # when that ends
    snoozed: bool = False  # the end was chosen
    lapsed_by: str | None = None  # who had it before, until `lapsed_at`; escaped name
    lapsed_at: datetime | None = None
    stage: str = ""  # what the agent may do now
    ordered_by: str | None = None  # who lowered it since the page opened; escaped name
    ordered_at: datetime | None = None
    resolved_at: datetime | None = None
    resolved_why: str = ""
    runbook: str | None = None
    changes: tuple[str, ...] = ()
    incident: int | None = None
    test: bool = False
    unconfirmed: bool = False  # its owners have not accepted
    why: str = ""  # why the promise was made

    @property
    def value(self) -> str:
        return f"page:{self.id}"

    @property
    def worst(self) -> ProblemView | None:
        return next((each for each in self.problems if each.closed_at is None), self.problems[0] if self.problems else None)


def lead(page: PageView) -> str:
    """Severity, agent and failure within 80 characters: what a lock screen shows."""
    kind = "TEST PAGE" if page.test else page.severity.upper()
    title = page.worst.title if page.worst else "it recovered"
    agent = clip(page.agent, 30)
    return clip(f"{kind} {agent}: {clip(title, 78 - len(kind) - len(agent) - 3)}", 80)


def page_message(page: PageView, *, place: str) -> Message:
    """The state of a page. `place` is `channel`, or `dm` for somebody who was called."""
    title = page.worst.title if page.worst else ""
    blocks: list[Block] = [header(f"{_light(page)} {_headline(page)}: {clip(page.agent, 60)}: {title}")]
    blocks += _problems(page)
    if page.changes:
        blocks.append(section("*What changed lately*\n" + "\n".join(f"• {escape(each)}" for each in page.changes[:3])))
    blocks.append(section(_people(page)))
    if stands := _stage(page):
        blocks.append(section(stands))
    if page.runbook and not page.resolved_at:
        blocks.append(section(f"*Runbook*\n{clip(escape(page.runbook), 1000)}"))
    if pressed := _buttons(page, place):
        blocks.append(actions(*pressed))
    blocks.append(context(_footing(page)))
    told = [escape(lead(page))]
    told += [f"{escape(clip(each.says, 300))} Since {when(each.since)}." for each in page.problems[:SHOWN_PROBLEMS] if each.closed_at is None or page.resolved_at]
    told += [words for words in (_people(page), _stage(page)) if words]
    if page.resolved_at is None:
        told += [f"Changed lately: {escape(clip(each, 150))}." for each in page.changes[:3]]
        told += [f"Runbook: {escape(clip(page.runbook, 300))}"] if page.runbook else []
    return Message("\n".join(told), blocks)


def call_message(page: PageView, *, mention: str, role: str, round: int, calls_before: int, in_slack: bool = True, link: str | None = None) -> Message:
    """One call to one person: short, with the button that ends it; by other routes with the `link` that does the same."""
    problem = page.worst
    said = escape(problem.says) if problem else ""
    since = f" Since {when(problem.since)}." if problem else ""
    asked = f"{mention} You are called as {role}."
    if page.test:
        asked = f"{mention} This is the test page you asked for: nothing is broken."
    elif round > 1:
        asked = f"{mention} You are called as {role}. This is round {round}; {_times(calls_before)} so far{_nobody_now(page)}."
    todo = "Press `Acknowledge` to say you have it; that stops the calls."
    if not in_slack:
        how = f"open {link}" if link else f"press `Acknowledge` in Slack, or run `aiops ack {page.id}`"
        todo = f"To say you have it, which stops the calls, {how}."
    text = f"{escape(lead(page))}\n{asked}\n{said}{since}\n{todo}"
    pressed = actions(button("Acknowledge", "paging.acknowledge", page.value, style="primary", label=f"Acknowledge the page about {page.agent}"))
    return Message(text, [section(f"{_light(page)} *{escape(lead(page))}*\n{asked}"), section(f"{clip(said, 2000)}{since}"), pressed, context(todo)])


def channel_call(page: PageView, *, calls_before: int) -> Message:
    """A call to a whole channel: it pings whoever is there now."""
    problem = page.worst
    text = (
        f"{escape(lead(page))}\n<!here> {_nobody_yet(page)} ({_times(calls_before)} so far). {escape(problem.says) if problem else ''}"
        f"{f' Since {when(problem.since)}.' if problem else ''} If you can help, press `I'll take it`."
    )
    pressed = actions(button("I'll take it", "paging.take", page.value, style="primary", label=f"Take over the page about {page.agent}"))
    return Message(text, [section(text), pressed])


def call_over(page: PageView, over: str) -> Message:
    """A call that was made, once there is nothing left to press."""
    return Message(f"{escape(lead(page))}\n{over}", [section(f"{_light(page)} *{escape(lead(page))}*"), context(over)])


def notice_message(problem: ProblemView, agent: str, why: str = "", closed_why: str = "") -> Message:
    """A failing check that calls nobody: shown once in the channel, edited when it recovers."""
    lead_words = clip(f"NOTICE {clip(agent, 30)}: {problem.title}", 80)
    if problem.closed_at is not None:
        over = f":large_green_circle: It is over since {when(problem.closed_at)}: {escape(closed_why)} It lasted {span(problem.closed_at - problem.since)}."
        return Message(f"{escape(lead_words)}\n{over}", [section(f"*{escape(lead_words)}*"), context(over)])
    told = f"{escape(problem.says)} Since {when(problem.since)}."
    blocks: list[Block] = [section(f":large_blue_circle: *{escape(lead_words)}*\n{told}"), *_evidence(problem)]
    note = "This is a notice: nobody is called. It stays on the owners' list until it recovers."
    blocks.append(context(note, *([f"Why we watch this: {escape(clip(why, 300))}"] if why else [])))
    return Message(f"{escape(lead_words)}\n{told} {note}", blocks)


# --- lines in the thread -------------------------------------------------------------------------------------------


def called_line(names: str, role: str, round: int, notes: Sequence[str], calls_before: int) -> Message:
    """Who was called now, and who was passed over and why."""
    told = f"Called {names} ({role})."
    if round > 1:
        told += f" Round {round}; {_times(calls_before)} before this."
    return Message("\n".join([told, *notes]))


def over_line(page: PageView, *, to_person: bool = False) -> Message:
    """The quiet word that it is over, in the channel's thread and to everybody called."""
    told = f"It is over: {escape(page.resolved_why)} It lasted {span((page.resolved_at or page.opened_at) - page.opened_at)}."
    return Message(f"{told} There is nothing to do for you." if to_person else told)


def open_pages_list(pages: Sequence[PageView]) -> Message:
    """The answer to `/aiops page`."""
    if not pages:
        return Message("No page is open. Nobody is being called.")
    lines = [f"• *{page.id}* {escape(lead(page))}: {_short_state(page)}" for page in pages[:20]]
    more = f"\nAnd {len(pages) - 20} more." if len(pages) > 20 else ""
    text = f"{len(pages)} open {'page' if len(pages) == 1 else 'pages'}:\n" + "\n".join(lines) + more
    return Message(text, [section(clip(text, 2900)), context("`/aiops page ack <number>` acknowledges one; `/aiops page test <agent>` calls you to try it out.")])


def span(length: timedelta) -> str:
    """How long something lasted, as people say it."""
    seconds = max(int(length.total_seconds()), 0)
    if seconds < 120:
        return f"{seconds} {'second' if seconds == 1 else 'seconds'}"
    minutes = seconds // 60
    if minutes < 120:
        return f"{minutes} minutes"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest else f"{hours} hours"
    return f"{hours // 24} days {hours % 24} h" if hours % 24 else f"{hours // 24} days"


# --- parts ---------------------------------------------------------------------------------------------------------


def _light(page: PageView) -> str:
    if page.resolved_at:
        return ":large_green_circle:"
    return ":large_yellow_circle:" if page.acked_by else ":red_circle:"


def _headline(page: PageView) -> str:
    kind = "Test page" if page.test else page.severity.capitalize()
    if page.resolved_at:
        return f"{kind}, over"
    return f"{kind}, {'snoozed' if page.snoozed else 'acknowledged'}" if page.acked_by else kind


def _problems(page: PageView) -> list[Block]:
    blocks: list[Block] = []
    for each in page.problems[:SHOWN_PROBLEMS]:
        title = f"*{escape(clip(each.title, 200))}*\n" if len(page.problems) > 1 else ""  # the header tells a single one
        said = f"{title}{escape(clip(each.says, 900))}"
        if each.closed_at is not None:
            blocks.append(section(f":white_check_mark: {said}\nFrom {when(each.since)} until {when(each.closed_at)}."))
            continue
        blocks.append(section(f"{said}\nSince {when(each.since)}."))
        blocks += _evidence(each)
    if len(page.problems) > SHOWN_PROBLEMS:
        blocks.append(context(f"And {len(page.problems) - SHOWN_PROBLEMS} more problems of this agent."))
    return blocks


def _evidence(problem: ProblemView) -> list[Block]:
    fresh = [(label, words) for label, words in problem.evidence[:10] if words and words not in problem.says]
    fields = [f"*{escape(clip(label, 60))}*\n{escape(clip(words, 300))}" for label, words in fresh]
    return [section("", fields=fields)] if fields else []


def _people(page: PageView) -> str:
    """Who was called, who is next and when; or who has it; or that it is over."""
    if page.resolved_at:
        lasted = span(page.resolved_at - page.opened_at)
        by = f" {page.acked_by} had it." if page.acked_by else ""
        return f"It is over since {when(page.resolved_at)}: {escape(page.resolved_why)} It lasted {lasted}.{by}"
    if page.acked_by and page.acked_at:
        how = "snoozed it" if page.snoozed else "took it" if page.took else "acknowledged"
        return f"*{page.acked_by}* {how} at {clock_time(page.acked_at)}. {quiet_until(page.until)} It stays open until {'somebody resolves it' if page.stage == 'suspended' else 'the check recovers'}."
    told = []
    if page.lapsed_by and page.lapsed_at:
        told.append(f"{page.lapsed_by} had it until {clock_time(page.lapsed_at)}; calling has begun again.")
    if page.calls:
        newest = page.calls[-4:]
        names = ", ".join(f"{each.name} at {clock_time(each.at)}{'' if each.route == 'slack' else ' by ' + each.route}" for each in newest)
        before = len(page.calls) - len(newest)
        told.append(f"*Called:* {names}" + (f", and {before} earlier" if before else "") + ".")
    if page.next is not None:
        told.append(f"*Next, unless somebody answers:* {page.next.names} ({page.next.words}) at {clock_time(page.next.at)}.")
    if page.unconfirmed:
        told.append("The owner is not confirmed: they were named, and have not accepted yet.")
    return " ".join(told) or "Nobody was called yet."


def _stage(page: PageView) -> str:
    """What was ordered while the page is open, by whom and when; that a stopped agent's checks rest."""
    if page.resolved_at is not None or page.test or page.stage not in ("assisted", "suspended"):
        return ""
    ordered = f" {page.ordered_by} ordered it at {clock_time(page.ordered_at)}." if page.ordered_by and page.ordered_at else ""
    if page.stage == "suspended":
        return f"*The agent is stopped.*{ordered} Its checks rest until somebody starts it again, so `Resolve` closes this page at once."
    return f"*Human review.*{ordered} A person looks at every output before it counts." if ordered else ""


def _buttons(page: PageView, place: str) -> list[dict[str, object]]:
    if page.resolved_at:
        return []
    pressed = []
    if not page.acked_by:
        pressed.append(button("Acknowledge", "paging.acknowledge", page.value, style="primary", label=f"Acknowledge the page about {page.agent}"))
        if place == "channel" and not page.test:
            pressed.append(button("I'll take it", "paging.take", page.value, label=f"Take over the page about {page.agent}"))
    if page.stage == "autonomous" and not page.test:
        sure = confirm("Human review", f"From now on a person looks at every output of {escape(clip(page.agent, 60))} before it counts. Its channel is told.", "Order it", "Not now")
        pressed.append(button("Human review", "paging.review", page.value, confirm=sure, label=f"Put {page.agent} under human review"))
    if not page.test:
        pressed.append(overflow("surface.menu", _menu(page)))
    return pressed


def _menu(page: PageView) -> list[dict[str, object]]:
    """What else can be done; each option names the action that does it (see Surface.choose)."""
    choices = [("Snooze", f"paging.snooze {page.value}"), ("Escalate now", f"paging.escalate {page.value}:{len(page.calls)}")]
    if page.incident is None:
        choices.append(("Open incident", f"incidents.open {page.value}"))
    choices.append(("Resolve", f"paging.resolve {page.value}"))
    if page.stage not in ("", "suspended", "retired"):
        choices.append(("Stop agent", f"paging.stop {page.value}"))
    return [option(words, value) for words, value in choices]


def _footing(page: PageView) -> str:
    told = [f"Page {page.id}, opened {when(page.opened_at)}"]
    if page.incident is not None:
        told.append(f"incident #{page.incident} is open")
    if page.round > 1 and not page.test and not page.acked_by and not page.resolved_at:
        told.append(f"round {page.round}, {_times(len(page.calls))}")
    if page.why and not page.resolved_at:
        told.append(f"why we watch this: {escape(clip(page.why, 300))}")
    return " · ".join(told)


def _short_state(page: PageView) -> str:
    if page.acked_by:
        return f"{page.acked_by} has it."
    if page.next is not None:
        return f"nobody has answered; next {page.next.names} at {clock_time(page.next.at)}."
    return "nobody has answered."


def quiet_until(until: datetime | None) -> str:
    """That nobody is called, and for how long."""
    if until is None:
        return "Nobody else is called."
    return f"Nobody else is called until {when(until)}; then calling begins again."


def _nobody_now(page: PageView) -> str:
    return f"; {page.lapsed_by} had it until {clock_time(page.lapsed_at)}" if page.lapsed_by and page.lapsed_at else ", and nobody has answered"


def _nobody_yet(page: PageView) -> str:
    return f"{page.lapsed_by} had it until {clock_time(page.lapsed_at)}, and nobody has answered since" if page.lapsed_by and page.lapsed_at else "Nobody has answered yet"


def _times(calls: int) -> str:
    return "one call" if calls == 1 else f"{calls} calls"


def place_words(channel: str | None) -> str:
    return channel_link(channel) if channel else "its channel"
