"""What is said about silences and maintenance windows: the lines in channels, the lists and the forms: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.blocks import (
    Block,
    Message,
    actions,
    button,
    clip,
    confirm,
    context,
    escape,
    input_block,
    modal,
    option,
    section,
    select,
    text_input,
    when,
)
from bot.calendars import zone_named
from bot.quiet.rules import Cover, Scope

LISTED = 15
LENGTHS = {"30m": "30 minutes", "1h": "1 hour", "2h": "2 hours", "4h": "4 hours", "8h": "8 hours", "1d": "1 day", "3d": "3 days", "7d": "7 days", "30d": "30 days"}


@dataclass(frozen=True)
class SilenceView:
    """A silence as the list shows it; names come as they are and are escaped here."""

    id: int
    scope: Scope
    agent: str  # the name of the one agent meant; empty where it may be several
    by: str
    reason: str
    made_at: datetime
    until: datetime
    problems: int = 0  # held back by it now


@dataclass(frozen=True)
class WrongView:
    """A check that somebody called wrong: it rests until it is changed in aiops.yml."""

    check_id: int
    check: str
    agent: str
    by: str
    since: datetime


@dataclass(frozen=True)
class WindowView:
    """A maintenance window as the list and the lines show it."""

    id: int
    scope: Scope
    agent: str
    by: str
    reason: str
    starts_at: datetime
    ends_at: datetime
    cron: str | None = None
    zone: str = "UTC"
    source: str | None = None
    begun: bool = False
    problems: int = 0

    @property
    def lasts(self) -> timedelta:
        return self.ends_at - self.starts_at

    @property
    def value(self) -> str:
        return f"maintenance:{self.id}:{int(self.starts_at.timestamp())}"


# --- in words --------------------------------------------------------------------------------------------------------


def scope_words(scope: Scope, agent: str = "") -> str:
    """What is meant, escaped: `the check nightly of Support triage`."""
    if agent or scope.one_agent:
        whose = f"*{escape(clip(agent or scope.agent, 80))}*"
    elif scope.agent == "*":
        whose = "all agents"
    else:
        whose = f"all agents named `{escape(scope.agent)}`"
    if scope.department is not None:
        whose = (f"all agents of {escape(clip(scope.department, 80))}" if scope.agent == "*" else f"{whose} in {escape(clip(scope.department, 80))}")
    parts = []
    if scope.check is not None:
        parts.append(f"the check `{escape(clip(scope.check, 80))}`")
    if scope.kind is not None:
        parts.append(f"checks of the kind `{escape(scope.kind)}`")
    if scope.severity is not None:
        parts.append(f"{scope.severity}s")
    return f"{', '.join(parts)} of {whose}" if parts else whose


def cover_words(cover: Cover) -> str:
    """Why nobody is called, in a sentence part: `silenced by Maya until ...: waiting for the vendor`."""
    why = f": {escape(clip(cover.reason, 200))}" if cover.reason else ""
    if cover.is_silence:
        return f"silenced{f' by {escape(cover.by)}' if cover.by else ''} until {when(cover.until)}{why}"
    return f"in maintenance until {when(cover.until)}{why}"


def plain_cover(cover: Cover, zone: str) -> str:
    """The same without Slack's marks, for status and the digest."""
    local = cover.until.astimezone(zone_named(zone))
    until = f"{local:%a} {local.day} {local:%b} {local:%H:%M}"
    why = f": {clip(cover.reason, 200)}" if cover.reason else ""
    if cover.is_silence:
        what = f"Check {cover.scope.check} is silenced" if cover.scope.check else "Silenced"
        if cover.scope.kind or cover.scope.severity:
            what = f"{what} ({' '.join(each for each in (cover.scope.kind, cover.scope.severity) if each)})"
        return f"{what} until {until}{f' by {cover.by}' if cover.by else ''}{why}"
    return f"In maintenance until {until}{why}"


# --- lines in channels -----------------------------------------------------------------------------------------------


def silenced(view: SilenceView) -> Message:
    """A new silence, in the owner channels."""
    text = f":no_bell: {escape(view.by)} silenced {scope_words(view.scope, view.agent)} until {when(view.until)}{_why(view.reason)} Nobody is called about it until then."
    return Message(text, [section(text, accessory=_end(view))])


def silence_over(view: SilenceView, ended_by: str, still: int) -> Message:
    """Its end, in a line of its own."""
    how = f"{escape(ended_by)} ended the silence of" if ended_by else "The silence ended of"
    left = f" {still} {'problem is' if still == 1 else 'problems are'} still open: people are called now." if still else " Nothing that it held back is open."
    text = f":bell: {how} {scope_words(view.scope, view.agent)} ({escape(clip(view.reason, 200))}).{left}"
    return Message(text, [context(text)])


def silence_was(view: SilenceView, ended_at: datetime) -> Message:
    """The first line once it is over: its button means nothing any more."""
    text = f":no_bell: {escape(view.by)} silenced {scope_words(view.scope, view.agent)}{_why(view.reason)} It ended {when(ended_at)}."
    return Message(text, [context(text)])


def window_begun(view: WindowView, *, late: bool) -> Message:
    """The start, in the owner channels; `late` where this is told well after it."""
    since = f"began {when(view.starts_at)} (told late: I was not running)" if late else "has begun"
    text = f":construction: Maintenance of {scope_words(view.scope, view.agent)} {since}{_why(view.reason)} It ends {when(view.ends_at)}. Problems that open meanwhile are held back, and nobody is called."
    return Message(text)


def window_over(view: WindowView, ended_by: str, still: int, *, late: bool) -> Message:
    """The end."""
    how = f"{escape(ended_by)} ended the maintenance of" if ended_by else "Maintenance is over of"
    since = f" since {when(view.ends_at)} (told late: I was not running)" if late else ""
    left = f" {still} {'problem that it held back is' if still == 1 else 'problems that it held back are'} still open: people are called now." if still else " Nothing that it held back is open."
    return Message(f":white_check_mark: {how} {scope_words(view.scope, view.agent)}{since}.{left}")


def window_missed(view: WindowView) -> Message:
    """It came and went while the product was not running."""
    text = f":construction: Maintenance of {scope_words(view.scope, view.agent)} was planned from {when(view.starts_at)} to {when(view.ends_at)}. It is over: I was not running, and tell it late."
    return Message(text)


# --- lists -----------------------------------------------------------------------------------------------------------


def silence_list(found: Sequence[SilenceView], wrong: Sequence[WrongView], total: int) -> Message:
    """The answer to `/aiops silence`."""
    lines: list[str] = []
    blocks: list[Block] = []
    for view in found:
        held = f" Holds back {view.problems} open {'problem' if view.problems == 1 else 'problems'}." if view.problems else ""
        said = f"{scope_words(view.scope, view.agent)} until {when(view.until)}, by {escape(view.by)} since {when(view.made_at)}{_why(view.reason)}{held}"
        lines.append(f"• {view.id}: {said}")
        blocks.append(section(said, accessory=_end(view)))
    for each in wrong:
        said = f"the check `{escape(each.check)}` of *{escape(each.agent)}* until it is changed in aiops.yml, because {escape(each.by)} said {when(each.since)} that the check is wrong"
        lines.append(f"• {said}")
        blocks.append(section(f"{said}.", accessory=button("Watch it again", "quiet.watch", f"check:{each.check_id}", label=f"Watch {each.check} of {each.agent} again")))
    shown = len(found) + len(wrong)
    head = f"{total} {'silence' if total == 1 else 'silences'}:" if total else "Nothing is silenced: every problem that is worth a page calls somebody."
    more = [f"And {total - shown} more."] if total > shown else []
    how = "`/aiops silence support-triage nightly 2h waiting for the vendor` adds one. A silence always ends by itself; a problem still open then calls people."
    add = actions(button("Silence something", "quiet.silence", label="Silence an agent or a check"))
    return Message("\n".join([head, *lines, *more]), [section(head), *blocks, *([context(more[0])] if more else []), add, context(how)])


def window_list(found: Sequence[WindowView], total: int) -> Message:
    """The answer to `/aiops maintenance`."""
    lines: list[str] = []
    blocks: list[Block] = []
    for view in found:
        said = window_words(view)
        lines.append(f"• {view.id}: {said}")
        blocks.append(section(said))
        blocks.append(actions(*_window_buttons(view)))
    head = f"{total} maintenance {'window' if total == 1 else 'windows'}:" if total else "No maintenance is planned or under way."
    more = [f"And {total - len(found)} more."] if total > len(found) else []
    how = "`/aiops maintenance support-triage tonight 22:00 2h the index is rebuilt` plans one; windows that come again are best written in aiops.yml, under `maintenance:`."
    add = actions(button("Plan maintenance", "quiet.maintenance", label="Plan a maintenance window"))
    return Message("\n".join([head, *lines, *more]), [section(head), *blocks, *([context(more[0])] if more else []), add, context(how)])


def window_words(view: WindowView) -> str:
    """One window: `Support triage, under way until 23:00`; with its schedule where it comes again."""
    stands = f"under way until {when(view.ends_at)}" if view.begun else f"{'next ' if view.cron else ''}{when(view.starts_at)} to {when(view.ends_at)}"
    again = f" Comes again: `{escape(view.cron)}` in {escape(view.zone)}, each time for {span_words(view.lasts)}." if view.cron else ""
    by = f" Planned by {escape(view.by)}." if view.by else f" Written in aiops.yml ({escape(view.source)})." if view.source else ""
    held = f" Holds back {view.problems} open {'problem' if view.problems == 1 else 'problems'}." if view.problems else ""
    return f"{scope_words(view.scope, view.agent)}, {stands}{_why(view.reason)}{again}{by}{held}"


def _why(reason: str) -> str:
    """`: the reason.`, or only the full stop."""
    if not reason:
        return "."
    words = escape(clip(reason.strip(), 300))
    return f": {words}" if words.endswith((".", "!", "?", "…")) else f": {words}."


def span_words(length: timedelta) -> str:
    """`2 hours`, `90 minutes`, `1 day`."""
    minutes = int(length.total_seconds()) // 60
    for size, word in ((1440, "day"), (60, "hour"), (1, "minute")):
        if minutes >= size and minutes % size == 0:
            return f"{minutes // size} {word}{'' if minutes == size else 's'}"
    return f"{int(length.total_seconds())} seconds"


def _window_buttons(view: WindowView) -> list[dict[str, Any]]:
    name = clip(view.agent or view.scope.agent, 40)
    if view.begun:
        return [button("End now", "quiet.end_window", view.value, label=f"End the maintenance of {name} now")]
    pressed = [button("Skip next", "quiet.skip", view.value, label=f"Skip the next maintenance of {name}")] if view.cron else []
    if view.source is None:
        sure = confirm("Take it away", "This window will not come any more.", "Take it away", "Keep it")
        pressed.append(button("Take away", "quiet.end_window", view.value, confirm=sure, label=f"Take away the maintenance of {name}"))
    elif not view.cron:
        pressed.append(button("Skip it", "quiet.skip", view.value, label=f"Skip the maintenance of {name}"))
    return pressed


def _end(view: SilenceView) -> dict[str, Any]:
    return button("End", "quiet.end", f"silence:{view.id}", label=f"End the silence of {clip(view.agent or view.scope.agent, 40)}")


# --- forms -----------------------------------------------------------------------------------------------------------


def silence_form(agent: str = "", check: str = "") -> dict[str, Any]:
    """What is silenced, for how long, and why."""
    lengths = [option(words, value) for value, words in LENGTHS.items()]
    severities = [option("pages and notices", "any"), option("only pages", "page"), option("only notices", "notice")]
    return modal(
        "Silence",
        [
            section("Problems that fit are still found and shown, and call nobody. When the silence ends, a problem that is still open calls people."),
            _agent_input(agent),
            _department_input(),
            input_block("check", "Check", text_input("check", placeholder="nightly", initial=check, most=127), hint="Its name, or a pattern such as nightly-*. Empty for all of them.", optional=True),
            input_block("kind", "Kind of check", text_input("kind", placeholder="heartbeat", most=32), hint="Empty for every kind.", optional=True),
            input_block("severity", "Severity", select("severity", severities, initial="any")),
            input_block("lasts", "For how long?", select("lasts", lengths, initial="2h")),
            input_block("reason", "Why?", text_input("reason", placeholder="The vendor is mending it", most=500), hint="The owner channel reads this."),
        ],
        callback_id="quiet.silence",
        submit="Silence",
    )


def maintenance_form(now: datetime, zone: str) -> dict[str, Any]:
    """What rests, from when, for how long, and why; once, or by a schedule."""
    local = (now + timedelta(hours=1)).astimezone(zone_named(zone))
    return modal(
        "Plan maintenance",
        [
            section("Problems that open in a maintenance window are held back. Those still open at its end call people then."),
            _agent_input(""),
            _department_input(),
            input_block("day", "Day", {"type": "datepicker", "action_id": "day", "initial_date": f"{local:%Y-%m-%d}"}, optional=True),
            input_block("at", "From", {"type": "timepicker", "action_id": "at", "initial_time": f"{local:%H}:00"}, optional=True),
            input_block("cron", "Or again and again", text_input("cron", placeholder="0 22 * * sun", most=128), hint="Five cron fields: minute, hour, day, month, weekday. Where this is filled, day and time above do not count.", optional=True),
            input_block("zone", "Time zone", text_input("zone", initial=zone, most=64), hint="Of these times, such as Europe/Paris."),
            input_block("lasts", "For how long?", text_input("lasts", initial="2h", most=8), hint="30m, 2h or 1d."),
            input_block("reason", "What is done?", text_input("reason", placeholder="The index is rebuilt", most=500), hint="The owner channel reads this."),
        ],
        callback_id="quiet.maintenance",
        submit="Plan it",
    )


def _agent_input(agent: str) -> Block:
    return input_block("agent", "Agent", text_input("agent", placeholder="support-triage", initial=agent, most=127), hint="Its id; a pattern such as support-*, or * for all, is for leads.")


def _department_input() -> Block:
    return input_block("department", "Department", text_input("department", most=200), hint="Only agents of this department. Leave it empty for one agent.", optional=True)


# --- problems that are held back -------------------------------------------------------------------------------------


def held_back(agent: str, title: str, says: str, since: datetime, why: str) -> Message:
    """A problem under agreed quiet, in one quiet line of the channel; `why` is a cover's words."""
    lead = clip(f"SILENCED {clip(agent, 30)}: {title}", 80)
    dot = "" if why.endswith((".", "!", "?")) else "."
    note = f"It is {why}{dot} Nobody is called. If it still fails then, people are."
    text = f":no_bell: *{escape(lead)}*\n{escape(clip(says, 500))} Since {when(since)}."
    return Message(f"{escape(lead)}\n{escape(clip(says, 500))} Since {when(since)}. {note}", [section(text), context(note)])


def held_over(agent: str, title: str, why: str, since: datetime | None = None, closed_at: datetime | None = None) -> Message:
    """The same line, once it recovered or is no longer held back."""
    lead = clip(f"SILENCED {clip(agent, 30)}: {title}", 80)
    text = f":large_green_circle: It is over since {when(closed_at)}: {escape(why)} It began {when(since)}; nobody was called." if closed_at and since else escape(why)
    return Message(f"{escape(lead)}\n{text}", [context(f"{escape(lead)}: {text}")])
