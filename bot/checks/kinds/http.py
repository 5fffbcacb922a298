"""`http`: an address answers as promised."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

import orjson
from pydantic import Field

from bot.agents.spec import Duration, write_duration
from bot.checks.kinds.kind import CheckSpec, Kind
from bot.paging.rules import Finding, State


class HttpSpec(CheckSpec):
    """Status, latency, text and a value in JSON of one address."""

    DEFAULT_EVERY: ClassVar[timedelta] = timedelta(minutes=1)

    kind: Literal["http"] = Field("http", description="Always `http`.")
    url: str = Field(pattern=r"^https?://[^\s/]+", max_length=2000, description="The address that must answer.")
    method: Literal["GET", "HEAD"] = Field("GET", description="How it is asked.")
    status: str = Field("2xx", pattern=r"^([1-5]xx|[1-5]\d\d)(,([1-5]xx|[1-5]\d\d))*$", description="Which answers are fine: `2xx`, `200`, or a list such as `200,404`.")
    timeout: Duration = Field(timedelta(seconds=10), description="No answer within this (at most 60s) is a failure.")
    latency: Duration | None = Field(None, description="An answer slower than this is a failure.")
    text: str | None = Field(None, max_length=500, description="Words the body must contain (its first 64 KiB are read).")
    json_path: str | None = Field(None, max_length=200, description="A value in a JSON body, such as `status.database` or `items.0.ok`; it must be there.")
    json_is: str | int | float | bool | None = Field(None, description="What that value must be; where unset, anything but false, null, 0 or empty.")
    redirects: int = Field(3, ge=0, le=10, description="How many redirects are followed.")
    allow_private: bool = Field(False, description="Whether the address may lie in a private network.")
    after: int = Field(2, ge=1, le=100, description="How many failures in a row make it a problem.")

    def patience(self) -> float:
        """Seconds to wait for the whole answer."""
        return min(max(self.timeout.total_seconds(), 0.1), 60.0)


@dataclass(frozen=True)
class AnswerFacts:
    """What came back: a status with body, or the reason why nothing did."""

    at: datetime
    url: str
    status: int | None = None
    ms: int = 0
    body: bytes = b""
    error: str = ""


def judge(facts: AnswerFacts, spec: HttpSpec, now: datetime) -> Finding:
    """The first promise that is broken names the failure: answer, status, latency, text, JSON value."""
    evidence = {"Address": facts.url, "Status": str(facts.status or "none"), "Took": f"{facts.ms} ms"}
    if facts.body and (facts.error or not _fine(facts.status or 0, spec.status)):
        evidence["Body begins"] = facts.body[:200].decode("utf-8", "replace")
    broken = _broken(facts, spec)
    if broken is None:
        return Finding(State.OK, "It answers", f"It answered {facts.status} in {facts.ms} ms.", value=facts.ms, threshold=_limit(spec), evidence=evidence)
    title, says = broken
    return Finding(State.FAILING, title, says, since=facts.at, value=facts.ms, threshold=_limit(spec), evidence=evidence)


def _broken(facts: AnswerFacts, spec: HttpSpec) -> tuple[str, str] | None:
    if facts.status is None:
        return f"{_host(spec.url)} does not answer", f"{facts.url} gave no answer: {facts.error or 'nothing came back'}."
    if not _fine(facts.status, spec.status):
        return f"{_host(spec.url)} answers {facts.status}", f"{facts.url} answered {facts.status}; {spec.status} is promised."
    if spec.latency is not None and facts.ms > spec.latency.total_seconds() * 1000:
        return f"{_host(spec.url)} is slow", f"{facts.url} took {facts.ms} ms; at most {write_duration(spec.latency)} is promised."
    if spec.text is not None and spec.text not in facts.body.decode("utf-8", "replace"):
        return f"{_host(spec.url)} answers something else", f"The answer of {facts.url} does not contain “{spec.text}”."
    if spec.json_path is not None:
        return _json_broken(facts, spec, spec.json_path)
    return None


def _json_broken(facts: AnswerFacts, spec: HttpSpec, path: str) -> tuple[str, str] | None:
    title = f"{_host(spec.url)} reports {path} wrong"
    try:
        found: Any = orjson.loads(facts.body)
    except orjson.JSONDecodeError:
        return title, f"The answer of {facts.url} is not JSON (or longer than 64 KiB), so `{path}` cannot be read."
    for part in path.split("."):
        if isinstance(found, dict) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        else:
            return title, f"The answer of {facts.url} has no `{path}`."
    if spec.json_is is None:
        fine, wanted = bool(found), "something true"
    else:
        # 1 and true are the same to Python, not to people.
        fine, wanted = found == spec.json_is and isinstance(found, bool) == isinstance(spec.json_is, bool), repr(spec.json_is)
    return None if fine else (title, f"`{path}` in the answer of {facts.url} is {str(found)[:100]!r}; {wanted} is promised.")


def _fine(status: int, promised: str) -> bool:
    return any(each == str(status) or (each.endswith("xx") and each[0] == str(status)[0]) for each in promised.split(","))


def _host(url: str) -> str:
    return url.split("://", 1)[-1].split("/", 1)[0].split("@")[-1][:60]


def _limit(spec: HttpSpec) -> float | None:
    return spec.latency.total_seconds() * 1000 if spec.latency is not None else None


KIND = Kind(
    name="http",
    about="Asks an address and fails when it does not answer, answers another status, is slow, or lacks a text or JSON value. Private addresses only with `allow_private: true`.",
    spec=HttpSpec,
    judge=judge,
    probes=True,
    example='alive: {kind: http, url: "https://triage.example.com/health", latency: 2s, after: 2}',
)
