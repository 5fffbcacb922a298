"""The forms of handing over and of retiring: pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.agents.names import ROLE_WORDS
from bot.blocks import Block, clip, context, escape, input_block, modal, option, section, select, text_input
from bot.handover.telling import Open, Yours

REASON = 500  # characters: its channel reads them


def _people(action_id: str, placeholder: str = "Choose a person") -> dict[str, Any]:
    return {"type": "users_select", "action_id": action_id, "placeholder": {"type": "plain_text", "text": placeholder}}


def hand_over(rows: Sequence[Yours], chosen: str, brief: str) -> dict[str, Any]:
    """Which role, to whom, and a word to them."""
    options = [option(f"{ROLE_WORDS[each.role].capitalize()} of {each.agent}", f"{each.slug}:{each.role}", f"Now {each.holder}") for each in rows[:100]]
    comes = f"\nWith it comes: {brief}." if brief else ""
    return modal(
        "Hand over",
        [
            section(f"The new one gets one message with all that is open, the runbook, and why each check is there. Until they accept, the present owner stays.{comes}"),
            input_block("role", "What do you hand over?", select("role", options, initial=chosen if any(each["value"] == chosen for each in options) else options[0]["value"])),
            input_block("person", "To whom?", _people("person")),
            input_block("note", "A word to them", text_input("note", multiline=True, most=1000, placeholder="What they should know first, and why it is them"), optional=True),
        ],
        callback_id="handover.ask",
        submit="Ask them",
    )


def retire(agent: str, slug: str, rev: int, things: Sequence[Open], tokens: int, owners: str) -> dict[str, Any]:
    """Why, and what becomes of what is open."""
    left = [each for each in things if each.lines]
    told = "\n".join(f"• {each.title} ({len(each.lines)}): {'; '.join(clip(line, 120) for line in each.lines[:2])}{' and more' if len(each.lines) > 2 else ''}" for each in left)
    blocks: list[Block] = [
        section(f"Retiring *{escape(clip(agent, 100))}* (`{slug}`) ends its work for good: it is ordered to stop, its checks rest, {_tokens(tokens)}, and nothing is taken for it any more. Its history stays. {owners}"),
        section(clip(f"*What is open*\n{told}", 2900) if told else "*What is open*\nNothing: no page, incident, follow-up or request waits."),
        input_block("reason", "Why?", text_input("reason", multiline=True, most=REASON, placeholder="The new desk answers these questions now"), hint="Its channel reads this, and so does whoever still sends for it."),
    ]
    if any(each.one in ("running incident", "follow-up") and each.lines for each in things):
        choices = [option("Close them with this reason", "close"), option("Hand them over to somebody", "hand")]
        blocks.append(input_block("open", "Its incidents and follow-ups", select("open", choices, initial="close"), hint="Pages resolve and requests are withdrawn in any case, and everybody called is told."))
        blocks.append(input_block("person", "To whom?", _people("person"), optional=True, hint="Only where you hand them over: they lead the incidents and do the follow-ups from then on."))
    return modal("Retire an agent", blocks, callback_id="handover.retire", submit="Go on", metadata=f"{slug}:{rev}")


def _tokens(count: int) -> str:
    return f"its {count} token{'s'[: count > 1]} and its ping addresses are revoked" if count else "its ping addresses are closed"


def retire_sure(agent: str, lines: Sequence[str], reason: str, metadata: str) -> dict[str, Any]:
    """The second look: exactly what will happen."""
    told = "\n".join(f"• {line}" for line in lines)
    blocks: list[Block] = [
        section(f"*Retire {escape(clip(agent, 100))}?*\n{told}"),
        section(f"*Why:* {escape(clip(reason, REASON))}"),
        context("It can be brought back for 30 days, under human review or less, with a new token: `/aiops agent bring-back`."),
    ]
    return modal("Retire it for good?", blocks, callback_id="handover.retire_sure", submit="Retire it", close="Leave it", metadata=metadata)


def bring_back(agent: str, slug: str, rev: int, retired: str, stages: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """As what it begins again, and why."""
    options = [option(stage.capitalize(), stage, means) for stage, means in stages]
    return modal(
        "Bring an agent back",
        [
            section(f"*{escape(clip(agent, 100))}* {retired}. Its owners, checks and history are as they were. Its old tokens stay revoked: you get a new one next."),
            input_block("stage", "How shall it work?", select("stage", options, initial=stages[0][0]), hint="More freedom is given back with /aiops stage, once it has shown itself."),
            input_block("reason", "What has changed?", text_input("reason", multiline=True, most=REASON, placeholder="It is needed after all until March"), hint="Its channel reads this."),
        ],
        callback_id="handover.bring_back",
        submit="Bring it back",
        metadata=f"{slug}:{rev}",
    )


def brought_back(agent: str, slug: str, token: str, curl: str) -> dict[str, Any]:
    """Shown once, to whoever brought it back: the token is kept nowhere."""
    return modal(
        "It is back",
        [
            section(f"*{escape(clip(agent, 100))}* works again: its checks look from now on, and its ping addresses are open. What it does not get back: incidents, follow-ups and requests that ended with it."),
            section("*Its new token.* Copy it now: it is shown this once and kept nowhere. It may send events, ask its gate and read its own answers."),
            section(f"```{token}```"),
            section(f"```{escape(curl)}```"),
            context(f"Everything about it: `/aiops agent {slug}`"),
        ],
        callback_id="handover.back",
        close="I have copied it",
    )
