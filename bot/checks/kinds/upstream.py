"""`upstream`: a system that the agent reads or writes is reachable, fresh and complete, and its credential holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from bot.agents.spec import Duration
from bot.calendars import day_bounds
from bot.checks.kinds.http import STATUS, AnswerFacts, HttpSpec, Unreadable, excerpt, is_fine, read_path
from bot.checks.kinds.kind import CheckSpec, Kind
from bot.checks.kinds.measure import number
from bot.checks.kinds.words import Window, rough_words, span_words
from bot.paging.rules import Finding, State
from bot.quality.words import joined

USES = {"reads": "it reads", "writes": "it writes to", "both": "it reads and writes"}


class UpstreamSpec(CheckSpec):
    """How one system is asked, or by which reported number it is known; and what is promised of it."""

    DEFAULT_SEVERITY: ClassVar[str] = "notice"

    kind: Literal["upstream"] = Field("upstream", description="Always `upstream`.")
    system: str = Field(min_length=1, max_length=80, description="The system, as people call it, such as `CRM`.")
    use: Literal["reads", "writes", "both"] = Field("reads", description="What the agent does with it: `reads`, `writes` or `both`.")
    ask: str = Field("", max_length=200, description="Whose system it is, or whom to ask about it: shown with the problem.")
    url: str | None = Field(None, pattern=r"^(https?|tcp)://[^\s/]+", max_length=2000, description="An address that answers while the system is well: `https://...`, or `tcp://host:port` where a connection says enough.")
    status: str = Field("2xx", pattern=STATUS, description="Which answers of a web address are fine: `2xx`, `200`, or a list such as `200,401`.")
    timeout: Duration = Field(timedelta(seconds=10), description="No answer within this (at most 60s) is a failure.")
    allow_private: bool = Field(False, description="Whether the address may lie in a private network.")
    measure: str | None = Field(None, min_length=1, max_length=128, description="Where no address can be asked: a measure reported about it, such as the rows of the last load. Its newest value counts, and its age.")
    fresh: Window | None = Field(None, description="How old its newest data may be; with `measure` 1d where unset.")
    fresh_path: str | None = Field(None, max_length=200, description="Where the JSON answer says how new its data is, such as `sync.finished_at`: RFC 3339, or seconds or milliseconds since 1970.")
    rows_path: str | None = Field(None, max_length=200, description="Where the JSON answer says how much there is, such as `rows`.")
    at_least: float | None = Field(None, allow_inf_nan=False, description="Complete from so much on: less, at `rows_path` or as `measure`, is a failure.")
    at_most: float | None = Field(None, allow_inf_nan=False, description="More than this is a failure.")
    expires: date | None = Field(None, description="The last day on which its credential holds, such as `2027-03-01`.")
    expires_path: str | None = Field(None, max_length=200, description="Where the JSON answer says when the credential ends.")
    warn: Window = Field(timedelta(days=14), description="How long before the end of a credential, or of an `https` certificate, it is told.")
    after: int = Field(2, ge=1, le=100, description="How many failures in a row make it a problem.")

    @field_validator("expires", mode="before")
    @classmethod
    def _a_day(cls, value: Any) -> Any:
        if isinstance(value, (date, str)) and not isinstance(value, datetime):
            try:
                return value if isinstance(value, date) else date.fromisoformat(value)
            except ValueError:
                pass
        elif value is None:
            return None
        raise ValueError(f"{str(value)[:40]!r} is not a day: write it as 2027-03-01")

    @model_validator(mode="after")
    def _can_fail_and_be_well(self) -> UpstreamSpec:
        if self.url is None and self.measure is None and self.expires is None:
            raise ValueError("has nothing to look at, so it could never fail: add `url: ...`, `measure: ...` or `expires: 2027-03-01`")
        if self.url is not None and self.url.startswith("tcp:") and not _port(self.url):
            raise ValueError("`tcp://` needs a port: write `url: tcp://host:5432`")
        paths = [name for name in ("fresh_path", "rows_path", "expires_path") if getattr(self, name)]
        if paths and not (self.url or "").startswith("http"):
            raise ValueError(f"`{paths[0]}` is read from a web address, and there is none: add `url: https://...`")
        if self.fresh is not None and self.fresh_path is None and self.measure is None:
            raise ValueError("`fresh` says how old its data may be, and nothing tells how old it is: add `fresh_path: ...` or `measure: ...`")
        if self.fresh_path is not None and self.fresh is None:
            raise ValueError("`fresh_path` needs a limit: add `fresh: 2h`")
        limited = self.at_least is not None or self.at_most is not None
        if limited and self.rows_path is None and self.measure is None:
            raise ValueError("`at_least` and `at_most` have no number to look at: add `rows_path: ...` or `measure: ...`")
        if self.rows_path is not None and not limited:
            raise ValueError("`rows_path` needs a limit: add `at_least: ...` or `at_most: ...`")
        if self.measure is not None and (self.rows_path is not None or self.fresh_path is not None):
            raise ValueError("has two sources for the same number: write `measure`, or `rows_path` and `fresh_path`")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"asks for at least {self.at_least:g} and at most {self.at_most:g}, which no number is: exchange them")
        return self

    def patience(self) -> float:
        """Seconds to wait for the whole answer."""
        return min(max(self.timeout.total_seconds(), 0.1), 60.0)

    def oldest(self) -> timedelta | None:
        """How old its newest data may be."""
        return self.fresh or (timedelta(days=1) if self.measure is not None else None)

    def as_http(self) -> HttpSpec:
        """The request that asks it."""
        return HttpSpec(url=str(self.url), status=self.status, timeout=self.timeout, allow_private=self.allow_private)


@dataclass(frozen=True)
class Reported:
    """The newest value of the measure that tells of the system."""

    value: float
    at: datetime
    unit: str = ""


@dataclass(frozen=True)
class UpstreamFacts:
    """What its address answered, and what was reported about it."""

    answer: AnswerFacts
    reported: Reported | None = None
    zone: str = "UTC"  # in which the last day of a credential ends


@dataclass(frozen=True)
class _Broken:
    title: str
    says: str
    since: datetime | None = None
    value: float | None = None
    threshold: float | None = None


def judge(facts: UpstreamFacts, spec: UpstreamSpec, now: datetime) -> Finding:
    """All that is broken is told, the worst first: not reachable, credential, freshness, completeness."""
    evidence = {"System": f"{spec.system} ({USES[spec.use]})"}
    broken: list[_Broken] = []
    fine: list[str] = []
    reached = spec.url is None or _reach(facts.answer, spec, broken, fine, evidence)
    _credential(facts, spec, now, broken, fine, evidence, reached=reached)
    unheard = spec.measure is not None and facts.reported is None
    if reached and not unheard:
        _data(facts, spec, now, broken, fine, evidence)
    if spec.ask:
        evidence["Ask"] = spec.ask
    if broken:
        first = broken[0]
        more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        says = " ".join(each.says for each in broken)
        return Finding(State.FAILING, f"{first.title}{more}"[:120], says, since=first.since or now, value=first.value, threshold=first.threshold, evidence=evidence)
    if unheard:
        well = f" {' '.join(fine)}" if fine else ""
        return Finding(State.UNKNOWN, f"Nothing known of {spec.system}"[:120], f"No {spec.measure} was ever reported: send `measure` events with that name, or mend the name here.{well}", nothing=True, evidence=evidence)
    return Finding(State.OK, f"{spec.system} is well"[:120], " ".join(fine) or f"{spec.system} is well.", value=0, threshold=0, evidence=evidence)


def _reach(answer: AnswerFacts, spec: UpstreamSpec, broken: list[_Broken], fine: list[str], evidence: dict[str, str]) -> bool:
    """Whether the address answered as promised."""
    evidence |= {"Address": answer.url, "Took": f"{answer.ms} ms"}
    if answer.error or (answer.status is None and not answer.url.startswith("tcp:")):
        broken.append(_Broken(f"{spec.system} is not reachable", f"{spec.system} is not reachable: {answer.url} gave no answer: {answer.error or 'nothing came back'}.", answer.at))
        return False
    if answer.status is None:
        fine.append(f"{spec.system} takes connections ({answer.ms} ms).")
        return True
    evidence["Status"] = str(answer.status)
    if not is_fine(answer.status, spec.status):
        evidence["Body begins"] = excerpt(answer.body)
        refused = " It may have refused the credential." if answer.status in (401, 403) else ""
        broken.append(_Broken(f"{spec.system} answers {answer.status}", f"{spec.system} is not well: {answer.url} answered {answer.status}; {spec.status} is promised.{refused}", answer.at, answer.status))
        return False
    fine.append(f"{spec.system} answers {answer.status} in {answer.ms} ms.")
    return True


def _credential(facts: UpstreamFacts, spec: UpstreamSpec, now: datetime, broken: list[_Broken], fine: list[str], evidence: dict[str, str], *, reached: bool) -> None:
    """The end of its credential, by the registry and by its own word, and that of its certificate."""
    ends: list[tuple[str, datetime]] = []
    if spec.expires is not None:
        ends.append(("credential", _day_ends(spec.expires, facts.zone)))
    if spec.expires_path is not None and reached:
        try:
            ends.append(("credential", _moment(read_path(facts.answer.body, spec.expires_path))))
        except Unreadable as error:
            broken.append(_Broken(f"the credential of {spec.system} is not known", f"{facts.answer.url} does not say when the credential ends: {error}."))
    if facts.answer.cert_ends is not None:
        ends.append(("certificate", facts.answer.cert_ends))
    for what, end in ends:
        left = end - now
        evidence[f"Its {what} ends"] = f"{end:%Y-%m-%d %H:%M} UTC"
        days = round(left / timedelta(days=1), 1)
        if left <= timedelta(0):
            broken.append(_Broken(f"the {what} of {spec.system} has ended", f"The {what} of {spec.system} ended at {end:%Y-%m-%d %H:%M} UTC.", end, days, 0))
        elif left <= spec.warn:
            broken.append(_Broken(f"the {what} of {spec.system} ends in {rough_words(left)}", f"The {what} of {spec.system} ends in {rough_words(left)}, at {end:%Y-%m-%d %H:%M} UTC: renew it (told {_one(span_words(spec.warn))} ahead).", end - spec.warn, days, round(spec.warn / timedelta(days=1), 1)))
        else:
            fine.append(f"Its {what} holds until {end:%Y-%m-%d}.")


def _data(facts: UpstreamFacts, spec: UpstreamSpec, now: datetime, broken: list[_Broken], fine: list[str], evidence: dict[str, str]) -> None:
    """How new its data is, and whether it is all there."""
    newest, rows, unit, named = None, None, "", spec.rows_path or spec.measure or ""
    if facts.reported is not None:
        newest, rows, unit = facts.reported.at, facts.reported.value, f" {facts.reported.unit}" if facts.reported.unit else ""
    if spec.fresh_path is not None:
        try:
            newest = _moment(read_path(facts.answer.body, spec.fresh_path))
        except Unreadable as error:
            broken.append(_Broken(f"{spec.system} does not say how fresh it is", f"{facts.answer.url} does not say how new its data is: {error}."))
    if spec.rows_path is not None:
        try:
            rows = _number(read_path(facts.answer.body, spec.rows_path))
        except Unreadable as error:
            broken.append(_Broken(f"{spec.system} does not say how much it holds", f"{facts.answer.url} does not say how much there is: {error}."))
    limit = spec.oldest()
    if newest is not None and limit is not None:
        age = max(now - newest, timedelta(0))
        evidence["Newest data"] = f"{newest:%Y-%m-%d %H:%M} UTC, {rough_words(age)} old"
        hours, most = round(age / timedelta(hours=1), 2), round(limit / timedelta(hours=1), 2)
        if age > limit:
            broken.append(_Broken(f"{spec.system} is {rough_words(age)} old", f"The newest data of {spec.system} is {rough_words(age)} old ({newest:%Y-%m-%d %H:%M} UTC); at most {_one(span_words(limit))} is promised.", newest + limit, hours, most))
        else:
            fine.append(f"Its newest data is {rough_words(age)} old.")
    if rows is None or (spec.at_least is None and spec.at_most is None):
        return
    promised = joined([f"at {word} {number(each)}" for word, each in (("least", spec.at_least), ("most", spec.at_most)) if each is not None])
    evidence[named[:80]] = f"{number(rows)}{unit} ({promised} is promised)"
    if spec.at_least is not None and rows < spec.at_least:
        broken.append(_Broken(f"{spec.system} is not complete", f"{spec.system} is not complete: `{named}` is {number(rows)}{unit}; {promised} is promised.", None, rows, spec.at_least))
    elif spec.at_most is not None and rows > spec.at_most:
        broken.append(_Broken(f"{spec.system} holds too much", f"{spec.system} holds more than it should: `{named}` is {number(rows)}{unit}; {promised} is promised.", None, rows, spec.at_most))
    else:
        fine.append(f"`{named}` is {number(rows)}{unit}.")


def _one(span: str) -> str:
    return span if span[0].isdigit() else f"1 {span}"


def _port(url: str) -> int | None:
    try:
        return urlsplit(url).port
    except ValueError:
        return None


def _day_ends(day: date, zone: str) -> datetime:
    """The end of that day in the agent's zone."""
    return day_bounds(day.isoformat(), zone)[1]


def _number(found: Any) -> float:
    if isinstance(found, (list, dict)):
        return float(len(found))  # the rows themselves
    if isinstance(found, str):
        try:
            found = float(found)
        except ValueError:
            raise Unreadable(f"{found[:60]!r} is not a number") from None
    if isinstance(found, bool) or not isinstance(found, (int, float)) or found != found or abs(found) > 1e300:
        raise Unreadable(f"{str(found)[:60]!r} is not a number")
    return float(found)


def _moment(found: Any) -> datetime:
    """RFC 3339, a day, or seconds or milliseconds since 1970; without a zone it is UTC."""
    try:
        if isinstance(found, (int, float)) and not isinstance(found, bool):
            return datetime.fromtimestamp(found / 1000 if abs(found) > 1e11 else found, UTC)
        if isinstance(found, str) and len(found) <= 64:
            moment = datetime.fromisoformat(found)
            moment = moment if moment.tzinfo is not None else datetime.combine(moment.date(), moment.time() or time(), UTC)
            return moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise Unreadable(f"{str(found)[:60]!r} is not a time such as 2026-11-20T08:00:00Z")


KIND = Kind(
    name="upstream",
    about="Watches a system that the agent reads or writes: fails when it is not reachable, not fresh, not complete, or when its credential or certificate ends soon; by asking an address, by a measure reported about it, or by a date. A system that several agents share is named under `upstreams`, with such a check in its `watched_by`.",
    spec=UpstreamSpec,
    judge=judge,
    probes=True,
    example='crm: {kind: upstream, system: CRM, url: "https://crm.example.com/health", fresh: 2h, fresh_path: synced_at, rows_path: customers, at_least: 1000, expires: 2027-03-01, ask: sales systems}',
)
