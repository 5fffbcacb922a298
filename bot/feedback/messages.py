"""What the bot says about outputs and thumbs: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.blocks import (
    Block,
    Message,
    actions,
    button,
    clip,
    context,
    escape,
    feedback_buttons,
    input_block,
    modal,
    option,
    plain,
    quote,
    section,
    select,
    text_input,
)
from bot.feedback.rules import REASONS, SPLIT_FROM, Tally, reason_words, safe_link
from bot.tables import Output

TEXT = 600  # characters of an output shown in a channel; the link leads to the rest


@dataclass(frozen=True)
class Shown:
    """An output as it may be shown: `text` is None where the registry keeps texts out of Slack, or none was sent."""

    output_id: int
    agent: str
    kind: str
    text: str | None
    url: str | None
    hidden: bool = False  # there is a text, and the registry keeps it out of Slack
    known: bool = True


def thumbs(action_id: str, subject: str, agent: str) -> Block:
    """Slack's own thumbs; `subject` says what is judged (`output:31`, `review:7`)."""
    about = clip(f"output of {agent}", 50)
    return feedback_buttons(action_id, f"{subject}:good", f"{subject}:bad", good_label=f"Good {about}", bad_label=f"Bad {about}")


def judge_blocks(output: Output) -> list[Block]:
    """Only the thumbs of an output, to stand under words that others wrote about it."""
    return [thumbs("feedback.thumb", f"output:{output.id}", output.kind)]


def output_words(shown: Shown, limit: int = TEXT) -> str:
    """Agent, kind and the quoted text; what cannot be shown is said."""
    link = f" · <{shown.url}|open>" if safe_link(shown.url) else ""
    title = f"*{escape(shown.agent)}* · {escape(clip(shown.kind, 64))}{link}"
    return f"{title}\n{_body(shown, limit)}"


def output_message(shown: Shown, rated: int) -> Message:
    """An output posted to be rated: who made it, what it says, thumbs, and how many rated it (never how)."""
    told = f"{rated} rated" if rated else "Not rated yet. One press is enough; nobody but you sees your vote."
    text = f"{shown.agent}, {shown.kind}: {clip(shown.text or 'an output', 300)} ({rated} rated)"
    return Message(escape(text), [section(output_words(shown)), thumbs("feedback.thumb", f"output:{shown.output_id}", shown.agent), context(told)])


def thanked(output_id: int, tally: Tally) -> Message:
    """The answer to a thumbs-up."""
    said = f"Thank you, your thumbs-up counts.{split_words(tally)}"
    return Message(said, [section(said), actions(_take_back(output_id))])


def asked_why(output_id: int, tally: Tally, reason: str | None = None) -> Message:
    """The answer to a thumbs-down: a few one-press reasons, or what was chosen."""
    if reason is None:
        said = f"Noted as bad; it counts.{split_words(tally)}\nWhat was it? One press, if you like."
        reasons = [button(words, f"feedback.reason.{name}", f"output:{output_id}:{name}") for name, words in REASONS.items()]
        more = button("Tell more", "feedback.tell", f"output:{output_id}")
        harm = button("Open incident", "incidents.open", f"output:{output_id}", label="It does harm: open an incident about this output")
        return Message(said, [section(said), actions(*reasons), actions(more, _take_back(output_id), harm)])
    said = f"Noted as bad: *{escape(reason_words(reason)).lower()}*. Thank you.{split_words(tally)}"
    more = button("Tell more", "feedback.tell", f"output:{output_id}")
    return Message(said.replace("*", ""), [section(said), actions(more, _take_back(output_id))])


def taken_back() -> Message:
    return Message("Your vote is taken back and no longer counts.")


def nothing_to_take_back() -> Message:
    return Message("There is no vote of yours on this output (any more).")


def split_words(tally: Tally) -> str:
    """From five votes on, the split; before that a single vote could be read off it."""
    return f" {tally.good} of {tally.people} people found this output good." if tally.people >= SPLIT_FROM else ""


def tell_view(output_id: int, *, words: str, reason: str | None, correction: str | None, comment: str | None, may_ask: bool) -> dict[str, Any]:
    """What should it have said: opened from a thumbs-down, filled with what was told before."""
    blocks = [section(words), *_telling(reason, correction, comment, may_ask)]
    return modal("Tell more", blocks, callback_id="feedback.tell", submit="Send", metadata=f"output:{output_id}")


def rate_view(output_id: int, *, words: str, good: bool | None, reason: str | None, correction: str | None, comment: str | None, may_ask: bool) -> dict[str, Any]:
    """The whole vote in one form: opened by the shortcut on a message."""
    choices = [option("👍 Good", "good"), option("👎 Bad", "bad")]
    element: dict[str, Any] = {"type": "radio_buttons", "action_id": "thumb", "options": choices}
    if good is not None:
        element["initial_option"] = choices[0 if good else 1]
    thumb = input_block("thumb", "Was this output good enough to use?", element)
    blocks = [section(words), thumb, *_telling(reason, correction, comment, may_ask)]
    return modal("Rate this output", blocks, callback_id="feedback.rate", submit="Rate", metadata=f"output:{output_id}")


def not_an_output() -> Message:
    return Message(
        "This message is no output that I know of, so there is nothing to rate. "
        "I know the outputs I posted, those that an agent linked to their message, and messages of agents whose own Slack app is in the registry. "
        "If this is one of an agent's, its owner can add `slack_app` to the agent in aiops.yml."
    )


def output_gone() -> Message:
    return Message("I no longer know this output, so there is nothing to rate. Newer ones can be rated.")


@dataclass(frozen=True)
class ReviewItem:
    """One output of a reviewer's day."""

    review_id: int
    shown: Shown
    state: str  # asked, done, skipped


def review_message(items: Sequence[ReviewItem]) -> Message:
    """A reviewer's day in one message: the next output to judge, then, at the end, a word of thanks."""
    done = sum(item.state == "done" for item in items)
    skipped = sum(item.state == "skipped" for item in items)
    left = [item for item in items if item.state == "asked"]
    if not items:
        return Message("There is nothing for you to judge today.")
    if not left:
        said = f"All done: you judged {done} of {len(items)} outputs today{f' and skipped {skipped}' if skipped else ''}. Thank you, the scores stand on this."
        return Message(said, [section(f"✅ {said}")])
    item = left[0]
    number = done + skipped + 1
    said = f"Judge outputs: {number} of {len(items)}, from {item.shown.agent}. They were drawn at random, so that the score is fair. Was this one good enough to use?"
    skip = button("Skip", "feedback.skip", f"review:{item.review_id}", label="Skip this output, I cannot judge it")
    return Message(
        escape(said),
        [
            context(f"Judging outputs · {number} of {len(items)} · drawn at random, so that the score is fair; nobody but you sees your votes"),
            section(output_words(item.shown, 2500)),
            thumbs("feedback.judge", f"review:{item.review_id}", item.shown.agent),
            actions(skip),
        ],
    )


def reviews_in_dm() -> Message:
    return Message("I put the outputs into our direct messages, one after the other. It takes about five minutes.")


def reviews_stand() -> Message:
    return Message("The outputs are open in our direct messages already, a little further up; go on there.")


def review_button(left: int, day: str) -> dict[str, Any]:
    """For lists: opens the reviewer's message of that day."""
    return button(f"Judge {left} output{'s' if left != 1 else ''}", "feedback.reviews", f"reviews:{day}")


def _telling(reason: str | None, correction: str | None, comment: str | None, may_ask: bool) -> list[Block]:
    asked: dict[str, Any] = {"type": "checkboxes", "action_id": "may_ask", "options": [option("You may ask me about it", "yes", "The owners see your name beside this; otherwise they do not.")]}
    if may_ask:
        asked["initial_options"] = list(asked["options"])
    options = [option(words, name) for name, words in REASONS.items()]
    return [
        input_block("reason", "What was wrong?", select("reason", options, placeholder="Choose, if it was bad", initial=reason or ""), optional=True),
        input_block("correction", "What should it have said?", text_input("correction", multiline=True, initial=correction or ""), optional=True),
        input_block("comment", "Anything else?", text_input("comment", multiline=True, initial=comment or ""), optional=True),
        {"type": "input", "block_id": "may_ask", "label": plain("May the owners come back to you?"), "element": asked, "optional": True},
    ]


def _take_back(output_id: int) -> dict[str, Any]:
    return button("Take back", "feedback.take_back", f"output:{output_id}")


def _body(shown: Shown, limit: int) -> str:
    if shown.text:
        return quote(shown.text, limit)
    if shown.hidden:
        return "_Its text is kept out of Slack by the registry._"
    if not shown.known:
        return "_It was rated before it was reported; its text has not arrived yet._"
    return "_It was reported without a text._"
