"""`prometheus`: the value of a PromQL query stays within a limit."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal
from urllib.parse import quote

import orjson
from pydantic import Field, model_validator

from bot.agents.spec import Duration, write_duration
from bot.checks.kinds.http import AnswerFacts, HttpSpec
from bot.checks.kinds.kind import CheckSpec, Kind
from bot.paging.rules import Finding, State


class PrometheusSpec(CheckSpec):
    """An instant query, and above or below which value it fails."""

    DEFAULT_SEVERITY: ClassVar[str] = "notice"
    DEFAULT_EVERY: ClassVar[timedelta] = timedelta(minutes=1)
    BODY: ClassVar[int] = 1024 * 1024

    kind: Literal["prometheus"] = Field("prometheus", description="Always `prometheus`.")
    url: str = Field(pattern=r"^https?://[^\s/]+", max_length=500, description="The server's address, such as `http://prometheus.internal:9090`.")
    query: str = Field(min_length=1, max_length=4000, description="PromQL that gives a number, or one number per series: the worst one counts.")
    above: float | None = Field(None, allow_inf_nan=False, description="It fails above this value.")
    below: float | None = Field(None, allow_inf_nan=False, description="It fails below this value.")
    window: Duration | None = Field(None, description="Fail only when it was beyond the limit all this time (at least 1m); at this very moment where unset.")
    empty: Literal["unknown", "fine", "failing"] = Field("unknown", description="What it means when the query finds no series.")
    timeout: Duration = Field(timedelta(seconds=10), description="How long to wait for the answer, at most 60s.")
    allow_private: bool = Field(False, description="Whether the server may lie in a private network.")

    @model_validator(mode="after")
    def _limits(self) -> PrometheusSpec:
        if self.above is None and self.below is None:
            raise ValueError("it needs a limit: add `above: 5` or `below: 1`")
        if self.above is not None and self.below is not None and self.below > self.above:
            raise ValueError("`below` lies over `above`, so every value would fail")
        if self.window is not None:
            if self.above is not None and self.below is not None:
                raise ValueError("with `window` write `above` or `below`, not both: make two checks of it")
            if self.window < timedelta(minutes=1):
                raise ValueError("`window` must be at least 1m")
        return self

    def patience(self) -> float:
        """Seconds to wait for the whole answer."""
        return min(max(self.timeout.total_seconds(), 0.1), 60.0)

    def asked(self) -> str:
        """The query as it is sent: over a window, its best value there, so that one good moment is enough to pass."""
        if self.window is None:
            return self.query
        seconds = int(self.window.total_seconds())
        best = "min_over_time" if self.above is not None else "max_over_time"
        return f"{best}(({self.query})[{seconds}s:{max(seconds // 20, 5)}s])"

    def as_http(self) -> HttpSpec:
        """The request that asks it."""
        address = f"{self.url.rstrip('/')}/api/v1/query?query={quote(self.asked(), safe='')}&timeout={self.patience():g}s"
        # Not validated: the address may be longer than one that people write.
        return HttpSpec.model_construct(kind="http", url=address, method="GET", status="2xx", timeout=self.timeout, redirects=0, allow_private=self.allow_private)


def judge(facts: AnswerFacts, spec: PrometheusSpec, now: datetime) -> Finding:
    """The worst series against the limit. A server that does not answer proves nothing: unknown, and says why."""
    server = spec.url.split("://", 1)[-1].split("/", 1)[0].split("@")[-1][:100]
    if facts.status is None:
        return _unknown(f"{server} gave no answer: {facts.error or 'nothing came back'}.")
    if len(facts.body) >= spec.BODY:
        return _unknown(f"The answer of {server} is longer than {spec.BODY // 1024} KiB: let the query add up or pick its series, such as max(...).")
    try:
        told: Any = orjson.loads(facts.body)
        values = _values(told) if told["status"] == "success" else None
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, IndexError, AttributeError):
        return _unknown(f"{server} answered {facts.status} with something that is no answer of Prometheus.")
    if values is None:
        return _unknown(f"{server} refused the query: {str(told.get('error', ''))[:300] or facts.status}.")
    numbers = [(value, labels) for value, labels in values if not math.isnan(value)]
    evidence = {"Query": spec.asked()[:500], "Server": server, "Series": str(len(values))}
    if not values:
        state = {"unknown": State.UNKNOWN, "fine": State.OK, "failing": State.FAILING}[spec.empty]
        return Finding(state, "the query finds nothing", f"The query {spec.query[:200]} finds no series at {server}.", since=now, evidence=evidence, nothing=state is State.UNKNOWN)
    if not numbers:
        return _unknown(f"The query gives no number (NaN) at {server}: perhaps it divides nothing by nothing.")
    return _against(spec, numbers, evidence, now)


def _against(spec: PrometheusSpec, numbers: list[tuple[float, str]], evidence: dict[str, str], now: datetime) -> Finding:
    high, low = max(numbers), min(numbers)
    over = spec.above is not None and high[0] > spec.above
    under = spec.below is not None and low[0] < spec.below
    worst, limit, word = (high, spec.above, "above") if over or (spec.above is not None and not under) else (low, spec.below, "below")
    promised = " and ".join(f"not {each} {value:g}" for each, value in (("above", spec.above), ("below", spec.below)) if value is not None)
    where = f" for {worst[1]}" if worst[1] else ""
    shown = f"{spec.query[:200]} is {worst[0]:g}{where}"
    if not over and not under:
        return Finding(State.OK, "It is within its limit", f"{shown}; {promised} is promised.", value=_finite(worst[0]), threshold=limit, evidence=evidence)
    beyond = sum((spec.above is not None and value > spec.above) or (spec.below is not None and value < spec.below) for value, _ in numbers)
    more = f" So are {beyond - 1} more series." if beyond > 1 else ""
    long = f" It has been {word} {limit:g} for {write_duration(spec.window)}." if spec.window is not None else ""
    since = now - spec.window if spec.window is not None else now
    says = f"{shown}; {promised} is promised.{long}{more}"
    return Finding(State.FAILING, f"a query is {word} {limit:g}", says, since=since, value=_finite(worst[0]), threshold=limit, evidence=evidence)


def _values(told: Any) -> list[tuple[float, str]]:
    """Numbers with the labels of their series; raises where the answer holds something else."""
    data = told["data"]
    if data["resultType"] == "scalar":
        return [(float(data["result"][1]), "")]
    if data["resultType"] != "vector":
        raise ValueError("a query must give numbers of one moment")
    return [(float(each["value"][1]), _labels(each["metric"])) for each in data["result"]]


def _labels(metric: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(metric.items()) if name != "__name__")[:200]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _unknown(says: str) -> Finding:
    return Finding(State.UNKNOWN, "Nothing to judge by", says)


KIND = Kind(
    name="prometheus",
    about="Asks a Prometheus server for the value of a query and fails when it is above or below a limit, at this moment or all through a window. Private addresses only with `allow_private: true`.",
    spec=PrometheusSpec,
    judge=judge,
    probes=True,
    example='queue: {kind: prometheus, url: "http://prometheus.internal:9090", query: "max(queue_length)", above: 500, window: 10m, allow_private: true}',
)
