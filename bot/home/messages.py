"""How App Home reads: pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bot.blocks import VIEW_BLOCKS, Block, button, clip, context, divider, escape, header, section
from bot.feedback.messages import Shown, output_words
from bot.lists.messages import Item, item_blocks
from bot.quality.rules import Verdict
from bot.quality.words import counts_words, joined, plural, score_words, verdict_words

MOST_AGENTS = 20


@dataclass(frozen=True)
class Mine:
    """One of the reader's agents."""

    slug: str
    name: str
    roles: tuple[str, ...]
    verdict: str
    why: str
    share: float | None
    low: float | None
    high: float | None
    n: int
    machine: bool
    days: int
    page: str | None = None  # the value of its open page
    acknowledged: bool = False


@dataclass(frozen=True)
class Home:
    """Everything one person's App Home shows."""

    mine: tuple[Mine, ...]
    more: int  # agents of theirs beyond those shown
    items: tuple[Item, ...]
    rateable: tuple[Shown, ...]
    rated: int
    rated_lately: int
    fleet: dict[str, int] | None  # for leads
    worst: tuple[Mine, ...] = ()
    unconfirmed: int = 0


def view(home: Home) -> dict[str, Any]:
    """The whole view, within Slack's 100 blocks."""
    blocks: list[Block] = []
    if home.items:
        blocks += [header("Waiting for you"), *item_blocks(home.items)]
    elif home.mine:
        blocks += [header("Waiting for you"), section("🌤️ Nothing waits for you.")]
    if home.fleet is not None:
        blocks += _fleet(home)
    if home.mine:
        blocks += [header("Your agents"), *(agent_block(each) for each in home.mine)]
        if home.more:
            blocks.append(context(f"{plural(home.more, 'more agent')} of yours, none of them worse. `/aiops status` shows all."))
    blocks += _ratings(home)
    if not home.mine and not home.items and home.fleet is None:
        blocks = [*_welcome(), *blocks]
    blocks.append(context("Type `/aiops help` anywhere, or mention me in a thread."))
    return {"type": "home", "blocks": blocks[:VIEW_BLOCKS]}


def agent_block(mine: Mine) -> Block:
    """One agent: its verdict, its score, the reader's role, and the page that is open."""
    score = mine.why if mine.verdict in (Verdict.LEARNING, Verdict.SILENT, Verdict.PAUSED) or not mine.n else score_words(mine.share, mine.low, mine.high, mine.n, mine.machine, mine.days)
    lines = [f"*{verdict_words(mine.verdict)}: {escape(mine.name)}*", escape(clip(f"{score[:1].upper()}{score[1:]}", 400))]
    if mine.roles:
        lines.append(f"You are its {escape(joined(mine.roles))}")
    if mine.page:
        lines.append("A page is open" + (" and acknowledged" if mine.acknowledged else "; nobody has acknowledged it yet"))
    if mine.page and not mine.acknowledged and mine.roles:
        press = button("Acknowledge", "paging.acknowledge", mine.page, style="primary", label=f"Acknowledge the page about {mine.name}")
    else:
        press = button("Look closer", "status.agent", f"agent:{mine.slug}", label=f"Show {mine.name} in depth")
    return section("\n".join(lines), accessory=press)


def _fleet(home: Home) -> list[Block]:
    counts = home.fleet or {}
    total = sum(counts.values())
    said = f"*{plural(total, 'agent')}*\n{counts_words(counts)}" if total else "There are no agents yet."
    if home.unconfirmed:
        said += f"\n{plural(home.unconfirmed, 'agent')} without confirmed owners"
    return [header("The fleet"), section(said), *(agent_block(each) for each in home.worst)]


def _ratings(home: Home) -> list[Block]:
    blocks: list[Block] = [header("Outputs you could rate")]
    for shown in home.rateable:
        # Slack shows its thumbs in messages only: here a button opens the same vote as a form.
        blocks.append(section(output_words(shown, 500), accessory=button("Rate", "home.rate", f"output:{shown.output_id}", label=f"Rate this output of {shown.agent}")))
    if not home.rateable:
        blocks.append(section("No new output in the channels I may show here. Thumbs under outputs in their channels count just the same."))
    told = f"You have rated {plural(home.rated, 'output')} so far, {home.rated_lately:,} in the last 30 days. Thank you." if home.rated else "You have not rated an output yet. One press is enough, and nobody but you sees it."
    return [*blocks, context(told)]


def _welcome() -> list[Block]:
    return [
        header("Welcome"),
        section(
            "I keep watch over AI agents at work: who owns them, whether their output is worth using, and who is called when something fails.\n"
            "You own no agent here. To add one, type `/aiops agent add`. To see how all of them do, type `/aiops status`."
        ),
        divider(),
    ]
