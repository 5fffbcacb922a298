"""How a digest reads: the channel's summary, its pages in the thread, and the fleet line for leads. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from bot.blocks import Block, Message, actions, button, clip, context, divider, escape, header, mention, quote, section
from bot.charts.values import Chart, place
from bot.charts.words import alt
from bot.digests.rules import Asked, Report, day_name, headline, is_fine, needs_of, period_words, worst_first
from bot.quality.drift.messages import sample_button
from bot.quality.rules import Verdict, percent
from bot.quality.words import (
    FEW,
    cost_words,
    counts_words,
    joined,
    ms_words,
    other_figure,
    plural,
    points_words,
    score_words,
    share_words,
    verdict_words,
)

IN_FULL = 12  # agents told in full in the summary itself
COMPACT = 36  # one-line agents in the summary itself
PAGE_BLOCKS = 40  # a page in the thread stays well under Slack's 50
SAMPLE_TEXT = 700  # characters of a real output
SHORT_LIST = 2800  # characters of one-line agents in one section


@dataclass(frozen=True)
class Marking:
    """Where the review of a digest stands: who has agents of theirs marked, and who is still waited for (with how many)."""

    done: tuple[str, ...] = ()
    waiting: tuple[tuple[Asked, int], ...] = ()

    @property
    def asked(self) -> bool:
        return bool(self.done or self.waiting)


@dataclass(frozen=True)
class Summary:
    """Everything one digest shows."""

    digest_id: int
    day: date
    first_day: str
    last_day: str
    reports: tuple[Report, ...]
    marking: Marking
    late: str = ""
    sprint: str = ""  # on the first summary of a fortnight: who got better


def full_lines(report: Report) -> list[str]:
    """One agent in full: the verdict first, then the figures, what changed, what is open, and who is needed."""
    lines = [f"*{escape(verdict_line(report))}*", escape(quality_line(report)), escape(work_line(report))]
    if report.verdict in (Verdict.NOT_WORTH_USING, Verdict.WATCH, Verdict.PAUSED) and report.why:
        rule = report.why.rsplit("; ", 1)[-1]
        other = other_figure(report.why, report.machine)
        lines.append(f"_Because {escape(clip(f'{other}: {rule}' if other else rule, 300))}_")
    if report.changes:
        lines.append(f"Changed: {escape(clip(joined(report.changes), 300))}")
    for problem in report.problems:
        lines.append(f"Open: {escape(clip(problem, 200))}")
    for incident in report.incidents:
        lines.append(f"Incident: {escape(clip(incident, 200))}")
    lines.append(f"Hand-offs: {escape(report.handing)}" if report.handing else "")
    lines += [escape(clip(words, 500)) for words in report.few]
    lines += [f"Quiet: {escape(clip(words, 250))}" for words in report.quiet]
    lines.append(owner_line(report))
    return [line for line in lines if line]


def full_section(report: Report) -> Block:
    """One agent in full, with the press that asks people to judge more of it where they judge too few."""
    return section("\n".join(full_lines(report)), accessory=sample_button(report.slug, report.name, report.sample) if report.sample else None)


def verdict_line(report: Report) -> str:
    """`🔴 Not worth using: Support triage`."""
    said = verdict_words(report.verdict)
    if report.verdict == Verdict.SILENT:
        said += f" since {_moment(report.silent_since, report.year)}" if report.silent_since else ", never heard"
    return f"{said}: {report.name}"


def quality_line(report: Report) -> str:
    """The share of good outputs with its interval and n, and where it is going."""
    if report.verdict == Verdict.LEARNING:
        said = f"{report.why[:1].upper()}{report.why[1:]}"
        return f"{said}; so far {score_words(report.share, report.low, report.high, report.n, report.machine, report.days)}" if report.n else said
    parts = [score_words(report.share, report.low, report.high, report.n, report.machine, report.days)]
    if report.n:
        parts[0] += f" against a target of {percent(report.target)}{' (default)' if report.default_target else ''}"
        parts.append(points_words(report.share, report.before, "the week before"))
        parts.append(points_words(report.share, report.baseline, f"the baseline {report.baseline_label}".strip()) or "no baseline yet")
    return ", ".join(part for part in parts if part)


def work_line(report: Report) -> str:
    """Volume, errors, latency and cost of the covered days; what was not reported is said to be missing."""
    if not report.outputs and not report.runs:
        return "No output and no run in these days: nothing can be said about them"
    parts = [plural(report.outputs, "output") if report.outputs else "no output"]
    if report.judged and report.judged_share is not None:
        parts[0] += f" ({report.judged:,} judged so far{'' if report.judged < FEW else f', {percent(report.judged_share)} good'})"
    elif report.outputs:
        parts[0] += " (none judged yet)"
    if report.runs:
        parts.append(f"{report.failed:,} of {plural(report.runs, 'run')} failed ({share_words(report.failed, report.runs)})" if report.failed else f"{plural(report.runs, 'run')}, none failed")
    else:
        parts.append("no runs reported")
    parts.append(f"95% of runs within {ms_words(report.p95_ms)}" if report.p95_ms is not None else "latency not reported")
    parts.append(f"cost {told}" if (told := cost_words(report.costs, report.guessed)) else "cost not reported")
    return " · ".join(parts)


def owner_line(report: Report) -> str:
    """Who is needed for what, by name; or whose agent it is."""
    needed = needs_of(report)
    confirmed = f" · Not confirmed yet: {escape(joined(report.unconfirmed))}" if report.unconfirmed else ""
    if report.asked is None:
        return f"Nobody owns this agent{confirmed}"
    stands_in = "" if report.operations is None or report.operations.id == report.asked.id else f" (for {escape(report.operations.name)}, who is away)"
    if needed:
        return f"*Needed:* {mention(report.asked.slack_id, report.asked.name)}{stands_in} to {needed}{confirmed}"
    return f"Operations owner: {escape(report.asked.name)}{stands_in}{confirmed}"


def short_line(report: Report) -> str:
    """One agent in one line."""
    if report.verdict == Verdict.LEARNING or not report.n:
        figures = report.why if report.verdict in (Verdict.LEARNING, Verdict.SILENT) else "nothing judged yet"
    else:
        figures = score_words(report.share, report.low, report.high, report.n, report.machine, report.days)
    work = plural(report.outputs, "output") if report.outputs else "no output"
    failed = f", {report.failed:,} failed" if report.failed else ""
    more = f", {plural(len(report.problems), 'open problem')}" if report.problems else ""
    quiet = f" · {escape(clip('; '.join(report.quiet), 200))}" if report.quiet else ""
    return f"{verdict_words(report.verdict)}: *{escape(clip(report.name, 120))}* · {escape(clip(figures, 120))} · {work}{failed}{more}{quiet}"


def summary(digest: Summary) -> Message:
    """The channel's message of the day."""
    reports = worst_first(digest.reports)
    full = [r for r in reports if not is_fine(r)][:IN_FULL]
    told = {r.agent_id for r in full}
    compact = [r for r in reports if r.agent_id not in told]
    period = period_words(digest.first_day, digest.last_day, digest.day)
    said = headline(reports, period)
    counts = counts_words(_counts(reports))
    blocks: list[Block] = [
        header(f"Daily health · {day_name(digest.day.isoformat())}"),
        section(escape(clip(said, 1500))),
        context(f"{counts} · covers {_days(digest)} · quality is of the last 7 days unless said, with a 90% interval" if counts else "No agents"),
    ]
    if full:
        blocks.append(divider())
    blocks.extend(full_section(report) for report in full)
    if compact:
        blocks.append(divider())
        blocks.extend(short_sections(compact[:COMPACT]))
    rest = len(compact) - COMPACT
    if rest > 0:
        blocks.append(context(f"{plural(rest, 'more agent')} in the thread, worst first."))
    if digest.sprint:
        blocks.append(context(escape(clip(digest.sprint, 1200))))
    if digest.late:
        blocks.append(context(f"🕒 {escape(clip(digest.late, 900))}"))
    blocks.extend(marking_blocks(digest.digest_id, digest.marking))
    lines = [said, *(told_line(r) for r in full), *(plain_line(r) for r in compact), digest.sprint, digest.late, marking_words(digest.marking)]
    return Message(_fit([line for line in lines if line]), blocks)


def charts(found: Sequence[Chart]) -> Message:
    """Quality to look at; the text says what is seen."""
    return Message(escape(clip("\n".join(alt(chart) for chart in found), 3800)), [place([chart]) for chart in found])


def told_line(report: Report) -> str:
    """One agent in plain words: its verdict, who is needed, and what is quiet of it."""
    return " ".join([f"{verdict_line(report)}. {needs_words(report)}".strip(), *(f"{words}." for words in report.quiet)])


def plain_line(report: Report) -> str:
    return f"{verdict_line(report)} ({plural(report.outputs, 'output') if report.outputs else 'no output'})"


def needs_words(report: Report) -> str:
    needed = needs_of(report)
    return f"{report.asked.name if report.asked else 'An owner'} is needed to {needed}." if needed else ""


def _fit(lines: Sequence[str]) -> str:
    """All lines in a text of at most 3,800 characters: what does not fit is counted, and the last line is always kept."""
    shown: list[str] = []
    size = len(lines[-1]) + 60
    for index, line in enumerate(lines[:-1]):
        line = escape(line)
        if size + len(line) + 1 > 3800:
            shown.append(f"And {plural(len(lines) - 1 - index, 'more line')} in the thread.")
            break
        shown.append(line)
        size += len(line) + 1
    return "\n".join([*shown, escape(lines[-1])])


def short_sections(reports: Sequence[Report]) -> list[Block]:
    """One-line agents, as many to a section as fit."""
    sections: list[Block] = []
    lines: list[str] = []
    size = 0
    for report in reports:
        line = short_line(report)
        if lines and size + len(line) + 1 > SHORT_LIST:
            sections.append(section("\n".join(lines)))
            lines, size = [], 0
        lines.append(line)
        size += len(line) + 1
    if lines:
        sections.append(section("\n".join(lines)))
    return sections


def pages(digest: Summary) -> list[Message]:
    """The agents that did not fit in the summary, worst first: for its thread."""
    reports = worst_first(digest.reports)
    full = [r for r in reports if not is_fine(r)]
    told = {r.agent_id for r in full[:IN_FULL]}
    shown = {r.agent_id for r in [r for r in reports if r.agent_id not in told][:COMPACT]}
    left = [r for r in reports if r.agent_id not in told]
    if len(left) <= COMPACT and len(full) <= IN_FULL:
        return []
    bad, fine = [r for r in left if not is_fine(r)], [r for r in left if is_fine(r) and r.agent_id not in shown]
    blocks = [full_section(report) for report in bad] + short_sections(fine)
    count = -(-len(blocks) // PAGE_BLOCKS)
    found = []
    for page in range(count):
        here = blocks[page * PAGE_BLOCKS : (page + 1) * PAGE_BLOCKS]
        title = f"More agents of this channel, worst first (page {page + 1} of {count})"
        found.append(Message(f"{title}. The figures are those of this morning's summary.", [context(title), *here]))
    return found


def marking_words(marking: Marking) -> str:
    """Where the review stands, in a line without pings."""
    if not marking.asked:
        return "Nothing to mark today: all is worth using, and this week's first summary was asked for review."
    waiting = [f"{who.name} ({plural(count, 'agent')})" for who, count in marking.waiting[:8]]
    if len(marking.waiting) > 8:
        waiting.append(f"{len(marking.waiting) - 8} more")
    done = f"Reviewed by {joined(marking.done[:12])}." if marking.done else ""
    return " ".join(part for part in (done, f"To review: {joined(waiting)}." if waiting else "") if part)


def marking_blocks(digest_id: int, marking: Marking) -> list[Block]:
    """The line on the review, and the button while somebody is waited for."""
    said = marking_words(marking)
    symbol = "☑️ " if marking.done and not marking.waiting else ""
    blocks = [context(symbol + escape(clip(said, 900)))]
    if marking.waiting:
        label = "Mark your own agents of this summary as reviewed"
        blocks.append(actions(button("Reviewed", "digests.reviewed", f"digest:{digest_id}", style="primary", label=label)))
    return blocks


def fleet(day: date, counts: dict[str, int], worst: Sequence[Report], unowned: Sequence[str], unreviewed: Sequence[str]) -> Message:
    """The leads' line of the morning: counts, the worst three, who is missing, what nobody has reviewed."""
    total = sum(counts.values())
    lines = [f"*Fleet of {plural(total, 'agent')}, {day_name(day.isoformat())}:* {counts_words(counts)}."]
    plain = [f"Fleet of {plural(total, 'agent')}, {day_name(day.isoformat())}: {counts_words(counts)}."]
    for report in worst[:3]:
        line = f"{verdict_line(report)}. {needs_words(report) or (report.problems[0] if report.problems else '')}".strip()
        lines.append(f"• {escape(clip(line, 400))}")
        plain.append(line)
    if not worst and total:
        plain.append("Nothing to look at this morning.")
        lines.append("Nothing to look at this morning.")
    for words, named in (("Owner not confirmed", unowned), ("Yesterday's summary not reviewed", unreviewed)):
        if named:
            shown = joined([*named[:5], f"{len(named) - 5} more"] if len(named) > 5 else list(named))
            lines.append(f"{words}: {escape(clip(shown, 700))}.")
            plain.append(f"{words}: {shown}.")
    return Message(escape(clip("\n".join(plain), 3800)), [section("\n".join(lines)), context("See all, worst first: `/aiops status`")])


def not_yours(asked: Sequence[Asked]) -> Message:
    """The polite answer to somebody with nothing to mark here."""
    names = joined([mention(each.slack_id, each.name) for each in asked[:5]])
    if not names:
        return Message("This summary is reviewed already. Thank you for looking.")
    return Message(f"This summary is reviewed by the owners of its agents. Still waited for: {names}. Nothing was changed.")


def thanks(names: Sequence[str], left: Sequence[Asked]) -> Message:
    """The answer to the one who marked."""
    said = f"Marked as reviewed: {escape(joined(list(names[:6]) + ([f'{len(names) - 6} more'] if len(names) > 6 else [])))}. Thank you."
    if left:
        said += f" Still waited for: {escape(joined([each.name for each in left[:5]]))}."
    return Message(said)


def _counts(reports: Sequence[Report]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for report in reports:
        counts[report.verdict] = counts.get(report.verdict, 0) + 1
    return counts


def _days(digest: Summary) -> str:
    return day_name(digest.first_day) if digest.first_day == digest.last_day else f"{day_name(digest.first_day)} to {day_name(digest.last_day)}"


def _moment(iso: str, told_in: int | None) -> str:
    moment = datetime.fromisoformat(iso)
    year = f" {moment.year}" if told_in is not None and told_in != moment.year else ""
    return f"{moment:%a} {moment.day} {moment:%b}{year} {moment:%H:%M}"


@dataclass(frozen=True)
class Sample:
    """One real output shown in the thread, and why this one."""

    why: str
    at: str  # local words
    text: str | None
    hidden: bool  # the registry keeps texts out of Slack
    url: str | None
    judge: tuple[Block, ...]  # the buttons to judge it; empty where there is no output to judge


def samples(groups: Sequence[tuple[str, Sequence[Sample]]]) -> Message:
    """Real outputs of some agents, each with its buttons; `groups` are (agent name, its samples)."""
    blocks: list[Block] = []
    for name, shown in groups:
        blocks.append(section(f"*{escape(name)}*: {plural(len(shown), 'real output')} of these days"))
        for sample in shown:
            link = f"\n<{sample.url}|Open it>" if sample.url else ""
            words = quote(sample.text, SAMPLE_TEXT) if sample.text else "_Its text is kept out of Slack by the registry._" if sample.hidden else "_It was reported without a text._"
            blocks.append(section(f"_{escape(sample.why)}, {escape(sample.at)}_\n{words}{link}"))
            blocks.extend(sample.judge)
    named = joined([name for name, _ in groups][:5])
    return Message(f"Real outputs of {escape(clip(named, 800))}. Please judge them: it takes a press each.", blocks)
