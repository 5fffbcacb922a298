"""The words that all messages about pages share: pure."""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.blocks import clip, clock_time, escape, when
from bot.paging.words.views import PageView, ProblemView

LISTED = 12  # names listed before the rest is a count
_WAYS = {"slack": "Slack", "email": "e-mail", "webhook": "webhook", "pagerduty": "PagerDuty"}


def lead(page: PageView) -> str:
    """Severity, agent and failure within 80 characters: what a lock screen shows."""
    kind = "TEST PAGE" if page.test else page.severity.upper()
    title = page.worst.short if page.worst else "it recovered"
    more = f" and {page.agent_count - 1} more" if page.several else ""
    agent = clip(page.agent, 30) + more
    return clip(f"{kind} {agent}: {clip(title, 78 - len(kind) - len(agent) - 3)}", 80)


def light(page: PageView) -> str:
    """Red while nobody has it, yellow while somebody does (or it is part of another page), green once it is over."""
    if page.resolved_at:
        return ":large_green_circle:"
    return ":large_yellow_circle:" if page.acked_by or page.root or page.quiet else ":red_circle:"


def listed(names: Sequence[str], count: int) -> str:
    """The first names, and how many more: `A, B and 188 more`."""
    shown = list(names[:LISTED])
    more = count - len(shown)
    if more > 0:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)


def ways(routes: Sequence[str]) -> str:
    """Routes by the names people know them by: `Slack, e-mail and PagerDuty`."""
    return listed([_WAYS.get(each, each) for each in routes], len(routes))


def since(problem: ProblemView) -> str:
    """Since when, and which check says so: two of an agent may fail in the same words."""
    return f"Since {when(problem.since)}{by_check(problem.check)}."


def by_check(name: str) -> str:
    """The check's name in brackets; nothing for a test, which has none."""
    plain = escape(clip(name.replace("`", "'"), 80))
    return f" (check `{plain}`)" if plain else ""


def open_line(page: PageView, now: datetime) -> str:
    """An open page in a terminal: what fails, since when, and who has it or is next."""
    state = f"{page.acked_by} has it" if page.acked_by else f"part of page {page.root.id}" if page.root else "nobody is called now" if page.quiet else "nobody has answered"
    following = f"; next {page.next.names} in {span(page.next.at - now)}" if page.next and state == "nobody has answered" else ""
    says = f" {page.worst.says}" if page.worst else ""
    return html.unescape(f"{page.id}  {lead(page)} (open for {span(now - page.opened_at)}; {state}{following}).{says}")


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


def times(calls: int) -> str:
    return "one call" if calls == 1 else f"{calls} calls"


def quiet_until(until: datetime | None) -> str:
    """That nobody is called, and for how long."""
    if until is None:
        return "Nobody else is called."
    return f"Nobody else is called until {when(until)}; then calling begins again."


def nobody_now(page: PageView) -> str:
    return f"; {page.lapsed_by} had it until {clock_time(page.lapsed_at)}" if page.lapsed_by and page.lapsed_at else ", and nobody has answered"


def nobody_yet(page: PageView) -> str:
    return f"{page.lapsed_by} had it until {clock_time(page.lapsed_at)}, and nobody has answered since" if page.lapsed_by and page.lapsed_at else "Nobody has answered yet"
