"""What every trace store is told through: one vote as a value, and calls whose every ending is an outcome."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

import httpx
import orjson

from bot.routes.outcome import Kind, Outcome

LONGEST_WAIT = 3600.0  # seconds of a Retry-After that are believed
ANSWER = 256 * 1024  # bytes of an answer that are looked at


@dataclass(frozen=True)
class Word:
    """What one place should know of one person's vote on one output. `good` None: it was taken back."""

    key: str  # the same for every try and every change
    rev: int
    name: str  # what the score is called
    agent: str
    output: str
    run: str | None
    kind: str
    trace_id: str | None
    span_id: str | None
    good: bool | None
    reason: str | None
    comment: str | None
    correction: str | None
    source: str  # a pseudonym, unless the registry and the voter say otherwise
    at: datetime
    stands: bool = False  # something of it is known to stand there
    unsure: bool = False  # an earlier try went without an answer: it may stand there
    remote_id: str | None = None

    @property
    def label(self) -> str:
        return "retracted" if self.good is None else "good" if self.good else "bad"

    @property
    def score(self) -> float | None:
        return None if self.good is None else 1.0 if self.good else 0.0

    def explanation(self, most: int = 8000) -> str | None:
        """Reason, comment and correction as one text."""
        reason = (self.reason or "").replace("_", " ").strip()
        parts = [f"{reason[:1].upper()}{reason[1:]}." if reason else "", self.comment or "", f"It should have said: {self.correction}" if self.correction else ""]
        return "\n".join(part for part in parts if part)[:most] or None


@dataclass(frozen=True)
class Reply:
    """How a call ended, and what was said."""

    outcome: Outcome
    status: int = 0
    body: Any = None
    raw: bytes = b""


@dataclass(frozen=True)
class Line:
    """A connection to one place: its address and the headers that open it."""

    client: httpx.AsyncClient
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    options: Mapping[str, str] = field(default_factory=dict)

    async def send(self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, kind: str = "application/json") -> Reply:
        """One call. Errors are told by their kind alone: an address or a header can hold a secret."""
        content = raw if raw is not None else orjson.dumps(body) if body is not None else None
        headers = {**self.headers, **({"Content-Type": kind} if content is not None else {})}
        try:
            answer = await self.client.request(method, self.url + path, content=content, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return Reply(Outcome(Kind.UNREACHABLE, type(error).__name__))
        except (httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError, ValueError) as error:
            return Reply(Outcome(Kind.REFUSED, type(error).__name__))
        except httpx.HTTPError as error:
            return Reply(Outcome(Kind.UNKNOWN, type(error).__name__))
        said = outcome_of(answer.status_code, answer.headers.get("Retry-After"), answer.headers.get("Date"))
        return Reply(said, answer.status_code, _read(answer), answer.content[:ANSWER])


class Place(Protocol):
    """One kind of trace store."""

    async def __call__(self, line: Line, word: Word) -> Outcome:
        """Make the place agree with the word; doing it twice changes nothing. `found["id"]` is what the place calls it."""


def outcome_of(status: int, retry_after: str | None, date: str | None = None) -> Outcome:
    """What an answer means."""
    said = f"http_{status}"
    if 200 <= status < 300:
        return Outcome(Kind.OK)
    if status == 429 or (status == 503 and retry_after):
        return Outcome(Kind.RATE_LIMITED, said, seconds_of(retry_after, date))
    if status in (401, 403, 407):
        return Outcome(Kind.UNAUTHORISED, said)
    if status in (404, 410):
        return Outcome(Kind.NO_PLACE, said)
    return Outcome(Kind.UNKNOWN if status >= 500 or status in (408, 425) else Kind.REFUSED, said)


def seconds_of(retry_after: str | None, date: str | None = None) -> float:
    """Seconds, or a date against the answer's own (RFC 9110, 10.2.3); 30 where it says nothing that can be read."""
    text = (retry_after or "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", text):
        return min(max(float(text), 1.0), LONGEST_WAIT)
    try:
        ahead = parsedate_to_datetime(text) - parsedate_to_datetime(date or "")
    except (TypeError, ValueError):
        return 30.0
    return min(max(ahead.total_seconds(), 1.0), LONGEST_WAIT)


def hex_id(text: str | None, length: int) -> str | None:
    """A trace or span id as hex of that length: also from a UUID, MLflow's `tr-`, or Python's `hex()`; None where it is none."""
    plain = (text or "").strip().lower().removeprefix("tr-").replace("-", "")
    if plain.startswith("0x"):  # which leaves zeros in front away
        plain = plain[2:].zfill(length)
    return plain if re.fullmatch(rf"[0-9a-f]{{{length}}}", plain) and plain.strip("0") else None


def uuid_id(text: str | None) -> str | None:
    """An id as a UUID, where it can be one."""
    plain = hex_id(text, 32)
    return str(uuid.UUID(plain)) if plain else None


def no_trace() -> Outcome:
    """The output names nothing that the place could hang this on (yet)."""
    return Outcome(Kind.NO_PLACE, "no_trace")


def _read(answer: httpx.Response) -> Any:
    try:
        return orjson.loads(answer.content) if answer.content and len(answer.content) <= ANSWER else None
    except orjson.JSONDecodeError:
        return None
