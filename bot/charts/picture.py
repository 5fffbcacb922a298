"""A chart as a PNG: light paper that reads on dark too, labels beside what they name, the axis always from 0% to 100%."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from bot.charts import words
from bot.charts.values import Chart

if TYPE_CHECKING:  # loaded when the first picture is drawn: 5 MB that most workspaces never need
    from PIL.ImageFont import FreeTypeFont

FINE = 2  # shapes are drawn so much larger, then made smaller: smooth edges
# Colours of Okabe and Ito, told apart by people of every kind of sight; besides, each line has a dash of its own and its name.
PAPER, INK, SOFT, GRID = "#fdfdfb", "#1d2430", "#5b6472", "#e3e5e8"
LINE, BAND, BASE, TARGET, CHANGE = "#0062a8", "#cfe4f4", "#b34700", "#5b6472", "#8a3d7c"
# Slack shows pictures some 480 wide: twice that is crisp, and letters of 22 are read as 11.
WIDE, HIGH = 960, 460
PANEL_WIDE, PANEL_HIGH = 470, 236


def draw(charts: Sequence[Chart]) -> bytes:
    """One chart large, or several small beside each other."""
    return _one(charts[0]) if len(charts) == 1 else _many(charts)


def blank(said: str) -> bytes:
    """Paper with a sentence on it: for an address that has expired."""
    sheet = _Sheet(WIDE, 160)
    sheet.text(WIDE / 2, 80, said, 26, SOFT, "mm")
    return sheet.png()


def _one(chart: Chart) -> bytes:
    sheet = _Sheet(WIDE, HIGH)
    kind = "Good outputs, machine-judged" if chart.machine else "Good outputs"
    sheet.text(24, 34, f"{kind}, in the {chart.days} days up to each day; shaded: 90% interval", 23, SOFT, "lm")
    frame = _Frame(82, 120, WIDE - 208, HIGH - 58)
    _grid(sheet, frame, (0, 25, 50, 75, 100), 23)
    _days(sheet, frame, chart)
    _curve(sheet, frame, chart, 4.5)
    _marks(sheet, frame, chart)
    _names(sheet, frame, chart)
    return sheet.png()


def _many(charts: Sequence[Chart]) -> bytes:
    rows = -(-len(charts) // 2)
    sheet = _Sheet(WIDE, rows * PANEL_HIGH + 84)
    for number, chart in enumerate(charts):
        x, y = 10 + number % 2 * PANEL_WIDE, 10 + number // 2 * PANEL_HIGH
        frame = _Frame(x + 72, y + 68, x + PANEL_WIDE - 106, y + PANEL_HIGH - 46)
        sheet.text(x + 14, y + 26, sheet.fit(_plain(chart.name) or chart.slug, 26, PANEL_WIDE - 40), 26, INK, "lm")
        _grid(sheet, frame, (0, 50, 100), 21)
        _ends(sheet, frame, chart)
        _curve(sheet, frame, chart, 4)
        for mark in chart.marks:
            at = _at(chart, mark.day)
            if at is not None:
                _wedge(sheet, frame.x(at), frame.top)
        last = chart.last
        sheet.text(frame.right + 14, frame.y(last.share or 0.0) if last else (frame.top + frame.bottom) / 2, words.percent(last.share or 0.0) if last else "no score", 34 if last else 20, LINE if last else SOFT, "lm")
    captions = ("Good outputs in the days up to each day; shaded: 90% interval.", "Dashed: baseline. Dotted: target. Wedge: a change.")
    for number, caption in enumerate(captions):
        sheet.text(24, rows * PANEL_HIGH + 26 + 28 * number, caption, 21, SOFT, "lm")
    return sheet.png()


class _Frame:
    """The area of a plot, and where a share and a day (0 to 1) lie in it."""

    def __init__(self, left: float, top: float, right: float, bottom: float) -> None:
        self.left, self.top, self.right, self.bottom = left, top, right, bottom

    def x(self, at: float) -> float:
        return self.left + at * (self.right - self.left)

    def y(self, share: float) -> float:
        return self.bottom - share * (self.bottom - self.top)


class _Sheet:
    """Shapes on a large sheet, then text on the small one."""

    def __init__(self, wide: int, high: int) -> None:
        from PIL import Image, ImageDraw

        self.size = (wide, high)
        self._image: Image.Image = Image.new("RGB", (wide * FINE, high * FINE), PAPER)
        self._pen: ImageDraw.ImageDraw = ImageDraw.Draw(self._image)
        self._texts: list[tuple[float, float, str, int, str, str]] = []

    def line(self, points: Sequence[tuple[float, float]], colour: str, width: float) -> None:
        self._pen.line([(x * FINE, y * FINE) for x, y in points], colour, round(width * FINE), joint="curve")

    def dashes(self, left: float, right: float, y: float, colour: str, width: float, on: float, off: float) -> None:
        x = left
        while x < right:
            self.line([(x, y), (min(x + on, right), y)], colour, width)
            x += on + off

    def area(self, points: Sequence[tuple[float, float]], colour: str) -> None:
        self._pen.polygon([(x * FINE, y * FINE) for x, y in points], colour)

    def dot(self, x: float, y: float, radius: float, colour: str) -> None:
        self._pen.ellipse([(x - radius) * FINE, (y - radius) * FINE, (x + radius) * FINE, (y + radius) * FINE], colour, PAPER, 3)

    def text(self, x: float, y: float, said: str, size: int, colour: str, anchor: str) -> None:
        self._texts.append((x, y, said, size, colour, anchor))

    def fit(self, said: str, size: int, width: float) -> str:
        """As much of the words as is no wider."""
        font = _font(size)
        if font.getlength(said) <= width:
            return said
        while said and font.getlength(said + "...") > width:
            said = said[:-1]
        return said.rstrip() + "..."

    def png(self) -> bytes:
        from PIL import Image, ImageDraw

        small = self._image.reduce(FINE)
        pen = ImageDraw.Draw(small)
        for x, y, said, size, colour, anchor in self._texts:
            pen.text((x, y), said, colour, _font(size), anchor)
        found = io.BytesIO()
        # 128 colours hold the few we use and their smooth edges, at a third of the size.
        small.quantize(128, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(found, "PNG", compress_level=6)
        return found.getvalue()


def _grid(sheet: _Sheet, frame: _Frame, percents: Sequence[int], size: int) -> None:
    for value in percents:
        y = frame.y(value / 100)
        sheet.line([(frame.left, y), (frame.right, y)], GRID, 1.5)
        sheet.text(frame.left - 12, y, f"{value}%", size, SOFT, "rm")


def _at(chart: Chart, day: str) -> float | None:
    """Where a day lies between the first and the last; None outside."""
    first, last = date.fromisoformat(chart.points[0].day), date.fromisoformat(chart.points[-1].day)
    at = (date.fromisoformat(day) - first).days / max((last - first).days, 1)
    return at if 0 <= at <= 1 else None


def _days(sheet: _Sheet, frame: _Frame, chart: Chart) -> None:
    """A tick for every seventh day, counted back from the newest."""
    for point in chart.points[::-1][::7]:
        x = frame.x(_at(chart, point.day) or 0.0)
        sheet.line([(x, frame.bottom), (x, frame.bottom + 8)], SOFT, 1.5)
        sheet.text(x, frame.bottom + 30, words.day_words(point.day), 23, SOFT, "mm")


def _ends(sheet: _Sheet, frame: _Frame, chart: Chart) -> None:
    sheet.text(frame.left, frame.bottom + 22, words.day_words(chart.points[0].day), 21, SOFT, "lm")
    sheet.text(frame.right, frame.bottom + 22, words.day_words(chart.points[-1].day), 21, SOFT, "rm")


def _curve(sheet: _Sheet, frame: _Frame, chart: Chart, width: float) -> None:
    """The band below, then target and baseline, the line on top; broken where a day has no score."""
    runs: list[list[tuple[float, float, float, float]]] = [[]]
    for point in chart.points:
        if point.share is None:
            runs.append([])
        else:
            x = frame.x(_at(chart, point.day) or 0.0)
            runs[-1].append((x, frame.y(point.share), frame.y(point.low), frame.y(point.high)))
    for run in runs:
        for (x, _, low, high), (x2, _, low2, high2) in pairwise(run):
            sheet.area([(x, low), (x2, low2), (x2, high2), (x, high)], BAND)
        if len(run) == 1:
            x, _, low, high = run[0]
            sheet.line([(x, low), (x, high)], BAND, 10)
    sheet.dashes(frame.left, frame.right, frame.y(chart.target), TARGET, 2, 3, 7)
    if chart.baseline is not None:
        sheet.dashes(frame.left, frame.right, frame.y(chart.baseline), BASE, 2.5, 16, 9)
    for run in runs:
        if len(run) > 1:
            sheet.line([(x, y) for x, y, _, _ in run], LINE, width)
        elif run:
            sheet.dot(run[0][0], run[0][1], width, LINE)
    last = next((run[-1] for run in reversed(runs) if run), None)
    if last is not None:
        sheet.dot(last[0], last[1], width + 4, LINE)


def _marks(sheet: _Sheet, frame: _Frame, chart: Chart) -> None:
    """Each change as a line down the plot with a wedge and its name above; names that would touch go a row higher, then are left to the words."""
    ends = [frame.left - 100.0, frame.left - 100.0]  # how far each of the two rows of names is taken
    for mark in chart.marks:
        at = _at(chart, mark.day)
        if at is None:
            continue
        x = frame.x(at)
        sheet.line([(x, frame.top), (x, frame.bottom)], CHANGE, 1.5)
        _wedge(sheet, x, frame.top)
        said = sheet.fit(_plain(mark.words) or "change", 22, 240)
        half = _font(22).getlength(said) / 2
        centre = min(max(x, half + 12), WIDE - half - 12)
        row = next((number for number, end in enumerate(ends) if centre - half > end + 16), None)
        if row is not None:
            ends[row] = centre + half
            sheet.text(centre, frame.top - 24 - 27 * row, said, 22, CHANGE, "mm")


def _wedge(sheet: _Sheet, x: float, y: float) -> None:
    sheet.area([(x - 8, y - 11), (x + 8, y - 11), (x, y + 2)], CHANGE)


def _names(sheet: _Sheet, frame: _Frame, chart: Chart) -> None:
    """The names of the lines at their right end, pushed apart where they would touch."""
    labels: list[tuple[float, float, list[tuple[str, int, str]]]] = []  # y, height, lines
    last = chart.last
    if last is not None:
        span = f"{words.percent(last.low)} to {words.percent(last.high)}"
        labels.append((frame.y(last.share or 0.0), 72, [(words.percent(last.share or 0.0), 40, LINE), (span, 22, SOFT)]))
    if chart.baseline is not None:
        labels.append((frame.y(chart.baseline), 30, [(f"baseline {words.percent(chart.baseline)}", 23, BASE)]))
    labels.append((frame.y(chart.target), 30, [(f"target {words.percent(chart.target)}", 23, TARGET)]))
    tops = _apart([(y, height) for y, height, _ in labels], frame.top - 34, frame.bottom + 10)
    for top, (y, height, lines) in zip(tops, labels, strict=True):
        middle = top + height / 2
        if abs(middle - y) > 10:
            sheet.line([(frame.right + 6, y), (frame.right + 18, middle)], lines[0][2], 1.5)
        step = top
        for said, size, colour in lines:
            sheet.text(frame.right + 24, step + size * 0.62, said, size, colour, "lm")
            step += size * 1.12


def _apart(labels: Sequence[tuple[float, float]], low: float, high: float) -> list[float]:
    """The top of each label of (middle, height): the first stays where it belongs, the others make room for it."""
    tops = [y - height / 2 for y, height in labels]
    order = sorted(range(len(labels)), key=lambda number: labels[number][0])
    first = order.index(0)
    for here, before in zip(order[first + 1 :], order[first:], strict=False):
        tops[here] = max(tops[here], tops[before] + labels[before][1])
    for here, after in zip(reversed(order[:first]), reversed(order[: first + 1]), strict=False):
        tops[here] = min(tops[here], tops[after] - labels[here][1])
    edge = high
    for number in reversed(order):
        tops[number] = edge = min(tops[number], edge - labels[number][1])
    edge = low
    for number in order:
        tops[number] = max(tops[number], edge)
        edge = tops[number] + labels[number][1]
    return tops


def _plain(said: str) -> str:
    """The words, where our letters hold them (the font that comes with the library is Latin); else nothing."""
    return said if all(" " <= letter <= "~" for letter in said) else ""


@lru_cache(maxsize=16)
def _font(size: int) -> FreeTypeFont:
    from PIL import ImageFont

    found: Any = ImageFont.load_default(size)
    loaded: FreeTypeFont = found
    return loaded
