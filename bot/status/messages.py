"""How status reads, for Slack and as plain lines: pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from html import unescape

from bot.blocks import Block, Message, actions, button, clip, context, divider, escape, section
from bot.calendars import zone_named
from bot.charts.values import Chart, place
from bot.charts.words import alt, sparkline
from bot.quality.drift.messages import Watched, few_lines, sampled_words, sampling_buttons
from bot.quality.rules import Score, Verdict, percent
from bot.quality.words import (
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
from bot.status.believed import machine_lines, people_lines, segment_lines, sprint_lines
from bot.status.facts import Depth, Fleet, Line
from bot.tables import Problem

DEPARTMENTS = 15  # told apart in one look
SAME = {"people": "People", "people.sampled": "of these, drawn at random", "people.volunteers": "of these, volunteers", "evaluations": "Evaluations", "outcomes": "What people did"}


def fleet(found: Fleet) -> Message:
    """Many agents, worst first."""
    if not found.total:
        said = "There are no agents yet. Add the first one with `/aiops agent add`, or describe them in aiops.yml and run `aiops apply`."
        return Message(said, [section(said)])
    title, counts = _fleet_title(found), counts_words(found.counts)
    blocks: list[Block] = [section(f"*{escape(title)}*\n{counts}")]
    extra = _extra(found)
    if extra:
        blocks.append(context(extra))
    blocks.append(divider())
    for line in found.lines:
        closer = button("Look closer", "status.agent", f"agent:{line.slug}", label=f"Show {line.name} in depth")
        blocks.append(section("\n".join(escape(clip(words, 700)) if i else f"*{escape(words)}*" for i, words in enumerate(agent_lines(line, found.department is None))), accessory=closer))
    left = found.total - len(found.lines)
    if left > 0:
        blocks.append(context(f"{plural(left, 'more agent')}, none of them worse."))
    if found.department is None and len(found.departments) > 1:
        blocks.append(section("*By department*\n" + "\n".join(escape(words) for words in _departments(found))))
    blocks.append(context("`/aiops status &lt;department&gt;` narrows it down, `/aiops status &lt;agent&gt;` shows one in depth."))
    return Message(_text(fleet_lines(found)), blocks)


def fleet_lines(found: Fleet) -> list[str]:
    """The same as plain lines."""
    lines = [_fleet_title(found), counts_words(found.counts), _extra(found), ""]
    for line in found.lines:
        first, *rest = agent_lines(line, found.department is None)
        lines.extend([first, *(f"    {words}" for words in rest)])
    left = found.total - len(found.lines)
    if left > 0:
        lines.append(f"{plural(left, 'more agent')}, none of them worse.")
    if found.department is None and len(found.departments) > 1:
        lines.extend(["", "By department", *_departments(found)])
    return lines


def agent_lines(line: Line, with_department: bool = True) -> list[str]:
    """One agent at a glance: verdict and name; the score; what is open; whose it is."""
    department = f" ({line.department})" if with_department and line.department else ""
    score = line.why if line.verdict in (Verdict.LEARNING, Verdict.SILENT, Verdict.PAUSED) else score_words(line.share, line.low, line.high, line.n, line.machine, line.days)
    lines = [f"{verdict_line(line)}{department}", f"{score[:1].upper()}{score[1:]}"]
    if other := other_figure(line.why, line.machine):
        lines.append(f"But {other}")
    if line.problems:
        first = line.problems[0]
        more = f", and {len(line.problems) - 1} more" if len(line.problems) > 1 else ""
        lines.append(f"Open: {clip(first.title, 200)}, since {moment(first.since, line.zone)}{more}{_held(first, line.zone)}")
    if line.calling:
        lines.append("A page is open and nobody has acknowledged it")
    lines.append(_owner(line))
    return lines


def _held(problem: Problem, zone: str) -> str:
    """That a silence or a window holds it back, and until when."""
    return f" (nobody is called until {moment(problem.quiet_until, zone)})" if problem.quiet_until is not None else ""


def verdict_line(line: Line) -> str:
    said = verdict_words(line.verdict)
    if line.verdict == Verdict.SILENT:
        said += f" since {moment(line.last_at, line.zone, line.told_at)}" if line.last_at else ", never heard"
    return f"{said}: {line.name}"


def _owner(line: Line) -> str:
    owner = line.owners.operations or line.owners.business
    if owner is None:
        return "Nobody owns this agent"
    role = "Operations owner" if line.owners.operations is not None else "Business owner"
    return f"{role}: {unescape(owner.plain)}"


def depth(found: Depth) -> Message:
    """One agent, whole."""
    sections = _sections(found)
    blocks: list[Block] = []
    for title, lines in sections:
        words = "\n".join(escape(clip(line, 700)) for line in lines)
        blocks.append(section(f"*{escape(title)}*\n{words}" if title else words))
        if title == "Quality" and found.chart is not None:
            blocks.append(place([found.chart]))
        if title == "Drift" and found.may_sample and found.watched is not None and (buttons := sampling_buttons(found.watched)):
            blocks.append(actions(*buttons))
    blocks.append(context("Figures are of the last 7 days unless said, today included, in the agent's own days; intervals are 90%."))
    return Message(_text(depth_lines(found)), blocks)


def with_chart(said: Message, chart: Chart) -> Message:
    """An answer about one agent, with its quality to look at: before its buttons."""
    at = next((number for number, block in enumerate(said.blocks) if block["type"] == "actions"), len(said.blocks))
    return Message(f"{said.text}\n{escape(alt(chart))}", [*said.blocks[:at], place([chart]), *said.blocks[at:]])


def with_sampling(said: Message, watched: Watched, *, may_sample: bool) -> Message:
    """An answer about one agent, with how many outputs people are asked to judge where that is too few, or more than the registry says: before its buttons."""
    lines = [f"{sampled_words(watched.sampling)}."] if watched.sampling.until else few_lines(watched)
    if not lines:
        return said
    words = escape(clip(lines[0], 900))
    at = next((number for number, block in enumerate(said.blocks) if block["type"] == "actions"), len(said.blocks))
    buttons = sampling_buttons(watched) if may_sample else []
    return Message(f"{said.text}\n{words}", [*said.blocks[:at], section(words), *([actions(*buttons)] if buttons else []), *said.blocks[at:]])


def depth_lines(found: Depth) -> list[str]:
    """The same as plain lines."""
    lines: list[str] = []
    for title, said in _sections(found):
        lines.extend([*([""] if lines else []), title, *said])
    return [line for line in lines if line or lines]


def _sections(found: Depth) -> list[tuple[str, list[str]]]:
    line, week = found.line, found.week
    zone = line.zone
    head = [f"{line.why[:1].upper()}{line.why[1:]}."]
    if found.about:
        head.append(found.about)
    sections = [(verdict_line(line) + (f" ({line.department})" if line.department else ""), head)]
    quality = [f"{SAME[name]}: {score_text(score, found.days_of[name])}" for name, score in found.scores.items() if score.n or name == "people"]
    target = f"Target: {percent(found.target)} good{' (default)' if found.default_target else ''}"
    base = found.baseline
    if base is not None:
        target += f" · baseline {base.label}: {percent(base.share)} of {base.n:,}, {day(base.first_day)} to {day(base.last_day)}"
        drift = points_words(found.trailing.share, base.share, "the baseline")
    else:
        target += " · no baseline yet"
        drift = ""
    trend = [words for words in (points_words(found.trailing.share, found.before.share, "the week before"), drift) if words]
    quality.append(target)
    if trend:
        quality.append(f"Now {joined(trend)}")
    longer = [f"{SAME[name].lower()} {score_text(score, 28)}" for name in ("people", "evaluations") if (score := found.believed.longer.get(name)) and score.n and found.days_of[name] != 28]
    if longer:
        quality.append(f"Over 28 days: {joined(longer)}")
    sections.append(("Quality", quality))
    for title, more in (("Whose judgement", people_lines(found.believed) + machine_lines(found.believed)), ("By part, 28 days", segment_lines(found.believed)), ("Better every sprint", sprint_lines(found.believed))):
        if more:
            sections.append((title, more))
    if found.drift:
        sections.append(("Drift", list(found.drift)))
    span = f"{day(found.first_day)} to {day(found.last_day)}"
    sections.append(
        (
            f"Day by day, {span}",
            [
                f"Quality {sparkline(found.quality_days, 0.0, 1.0)}  {_range(found.quality_days)}",
                f"Outputs {sparkline([float(n) for n in found.output_days])}  most on one day: {max(found.output_days, default=0):,}",
            ],
        )
    )
    work = [plural(week.outputs, "output") if week.outputs else "No output in these days"]
    work.append(f"{week.failed:,} of {plural(week.runs, 'run')} failed ({share_words(week.failed, week.runs)})" if week.runs else "No runs reported")
    fifty, ninety_five = week.latency(0.5), week.latency(0.95)
    work.append(f"Half of the runs took less than {ms_words(fifty)}, 95% less than {ms_words(ninety_five)}" if fifty is not None else "Latency not reported")
    work.append(f"Cost: {told}" if (told := cost_words(week.costs, week.guessed)) else "Cost not reported")
    if found.handing:
        work.append(f"To people: it {found.handing}")
    sections.append(("Work", work))
    opened = [f"{problem.title}, since {moment(problem.since, zone)}: {clip(problem.says, 300)}{_held(problem, zone)}" for problem in line.problems[:5]]
    if len(line.problems) > 5:
        opened.append(f"{len(line.problems) - 5} more open problems")
    opened += found.quiet
    opened += [f"Silenced since {moment(check.wrong_at, zone)}: {clip(check.says, 300)}" for check in found.silenced if check.wrong_at]
    opened += [f"Page open since {moment(page.opened_at, zone)}, {'acknowledged' if page.acked_at else 'nobody is called now' if page.quiet_until else 'nobody has acknowledged it'}" for page in found.pages]
    opened += [f"Incident since {moment(incident.opened_at, zone)}: {clip(incident.title, 200)}" for incident in found.incidents]
    sections.append(("Open", opened or ["No open problem, page or incident"]))
    changed = [f"{moment(change.occurred_at, zone)}: {change.input} is now {change.version}{f' ({clip(change.note, 120)})' if change.note else ''}" for change in found.changes]
    if changed:
        sections.append(("Changed", changed))
    stage = found.stage
    people = [unescape(found.line.owners.line())]
    people[0] = people[0][:1].upper() + people[0][1:]
    if stage is not None:
        people.append(f"Stage: {stage.stage}, since {moment(stage.since, zone)}{f' ({clip(stage.reason, 160)})' if stage.reason else ''}")
    where = [part for part in (f"Owner channel {found.channel}" if found.channel else "", f"next summary {moment(found.next_digest, zone)}" if found.next_digest else "") if part]
    if where:
        people.append(", ".join(where))
    if found.runbook:
        people.append(f"Runbook: {clip(found.runbook, 400)}")
    sections.append(("Who and where", people))
    return sections


def score_text(score: Score, days: int) -> str:
    return score_words(score.share, score.low, score.high, score.n, days=days)


def choose(words: str, names: Sequence[tuple[str, str]]) -> Message:
    """Several agents fit; `names` are (name, slug)."""
    said = f"Several agents fit “{words}”. Which one?"
    blocks: list[Block] = [section(escape(clip(said, 400)))]
    for name, slug in names:
        blocks.append(section(escape(name), accessory=button("Look closer", "status.agent", f"agent:{slug}", label=f"Show {name} in depth")))
    return Message(escape(clip(f"{said} {joined([name for name, _ in names])}", 3000)), blocks)


def unknown_agent(words: str, near: Sequence[str]) -> Message:
    """No agent or department of that name."""
    said = f"I know no agent or department called “{clip(words, 100)}”."
    said += f" Did you mean {' or '.join(near)}?" if near else " `/aiops status` shows all of them."
    return Message(escape(said))


def gone() -> Message:
    return Message("This agent is no longer in the registry. `/aiops status` shows those that are.")


def day(iso: str) -> str:
    found = date.fromisoformat(iso)
    return f"{found.day} {found:%b}"


def moment(at: datetime | None, zone: str, told_at: datetime | None = None) -> str:
    """`Tue 17 Nov 14:05` in the agent's own zone: the same words in Slack, on the command line and read aloud.

    With its year where that is another one than it is told in: imported history may be years old.
    """
    if at is None:
        return "never"
    local = at.astimezone(zone_named(zone))
    year = f" {local.year}" if told_at is not None and told_at.astimezone(zone_named(zone)).year != local.year else ""
    return f"{local:%a} {local.day} {local:%b}{year} {local:%H:%M}"


def _fleet_title(found: Fleet) -> str:
    if found.department is not None:
        return f"{found.department}: {plural(found.total, 'agent')}"
    return f"{plural(found.total, 'agent')} in {plural(len(found.departments), 'department')}"


def _extra(found: Fleet) -> str:
    parts = [plural(found.pages, "open page") if found.pages else "", plural(found.incidents, "open incident") if found.incidents else ""]
    if found.unconfirmed:
        parts.append(f"{plural(found.unconfirmed, 'agent')} without confirmed owners")
    return " · ".join(part for part in parts if part)


def _departments(found: Fleet) -> list[str]:
    ranked = sorted(found.departments.items(), key=lambda each: (-_badness(each[1]), each[0].lower()))
    lines = [f"{clip(name, 80) or 'No department'}: {counts_words(counts)}" for name, counts in ranked[:DEPARTMENTS]]
    if len(ranked) > DEPARTMENTS:
        lines.append(f"{plural(len(ranked) - DEPARTMENTS, 'more department')}, none of them worse")
    return lines


def _badness(counts: dict[str, int]) -> int:
    return counts.get(Verdict.NOT_WORTH_USING, 0) * 10_000 + counts.get(Verdict.SILENT, 0) * 100 + counts.get(Verdict.WATCH, 0)


def _range(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "nothing judged"
    return f"{percent(min(known))} to {percent(max(known))}; a dot is a day without judgements" if None in values else f"{percent(min(known))} to {percent(max(known))}"


def _text(lines: Sequence[str]) -> str:
    return escape(clip("\n".join(line for line in lines if line), 3000))
