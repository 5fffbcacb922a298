"""How hand-overs read: what travels along, and what everybody concerned is told: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.agents.names import ROLE_WORDS
from bot.blocks import Message, actions, button, clip, confirm, context, escape, section, when

MOST = 6  # lines of one kind: enough to know what waits, and all of them stand where they belong
CHECKS = 12


@dataclass(frozen=True)
class Open:
    """Things of one kind that are open, escaped, a line each."""

    title: str
    one: str  # for counting: "open page"
    lines: tuple[str, ...]
    where: str  # where all of them stand
    many: str = ""


@dataclass(frozen=True)
class Knowledge:
    """What comes with a role of an agent."""

    slug: str
    stage: str  # how it works now, escaped
    held: str  # who has it since when, escaped
    open: tuple[Open, ...]
    checks: tuple[tuple[str, str, str], ...]  # name, what it does in a word, why
    inputs: tuple[str, ...]
    runbook: str


def sections(known: Knowledge) -> list[tuple[str, list[str]]]:
    """Headings with their lines, as many as anybody reads: the rest is counted, with where it stands."""
    found: list[tuple[str, list[str]]] = [("How it stands", [known.stage, known.held])]
    for each in known.open:
        if each.lines:
            found.append((f"{each.title} ({len(each.lines)})", _most(each.lines, MOST, each.where)))
    if not any(each.lines for each in known.open):
        found.append(("What is open", ["nothing: no page, problem, incident, follow-up or request waits"]))
    if known.inputs:
        found.append(("What must be kept fresh", _most(known.inputs, MOST, f"`/aiops agent {known.slug}`")))
    if known.checks:
        told = [f"`{escape(name)}` ({escape(what)}): {escape(clip(why, 220)) or 'nobody wrote down why'}" for name, what, why in known.checks]
        found.append((f"Its checks, and why each is there ({len(told)})", _most(told, CHECKS, f"`/aiops agent {known.slug}`")))
    found.append(("Runbook", [known.runbook or "none yet: ask whoever hands over, and write it down under `runbook:`"]))
    return found


def _most(lines: Sequence[str], most: int, where: str) -> list[str]:
    return [*lines[:most], *([f"and {len(lines) - most} more: {where}"] if len(lines) > most else [])]


def brief(known: Knowledge) -> str:
    """The same in half a sentence."""
    told = [f"{len(each.lines)} {each.one if len(each.lines) == 1 else each.many or each.one + 's'}" for each in known.open if each.lines]
    return ", ".join(told) or "nothing open"


@dataclass(frozen=True)
class Giving:
    """A hand-over as those see it who hand over, or held the role. Names are plain text."""

    id: int
    agent: str
    slug: str
    role: str
    new: str
    old: str
    by: str  # empty: the registry file
    asked_at: datetime
    until: datetime
    state: str  # asked, or how it ended
    at: datetime | None = None
    passed: tuple[str, ...] = ()
    note: str = ""


ENDED = {
    "declined": "{new} said: not me. {old} keeps it.",
    "taken_back": "It was taken back. {old} keeps it.",
    "superseded": "Somebody else was asked instead. {old} keeps it until then.",
    "expired": "{new} did not answer in seven days and is no longer asked. {old} keeps it.",
    "left": "{new} has left the workspace and is no longer asked. {old} keeps it.",
    "ended": "It is asked no longer.",
}


def giving(row: Giving) -> Message:
    """To whoever hands over, and whoever has the role: how far it has come, with the way back."""
    new, old = escape(row.new), escape(row.old or "nobody")
    role = f"{ROLE_WORDS[row.role]} of {escape(row.agent)}"
    by = f"{escape(row.by)} asked" if row.by else "The registry file (`aiops.yml`) asks for it:"
    head = f"{by} {new} to take over as {role}." if row.by else f"{by} {new} is asked to take over as {role}."
    if row.state == "asked":
        said = f"{old} stays until {new} accepts. They are reminded after two days, and asked until {when(row.until, '{date_short_pretty}')}."
        press = button("Take back", "handover.take_back", f"handover:{row.id}", confirm=confirm("Take it back?", f"{new} is no longer asked, and {old} keeps the role.", "Take back", "Leave it"), label=f"Take back: {ROLE_WORDS[row.role]} of {row.agent}")
        return Message(f"{head} {said}", [section(f"*{head}*\n{said}"), actions(press)])
    if row.state == "accepted":
        said = f"{new} accepted{f' on {when(row.at)}' if row.at else ''}. Calls for that go there from now on."
        passed = "What passed on: " + "; ".join(row.passed) + "." if row.passed else "Nothing of it was open."
        return Message(f"{head} {said} {passed}", [section(f"*{head}*\n✓ {said}"), section(clip(passed, 2900))])
    said = ENDED.get(row.state, ENDED["ended"]).format(new=new, old=old)
    again = button("Hand over", "handover.ask", f"{row.slug}:{row.role}", label=f"Hand over: {ROLE_WORDS[row.role]} of {row.agent}")
    blocks = [section(f"*{head}*\n{said}"), *([actions(again)] if row.state in ("expired", "left", "declined") else [])]
    return Message(f"{head} {said}", blocks)


def changed_hands(agent: str, role: str, new: str, old: str) -> Message:
    """A line in the agent's channel, so that the staff know whom to ask; it pings nobody."""
    return Message(f"{escape(new)} is {ROLE_WORDS[role]} of {escape(agent)} from now on, in the place of {escape(old)}.")


def reminder(row: Giving) -> Message:
    """To whoever shall take it, after two days."""
    role = f"{ROLE_WORDS[row.role]} of {escape(row.agent)}"
    said = f"{escape(row.by or 'The registry file')} asked you {when(row.asked_at, '{date_short_pretty}')} to take over as {role}. {escape(row.old)} does it until you answer; after {when(row.until, '{date_short_pretty}')} you are no longer asked."
    ref = f"handover:{row.id}"
    what = f"{ROLE_WORDS[row.role]} of {row.agent}"
    presses = actions(button("Accept", "agents.accept", ref, style="primary", label=f"Accept: {what}"), button("Not me", "agents.decline", ref, label=f"Not me: {what}"), button("What comes with it", "handover.travels", ref, label=f"What comes with: {what}"))
    return Message(f"{said} Please accept, or say that it is not you.", [section(said), presses])


def answered(row: Giving) -> Message:
    """In the place of a reminder, once it is settled."""
    role = f"{ROLE_WORDS[row.role]} of {escape(row.agent)}"
    said = "you accepted" if row.state == "accepted" else "you said that it is not you" if row.state == "declined" else "it is settled"
    return Message(f"About taking over as {role}: {said}. Nothing is to be done here any more.")


def started(row: Giving, also: Sequence[str]) -> Message:
    """To whoever pressed."""
    both = f" {escape(row.new)} is {' and '.join(ROLE_WORDS[role] for role in also)} of it already, and would be both." if also else ""
    return Message(
        f"{escape(row.new)} is asked to take over as {ROLE_WORDS[row.role]} of {escape(row.agent)}, in a direct message with everything that comes with it. "
        f"{escape(row.old)} stays until they accept; they are asked until {when(row.until, '{date_short_pretty}')}.{both} To take it back: `/aiops agent take-back {row.slug}`."
    )


@dataclass(frozen=True)
class Yours:
    """One role that somebody may hand over."""

    agent: str
    slug: str
    role: str
    holder: str


def yours(rows: Sequence[Yours]) -> Message:
    """`agent hand-over` alone."""
    if not rows:
        return Message("You hold no role that you could hand over. `/aiops agent hand-over <agent>` hands over one of an agent, where you may.")
    told = [f"• *{escape(each.agent)}* (`{each.slug}`): {ROLE_WORDS[each.role]}" for each in rows[:30]]
    more = f"\nand {len(rows) - 30} more" if len(rows) > 30 else ""
    text = "What you hold, and could hand over:\n" + "\n".join(told) + more
    hint = "Or in words: `/aiops agent hand-over support-triage operations to @lea because she knows it best`"
    return Message(text, [section(clip(text, 2900)), actions(button("Hand over", "handover.pick", "mine", style="primary")), context(hint)])


def press_here(agent: str, value: str, verb: str, action_id: str, *, style: str = "") -> Message:
    """After a mention: forms open only from a button."""
    said = f"{verb} {escape(agent)}: this needs a few words of yours."
    return Message(said, [section(said), actions(button(verb, action_id, value, style=style, label=f"{verb}: {agent}"))])


