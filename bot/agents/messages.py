"""What the registry says to people: pure. Read this file and you hear how somebody is asked to answer for an agent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.agents.names import ROLE_WORDS, OwnerNames
from bot.blocks import (
    Block,
    Message,
    actions,
    button,
    channel_link,
    clip,
    confirm,
    context,
    escape,
    header,
    mention,
    quote,
    section,
    when,
)

ROWS = 12  # named roles shown at once: each takes two blocks or three
FILE = "the registry file (`aiops.yml`)"

MEANS = {
    "operations": "You keep it running. {called} You also look after its incidents and keep what it depends on fresh.",
    "business": "You answer for the outcome: whether its work is worth using. The daily summary in its channel tells you, and asks for `Reviewed` when something needs a look. {called}",
    "backup": "You step in for the operations owner: {called}",
    "sponsor": "You stand above the business owner: you see how it does, and are asked when nobody else can decide. Nothing is asked of you every day.",
}
# By where the agent's ladder calls the role: first, after its owners in the usual order (usual), otherwise later, or never.
CALLED = {
    "operations": {
        "first": "When one of its checks fails you are called first, here in a direct message, and the next person is called unless you press `Acknowledge`.",
        "later": "When one of its checks fails you are called, here in a direct message, unless somebody before you on its ladder has answered.",
        "never": "When one of its checks fails its ladder calls others, and not you; the page in its channel shows whom.",
    },
    "business": {
        "usual": "You are called only where the operations owner and the backup do not answer.",
        "first": "When one of its checks fails you are called first, here in a direct message.",
        "later": "When one of its checks fails you are called only where those before you on its ladder do not answer.",
        "never": "When one of its checks fails its ladder calls others, and not you.",
    },
    "backup": {
        "usual": "you are called when they do not answer, and their work comes to you while they are away.",
        "first": "you are called first when one of its checks fails, and their work comes to you while they are away.",
        "later": "you are called when those before you on its ladder do not answer, and their work comes to you while they are away.",
        "never": "their work comes to you while they are away.",
    },
}


@dataclass(frozen=True)
class Naming:
    """One role one person was named for, and what they answered."""

    ref: str  # owner:12, or handover:5
    agent: str
    slug: str
    role: str
    channel_id: str | None
    runbook: str | None
    by: str  # a mention, or FILE
    instead_of: str = ""  # the name of who holds it until they accept
    state: str = "asked"  # asked, accepted, declined, gone, or one of SETTLED
    at: datetime | None = None
    note: str = ""  # a word of whoever hands it over
    until: datetime | None = None  # after that they are no longer asked
    travels: tuple[tuple[str, tuple[str, ...]], ...] = ()  # what comes with the role: headings with their lines, escaped
    brief: str = ""  # the same in half a sentence
    passed: tuple[str, ...] = ()  # what became theirs when they accepted, escaped
    called: str = "usual"  # where the agent's ladder calls the role: see CALLED


SETTLED = {
    "taken_back": "This was taken back",
    "expired": "You did not answer in time, so you are no longer asked",
    "superseded": "This is settled otherwise: somebody else was asked instead",
    "ended": "This is settled otherwise",
}


def settled(how: str | None, holder: str) -> str:
    """Why an old question can no longer be answered."""
    stays = f" {escape(holder)} keeps the role." if holder and how in ("taken_back", "expired") else ""
    return f"{SETTLED.get(how or '', 'This is settled otherwise by now')}. Nothing is asked of you any more.{stays}"


def naming(rows: Sequence[Naming], *, page: int = 0) -> Message:
    """The one direct message for everything a person was named for at once."""
    return _one(rows[0]) if len(rows) == 1 else _many(rows, page)


def meaning(role: str, called: str) -> str:
    """What a role asks of somebody, and whether the agent's ladder calls them for it."""
    ways = CALLED.get(role, {})
    return MEANS[role].format(called=ways.get(called) or ways.get("first" if role == "operations" and called == "usual" else "later", ""))


def _one(row: Naming) -> Message:
    title = f"You are named {ROLE_WORDS[row.role]} of {escape(row.agent)}"
    means = meaning(row.role, row.called)
    text = f"{title}. That means: {means}"
    blocks = [section(f"*{title}.*\nThat means: {means}"), _facts(row)]
    if row.state == "asked":
        blocks += [section(f"{row.by} says:\n{quote(row.note, 1000)}")] if row.note else []
        blocks += [section(_what_now(row)), _buttons(row), *travelling(row.travels)]
        text += f" {_what_now(row)}" + (f" With it comes: {row.brief}." if row.brief else "")
    else:
        blocks += [section(_answered(row)), *([_buttons(row)] if row.state == "declined" else [])]
        text = f"{title}. {_answered(row)}"
        if row.state == "accepted" and row.passed:
            blocks.append(section("*What became yours*\n" + "\n".join(f"• {each}" for each in row.passed)))
            blocks += travelling(row.travels)
            text += f" What became yours: {'; '.join(row.passed)}."
    return Message(text, blocks)


def travelling(sections: Sequence[tuple[str, Sequence[str]]]) -> list[Block]:
    """What comes with a role, a section each: within Slack's limits however much is open (the lines are few, and each is clipped)."""
    return [section(f"*{title}*\n" + "\n".join(f"• {line}" for line in lines)) for title, lines in sections[:20]]


def travels_with(row: Naming) -> Message:
    """`What comes with it`, beside one of many."""
    title = f"What comes with being {ROLE_WORDS[row.role]} of {escape(row.agent)}"
    if not row.travels:
        return Message(f"{title}: nothing is open. `/aiops agent {row.slug}` shows it.")
    note = [section(f"{row.by} says:\n{quote(row.note, 1000)}")] if row.note else []
    return Message(f"{title}: {row.brief or 'nothing is open'}.", [section(f"*{title}*"), *note, *travelling(row.travels)])


def _what_now(row: Naming) -> str:
    if row.instead_of:
        until = f" You are asked until {when(row.until, '{date_short_pretty}')}." if row.until else ""
        return f"{escape(row.instead_of)} does this now and stays until you accept.{until} `Test page` shows you what a call looks like."
    called = ", and calls come to you all the same" if row.called != "never" else ""
    return f"Until you accept it shows as \"owner not confirmed\"{called}. `Test page` shows you what a call looks like."


def _facts(row: Naming) -> Block:
    told = [f"Named by {row.by}"]
    if row.channel_id:
        told.append(f"Channel {channel_link(row.channel_id)}")
    told.append(f"Runbook: {_runbook(row.runbook, 300)}")
    return context(" · ".join(told))


def _runbook(runbook: str | None, limit: int) -> str:
    if not runbook:
        return "none yet"
    if runbook.startswith(("https://", "http://")) and not set(runbook) & set("<>|\" "):
        return f"<{escape(runbook)}|open it>" if len(runbook) <= 1000 else "a link too long to show"
    return clip(escape(" ".join(runbook.split())), limit)


def _answered(row: Naming) -> str:
    on = f" on {when(row.at)}" if row.at else ""
    if row.state == "accepted":
        return f"✓ You accepted{on}. Thank you."
    if row.state == "declined":
        stays = f"{escape(row.instead_of)} keeps it" if row.instead_of else "Until somebody else takes it, you stay named and calls still come to you"
        return f"You said{on} that it is not you. I have asked for another name. {stays}."
    if row.state in SETTLED:
        stays = f" {escape(row.instead_of)} keeps the role." if row.instead_of else ""
        return f"{SETTLED[row.state]}{on}. Nothing is asked of you any more.{stays}"
    return f"This is settled otherwise{on}: nothing is asked of you any more."


def _buttons(row: Naming, *, more: bool = False) -> Block:
    what = f"{ROLE_WORDS[row.role]} of {row.agent}"
    accept = button("Accept" if row.state == "asked" else "Accept after all", "agents.accept", row.ref, style="primary" if row.state == "asked" else "", label=f"Accept: {what}")
    decline = button("Not me", "agents.decline", row.ref, label=f"Not me: {what}") if row.state == "asked" else {}
    comes = button("What comes with it", "handover.travels", row.ref, label=f"What comes with: {what}") if more else {}
    return actions(accept, decline, comes, button("Test page", "paging.test", row.slug, label=f"Test page for {row.agent}"), block_id=f"naming:{row.ref}")


def _many(rows: Sequence[Naming], page: int) -> Message:
    waiting = [row for row in rows if row.state == "asked"]
    agents = {row.slug for row in rows}
    title = f"You are named for {len(rows)} roles, over {len(agents)} agent{'s'[: len(agents) > 1]}"
    left = f"{len(waiting)} of them wait{'s'[: len(waiting) == 1]} for your answer" if waiting else "You have answered all of them. Thank you"
    blocks: list[Block] = [section(f"*{title}.* {left}.")]
    roles = [role for role in MEANS if any(row.role == role for row in rows)]
    if waiting:
        places = {role: {row.called for row in rows if row.role == role} for role in roles}
        blocks += [section(f"*{ROLE_WORDS[role].capitalize()}.* {meaning(role, places[role].pop() if len(places[role]) == 1 else 'later')}") for role in roles]
        blocks.append(context(f"Named by {' and '.join(dict.fromkeys(row.by for row in rows))}. Until you accept, each shows as \"owner not confirmed\"."))
    pages = max(1, -(-len(waiting) // ROWS))
    page = min(max(page, 0), pages - 1)
    for row in waiting[page * ROWS : (page + 1) * ROWS]:
        held = f"\n{escape(row.instead_of)} does this now and stays until you accept." if row.instead_of else ""
        place = f" · {channel_link(row.channel_id)}" if row.channel_id else ""
        runbook = f" · Runbook: {_runbook(row.runbook, 80)}" if row.runbook else ""
        comes = f"\nWith it comes: {row.brief}." if row.brief else ""
        blocks += [section(f"*{escape(row.agent)}*: {ROLE_WORDS[row.role]}{place}{runbook}{held}{comes}"), _buttons(row, more=bool(row.travels))]
    first = rows[0].ref
    if len(waiting) > 1:
        sure = confirm("Accept all?", f"You become the one to call for {len(waiting)} roles.", f"Accept all {len(waiting)}")
        turn = [button("Earlier ones", "agents.earlier", f"{first}:{page - 1}")] if page else []
        turn += [button("More", "agents.more", f"{first}:{page + 1}")] if page + 1 < pages else []
        blocks.append(actions(button(f"Accept all {len(waiting)}", "agents.accept_all", first, confirm=sure), *turn))
    if pages > 1:
        blocks.append(context(f"Page {page + 1} of {pages}"))
    for state, words in (("accepted", "✓ Accepted"), ("declined", "Not you; another name is asked for"), ("gone", "Settled otherwise")):
        done = [f"{escape(row.agent)} ({ROLE_WORDS[row.role]})" for row in rows if (row.state if row.state not in SETTLED else "gone") == state]
        if done:
            blocks.append(context(clip(f"{words}: {', '.join(done)}", 1900)))
    told = ", ".join(f"{ROLE_WORDS[row.role]} of {escape(row.agent)}" for row in (waiting or rows)[:20])
    return Message(f"{title}. {left}: {told}.", blocks)


def not_me(name: str, agent: str, slug: str, role: str, *, holder: str = "") -> Message:
    """To whoever must now name another."""
    stays = f"{escape(holder)} keeps it for now." if holder else f"Until somebody else accepts, {escape(name)} stays named, and calls still go there."
    said = f"{escape(name)} says: not me, as {ROLE_WORDS[role]} of {escape(agent)}."
    text = f"{said} {stays} Please name another."
    pick = button("Name another", "agents.name", f"{slug}:{role}", style="primary", label=f"Name another {ROLE_WORDS[role]} of {agent}")
    return Message(text, [section(f"*{said}*\n{stays}"), actions(pick), context(f"Or at any time: `/aiops agent {slug}`")])


def handed_over(agent: str, role: str, new: str) -> Message:
    """To who held the role, once it is taken."""
    return Message(f"{escape(new)} has taken over as {ROLE_WORDS[role]} of {escape(agent)}. Calls about it no longer come to you for that. Thank you for carrying it.")


@dataclass(frozen=True)
class Unconfirmed:
    """A role whose named person has not answered, or said no."""

    agent: str
    slug: str
    role: str
    name: str
    slack_id: str | None
    asked_at: datetime
    declined: bool


def unconfirmed(rows: Sequence[Unconfirmed]) -> Message:
    """To the leads, all in one."""
    title = f"{len(rows)} owner{'s have' if len(rows) > 1 else ' has'} not been confirmed for three days"
    told = []
    for row in rows[:40]:
        who = mention(row.slack_id, row.name)
        how = "said: not me" if row.declined else f"was asked {when(row.asked_at, '{date_short_pretty}')} and has not answered"
        told.append(f"• *{escape(row.agent)}* (`{row.slug}`), {ROLE_WORDS[row.role]}: {who} {how}")
    if len(rows) > 40:
        told.append(f"and {len(rows) - 40} more")
    blocks: list[Block] = [header(title)]
    for start in range(0, len(told), 10):
        blocks.append(section("\n".join(told[start : start + 10])))
    blocks.append(context("An agent without an owner who accepted is nobody's when it fails. Speak with them, or name another with `/aiops agent <name>`."))
    names = ", ".join(f"{escape(row.agent)} ({ROLE_WORDS[row.role]} {escape(row.name)})" for row in rows[:20])
    return Message(f"{title}: {names}{' and more' if len(rows) > 20 else ''}. Name another with `/aiops agent <name>`.", blocks)


@dataclass(frozen=True)
class Resident:
    """One agent that lives in a channel."""

    name: str
    about: str
    owners: OwnerNames
    stage: str


def introduction(residents: Sequence[Resident], *, rated_here: bool = True) -> Message:
    """Said once in a channel, and kept true in its place."""
    hello = "Hello, I am *aiops*. I look after the AI agents of this channel, so that somebody always answers for them."
    if not residents:
        text = "Hello, I am aiops. I look after AI agents. No agent calls this its channel yet: `/aiops agent add` begins one."
        return Message(text, [section("Hello, I am *aiops*. I look after AI agents, so that somebody always answers for them."), section("No agent calls this its channel yet. `/aiops agent add` begins one.")])
    told = []
    for each in residents[:40]:
        about = f" {escape(clip(each.about, 200))}" if each.about else ""
        told.append(f"• *{escape(each.name)}*{about}\n   {each.owners.line()}")
    if len(residents) > 40:
        told.append(f"and {len(residents) - 40} more: `/aiops status`")
    blocks: list[Block] = [section(hello), section(f"*{len(residents)} agent{'s live' if len(residents) > 1 else ' lives'} here*")]
    for start in range(0, len(told), 5):
        blocks.append(section("\n".join(told[start : start + 5])))
    blocks.append(section(
        "*What you will see.* Each working morning a summary says whether yesterday's work was worth using. When something fails, the page stands here and the owner is called.\n"
        "*How to rate.* Press the thumbs under an output, or use the message shortcut \"Rate this output\". Only you see your own vote.\n"
        "*How to get help.* `/aiops help` says what I understand; `/aiops incident open` when something is wrong that nobody noticed."
    ))  # fmt: skip
    names = "; ".join(f"{escape(each.name)} ({each.owners.line()})" for each in residents[:12])
    text = f"Hello, I am aiops. I look after the agents of this channel: {names}. Rate an output with its thumbs; /aiops help says the rest."
    return Message(text, blocks)


def removed(names: Sequence[str]) -> Message:
    """In a channel whose agents were taken out of the registry."""
    said = ", ".join(escape(name) for name in names)
    return Message(f"{said} no longer {'live' if len(names) > 1 else 'lives'} here: taken out of {FILE}. What was recorded stays.")


@dataclass(frozen=True)
class Left:
    """A role of somebody who left the workspace."""

    agent: str
    slug: str
    role: str


def departed(name: str, rows: Sequence[Left], places: Sequence[str]) -> Message:
    """Somebody who answered for agents left the workspace; with a button to name another for each."""
    who = escape(name)
    told = [f"*{who} left the workspace.*"]
    blocks: list[Block] = []
    if rows:
        listed = ", ".join(f"{ROLE_WORDS[row.role]} of {escape(row.agent)}" for row in rows[:20])
        more = f" and {len(rows) - 20} more" if len(rows) > 20 else ""
        told.append(f"They were {listed}{more}. Until somebody else is named, calls for that pass on to the next step of the ladder.")
    if places:
        told.append(f"aiops.yml still names them in {', '.join(escape(each) for each in places[:10])}: change the file and run `aiops apply`.")
    blocks.append(section("\n".join(told)))
    for row in rows[:10]:
        pick = button("Name another", "agents.name", f"{row.slug}:{row.role}", label=clip(f"Name another {ROLE_WORDS[row.role]} of {row.agent}", 75))
        blocks.append(section(f"{ROLE_WORDS[row.role].capitalize()} of *{escape(row.agent)}*", accessory=pick))
    if len(rows) > 10:
        blocks.append(context(f"For the {len(rows) - 10} others: `/aiops agent <name>`."))
    return Message("\n".join(told), blocks)


def channel_closed(channel: str, agents: Sequence[str], *, archived: bool) -> Message:
    """To an owner: what is shown elsewhere now, and how to mend it."""
    names = ", ".join(escape(clip(each, 80)) for each in agents[:12]) + (f" and {len(agents) - 12} more" if len(agents) > 12 else "")
    what, mend = ("was archived", "Unarchive it") if archived else ("no longer has me in it", "Invite me again")
    text = f"#{escape(channel)} {what}. It is the channel of {names}, for which you answer.\n"
    text += f"Calls reach people as before. What I would show in the channel, such as pages and the daily summary, goes to the owners' direct messages meanwhile. {mend}, or name another channel in aiops.yml and run `aiops apply`."
    return Message(text, [section(text)])
