"""The post-incident review as Markdown: pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from bot.paging.words.phrases import span


@dataclass(frozen=True)
class StepLine:
    """One step as the review tells it."""

    number: int
    words: str
    state: str
    required: bool
    by: str = ""
    at: datetime | None = None
    due_at: datetime | None = None
    answer: str = ""
    note: str = ""


@dataclass(frozen=True)
class FollowUpLine:
    words: str
    owner: str
    due_at: datetime
    closed_at: datetime | None
    evidence: str = ""
    fixed_in: str = ""
    turns: int = 0


@dataclass(frozen=True)
class Review:
    """All that the review tells; names and words are as people wrote them."""

    id: int
    agent: str
    title: str
    severity: str
    protocol: str
    zone: str
    began_at: datetime
    noticed_at: datetime
    noticed_by: str
    opened_at: datetime
    opened_by: str
    answered_at: datetime | None
    answered_by: str
    well_at: datetime | None
    closed_at: datetime | None
    closed_by: str
    failing_why: str
    outputs: str
    lead: str
    minutes: Sequence[tuple[str, int]]
    steps: Sequence[StepLine]
    follow_ups: Sequence[FollowUpLine]
    none_needed: str
    before: str  # the incident before it, in words; empty where there was none
    did_not_hold: Sequence[str]
    regression: int
    timeline: Sequence[tuple[datetime, str, str]]  # when, who, what


def review_text(review: Review) -> str:
    """The whole file, in the order in which people ask: what, when, who, what held, what follows, and then every entry."""
    told = moment_in(review.zone)
    lines = [f"# Incident {review.id}: {plain(review.title)}", ""]
    lines += [f"- **Agent**: {plain(review.agent)}", f"- **Severity**: {review.severity}", f"- **Protocol**: {plain(review.protocol)}", f"- **Lead**: {plain(review.lead) or 'nobody'}"]
    lines += [f"- **State**: {f'closed {told(review.closed_at)} by {plain(review.closed_by)}' if review.closed_at else 'still open: this review is not the last word'}", ""]
    lines += ["## What happened", ""]
    cause = next((step.answer for step in reversed(review.steps) if step.answer and step.state == "done"), "")
    lines += [f"- {plain(cause)}"] if cause else []
    lines += [f"- Outputs: {review.outputs}."]
    lines += [f"- {review.before}"] if review.before else []
    lines += [f"- It was closed while its check still failed: {plain(review.failing_why)}"] if review.failing_why else []
    lines += ["", "## When", "", "| | |", "|---|---|", f"| It began | {told(review.began_at)} |", f"| Noticed | {told(review.noticed_at)}, by {plain(review.noticed_by)} |", f"| Incident opened | {told(review.opened_at)}, by {plain(review.opened_by)} |"]
    if review.answered_at:
        lines.append(f"| Somebody answered | {told(review.answered_at)}, {plain(review.answered_by)} |")
    if review.well_at:
        lines.append(f"| Well again | {told(review.well_at)} |")
    if review.closed_at:
        lines.append(f"| Closed | {told(review.closed_at)} |")
    answered = review.answered_at or (review.opened_at if review.answered_by else None)
    lines.append(f"| Time until somebody answered (MTTA) | {span(answered - review.noticed_at) if answered else 'nobody answered a page'} |")
    lines.append(f"| Time until it was well again (MTTR) | {span(review.well_at - review.began_at) if review.well_at else 'not yet'} |")
    total = sum(minutes for _, minutes in review.minutes)
    lines += ["", "## Human minutes", ""]
    lines += [f"- {plain(name)}: {minutes}" for name, minutes in review.minutes] + [f"- Together: {total}"] if review.minutes else ["- Not asked yet: they are asked for once, at the closing."]
    lines += ["", "## What held", "", *(_listed(_held(review)))]
    lines += ["", "## What did not", "", *(_listed(_did_not(review)))]
    lines += ["", "## Follow-ups", ""]
    if review.follow_ups:
        lines += ["| What | Who | Due | State |", "|---|---|---|---|"]
        for each in review.follow_ups:
            state = f"done {told(each.closed_at)}: {plain(each.evidence)}" + (f" (in {plain(each.fixed_in)})" if each.fixed_in else "") if each.closed_at else "open" + (f", opened again {each.turns} times" if each.turns else "")
            lines.append(f"| {plain(each.words)} | {plain(each.owner)} | {told(each.due_at)} | {state} |")
    else:
        lines.append(f"- None needed, signed by {plain(review.none_needed)}" if review.none_needed else "- None yet.")
    lines += ["", f"{review.regression} outputs of it are in the agent's regression set.", "", "## Steps", ""]
    for step in review.steps:
        done = f"{step.state} by {plain(step.by)}, {told(step.at)}" if step.at else "open"
        lines.append(f"{step.number}. {plain(step.words)} ({'' if step.required else 'optional, '}{done})" + (f" **{plain(step.answer)}**" if step.answer else "") + (f": {plain(step.note)}" if step.note else ""))
    lines += ["", "## Timeline", "", f"All times are of {review.zone}.", ""]
    lines += [f"- {told(at)}: {f'{plain(who)} ' if who else ''}{plain(what)}" for at, who, what in review.timeline]
    return "\n".join(lines) + "\n"


def _held(review: Review) -> list[str]:
    in_time = [step for step in review.steps if step.state == "done" and (step.due_at is None or (step.at is not None and step.at <= step.due_at))]
    found = [f"{len(in_time)} of {len(review.steps)} steps were done in time"] if in_time else []
    if review.answered_at:
        found.append(f"A person answered {span(review.answered_at - review.noticed_at)} after it was noticed")
    return found


def _did_not(review: Review) -> list[str]:
    found = [f"Follow-up of an earlier incident: {plain(words)}" for words in review.did_not_hold]
    for step in review.steps:
        if step.state == "waived":
            found.append(f"Step {step.number} was waived: {plain(step.note)}")
        elif step.state == "done" and step.due_at is not None and step.at is not None and step.at > step.due_at:
            found.append(f"Step {step.number} ({plain(step.words)}) was {span(step.at - step.due_at)} late")
        elif step.state == "open" and step.required:
            found.append(f"Step {step.number} ({plain(step.words)}) is open")
    return found


def _listed(found: Sequence[str]) -> list[str]:
    return [f"- {each}" for each in found] or ["- Nothing that the records show."]


class moment_in:
    """Exact times with their day and zone: `Fri 2026-11-20 09:12:05 CET (+0100)`."""

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)

    def __call__(self, moment: datetime | None) -> str:
        if moment is None:
            return "unknown"
        local = moment.astimezone(self._zone)
        return f"{local:%a %Y-%m-%d %H:%M:%S %Z} ({local:%z})"


def plain(text: str) -> str:
    """Other people's words on one line, with nothing in them that Markdown would take for its own."""
    return re.sub(r"([\\`*_\[\]<>|#~])", r"\\\1", " ".join(text.split()))
