"""`help`, and the answer to words nobody knows: pure."""

from __future__ import annotations

import difflib

from bot.blocks import Block, Message, clip, context, divider, escape, section
from bot.quality.words import MEANINGS, ORDER, verdict_words

# What people type, in groups: (words, what it does). The first word of each is what is looked up.
GROUPS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Look",
        (
            ("status", "all agents, worst first"),
            ("status <agent or department>", "one agent in depth, or one department"),
            ("sprint [agent or department]", "who really got better since two weeks ago, and since a quarter ago"),
            ("baseline <agent>", "what its quality is compared with, and whether it drifts; where you decide on a new baseline"),
            ("mine", "what waits for you"),
        ),
    ),
    (
        "Do",
        (
            ("agent add", "add an agent: two owners, a channel, sensible checks"),
            ("agent", "the agents you answer for; `agent <name>` shows who owns one, with a test page"),
            ("agent hand-over <agent> <role> to @who", "give a role to somebody, with all that is open; they accept, `agent take-back` ends it"),
            ("agent retire <agent>", "end an agent's work for good; `agent bring-back` within 30 days"),
            ("page", "the open pages; `page ack <number>` says you have one, `page snooze <number> 2h` (or until 09:00), `page escalate <number>` and `page resolve <number>` do what its buttons do, `page test` calls you by each of your routes and says which worked"),
            ("stage <agent>", "what an agent may do now, and the way back after `Human review` or `Stop agent`"),
            ("incident open <agent>", "start the failure protocol"),
            ("incident", "the open incidents; `incident 3` shows one, `incident 3 note ...` (or done, assign, update, followup, close) works on it; in its thread mention me with the word alone"),
            ("followups", "what was promised so that failures do not recur; `followups mine`, `followups <agent>`"),
            ("requests [agent]", "what agents ask of people: hand-offs and approvals that wait, how long answers took, and what was allowed by rule"),
            ("gaps [agent]", "topics that agents did not know or that are outdated, who supplies what is missing, and whether it helped"),
            ("oncall", "who is on call in each rotation; `oncall take <rotation> until friday 18:00` takes a shift, `oncall undo` gives it back"),
            ("silence <agent> [check] 2h <why>", "a problem calls nobody for a while; `silence` lists what is silenced, and ends it"),
            ("maintenance <agent> tonight 22:00 2h <what>", "plan a window in which nobody is called; `maintenance` lists them"),
            ("away until <day>", "while you are away your backup is called; `away` shows who is away, `away form` asks, `away over` ends it"),
        ),
    ),
)
KNOWN = tuple(dict.fromkeys([row[0].split()[0] for _, rows in GROUPS for row in rows] + ["help"]))


def help_message(unknown: str = "") -> Message:
    """Short, grouped, with examples; after an unknown word, what may have been meant."""
    blocks: list[Block] = []
    lines: list[str] = []
    if unknown:
        said = did_you_mean(unknown)
        blocks.append(section(escape(said)))
        lines.append(said)
    for title, rows in GROUPS:
        told = [f"`/aiops {words}`  {what}" for words, what in rows]
        blocks.append(section("\n".join([f"*{title}*", *(f"`/aiops {escape(words)}`  {escape(what)}" for words, what in rows)])))
        lines.extend([f"{title}:", *told])
    rate = "Rate an output with the thumbs under it, or with “Rate this output” in the menu of a message. Only you see your vote."
    blocks.append(section(f"*Rate*\n{rate}"))
    blocks.append(divider())
    blocks.append(context("\n".join(f"{verdict_words(verdict)}: {MEANINGS[verdict]}" for verdict in ORDER)))
    blocks.append(context("In a thread, mention me with the same words instead: slash commands do not work there. For example `/aiops status support-triage`."))
    return Message(escape("\n".join([*lines, rate])), blocks)


def did_you_mean(word: str) -> str:
    """The helpful part of the answer to an unknown word."""
    near = difflib.get_close_matches(word.lower(), KNOWN, n=1, cutoff=0.5)
    said = f"I do not know “{clip(word, 60)}”."
    return f"{said} Did you mean `/aiops {near[0]}`?" if near else f"{said} This is what I understand:"
