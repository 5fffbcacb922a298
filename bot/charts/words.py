"""What a chart shows, said in words: for who cannot see it, and where it cannot be drawn. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from bot.blocks import clip
from bot.charts.values import Chart, Mark, Point

ALT_TEXT = 2000  # Slack's limit
_BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float | None], low: float = 0.0, high: float | None = None) -> str:
    """A line of bars, one per value; a dot where nothing is known, which is not the same as zero."""
    known = [value for value in values if value is not None]
    top = (max(known, default=0.0) if high is None else high) - low
    bars = []
    for value in values:
        level = 0 if value is None or top <= 0 else round((value - low) / top * (len(_BARS) - 1))
        bars.append("·" if value is None else _BARS[min(max(level, 0), len(_BARS) - 1)])
    return "".join(bars)


def spark_of(chart: Chart, most: int = 28) -> str:
    """The newest days of a chart as bars from 0% to 100%."""
    return sparkline([point.share for point in chart.points[-most:]], 0.0, 1.0)


def percent(share: float) -> str:
    """A share as people read it; 100% and 0% are kept for exactly that."""
    shown = round(share * 100)
    if shown == 100 and share < 1:
        return "over 99%"
    return "under 1%" if shown == 0 and share > 0 else f"{shown}%"


def day_words(day: str) -> str:
    found = date.fromisoformat(day)
    return f"{found.day} {found:%b}"


def title(chart: Chart, limit: int = 50) -> str:
    """`Support triage: quality`, the name cut where it is long."""
    end = ": quality, machine-judged" if chart.machine else ": quality"
    return clip(chart.name, limit - len(end)) + end


def score(point: Point, machine: bool) -> str:
    """`87% (79% to 92%, 118 judged)`."""
    judged = "machine-judged" if machine else "judged"
    return f"{percent(point.share or 0.0)} ({percent(point.low)} to {percent(point.high)}, {point.n:,} {judged})"


def against(chart: Chart) -> str:
    """Baseline and target in a few words."""
    base = f"baseline {percent(chart.baseline)} {chart.baseline_label}".strip() if chart.baseline is not None else "no baseline yet"
    return f"{base}, target {percent(chart.target)}{' (a default)' if chart.default_target else ''}"


def trend(chart: Chart) -> str:
    """From where to where the line goes, and its lowest and highest day."""
    known = chart.known
    if not known:
        return "No day has enough judgements for a score yet."
    first, last = known[0], known[-1]
    said = f"{day_words(last.day)}: {score(last, chart.machine)} of the outputs of the {chart.days} days up to it were good"
    if first is last:
        return f"{said}. It is the first day with enough judgements."
    points = round(((last.share or 0.0) - (first.share or 0.0)) * 100)
    moved = "level with" if not points else f"{'up' if points > 0 else 'down'} {abs(points)} point{'' if abs(points) == 1 else 's'} from"
    low, high = (pick(known, key=lambda point: point.share or 0.0) for pick in (min, max))
    spread = f" Lowest {percent(low.share or 0.0)} on {day_words(low.day)}, highest {percent(high.share or 0.0)} on {day_words(high.day)}." if len(known) > 2 and round((high.share or 0) * 100) != round((low.share or 0) * 100) else ""
    gaps = len(chart.points) - len(known)
    missing = f" {gaps} of {len(chart.points)} days have too few judgements and are left open." if gaps else ""
    return f"{said}, {moved} {percent(first.share or 0.0)} on {day_words(first.day)}.{spread}{missing}"


def changes(marks: Sequence[Mark], most: int = 8) -> str:
    """`3 Nov: prompt 14; 9 Nov: model gpt-5`."""
    told = [f"{day_words(mark.day)}: {clip(mark.words, 80)}" for mark in marks[-most:]]
    if len(marks) > most:
        told.insert(0, f"{len(marks) - most} earlier")
    return "; ".join(told)


def alt(chart: Chart) -> str:
    """The whole chart in words."""
    span = f" from {day_words(chart.points[0].day)} to {day_words(chart.points[-1].day)}" if chart.points else ""
    judged = " as machines judged it" if chart.machine else ""
    said = f"Chart of the quality of {clip(chart.name, 300)}{judged}{span}. {trend(chart)} {against(chart).capitalize()}."
    return clip(said + (f" Changes: {changes(chart.marks)}." if chart.marks else " No change was announced in these days."), ALT_TEXT)


def alt_of_many(charts: Sequence[Chart]) -> str:
    """Several small charts in words: one sentence each."""
    told = []
    for chart in charts:
        last = chart.last
        told.append(f"{clip(chart.name, 120)}: {score(last, chart.machine)} good on {day_words(last.day)}, {against(chart)}" if last else f"{clip(chart.name, 120)}: too few judgements yet")
    return clip(f"{len(charts)} small charts of quality, worst first. {'. '.join(told)}.", ALT_TEXT)
