"""How App Home reads: pure."""

from __future__ import annotations

from typing import Any

from bot.blocks import VIEW_BLOCKS, Block, actions, button, clip, context, divider, escape, header, quote, section, when
from bot.charts.values import place
from bot.feedback.messages import Shown, output_words, read_buttons
from bot.home.facts import COUNTED, Became, Fleet, Home, Mine, OpenPage, Rated, Turned
from bot.lists.messages import item_blocks
from bot.quality.rules import Verdict
from bot.quality.words import counts_words, joined, plural, score_words, verdict_words
from bot.requests.messages import RequestView, headline, standing

DAY = "{date_short}"


def view(home: Home) -> dict[str, Any]:
    """The whole view, within Slack's 100 blocks."""
    blocks: list[Block] = []
    if home.pages:
        blocks += [header("Open pages"), *(_page(each) for each in home.pages), *_turning("pages", home.pages_turned, "page")]
    if home.requests:
        blocks += [header("Agents that wait for an answer"), *(_request(each) for each in home.requests)]
        if home.requests_total > len(home.requests):
            blocks.append(context(f"{plural(home.requests_total - len(home.requests), 'more request')}; `/aiops requests` shows them."))
    if home.items:
        blocks += [header("Waiting for you"), *item_blocks(home.items), *_turning("list", home.items_turned, "thing")]
    elif home.mine and not home.pages and not home.requests:
        blocks += [header("Waiting for you"), section("🌤️ Nothing waits for you.")]
    if home.mine:
        blocks += [header("Your agents"), *([place(home.charts)] if home.charts else []), *(block for each in home.mine for block in _mine(each))]
        blocks += _turning("mine", home.mine_turned, "agent", "worst first")
    if home.fleet is not None:
        blocks += _fleet(home.fleet)
    blocks += _ratings(home)
    if not home.mine and not home.items and not home.pages and not home.requests and home.fleet is None:
        blocks = [*_welcome(), *blocks]
    blocks.append(context("I keep this page up to date while you look at it. Type `/aiops help` anywhere, or mention me in a thread."))
    return {"type": "home", "blocks": blocks[:VIEW_BLOCKS]}


def agent_block(mine: Mine) -> Block:
    """One agent: its verdict in words, its score and line, who is needed, and the reader's role."""
    told = mine.verdict in (Verdict.LEARNING, Verdict.SILENT, Verdict.PAUSED) or not mine.n
    score = mine.why if told else score_words(mine.share, mine.low, mine.high, mine.n, mine.machine, mine.days)
    lines = [f"*{verdict_words(mine.verdict)}: {escape(clip(mine.name, 200))}*", escape(clip(f"{score[:1].upper()}{score[1:]}", 400))]
    if mine.problem:
        more = f", and {mine.problems - 1} more" if mine.problems > 1 else ""
        lines.append(f"Open: {escape(clip(mine.problem, 200))}{more}")
    lines.append(_needed(mine))
    if mine.roles:
        lines.append(f"You are its {escape(joined(mine.roles))}")
    return section("\n".join(lines), accessory=button("Look closer", "status.agent", f"agent:{mine.slug}", label=f"Show {mine.name} in depth"))


def _mine(mine: Mine) -> list[Block]:
    """One agent of the reader's, with what an owner may do."""
    said = {key: value for key, value in agent_block(mine).items() if key != "accessory"}
    look = button("Look closer", "status.agent", f"agent:{mine.slug}", label=f"Show {mine.name} in depth")
    return [said, actions(look, *([button("Hand over", "handover.ask", f"{mine.slug}:", label=f"Hand over a role of {mine.name}")] if mine.may_hand_over else []))]


def _needed(mine: Mine) -> str:
    """Who is needed for what; else whose agent it is."""
    who = escape(mine.operations or mine.business)
    unsure = f" · Not confirmed yet: {escape(joined(mine.unconfirmed))}" if mine.unconfirmed else ""
    if not who:
        return f"*Nobody owns this agent*{unsure}"
    for so, what in (
        (mine.paged, "to answer the open page"),
        (mine.verdict == Verdict.NOT_WORTH_USING, "to find out why its outputs are rated bad"),
        (mine.verdict == Verdict.SILENT, "to find out why nothing comes"),
        (mine.problems > 0, "to look at the open problem"),
        (mine.verdict == Verdict.WATCH, "to judge some of its outputs"),
    ):
        if so:
            return f"*Needed:* {who} {what}{unsure}"
    return f"{'Operations owner' if mine.operations else 'Business owner'}: {who}{unsure}"


def _page(page: OpenPage) -> Block:
    more = f", and {page.problems - 1} more" if page.problems > 1 else ""
    lines = [f"*{escape(clip(page.names, 300))}*: {escape(clip(page.title, 300))}{more}"]
    since = f"page {page.id}, open since {when(page.opened_at)}"
    if page.acked_by is not None and page.acked_at is not None:
        lines.append(f"{escape(page.acked_by)} has it since {when(page.acked_at)} · {since}")
    elif page.quiet_until is not None:
        lines.append(f"Nobody is called until {when(page.quiet_until)}: quiet is agreed · {since}")
    else:
        lines.append(f"Nobody has acknowledged it yet · {since}")
    if page.acked_by is None and page.quiet_until is None:
        press = button("Acknowledge", "paging.acknowledge", f"page:{page.id}", style="primary", label=f"Acknowledge the page about {page.names}")
    else:
        press = button("Look closer", "status.agent", f"agent:{page.slug}", label=f"Show {page.names} in depth")
    return section("\n".join(lines), accessory=press)


def _request(view: RequestView) -> Block:
    return section(f"{headline(view)}\n{clip(standing(view), 600)}", accessory=button("Answer", "requests.answer", view.value, label=f"Answer: {clip(view.title, 40)}"))


def _turning(part: str, shown: Turned, one: str, how: str = "") -> list[Block]:
    """Which of how many are shown, and the buttons that turn; nothing where all are."""
    if shown.total <= shown.per:
        return []
    said = f"{shown.first + 1:,} to {shown.last:,} of {plural(shown.total, one)}{f', {how}' if how else ''}"
    buttons = []
    if shown.page:
        buttons.append(button("Earlier", "home.earlier", f"{part}:{shown.page - 1}", label=f"Earlier {one}s"))
    if shown.last < shown.total:
        buttons.append(button(f"Next ({shown.total - shown.last:,} more)", "home.next", f"{part}:{shown.page + 1}", label=f"Next {one}s"))
    return [context(said), actions(*buttons)]


def _fleet(fleet: Fleet) -> list[Block]:
    total = sum(fleet.counts.values())
    if not total:
        return [header("The fleet"), section("There are no agents yet. Add the first one with `/aiops agent add`.")]
    blocks = [header("The fleet"), section(f"*{plural(total, 'agent')}*\n{counts_words(fleet.counts)}")]
    if fleet.unconfirmed:
        named = "; ".join(fleet.unconfirmed_names)
        more = f" and {fleet.unconfirmed - len(fleet.unconfirmed_names)} more" if fleet.unconfirmed > len(fleet.unconfirmed_names) else ""
        blocks.append(section(f"*{plural(fleet.unconfirmed, 'agent')} without confirmed owners*\n{escape(clip(named, 1500))}{more}"))
    if fleet.unreached:
        more = f"\n{plural(fleet.unreached_more, 'more reason')}" if fleet.unreached_more else ""
        blocks.append(section("*Who could not be reached by a page*\n" + escape(clip("\n".join(fleet.unreached), 2000)) + more))
    if fleet.strays:
        blocks.append(section(f"*{plural(len(fleet.strays) + fleet.strays_more, 'agent')} at work that nobody owns*, seen in telemetry: how much they do, never what they say"))
        for stray in fleet.strays:
            value = f"unowned:{stray.id}"
            blocks.append(section(f"{escape(clip(stray.name, 200))} · {plural(stray.traces, 'run') if stray.traces else 'metrics or logs, no runs,'} since {when(stray.first_at, DAY)}"))
            blocks.append(actions(button("Register", "unowned.register", value, label=f"Register {stray.name}"), button("Ignore until", "unowned.ignore", value, label=f"Set {stray.name} aside until a day")))
        if fleet.strays_more:
            blocks.append(context(f"{plural(fleet.strays_more, 'more name')}, less at work; they follow when these are settled."))
    blocks += [section("*Worst first*"), *(agent_block(each) for each in fleet.worst), *_turning("fleet", fleet.turned, "agent", "worst first")]
    return blocks


def _ratings(home: Home) -> list[Block]:
    blocks: list[Block] = [header("Outputs you could rate")]
    if home.just_rated is not None:
        blocks += _just_rated(home.just_rated)
    for shown in home.rateable:
        blocks += _rateable(shown)
    if not home.rateable:
        blocks.append(section("No new output in the channels I may show here. Thumbs under outputs in their channels count just the same."))
    told = f"You have rated {_many(home.rated)} output{'' if home.rated == 1 else 's'} so far, {_many(home.rated_lately)} in the last 30 days. Thank you." if home.rated else "You have not rated an output yet. One press is enough, and nobody but you sees it."
    blocks.append(context(told))
    if home.became:
        blocks += [header("What became of your reports"), section(_became_counts(home.became_counts, home.became_all)), *(section(_became(each)) for each in home.became)]
        blocks += _turning("ratings", home.became_turned, "report", "what changed first")
    return blocks


def _many(count: int) -> str:
    return f"more than {COUNTED:,}" if count >= COUNTED else f"{count:,}"


def _rateable(shown: Shown) -> list[Block]:
    """Slack's own thumbs are for messages only: here they are plain buttons, which count the same."""
    about, value = clip(f"output of {shown.agent}", 50), f"output:{shown.output_id}"
    return [
        section(output_words(shown, 500)),
        actions(
            button("👍 Good", "home.good", value, label=f"Good {about}"),
            button("👎 Bad", "home.bad", value, label=f"Bad {about}"),
            button("Rate with words", "home.rate", value, label=f"Rate this {about}"),
            *read_buttons(shown, 500),
        ),
    ]


def _just_rated(rated: Rated) -> list[Block]:
    value = f"output:{rated.output_id}"
    said = f"{'👍' if rated.good else '👎'} You called an output of {escape(clip(rated.agent, 150))} {'good' if rated.good else 'bad'}. It counts, and only you see whose it is."
    return [section(said), actions(button("Tell more", "home.rate", value), button("Take back", "home.undo", value))]


def _became_counts(counts: dict[str, int], all_told: bool) -> str:
    """Of how many, what became."""
    total = sum(counts.values())
    parts = [f"{counts[state]:,} {words}" for state, words in (("fixed", "fixed"), ("worked", "being worked on"), ("changed", "followed by a new version"), ("counted", "counted in the score")) if counts.get(state)]
    which = f"the {plural(total, 'output')} you called bad in the last 90 days" if all_told else f"the {plural(total, 'output')} you last called bad"
    return f"Of {which}: {joined(parts)}."


def _became(row: Became) -> str:
    said = f"*{escape(clip(row.agent, 150))}*: you reported this on {when(row.said_at, DAY)}{f' ({escape(row.reason)})' if row.reason else ''}"
    at = f" on {when(row.at, DAY)}" if row.at is not None else ""
    version = escape(clip(row.version, 100))
    what = {
        "fixed": f"✅ Fixed{f' in {version}' if version else ''}{at}",
        "worked": f"🔧 Being worked on: it is kept as a test case{at}, and whatever comes next is tried against it",
        "changed": f"🔁 Since then {version} came{at}; rate its next outputs to tell whether it is better",
        "counted": "📊 It counts in the agent's score",
    }[row.state]
    return "\n".join(part for part in (said, quote(row.quote, 200) if row.quote else "", what) if part)


def _welcome() -> list[Block]:
    return [
        header("Welcome"),
        section(
            "I keep watch over AI agents at work: who owns them, whether their output is worth using, and who is called when something fails.\n"
            "You own no agent here. To add one, type `/aiops agent add`. To see how all of them do, type `/aiops status`."
        ),
        divider(),
    ]
