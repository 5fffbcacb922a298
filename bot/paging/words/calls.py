"""What a call says, and the lines that tell the history of calling: pure."""

from __future__ import annotations

from collections.abc import Sequence

from bot.blocks import Message, actions, button, clip, context, escape, section
from bot.paging.words.phrases import lead, light, listed, nobody_now, nobody_yet, since, span, times
from bot.paging.words.views import PageView


def call_message(page: PageView, *, mention: str, role: str, round: int, calls_before: int, in_slack: bool = True, link: str | None = None) -> Message:
    """One call to one person: short, with the button that ends it; by other routes with the `link` that does the same."""
    said = _what(page)
    asked = f"{mention} You are called as {role}."
    if page.test:
        asked = f"{mention} This is the test page you asked for: nothing is broken."
    elif round > 1:
        asked = f"{mention} You are called as {role}. This is round {round}; {times(calls_before)} so far{nobody_now(page)}."
    todo = "Press `Acknowledge` to say you have it; that stops the calls."
    if not in_slack:
        how = f"press `Acknowledge` in Slack, or run `aiops ack {page.id}`."
        # On a line of its own: whatever stood behind it would be taken for a part of it.
        todo = f"To say you have it, which stops the calls, {f'open this link:{chr(10)}{link}' if link else how}"
    text = f"{escape(lead(page))}\n{asked}\n{said}\n{todo}"
    pressed = actions(button("Acknowledge", "paging.acknowledge", page.value, style="primary", label=f"Acknowledge the page about {page.whom}"))
    return Message(text, [section(f"{light(page)} *{escape(lead(page))}*\n{asked}"), section(said), pressed, context(todo)])


def channel_call(page: PageView, *, calls_before: int) -> Message:
    """A call to a whole channel: it pings whoever is there now."""
    text = f"{escape(lead(page))}\n<!here> {nobody_yet(page)} ({times(calls_before)} so far). {_what(page)} If you can help, press `I'll take it`."
    pressed = actions(button("I'll take it", "paging.take", page.value, style="primary", label=f"Take over the page about {page.whom}"))
    return Message(text, [section(text), pressed])


def call_over(page: PageView, over: str) -> Message:
    """A call that was made, once there is nothing left to press."""
    return Message(f"{escape(lead(page))}\n{over}", [section(f"{light(page)} *{escape(lead(page))}*"), context(over)])


def called_line(names: str, role: str, round: int, notes: Sequence[str], calls_before: int, called: Sequence[str] = ()) -> Message:
    """Who was called now, and who was passed over and why; from the second round on also how often and whom it called before."""
    told = f"Called {names} ({role})."
    if round > 1:
        people = list(dict.fromkeys(called))
        whom = f": {listed(people, len(people))}" if people else ""
        told += f" Round {round}; {times(calls_before)} before this{whom}."
    return Message("\n".join([told, *notes]))


def over_line(page: PageView, *, to_person: bool = False) -> Message:
    """The quiet word that it is over, in the channel's thread and to everybody called."""
    told = f"It is over: {escape(page.resolved_why)} It lasted {span((page.resolved_at or page.opened_at) - page.opened_at)}."
    return Message(f"{told} There is nothing to do for you." if to_person else told)


def taken_over(root: PageView, agents: Sequence[str], count: int) -> Message:
    """The one calm word to somebody whom pages called that are part of another page now."""
    if root.resolved_at is not None:
        text = f"{escape(lead(root))}\nIt is over: {escape(root.resolved_why)} What it took down has 2 minutes to recover; whatever still fails then calls people itself."
        return Message(text, [section(text)])
    named = escape(listed(agents, count))
    pages = "The page about it is" if count == 1 else "The pages about them are"
    who = f"{root.acked_by} has it." if root.acked_by else "Its own owner is called about it."
    text = (
        f"{escape(lead(root))}\n{named} {'fails' if count == 1 else 'fail'} because of this. {pages} part of page {root.id} now, and nobody calls you about {'it' if count == 1 else 'them'} any more. {who} "
        "There is nothing to do for you; if it still fails once this is over, you are called again."
    )
    return Message(text, [section(text)])


def _what(page: PageView) -> str:
    """What fails, since when; how many agents; what it takes down."""
    problem = page.worst
    told = [f"{clip(escape(problem.says), 2000)} {since(problem)}"] if problem else []
    if page.several:
        told.append(f"{page.agent_count} agents are on this page: {escape(listed([clip(each, 60) for each in page.agents], page.agent_count))}.")
    if page.down_count:
        told.append(takes_down(page))
    return " ".join(told)


def takes_down(page: PageView) -> str:
    """Whom the failure takes down, escaped."""
    names = list(dict.fromkeys(clip(each.agent, 60) for each in page.down if each.closed_at is None or page.resolved_at))
    count = max(page.down_count, len(names))
    what = f"{escape(page.upstream)} is down, and takes down" if page.upstream else "It takes down"
    return f"{what} {escape(listed(names, count))}: nobody is called about {'it' if count == 1 else 'them'} meanwhile." if names else ""
