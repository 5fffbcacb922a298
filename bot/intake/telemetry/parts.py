"""What of an export is stored: a span's row, a score's row, and what a metric or a log adds to an agent's day."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class SpanPart:
    """One span's row."""

    key: tuple[str, str]
    agent_id: int | None
    response_id: str | None
    body: str
    rooted: bool
    refused: str = ""

    @property
    def told_as(self) -> str:
        return f"span {self.key[0]}:{self.key[1]}"

    def refuse(self, field: str | None, code: str, message: str) -> None:
        self.refused = message


@dataclass(slots=True, eq=False)
class ScorePart:
    """One automated score's row."""

    digest: str
    agent_id: int | None
    trace_id: str | None
    span_id: str | None
    response_id: str | None
    body: str
    refused: str = ""

    @property
    def told_as(self) -> str:
        return f"score {self.digest}"

    def refuse(self, field: str | None, code: str, message: str) -> None:
        self.refused = message


@dataclass(slots=True, eq=False)
class PointPart:
    """What a metric or a coding agent's log adds to an agent's day. `series` is None where it is an addition by itself."""

    agent_id: int
    metric: str
    digest: str
    began: int
    at: int  # nanoseconds
    value: int
    cumulative: bool
    by_logs: bool
    refused: str = ""

    @property
    def told_as(self) -> str:
        return f"point {self.digest}"

    def refuse(self, field: str | None, code: str, message: str) -> None:
        self.refused = message


Part = SpanPart | ScorePart | PointPart
