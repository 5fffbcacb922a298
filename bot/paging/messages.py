"""What a page says in the channel and in a DM, and what is shown of failures that call nobody: pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.blocks import (
    Block,
    Message,
    actions,
    channel_link,
    clip,
    clock_time,
    context,
    escape,
    header,
    section,
    when,
)
from bot.paging.words import buttons
from bot.paging.words.calls import call_message as call_message
from bot.paging.words.calls import call_over as call_over
from bot.paging.words.calls import called_line as called_line
from bot.paging.words.calls import channel_call as channel_call
from bot.paging.words.calls import over_line as over_line
from bot.paging.words.calls import taken_over as taken_over
from bot.paging.words.calls import takes_down
from bot.paging.words.phrases import by_check, light, listed, since, times, ways
from bot.paging.words.phrases import lead as lead
from bot.paging.words.phrases import quiet_until as quiet_until
from bot.paging.words.phrases import span as span
from bot.paging.words.views import CallView as CallView
from bot.paging.words.views import DownView as DownView
from bot.paging.words.views import PageView as PageView
from bot.paging.words.views import ProblemView as ProblemView
from bot.paging.words.views import RootView as RootView

SHOWN_PROBLEMS = 5


def page_message(page: PageView, *, place: str) -> Message:
    """The state of a page. `place` is `channel`, or `dm` for somebody who was called."""
    title = page.worst.short if page.worst else ""
    blocks: list[Block] = [header(f"{light(page)} {_headline(page)}: {clip(page.agent, 60)}{f' and {page.agent_count - 1} more' if page.several else ''}: {title}")]
    blocks += [section(words) for words in (_agents(page), part_of(page)) if words]
    blocks += _problems(page)
    if down := takes_down(page):
        blocks.append(section(f"*{down}*" if page.resolved_at is None else down))
    if page.changes:
        blocks.append(section("*What changed lately*\n" + "\n".join(f"• {escape(each)}" for each in page.changes[:3])))
    if people := _people(page):
        blocks.append(section(people))
    if stands := _stage(page):
        blocks.append(section(stands))
    if page.runbook and not page.resolved_at:
        blocks.append(section(f"*Runbook*\n{clip(escape(page.runbook), 1000)}"))
    if pressed := buttons.of(page, place):
        blocks.append(actions(*pressed))
    blocks.append(context(_footing(page)))
    told = [escape(lead(page)), *(words for words in (_agents(page), part_of(page)) if words)]
    told += [_told(each, page) for each in page.problems[:SHOWN_PROBLEMS] if each.closed_at is None or page.resolved_at]
    told += [words for words in (down, _people(page), _stage(page)) if words]
    if page.resolved_at is None:
        told += [f"Changed lately: {escape(clip(each, 150))}." for each in page.changes[:3]]
        told += [f"Runbook: {escape(clip(page.runbook, 300))}"] if page.runbook else []
    return Message("\n".join(told), blocks)


def notice_message(problem: ProblemView, agent: str, why: str = "", closed_why: str = "") -> Message:
    """A failing check that calls nobody: shown once in the channel, edited when it recovers."""
    lead_words = clip(f"NOTICE {clip(agent, 30)}: {problem.short}", 80)
    if problem.closed_at is not None:
        over = f":large_green_circle: It is over since {when(problem.closed_at)}: {escape(closed_why)} It lasted {span(problem.closed_at - problem.since)}."
        return Message(f"{escape(lead_words)}\n{over}", [section(f"*{escape(lead_words)}*"), context(over)])
    told = f"{escape(problem.says)} {since(problem)}{_flaps(problem)}"
    blocks: list[Block] = [section(f":large_blue_circle: *{escape(lead_words)}*\n{told}"), *_evidence(problem)]
    note = "This is a notice: nobody is called. It stays on the owners' list until it recovers."
    blocks.append(context(note, *([f"Why we watch this: {escape(clip(why, 300))}"] if why else [])))
    return Message(f"{escape(lead_words)}\n{told} {note}", blocks)


def down_message(agents: Sequence[tuple[str, str]], count: int, root: str, page_id: int, *, over: str = "") -> Message:
    """In the owner channel of agents that another one took down (name and failure, open ones only): one message, edited in place."""
    if over:
        text = f"{escape(root)}\n{over}"
        return Message(text, [section(text)])
    names = listed([f"{clip(name, 60)} ({clip(title, 80)})" for name, title in agents], count)
    text = f"{escape(root)}\nThis takes down {escape(names)}. Nobody is called about {'it' if count == 1 else 'them'} meanwhile: the owner of what failed first is called, by page {page_id}."
    return Message(text, [section(f":large_yellow_circle: {text}"), context("If it still fails 2 minutes after that is over, its own owner is called.")])


def open_pages_list(pages: Sequence[PageView]) -> Message:
    """The answer to `/aiops page`."""
    if not pages:
        return Message("No page is open. Nobody is being called.")
    lines = [f"• *{page.id}* {escape(lead(page))}: {_short_state(page)}" for page in pages[:20]]
    more = f"\nAnd {len(pages) - 20} more." if len(pages) > 20 else ""
    text = f"{len(pages)} open {'page' if len(pages) == 1 else 'pages'}:\n" + "\n".join(lines) + more
    return Message(text, [section(clip(text, 2900)), context("`/aiops page ack <number>` acknowledges one, `snooze`, `escalate` and `resolve` work the same way; `/aiops page test <agent>` calls you to try it out.")])


# --- parts ---------------------------------------------------------------------------------------------------------


def _headline(page: PageView) -> str:
    kind = "Test page" if page.test else page.severity.capitalize()
    if page.resolved_at:
        return f"{kind}, over"
    if page.root is not None:
        return f"{kind}, part of page {page.root.id}"
    if page.acked_by:
        return f"{kind}, {'snoozed' if page.snoozed else 'acknowledged'}"
    return f"{kind}, held back" if page.quiet else kind


def _agents(page: PageView) -> str:
    """The agents of a page about several."""
    if not page.several:
        return ""
    return f"*{page.agent_count} agents:* {escape(listed([clip(each, 60) for each in page.agents], page.agent_count))}."


def part_of(page: PageView) -> str:
    """That it is part of another page, and what becomes of it."""
    if page.root is None or page.resolved_at is not None:
        return ""
    if page.root.over:
        ends = f" at {clock_time(page.root.free_at)}" if page.root.free_at else ""
        return f"*What took it down is over (page {page.root.id}).* If it still fails{ends or ' in 2 minutes'}, calling begins again."
    return f"*Part of page {page.root.id}:* {escape(page.root.lead)}. Nobody is called about this one: it comes from there."


def _problems(page: PageView) -> list[Block]:
    blocks: list[Block] = []
    for each in page.problems[:SHOWN_PROBLEMS]:
        agent = f"{escape(clip(each.agent, 60))}: " if page.several and each.agent else ""
        title = f"*{agent}{escape(clip(each.short, 200))}*\n" if len(page.problems) > 1 else ""  # the header tells a single one
        said = f"{title}{escape(clip(each.says, 900))}"
        if each.closed_at is not None:
            blocks.append(section(f":white_check_mark: {said}\nFrom {when(each.since)} until {when(each.closed_at)}{by_check(each.check)}."))
            continue
        elsewhere = f" It is part of page {each.elsewhere} now." if each.elsewhere and page.root is None else ""
        blocks.append(section(f"{said}\n{since(each)}{_flaps(each)}{elsewhere}"))
        blocks += _evidence(each)
    more = max(len(page.problems) - SHOWN_PROBLEMS, 0) + page.more_problems
    if more:
        blocks.append(context(f"And {more} more {'problem' if more == 1 else 'problems'} of {'these agents' if page.several else 'this agent'}."))
    return blocks


def _told(problem: ProblemView, page: PageView) -> str:
    agent = f"{escape(clip(problem.agent, 60))}: " if page.several and problem.agent else ""
    return f"{agent}{escape(clip(problem.says, 300))} {since(problem)}{_flaps(problem)}"


def _flaps(problem: ProblemView) -> str:
    """That it comes and goes, how often, and when that ends."""
    if problem.flapping_at is None or problem.closed_at is not None:
        return ""
    told = f" It comes and goes: it failed {problem.turns} times since {clock_time(problem.flapping_at)}, so it is held open."
    if problem.well_at is not None and problem.steady_at is not None:
        return told + f" It is well since {clock_time(problem.well_at)}; if it stays so it closes at {clock_time(problem.steady_at)}."
    return told


def _evidence(problem: ProblemView) -> list[Block]:
    fresh = [(label, words) for label, words in problem.evidence[:10] if words and words not in problem.says]
    fields = [f"*{escape(clip(label, 60))}*\n{escape(clip(words, 300))}" for label, words in fresh]
    return [section("", fields=fields)] if fields else []


def _people(page: PageView) -> str:
    """Who was called, who is next and when; or who has it; or that it is over."""
    if page.resolved_at:
        lasted = span(page.resolved_at - page.opened_at)
        by = f" {page.acked_by} had it." if page.acked_by else ""
        return f"It is over since {when(page.resolved_at)}: {escape(page.resolved_why)} It lasted {lasted}.{by}{_left(page)}"
    if page.acked_by and page.acked_at:
        how = "snoozed it" if page.snoozed else "took it" if page.took else "acknowledged"
        return f"*{page.acked_by}* {how} at {clock_time(page.acked_at)}. {quiet_until(page.until)} It stays open until {'somebody resolves it' if page.stage == 'suspended' else 'the check recovers'}.{f' {page.quiet}' if page.quiet else ''}"
    told = [f"*Nobody is called now.* {page.quiet}"] if page.quiet else []
    if page.lapsed_by and page.lapsed_at:
        told.append(f"{page.lapsed_by} had it until {clock_time(page.lapsed_at)}{'' if page.quiet else '; calling has begun again'}.")
    if page.calls:
        # Who is called by several routes at once is called once.
        at_once: dict[tuple[str, int], list[CallView]] = {}
        for each in page.calls:
            at_once.setdefault((each.name, int(each.at.timestamp())), []).append(each)
        newest = list(at_once.values())[-4:]
        names = ", ".join(f"{same[0].name} at {clock_time(same[0].at)}{'' if [each.route for each in same] == ['slack'] else ' by ' + ways([each.route for each in same])}" for same in newest)
        before = len(at_once) - len(newest)
        told.append(f"*Called:* {names}" + (f", and {before} earlier" if before else "") + ".")
    if page.root is not None:
        return " ".join(told)
    if page.next is not None:
        told.append(f"*Next, unless somebody answers:* {page.next.names} ({page.next.words}) at {clock_time(page.next.at)}.")
    if page.unconfirmed:
        told.append("The owner is not confirmed: they were named, and have not accepted yet.")
    return " ".join(told) or "Nobody was called yet."


def _left(page: PageView) -> str:
    """What it took down and still fails."""
    open_ones = [each for each in page.down if each.closed_at is None]
    free_at: datetime | None = next((each.free_at for each in open_ones if each.free_at), None)
    if not open_ones or free_at is None:
        return ""
    names = list(dict.fromkeys(clip(each.agent, 60) for each in open_ones))
    return f" {escape(listed(names, max(page.down_count, len(names))))} still {'fails' if len(names) == 1 else 'fail'}; what has not recovered by {clock_time(free_at)} calls people itself."


def _stage(page: PageView) -> str:
    """What was ordered while the page is open, by whom and when; that a stopped agent's checks rest."""
    if page.resolved_at is not None or page.test:
        return ""
    if page.several:
        names = escape(listed([clip(each, 60) for each in page.stopped], len(page.stopped)))
        return f"*Stopped:* {names}. {'Its' if len(page.stopped) == 1 else 'Their'} checks rest until somebody starts {'it' if len(page.stopped) == 1 else 'them'} again with `/aiops stage`." if page.stopped else ""
    if page.version is not None:
        by = f" {page.ordered_by} ordered it at {clock_time(page.ordered_at)}." if page.ordered_by and page.ordered_at else ""
        return f"*Rolled back to version `{escape(clip(page.version.replace('`', chr(39)), 80))}`.*{by} {page.order}"
    if page.stage not in ("assisted", "suspended"):
        return ""
    ordered = f" {page.ordered_by} ordered it at {clock_time(page.ordered_at)}." if page.ordered_by and page.ordered_at else ""
    if page.stage == "suspended":
        is_so = "The agent is stopped" if page.obeyed else "The agent was asked to stop"
        return f"*{is_so}.*{ordered} {page.order + ' ' if page.order else ''}Its checks rest until an owner starts it again with `/aiops stage`, so `Resolve` closes this page at once."
    return f"*Human review.*{ordered} {page.order + ' ' if page.order else ''}A person looks at every output before it counts." if ordered else ""


def _footing(page: PageView) -> str:
    told = [f"Page {page.id}, opened {when(page.opened_at)}"]
    if page.incident is not None:
        told.append(f"incident #{page.incident} is open")
    if page.round > 1 and not page.test and not page.acked_by and not page.resolved_at:
        told.append(f"round {page.round}, {times(len(page.calls))}")
    if page.why and not page.resolved_at:
        told.append(f"why we watch this: {escape(clip(page.why, 300))}")
    if page.history:
        told.append(f"its history stands in the thread in {channel_link(page.history)}")
    return " · ".join(told)


def _short_state(page: PageView) -> str:
    if page.root is not None:
        return f"part of page {page.root.id}."
    if page.acked_by:
        return f"{page.acked_by} has it."
    if page.quiet:
        return f"nobody is called now: {page.quiet}"
    if page.next is not None:
        return f"nobody has answered; next {page.next.names} at {clock_time(page.next.at)}."
    return "nobody has answered."
