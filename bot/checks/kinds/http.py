"""`http`: an address answers as promised."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

import orjson
from pydantic import Field, model_validator

from bot.agents.spec import write_duration
from bot.blocks import clip
from bot.checks.kinds.kind import CheckSpec, Kind
from bot.checks.kinds.words import Latency, Span, Window, rough_words, write_latency
from bot.paging.rules import Finding, State

STATUS = r"^([1-5]xx|[1-5]\d\d)(,([1-5]xx|[1-5]\d\d))*$"


class HttpSpec(CheckSpec):
    """Status, latency, text and a value in JSON of one address."""

    DEFAULT_EVERY: ClassVar[timedelta] = timedelta(minutes=1)

    kind: Literal["http"] = Field("http", description="Always `http`.")
    url: str = Field(pattern=r"^https?://[^\s/]+", max_length=2000, description="The address that must answer.")
    method: Literal["GET", "HEAD"] = Field("GET", description="How it is asked.")
    status: str = Field("2xx", pattern=STATUS, description="Which answers are fine: `2xx`, `200`, or a list such as `200,404`.")
    timeout: Span = Field(timedelta(seconds=10), description="No answer within this (at most 60s) is a failure.")
    latency: Latency | None = Field(None, description="An answer slower than this, such as `800ms`, is a failure.")
    text: str | None = Field(None, max_length=500, description="Words the body must contain (its first 64 KiB are read).")
    json_path: str | None = Field(None, max_length=200, description="A value in a JSON body, such as `status.database` or `items.0.ok`; it must be there.")
    json_is: str | int | float | bool | None = Field(None, description="What that value must be; where unset, anything but false, null, 0 or empty.")
    certificate: Window | None = Field(None, description="The certificate of an `https` address must hold at least this much longer, such as `14d`; one that has ended always fails.")
    redirects: int = Field(3, ge=0, le=10, description="How many redirects are followed.")
    allow_private: bool = Field(False, description="Whether the address may lie in a private network.")
    after: int = Field(2, ge=1, le=100, description="How many failures in a row make it a problem.")

    @model_validator(mode="after")
    def _can_fail(self) -> HttpSpec:
        if self.certificate is not None and not self.url.startswith("https:"):
            raise ValueError("an address without TLS has no certificate, so this could never be kept: write `url: https://...`, or take `certificate` out")
        if self.json_is is not None and self.json_path is None:
            raise ValueError("`json_is` has no value to look at: add `json_path: ...`")
        if self.method == "HEAD" and (self.text is not None or self.json_path is not None):
            raise ValueError("the answer to HEAD has no body, so `text` and `json_path` would always fail: write `method: GET`")
        return self

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
    cert_ends: datetime | None = None  # of the certificate it came under
    asked: bool = True  # it may be asked, and was


class Unreadable(ValueError):
    """A value that is not where it should be, or not of its kind; the text says so."""


def read_path(body: bytes, path: str) -> Any:
    """The value at a path such as `items.0.ok` of a JSON body; raises Unreadable."""
    try:
        found: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Unreadable(f"it is not JSON (or longer than 64 KiB), so `{path}` cannot be read") from None
    for part in path.split("."):
        if isinstance(found, dict) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isdigit() and len(part) < 10 and int(part) < len(found):
            found = found[int(part)]
        else:
            raise Unreadable(f"it has no `{path}`")
    return found


def excerpt(body: bytes) -> str:
    """How a body begins, as people can read it."""
    text = body[:200].decode("utf-8", "replace")
    return "".join(each if each.isprintable() else " " for each in text)


def judge(facts: AnswerFacts, spec: HttpSpec, now: datetime) -> Finding:
    """The first promise that is broken names the failure: answer, status, latency, text, JSON value, certificate."""
    evidence = {"Address": facts.url, "Status": str(facts.status or "none"), "Took": f"{facts.ms} ms"}
    if facts.body and (facts.error or not is_fine(facts.status or 0, spec.status)):
        evidence["Body begins"] = excerpt(facts.body)
    if facts.cert_ends is not None:
        evidence["Certificate ends"] = f"{facts.cert_ends:%Y-%m-%d %H:%M} UTC"
    broken = _broken(facts, spec, now)
    if broken is None:
        return Finding(State.OK, "It answers", f"It answered {facts.status} in {facts.ms} ms.", value=facts.ms, threshold=_limit(spec), evidence=evidence)
    title, says = broken
    return Finding(State.FAILING, title, says, since=facts.at, value=facts.ms, threshold=_limit(spec), evidence=evidence)


def _broken(facts: AnswerFacts, spec: HttpSpec, now: datetime) -> tuple[str, str] | None:
    if not facts.asked:
        return f"{host_of(spec.url)} cannot be asked", f"{facts.url} could not be asked: {facts.error}."
    if facts.status is None:
        return f"{host_of(spec.url)} does not answer", f"{facts.url} gave no answer: {facts.error or 'nothing came back'}."
    if not is_fine(facts.status, spec.status):
        return f"{host_of(spec.url)} answers {facts.status}", f"{facts.url} answered {facts.status}; {spec.status} is promised."
    if spec.latency is not None and facts.ms > spec.latency.total_seconds() * 1000:
        return f"{host_of(spec.url)} is slow", f"{facts.url} took {facts.ms} ms; at most {write_latency(spec.latency)} is promised."
    if spec.text is not None and spec.text not in facts.body.decode("utf-8", "replace"):
        return f"{host_of(spec.url)} answers something else", f"The answer of {facts.url} does not contain “{spec.text}”."
    if spec.json_path is not None and (broken := _json_broken(facts, spec, spec.json_path)) is not None:
        return broken
    if spec.certificate is not None:
        return _certificate_broken(facts, spec, spec.certificate, now)
    return None


def _certificate_broken(facts: AnswerFacts, spec: HttpSpec, wanted: timedelta, now: datetime) -> tuple[str, str] | None:
    if facts.cert_ends is None:
        return f"{host_of(spec.url)} answers without TLS", f"{spec.url} led to {facts.url}, which has no certificate."
    left = facts.cert_ends - now
    if left >= wanted:
        return None
    says = f"The certificate of {facts.url} ends in {rough_words(left)}, at {facts.cert_ends:%Y-%m-%d %H:%M} UTC; at least {write_duration(wanted)} more is promised."
    return f"the certificate of {host_of(spec.url)} ends in {rough_words(left)}", says


def _json_broken(facts: AnswerFacts, spec: HttpSpec, path: str) -> tuple[str, str] | None:
    title = f"{host_of(spec.url)} reports {path} wrong"
    try:
        found = read_path(facts.body, path)
    except Unreadable as error:
        return title, f"The answer of {facts.url} does not say it: {error}."
    if spec.json_is is None:
        fine, wanted = bool(found), "something true"
    else:
        # 1 and true are the same to Python, not to people.
        fine, wanted = found == spec.json_is and isinstance(found, bool) == isinstance(spec.json_is, bool), _as_json(spec.json_is)
    return None if fine else (title, f"`{path}` in the answer of {facts.url} is {_as_json(found)}; {wanted} is promised.")


def _as_json(value: Any) -> str:
    """As JSON writes it, so that 3 and "3" can be told apart."""
    return clip(orjson.dumps(value).decode(), 100)


def is_fine(status: int, promised: str) -> bool:
    return any(each == str(status) or (each.endswith("xx") and each[0] == str(status)[0]) for each in promised.split(","))


def host_of(url: str) -> str:
    return url.split("://", 1)[-1].split("/", 1)[0].split("@")[-1][:60]


def _limit(spec: HttpSpec) -> float | None:
    return spec.latency.total_seconds() * 1000 if spec.latency is not None else None


KIND = Kind(
    name="http",
    about="Asks an address and fails when it does not answer, answers another status, is slow, lacks a text or JSON value, or shows a certificate that ends soon. Private addresses only with `allow_private: true`.",
    spec=HttpSpec,
    judge=judge,
    probes=True,
    example='alive: {kind: http, url: "https://triage.example.com/health", latency: 2s, after: 2}',
)
