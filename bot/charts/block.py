"""A chart as Slack's own chart block (`data_visualization`): at most 20 points, no gaps, no marks of its own. Pure."""

from __future__ import annotations

from typing import Any

from bot.blocks import clip, context, escape
from bot.charts import words
from bot.charts.values import Chart, Point

POINTS = 20
FEWEST = 3  # fewer make no line
NAME = 20  # characters of a label or of a series' name
A_MESSAGE = 2  # chart blocks that one message may hold


def native(chart: Chart) -> list[dict[str, Any]] | None:
    """The chart block and its caption; None where the days without a score would make its axis lie."""
    points = unbroken(chart)
    if len(points) < FEWEST:
        return None
    changed = {mark.day for mark in chart.marks}
    labels = [f"{words.day_words(point.day)}{' ▲' if point.day in changed else ''}" for point in points]
    series = [
        _series("Good, %", labels, [point.share or 0.0 for point in points]),
        _series("90% interval, from", labels, [point.low for point in points]),
        _series("90% interval, to", labels, [point.high for point in points]),
    ]
    if chart.baseline is not None:
        series.append(_series(f"Baseline {words.percent(chart.baseline)}", labels, [chart.baseline] * len(points)))
    series.append(_series(f"Target {words.percent(chart.target)}", labels, [chart.target] * len(points)))
    shape = {"type": "line", "series": series, "axis_config": {"categories": labels, "x_label": f"each day with the {chart.days} days up to it", "y_label": "good outputs, %"}}
    return [{"type": "data_visualization", "title": words.title(chart), "chart": shape}, context(caption(chart, points))]


def caption(chart: Chart, points: tuple[Point, ...]) -> str:
    """What the block cannot show: the figures in words, and the changes that ▲ marks."""
    said = escape(clip(words.trend(chart), 900))
    shown = [mark for mark in chart.marks if points[0].day <= mark.day]
    return said + (f"\n▲ {escape(words.changes(shown))}" if shown else "")


def unbroken(chart: Chart) -> tuple[Point, ...]:
    """The newest days, back to the last one without a score."""
    found: list[Point] = []
    for point in reversed(chart.points):
        if point.share is None or len(found) == POINTS:
            break
        found.append(point)
    return tuple(reversed(found))


def _series(name: str, labels: list[str], shares: list[float]) -> dict[str, Any]:
    return {"name": name[:NAME], "data": [{"label": label, "value": round(share * 100, 1)} for label, share in zip(labels, shares, strict=True)]}
