"""What the bot says about outputs and thumbs: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.blocks import (
    Block,
    Message,
    actions,
    button,
    channel_link,
    clip,
    context,
    divider,
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
    when,
)
from bot.feedback.rules import REASONS, SPLIT_FROM, Tally, reason_words, safe_link
from bot.tables import Output

PIECE = 1400  # characters of a section in the window that shows an output whole
READ = 45_000  # characters that window holds
REVIEWED, ASKED = 1800, 900  # characters shown to a reviewer, of the output and of what was asked
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
    asked: str | None = None  # what the agent was asked, under the same rules as the text


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


def read_buttons(shown: Shown, limit: int, asked: int | None = None) -> list[dict[str, Any]]:
    """`Read it all` where only the beginning is shown: nobody can judge half an answer. `asked` limits the question, where that is shown too."""
    cut = is_cut(shown.text, limit) or (asked is not None and is_cut(shown.asked, asked))
    return [button("Read it all", "feedback.read", f"output:{shown.output_id}", label=clip(f"Read all of this output of {shown.agent}", 75))] if cut else []


def is_cut(text: str | None, limit: int) -> bool:
    """Whether a quote of so many characters leaves some of the text out."""
    return bool(text) and len(escape((text or "").strip())) > limit


def read_view(shown: Shown) -> dict[str, Any]:
    """An output whole, and what was asked for; of very long ones as much as a window holds."""
    blocks: list[Block] = [section(f"*{escape(shown.agent)}* · {escape(clip(shown.kind, 64))}{f' · <{shown.url}|open>' if safe_link(shown.url) else ''}")]
    if shown.asked:
        blocks += [section("*Asked*"), *(section(quote(piece, PIECE * 2)) for piece in pieces(shown.asked, READ // 3)), section("*Answered*")]
    if shown.text:
        blocks += [section(quote(piece, PIECE * 2)) for piece in pieces(shown.text, READ)]
        left = len(shown.text.strip()) - READ
        blocks += [context(f"{left:,} more characters do not fit in here.")] if left > 0 else []
    else:
        blocks.append(section(_body(shown, 0)))
    return modal("The whole output", blocks, callback_id="feedback.read", close="Close", metadata=f"output:{shown.output_id}")


def pieces(text: str, most: int) -> list[str]:
    """The first `most` characters in pieces that each fit in a section once escaped and quoted, cut at a line or a space where there is one."""
    rest, found = text.strip()[:most], list[str]()
    while rest:
        size = min(len(rest), PIECE)
        while len(quote(rest[:size], PIECE * 20)) > PIECE * 2:  # signs that grow when they are escaped, and many short lines
            size = size * 2 // 3
        if size < len(rest):
            size = next((at + 1 for sign in ("\n", " ") if (at := rest.rfind(sign, size // 2, size)) > 0), size)
        found.append(rest[:size])
        rest = rest[size:]
    return found


def output_message(shown: Shown, rated: int) -> Message:
    """An output posted to be rated: who made it, what it says, thumbs, and how many rated it (never how)."""
    told = f"{rated} rated" if rated else "Not rated yet. One press is enough; nobody but you sees your vote."
    text = f"{shown.agent}, {shown.kind}: {clip(shown.text or 'an output', 300)} ({rated} rated)"
    read = read_buttons(shown, TEXT)
    return Message(escape(text), [section(output_words(shown)), *([actions(*read)] if read else []), thumbs("feedback.thumb", f"output:{shown.output_id}", shown.agent), context(told)])


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
    at: datetime | None = None
    channel: str | None = None  # where it stands in Slack


@dataclass(frozen=True)
class LastReview:
    """What the reviewer did last, so that it can be explained or undone; for their eyes only."""

    review_id: int
    output_id: int
    state: str  # done, skipped
    good: bool | None = None
    reason: str | None = None


SECONDS_EACH = 30  # how long judging one output takes: ten fit into five minutes


def review_message(items: Sequence[ReviewItem], last: LastReview | None = None) -> Message:
    """A reviewer's day in one message: the next output to judge, what came last, then, at the end, a word of thanks."""
    done = sum(item.state == "done" for item in items)
    skipped = sum(item.state == "skipped" for item in items)
    left = [item for item in items if item.state == "asked"]
    if not items:
        return Message("There is nothing for you to judge today.")
    if not left:
        said = f"All done: you judged {done} of {len(items)} outputs today{f' and skipped {skipped}' if skipped else ''}. Thank you, the scores stand on this."
        undo = [actions(_undo(last))] if last is not None else []
        return Message(said, [section(f"✅ {said}"), *_why(last), *undo])
    item = left[0]
    number = done + skipped + 1
    minutes = -(-len(left) * SECONDS_EACH // 60)
    takes = f"about {minutes} minute{'s' if minutes != 1 else ''} left"
    said = f"Judge outputs: {number} of {len(items)}, from {item.shown.agent}. They were drawn at random, so that the score is fair. Was this one good enough to use?"
    skip = button("Skip", "feedback.skip", f"review:{item.review_id}", label="Skip this output, I cannot judge it")
    return Message(
        escape(said),
        [
            context(f"Judging outputs · {number} of {len(items)} · {takes} · drawn at random, so that the score is fair; nobody but you sees your votes"),
            *([section(f"Asked:\n{quote(item.shown.asked, ASKED)}")] if item.shown.asked else []),
            section(output_words(item.shown, REVIEWED)),
            *_where(item),
            thumbs("feedback.judge", f"review:{item.review_id}", item.shown.agent),
            actions(*read_buttons(item.shown, REVIEWED, ASKED), skip, *([_undo(last)] if last is not None else [])),
            *_why(last),
        ],
    )


def _where(item: ReviewItem) -> list[Block]:
    told = [f"From {when(item.at)}" if item.at else "", f"in {channel_link(item.channel)}" if item.channel and item.channel.startswith("C") else ""]
    return [context(" ".join(part for part in told if part))] if any(told) else []


def _undo(last: LastReview) -> dict[str, Any]:
    label = "Undo: ask me the skipped output again" if last.state == "skipped" else "Undo: take my last judgement back and ask me again"
    return button("Undo the last one", "feedback.undo", f"review:{last.review_id}", label=label)


def _why(last: LastReview | None) -> list[Block]:
    """After a thumbs-down: what it was, in one press, or in words."""
    if last is None or last.state != "done" or last.good is not False:
        return []
    more = button("Tell more", "feedback.tell", f"output:{last.output_id}")
    if last.reason is not None:
        return [divider(), section(f"Your last one counts as bad: {escape(reason_words(last.reason)).lower()}."), actions(more)]
    reasons = [button(words, f"feedback.review_reason.{name}", f"review:{last.review_id}:{name}") for name, words in REASONS.items()]
    return [divider(), section("Your last one counts as bad. What was it? One press, if you like."), actions(*reasons), actions(more)]


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
