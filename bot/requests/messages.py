"""What people read of a request: the message in the queue, the call, the forms, the list. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.blocks import (
    MESSAGE_TEXT,
    Block,
    Message,
    actions,
    button,
    channel_link,
    clip,
    context,
    escape,
    input_block,
    mention,
    modal,
    option,
    quote,
    section,
    select,
    text_input,
    when,
)
from bot.requests.rules import HandoffRate, shown

LISTED = 15
HIDDEN = "_Its texts stay out of Slack (see `data` in the registry); the agent has them._"


@dataclass(frozen=True)
class Someone:
    """A person as messages name them."""

    name: str
    slack_id: str | None = None

    def named(self) -> str:
        """By name alone: nobody is pinged for being mentioned in a history."""
        return escape(self.name or "someone")


@dataclass(frozen=True)
class RequestView:
    """A request with the names its messages need."""

    id: int
    ext_id: str
    kind: str
    agent: str
    title: str
    context: Mapping[str, Any]
    action: Mapping[str, Any] | None
    rule: str | None
    state: str
    asked_at: datetime
    ends_at: datetime | None  # when an answer is no longer waited for
    sla_at: datetime | None
    on_timeout: str | None
    channel: str | None
    may_show: bool
    triggered_by: Someone | None = None
    claimed_by: Someone | None = None
    claimed_at: datetime | None = None
    decided_by: Someone | None = None
    decided_at: datetime | None = None
    answer: str | None = None
    used_at: datetime | None = None
    undone_by: Someone | None = None
    undone_at: datetime | None = None
    undone_why: str | None = None
    late_at: datetime | None = None
    hook: str = ""  # that the agent's webhook could not be told
    next_call: str = ""
    deciders: tuple[str, ...] = field(default_factory=tuple)

    @property
    def value(self) -> str:
        return f"request:{self.id}"

    @property
    def noun(self) -> str:
        return "approval" if self.kind == "approval" else "hand-off"


def queue_message(view: RequestView) -> Message:
    """The one message of a request: posted once, edited in place until the end."""
    head = headline(view)
    blocks: list[Block] = [section(head)]
    blocks += _what(view)
    blocks.append(section(standing(view)))
    if view.state == "open":
        blocks.append(actions(*_buttons(view)))
    elif may_undo(view):
        blocks.append(actions(button("Take back", "requests.undo", view.value, label=f"Take the approval back: {view.title}")))
    blocks.append(context(_small(view)))
    would = f"\n{_plain_action(view)}" if view.action is not None else ""
    return Message(clip(f"{head}{would}\n{standing(view)}", MESSAGE_TEXT), blocks)


def headline(view: RequestView) -> str:
    verb = "asks for approval" if view.kind == "approval" else "hands over to a person"
    return f"*{escape(view.agent)} {verb}:* {clip(escape(' '.join(view.title.split())), 500)}"


def call_message(view: RequestView, *, to: str, role: str, in_slack: bool, link: str = "") -> Message:
    """What wakes one person for a request that waits."""
    until = f" until {when(view.ends_at)}; then it is {_held(view.on_timeout)}" if view.kind == "approval" and view.ends_at else ""
    place = f" in {channel_link(view.channel)}" if view.channel and view.channel.startswith(("C", "G")) and in_slack else ""
    said = "Nobody has answered yet" if view.kind == "approval" else "Nobody has claimed it yet"
    ask = f"{to} you are called as {role}: {headline(view)}\nIt waits{place} since {when(view.asked_at)}{until}. {said}."
    if not in_slack:
        return Message(f"{ask} Open Slack{' and look at ' + link if link else ''} to answer it.")
    return Message(clip(ask, MESSAGE_TEXT), [section(ask), *_what(view), actions(*_buttons(view))])


def reminder(view: RequestView, to: str) -> Message:
    ask = f"{to} you claimed this {when(view.claimed_at or view.asked_at)}, and it has no answer yet: {headline(view)}\nPress `Answer` once it is done, or `Give back` so that somebody else can take it."
    return Message(clip(ask, MESSAGE_TEXT), [section(ask), actions(*_buttons(view))])


def called_off(view: RequestView) -> Message:
    """What a call becomes once nobody is needed any more."""
    words = f"{headline(view)}\n{standing(view)}"
    return Message(clip(words, MESSAGE_TEXT), [section(words)])


def standing(view: RequestView) -> str:
    """How it stands, in a sentence or two."""
    if view.undone_at is not None and view.undone_by is not None:
        used = f"It had been used {when(view.used_at)}: what was done then has to be put right by hand." if view.used_at else "It had not been used."
        why = f" Why: {clip(escape(view.undone_why or ''), 300)}." if view.undone_why else ""
        return f":leftwards_arrow_with_hook: {view.undone_by.named()} took the approval back {when(view.undone_at)}. {used}{why}"
    by = view.decided_by.named() if view.decided_by else "Somebody"
    at = when(view.decided_at) if view.decided_at else ""
    words = f"\n{quote(view.answer, 1500)}" if view.answer else ""
    if view.state == "approved":
        used = f" Used {when(view.used_at)}." if view.used_at else " Good for exactly this, once, within 24 hours."
        return f":white_check_mark: {by} approved it {at}.{used}{words}"
    if view.state == "rejected":
        return f":no_entry: {by} rejected it {at}.{words}"
    if view.state == "answered":
        return f":white_check_mark: {by} answered {at}.{words}"
    if view.state == "withdrawn":
        who = by if view.decided_by is not None else escape(view.agent)
        return f":heavy_minus_sign: {who} withdrew it {at}: no answer is needed any more.{words}"
    if view.state == "timed_out":
        hasty = view.ends_at is not None and view.sla_at is not None and view.ends_at < view.sla_at
        held = f", so it is {_held(view.on_timeout)}, as agreed" if view.kind == "approval" and not hasty else ", which was the agent's deadline" + (", so it is denied" if view.kind == "approval" else "")
        used = f" Used {when(view.used_at)}." if view.used_at else ""
        return f":hourglass: Nobody answered by {at}{held}.{used}"
    if view.claimed_by is not None and view.claimed_at is not None:
        return f":raised_hand: {view.claimed_by.named()} has it since {when(view.claimed_at)}.{_until(view)}"
    late = f" Its time to be claimed was over {when(view.late_at)}." if view.late_at else ""
    call = f" Called next: {view.next_call}." if view.next_call else ""
    return f":hourglass_flowing_sand: Waits since {when(view.asked_at)}.{late}{_until(view)}{call}"


def _until(view: RequestView) -> str:
    if view.kind == "approval" and view.ends_at is not None:
        return f" If nobody answers by {when(view.ends_at)} it is {_held(view.on_timeout)}."
    if view.ends_at is not None:
        return f" The agent needs the answer by {when(view.ends_at)}."
    if view.sla_at is not None and view.claimed_at is None and view.late_at is None:
        return f" Somebody is to claim it by {when(view.sla_at)}."
    return ""


def _held(on_timeout: str | None) -> str:
    return "allowed" if on_timeout == "allow" else "denied"


def _small(view: RequestView) -> str:
    told = [f"Request `{escape(view.ext_id)}`"]
    if view.rule:
        told.append(f"rule `{escape(view.rule)}`")
    if view.triggered_by is not None:
        told.append(f"triggered by {view.triggered_by.named()}, who cannot approve it" if view.kind == "approval" else f"triggered by {view.triggered_by.named()}")
    if view.deciders and view.state == "open":
        more = f" and {len(view.deciders) - 5} more" if len(view.deciders) > 5 else ""
        told.append(f"{'approved' if view.kind == 'approval' else 'taken'} by {', '.join(view.deciders[:5])}{more}")
    if view.hook:
        told.append(view.hook)
    return " · ".join(told)


def _what(view: RequestView) -> list[Block]:
    """What the agent would do, and what led to it."""
    blocks: list[Block] = []
    if view.action is not None:
        blocks.append(section("*Exactly this would be done:*"))
        # Preformatted rich text is shown letter by letter: nothing in it can end the frame or call anybody.
        blocks.append({"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": [{"type": "text", "text": shown(view.action)}]}]})
    if not view.context:
        return blocks
    if not view.may_show:
        return [*blocks, context(HIDDEN)]
    given = view.context
    if given.get("would_do"):
        blocks.append(section(f"*It would:*\n{quote(str(given['would_do']), 1500)}"))
    if given.get("attempts"):
        tried = "\n".join(f"• {clip(escape(' '.join(str(each).split())), 300)}" for each in given["attempts"][:8])
        blocks.append(section(f"*It tried:*\n{tried}"))
    if given.get("conversation"):
        lines = given["conversation"][-8:]
        cut = f"_{len(given['conversation']) - len(lines)} earlier lines left out_\n" if len(given["conversation"]) > len(lines) else ""
        talk = "\n".join(f"> *{escape(str(each.get('who') or 'someone'))}:* {clip(escape(' '.join(str(each.get('text') or '').split())), 300)}" for each in lines)
        blocks.append(section(f"*Said so far:*\n{cut}{talk}"))
    if given.get("links"):
        links = " · ".join(f"<{escape(each['url'])}|{escape(each.get('title') or 'link')}>" for each in given["links"][:10])
        blocks.append(context(links))
    return blocks


def _plain_action(view: RequestView) -> str:
    action = view.action or {}
    params = ", ".join(f"{name} {value}" for name, value in sorted((action.get("params") or {}).items()))
    said = f"{action.get('name')} on {action.get('on') or 'nothing in particular'}" + (f" as {action['as']}" if action.get("as") else "") + (f": {params}" if params else "")
    return clip(escape(f"It would do: {said}"), 1500)


def _buttons(view: RequestView) -> list[dict[str, Any]]:
    about = clip(" ".join(view.title.split()), 40)
    found: list[dict[str, Any]] = []
    if view.kind == "approval":
        found.append(button("Approve", "requests.approve", view.value, style="primary", label=f"Approve: {about}"))
        found.append(button("Reject", "requests.reject", view.value, style="danger", label=f"Reject: {about}"))
    if view.claimed_by is None:
        found.append(button("Claim", "requests.claim", view.value, label=f"Claim: {about}"))
    else:
        found.append(button("Give back", "requests.give_back", view.value, label=f"Give back: {about}"))
    found.append(button("Answer", "requests.answer", view.value, label=f"Answer: {about}"))
    return found


def may_undo(view: RequestView) -> bool:
    return view.state == "approved" and view.undone_at is None


# --- forms ----------------------------------------------------------------------------------------------------------


def answer_form(view: RequestView, channel: str = "") -> dict[str, Any]:
    """The words that go back to the agent; of an approval with the decision they belong to. `channel`: where it was opened, which a form does not tell."""
    blocks: list[Block] = [section(headline(view)), *_what(view)[:20]]
    if view.kind == "approval":
        blocks.append(input_block("decision", "What do you decide?", select("decision", [option("Approve", "approve"), option("Reject", "reject")], placeholder="Choose")))
    words = text_input("words", multiline=True, placeholder="It reaches the agent word for word", most=3000)
    blocks.append(input_block("words", "Your answer", words, optional=view.kind == "approval"))
    return modal("Answer the agent", blocks, callback_id="requests.answer", submit="Send", metadata=f"{view.value} {channel}".strip())


def reject_form(view: RequestView) -> dict[str, Any]:
    words = text_input("words", multiline=True, placeholder="What should it do instead?", most=3000)
    blocks = [section(headline(view)), input_block("words", "Why not", words, hint="It reaches the agent word for word.", optional=True)]
    return modal("Reject", blocks, callback_id="requests.reject", submit="Reject", metadata=view.value)


def undo_form(view: RequestView) -> dict[str, Any]:
    used = f"It was used {when(view.used_at)}: taking it back does not undo what was done, it is only recorded and the agent is told." if view.used_at else "It was not used yet: it will not be."
    blocks = [section(headline(view)), section(used), input_block("words", "Why", text_input("words", multiline=True, most=500))]
    return modal("Take back", blocks, callback_id="requests.undo", submit="Take back", metadata=view.value)


def already(view: RequestView, *, lost: str = "") -> Message:
    """Somebody was quicker, or it is over: how it stands, and what they wrote so that it is not lost."""
    kept = f"\nWhat you wrote was not sent:\n{quote(lost, 1500)}" if lost else ""
    return Message(f"This is settled already. {standing(view)}{kept}")


# --- the list -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Figures:
    """How asking went in the last four weeks."""

    approvals: int = 0  # decided by a person
    approved: int = 0
    quick: int = 0  # approved within three seconds of being shown
    undone: int = 0
    timed_out: int = 0
    handoffs: int = 0
    answered: int = 0
    withdrawn: int = 0
    wait_seconds: float | None = None  # median, until a person answered
    longest_seconds: float | None = None
    allowed: tuple[tuple[str, int], ...] = ()  # rule and how often it allowed
    rates: tuple[tuple[str, HandoffRate], ...] = ()  # agent and its share of hand-offs


def requests_list(open_: Sequence[RequestView], total: int, figures: Figures, *, about: str = "") -> Message:
    """The answer of `/aiops requests`."""
    of = f" of {escape(about)}" if about else ""
    head = f"*{total} open {'request' if total == 1 else 'requests'}{of}*" if total else f"No open requests{of}. Agents ask by `request` events and `POST /v1/permissions/check`."
    blocks: list[Block] = [section(head)]
    lines = []
    for view in open_[:LISTED]:
        words = f"• {headline(view)}\n{standing(view)}"
        lines.append(words)
        blocks.append(section(words, accessory=button("Answer", "requests.answer", view.value, label=f"Answer: {clip(view.title, 40)}")))
    if total > len(lines):
        blocks.append(context(f"and {total - len(lines)} more; `/aiops requests <agent>` shows those of one agent"))
    told = figures_lines(figures)
    blocks.append(section("*Last 28 days*\n" + "\n".join(told)))
    return Message(clip("\n".join([head, *lines, *told]), MESSAGE_TEXT), blocks)


def figures_lines(figures: Figures) -> list[str]:
    told = []
    if figures.approvals:
        told.append(f"• {figures.approved} of {figures.approvals} approvals given ({figures.approved / figures.approvals:.0%}); {figures.quick} of them within 3 seconds of being shown, {figures.undone} later taken back.")
    if figures.timed_out:
        told.append(f"• {figures.timed_out} timed out without an answer.")
    if figures.handoffs:
        told.append(f"• {figures.answered} of {figures.handoffs} hand-offs answered.")
    if figures.withdrawn:
        told.append(f"• {figures.withdrawn} withdrawn by the agent.")
    if figures.wait_seconds is not None:
        longest = f", the longest {duration(figures.longest_seconds)}" if figures.longest_seconds is not None else ""
        told.append(f"• The agents waited {duration(figures.wait_seconds)} for an answer at the median{longest}.")
    for name, rate in figures.rates[:10]:
        told.append(f"• {escape(name)}: {rate_words(rate)}.")
    if figures.allowed:
        rules = ", ".join(f"`{escape(rule)}` {n:,}" for rule, n in figures.allowed[:10])
        told.append(f"• Allowed without asking, by rule: {rules}.")
    return told or ["• Nothing was asked or allowed."]


def rate_words(rate: HandoffRate) -> str:
    """`handed over 31% of 420 runs in 7 days, planned 20%: too many, people do its work`."""
    if rate.share is None:
        return f"handed {rate.handoffs} over in 7 days; with {rate.runs} runs it is too early for a share"
    more = {"too many": "too many, people do its work", "too few": "too few, it may keep what people should see", "as planned": "as planned"}[rate.says]
    return f"handed over {rate.share:.0%} of {rate.runs:,} runs in 7 days, planned {rate.plan:.0%}: {more}"


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    for name, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size * 2:
            return f"{seconds / size:.0f} {name}s"
    return f"{seconds:.0f} seconds"



def to_whom(person: Someone) -> str:
    return mention(person.slack_id, person.name)
