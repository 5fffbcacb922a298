"""`alert`: what an outside monitor (Prometheus Alertmanager) says is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from bot.checks.kinds.kind import CheckSpec, Kind
from bot.paging.rules import Finding, State

ALERT_PREFIX = "alert:"  # begins the names of checks that an arriving alert made: no name in aiops.yml can hold a colon
_SHOWN = ("agent", "alertname", "severity")  # labels that say nothing new beside the title


class AlertSpec(CheckSpec):
    """Alerts of one name, sent to `POST /v1/alerts` with the label `agent`."""

    DEFAULT_SEVERITY: ClassVar[str] = "notice"
    DEFAULT_EVERY: ClassVar[timedelta] = timedelta(hours=1)

    kind: Literal["alert"] = Field("alert", description="Always `alert`.")
    alert: str = Field(min_length=1, max_length=200, description="The alert's name (its label `alertname`). Alerts that no check names get a check of their own when they first arrive.")
    severity: Literal["page", "notice"] | None = Field(None, description="`page` or `notice`; where unset the alert's label `severity` decides: `page` and `critical` page, all others are notices.")


@dataclass(frozen=True)
class Firing:
    """One alert that fires."""

    starts_at: datetime
    labels: Mapping[str, Any]
    notes: Mapping[str, Any]
    url: str = ""
    left_out: int = 0


@dataclass(frozen=True)
class AlertFacts:
    """Those that fire now (the oldest first, the first few), how many they are, and when the last one ended."""

    firing: tuple[Firing, ...] = ()
    count: int = 0
    ended_at: datetime | None = None


def judge(facts: AlertFacts, spec: AlertSpec, now: datetime) -> Finding:
    """Failing while one of its alerts fires; the oldest speaks for all."""
    if not facts.firing:
        if facts.ended_at is None:
            return Finding(State.UNKNOWN, "Nothing yet", f"The alert {spec.alert} has not fired yet.")
        return Finding(State.OK, "The alert is over", f"The alert {spec.alert} no longer fires; it ended at {facts.ended_at:%Y-%m-%d %H:%M} UTC.", since=facts.ended_at, value=0)
    first = facts.firing[0]
    said = str(first.notes.get("summary") or first.notes.get("message") or first.notes.get("description") or "").strip()
    says = f"The alert {spec.alert} fires" + (f": {said[:400]}" if said else "") + ("" if said.endswith((".", "!", "?")) else ".")
    if facts.count > 1:
        says += f" It fires {facts.count} times."
    evidence = {"Labels": ", ".join(f"{name}={value}" for name, value in sorted(first.labels.items()) if name not in _SHOWN)[:500] or "none"}
    if first.notes.get("description") and first.notes.get("description") != said:
        evidence["Description"] = str(first.notes["description"])[:500]
    if facts.count > 1:
        others = [_apart(first, each) for each in facts.firing[1:6]]
        evidence["Also fires for"] = ("; ".join(others) + (f"; and {facts.count - 6} more" if facts.count > 6 else ""))[:800]
    if left_out := max(each.left_out for each in facts.firing):
        evidence["Left out by Alertmanager"] = f"{left_out} further alerts of the same message were not sent"
    if str(first.notes.get("runbook_url", "")).startswith(("http://", "https://")):
        evidence["Runbook of the alert"] = str(first.notes["runbook_url"])[:500]
    if first.url:
        evidence["Its rule"] = first.url[:500]
    return Finding(State.FAILING, f"alert {spec.alert[:80]}", says, since=first.starts_at, value=facts.count, evidence=evidence)


def _apart(first: Firing, other: Firing) -> str:
    """What sets this alert apart from the first: the labels that differ."""
    return ", ".join(f"{name}={value}" for name, value in sorted(other.labels.items()) if first.labels.get(name) != value) or "the same labels"


KIND = Kind(
    name="alert",
    about="Alerts of a Prometheus Alertmanager, sent to `POST /v1/alerts`; the label `agent` names the agent. Made on arrival; written in aiops.yml only to set its severity or `why`.",
    spec=AlertSpec,
    judge=judge,
    example="disk: {kind: alert, alert: HostDiskFull, severity: page, why: the index stops growing}",
)
