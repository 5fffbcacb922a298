"""Alerts of a Prometheus Alertmanager: each finds its agent by a label and becomes a finding of a check of that name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError
from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from bot.agents.reading import retired_words
from bot.checks.kinds.alert import ALERT_PREFIX
from bot.db import wake
from bot.paging.flows import close_problem
from bot.tables import Agent, Alert, Check

MOST = 1000  # alerts of one message
TEXTS = 64  # labels, and annotations, of one alert that are kept
NAME = 200  # characters of an alert's name
TEXT = 1000  # characters of one of them that are kept
PAGES = frozenset({"page", "critical"})  # labels `severity` that call people
AGENT_LABEL = "agent"

AlertKey = tuple[int, str]  # agent id, name of the alert


def _read_texts(given: Any) -> dict[str, str]:
    """Names and values, cut to what is kept; anything but an object of texts is refused."""
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise ValueError("must be an object of texts")
    return {_clean(name)[:200]: _clean(value)[:TEXT] for name, value in list(given.items())[:TEXTS]}


def _clean(text: str) -> str:
    return text.replace("\0", "\ufffd")  # PostgreSQL keeps no U+0000


def _read_when(given: Any) -> datetime | None:
    """RFC 3339; Go's zero time, which Alertmanager writes for "not yet", is none."""
    if given is None:
        return None
    if not isinstance(given, str) or len(given) > 64:
        raise ValueError("must be a time such as 2026-11-20T08:00:00Z")
    moment = datetime.fromisoformat(given)
    if moment.tzinfo is None:
        raise ValueError("must be a time with its zone")
    return None if moment.year < 1971 else moment.astimezone(UTC)


Texts = Annotated[dict[str, str], BeforeValidator(_read_texts)]
MaybeWhen = Annotated[datetime | None, BeforeValidator(_read_when)]


class AlertIn(BaseModel):
    """One alert as Alertmanager's webhook (version 4) sends it; fields it may add later are passed over."""

    model_config = ConfigDict(extra="ignore")

    status: Literal["firing", "resolved"]
    labels: Texts
    annotations: Texts = Field(default_factory=dict)
    startsAt: MaybeWhen = None
    endsAt: MaybeWhen = None
    generatorURL: Annotated[str, StringConstraints(max_length=10_000)] = ""
    fingerprint: Annotated[str, StringConstraints(min_length=1, max_length=128)]


class BadAlerts(ValueError):
    """The message as a whole is not one of Alertmanager's; the text names the field."""


@dataclass
class Taken:
    """What became of a message's alerts."""

    accepted: int = 0
    stale: int = 0  # older than what is known: nothing changed
    truncated: int = 0  # alerts that Alertmanager itself left out
    unknown_agents: list[str] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)

    def refuse(self, index: int, fingerprint: str | None, where: str | None, code: str, message: str) -> None:
        self.refused.append({"index": index, "fingerprint": fingerprint, "field": where, "code": code, "message": message})

    def told(self) -> dict[str, Any]:
        return {"accepted": self.accepted, "stale": self.stale, "truncated": self.truncated, "unknown_agents": self.unknown_agents, "refused": self.refused}


def read_alerts(message: Any) -> tuple[list[tuple[int, AlertIn]], Taken]:
    """The alerts of a message that can be read, and why the others cannot. Raises BadAlerts for the whole."""
    if not isinstance(message, dict):
        raise BadAlerts("the body is not an object: send what Alertmanager's `webhook_configs` sends")
    if str(message.get("version", "4")) != "4":
        raise BadAlerts(f"`version` is {str(message.get('version'))[:20]!r}: only version 4 of Alertmanager's webhook is understood")
    alerts = message.get("alerts")
    if not isinstance(alerts, list):
        raise BadAlerts("`alerts` is missing, or not a list: send what Alertmanager's `webhook_configs` sends")
    if len(alerts) > MOST:
        raise BadAlerts(f"`alerts` holds {len(alerts)} alerts: set `max_alerts: {MOST}` or less in Alertmanager's webhook_configs")
    left_out = message.get("truncatedAlerts", 0)
    taken = Taken(truncated=min(left_out, 2**31) if isinstance(left_out, int) and left_out > 0 else 0)
    found: list[tuple[int, AlertIn]] = []
    for index, raw in enumerate(alerts):
        try:
            found.append((index, AlertIn.model_validate(raw)))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])[:128]
            said = first["msg"].removeprefix("Value error, ")
            taken.refuse(index, None, where or None, "bad_value", f"`{where}`: {said[:1].lower()}{said[1:]}" if where else "an alert is an object")
    return found, taken


def store_alerts(tx: Session, now: datetime, alerts: Sequence[tuple[int, AlertIn]], taken: Taken, *, allowed: frozenset[str] | None = None, label: str = AGENT_LABEL) -> Taken:
    """Keep what is new of each alert under its fingerprint, and make its check due at once."""
    wanted = {slug for _, each in alerts if (slug := each.labels.get(label))}
    agents = {agent.slug: agent.id for agent in tx.execute(select(Agent.slug, Agent.id).where(Agent.slug.in_(sorted(wanted)), Agent.archived_at.is_(None)))}
    retired = retired_words(tx, agents.values())
    found: list[tuple[AlertKey, AlertIn]] = []
    for index, each in alerts:
        slug = each.labels.get(label)
        if not slug:
            taken.refuse(index, each.fingerprint, f"labels.{label}", "no_agent", f"the alert has no label `{label}`, so it belongs to no agent: add it to the rule's labels")
        elif allowed is not None and slug not in allowed:
            taken.refuse(index, each.fingerprint, f"labels.{label}", "not_allowed", f"this token may not report for {slug[:128]!r}")
        elif slug in agents and agents[slug] in retired:
            taken.refuse(index, each.fingerprint, f"labels.{label}", "retired_agent", f"agent {slug[:128]!r} {retired[agents[slug]]}: nothing is taken for it any more")
        elif slug not in agents:
            if slug[:128] not in taken.unknown_agents:
                taken.unknown_agents.append(slug[:128])
            taken.refuse(index, each.fingerprint, f"labels.{label}", "unknown_agent", f"there is no agent {slug[:128]!r} in the registry")
        elif not each.labels.get("alertname"):
            taken.refuse(index, each.fingerprint, "labels.alertname", "missing_field", "the alert has no label `alertname`")
        else:
            found.append(((agents[slug], each.labels["alertname"][:NAME]), each))
    checks = _checks_for(tx, now, {key for key, _ in found})
    changed: dict[int, Check] = {}
    for key, each in found:
        taken.accepted += 1
        if _keep(tx, now, checks[key], each, taken.truncated):
            changed[checks[key].id] = checks[key]
        else:
            taken.stale += 1
    tx.flush()
    for check in changed.values():
        check.due_at = now
        _set_severity(tx, check)
        wake(tx, "checks")
    return taken


def _checks_for(tx: Session, now: datetime, keys: set[AlertKey]) -> dict[AlertKey, Check]:
    """The check of each alert: one written in aiops.yml, else one made on arrival. Their rows are locked, in one order."""
    if not keys:
        return {}
    made: list[dict[str, Any]] = [{"agent_id": agent_id, "name": name_of(alert), "kind": "alert", "severity": "notice", "spec": {"kind": "alert", "alert": alert}, "watched_at": now} for agent_id, alert in sorted(keys)]
    mine = select(Check).where(Check.agent_id.in_({agent_id for agent_id, _ in keys}), Check.kind == "alert").order_by(Check.id)
    there = {(row.agent_id, str(row.spec.get("alert", ""))) for row in tx.scalars(mine)}
    missing = [row for row in made if (row["agent_id"], row["spec"]["alert"]) not in there]
    if missing:
        insert = sqlite.insert if tx.get_bind().dialect.name == "sqlite" else postgresql.insert
        tx.execute(insert(Check).on_conflict_do_nothing(), missing)  # another process may be quicker
    rows = tx.scalars(mine.with_for_update(key_share=True), execution_options={"populate_existing": True}).all()
    by_key: dict[AlertKey, list[Check]] = {}
    for row in rows:
        by_key.setdefault((row.agent_id, str(row.spec.get("alert", ""))), []).append(row)
    return {key: _choose(tx, now, by_key[key]) for key in keys}


def _choose(tx: Session, now: datetime, rows: list[Check]) -> Check:
    """The registry's own check goes before the one made on arrival, and takes over what that one knew."""
    arrived = [row for row in rows if row.name.startswith(ALERT_PREFIX)]
    written = [row for row in rows if row.archived_at is None and row not in arrived]
    if not written:
        chosen = arrived[0] if arrived else rows[0]
        if chosen.archived_at is not None:
            chosen.archived_at, chosen.state, chosen.fails, chosen.passes = None, "new", 0, 0
        return chosen
    for old in arrived:
        if old.archived_at is None:
            tx.execute(update(Alert).where(Alert.check_id == old.id).values(check_id=written[0].id))
            close_problem(tx, now, old, f"The check {written[0].name} of the registry stands for this alert now.")
            old.archived_at, old.due_at = now, None
    return written[0]


def name_of(alert: str) -> str:
    """The name of a check made on arrival; of long ones the end is a digest, so that two never share one."""
    name = ALERT_PREFIX + alert
    return name if len(name) <= 128 else f"{name[:111]}-{blake2b(name.encode(), digest_size=8).hexdigest()}"


def _keep(tx: Session, now: datetime, check: Check, each: AlertIn, left_out: int) -> bool:
    """Whether this changed what is known: a message that was overtaken by a later one does not."""
    row = tx.scalars(select(Alert).where(Alert.check_id == check.id, Alert.fingerprint == each.fingerprint)).first()
    starts_at = each.startsAt or now
    firing = each.status == "firing"
    if row is None:
        if not firing:
            return False  # it ended before we knew it
        row = Alert(check_id=check.id, fingerprint=each.fingerprint, severity="notice", starts_at=starts_at, received_at=now)
        tx.add(row)
    elif firing and row.ended_at is not None and starts_at <= row.starts_at:
        return False  # this very alert has ended already: its message was late
    elif not firing and (row.ended_at is not None or (each.endsAt or now) < row.starts_at - timedelta(seconds=1)):
        return False  # what ended is an earlier time that it fired (Alertmanager's own API cuts fractions of a second)
    if firing:
        severity = "page" if each.labels.get("severity", "").strip().lower() in PAGES else "notice"
        row.severity, row.starts_at, row.ended_at = severity, starts_at, None
        row.labels, row.notes, row.url = each.labels, each.annotations, each.generatorURL[:2000] if each.generatorURL.startswith(("http://", "https://")) else ""
        row.left_out = left_out
    else:
        row.ended_at = min(each.endsAt or now, now + timedelta(minutes=5))
    row.received_at = now
    return True


def _set_severity(tx: Session, check: Check) -> None:
    """That of its worst alert, unless the registry says."""
    if check.spec.get("severity"):
        return
    firing = tx.scalars(select(Alert.severity).where(Alert.check_id == check.id, Alert.ended_at.is_(None))).all()
    if not firing:
        return
    severity = "page" if "page" in firing else "notice"
    if severity == "page" and check.severity != "page":
        check.cursor, check.says = {}, ""  # it is worse now: told at once, not at the next minute
    check.severity = severity
