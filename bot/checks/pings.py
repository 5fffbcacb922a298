"""Pings of heartbeats: their addresses, who is meant by one, and how they are stored."""

from __future__ import annotations

import base64
import hmac
import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from bot.agents.reading import retired_words
from bot.clock import Clock
from bot.db import wake
from bot.lanes import Lanes
from bot.signing import Signer
from bot.tables import Agent, Check, Stage
from bot.tables import Ping as PingRow

BODY = 100_000  # bytes of a body that are kept
KEEP = 500  # pings of a check that are kept, and as many lines of its log
FRESH = 5.0  # seconds until a check is read again: what the registry changed holds after that
_MOST = 100_000
_UUID = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}", re.ASCII)
_KEY = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)
_COLUMNS = (
    ("agent_id", "bigint"), ("check_id", "bigint"), ("occurred_at", "timestamptz"), ("received_at", "timestamptz"),
    ("status", "text"), ("rid", "text"), ("exit_code", "int"), ("body", "text"), ("sender", "text"),
)  # fmt: skip
_NAMES = ", ".join(name for name, _ in _COLUMNS)
_SQLITE = f"INSERT INTO pings ({_NAMES}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608 - our own names
_DUE_NEEDS = 3  # the first parameters of a statement that does both are those of the second part
_POSTGRES = f"INSERT INTO pings ({_NAMES}) SELECT * FROM unnest({', '.join(f'${n}::{kind}[]' for n, (_, kind) in enumerate(_COLUMNS, _DUE_NEEDS + 1))})"  # noqa: S608 - our own names

# Which checks must be looked at; their rows are locked in one order.
_SQLITE_DUE = (
    "SELECT id FROM checks WHERE id IN (SELECT value FROM json_each(?)) AND due_at > ?"
    " AND (state <> 'ok' OR id IN (SELECT value FROM json_each(?)))"
)
_POSTGRES_DUE = (
    "SELECT id FROM checks WHERE id = ANY($1::bigint[]) AND due_at > $3"
    " AND (state <> 'ok' OR id = ANY($2::bigint[])) ORDER BY id FOR NO KEY UPDATE"
)


@dataclass(frozen=True, slots=True)
class Target:
    """The heartbeat an address belongs to."""

    check_id: int
    agent_id: int
    watches_runs: bool  # starts and good ends matter at once


@dataclass(frozen=True, slots=True)
class Ping:
    """One ping as it came."""

    to: Target
    at: datetime
    status: str  # start, success, fail, log
    rid: str | None = None
    exit_code: int | None = None
    body: str | None = None
    sender: str | None = None


# --- addresses -------------------------------------------------------------------------------------------------------
# An address carries the id of what it belongs to and a signature: it can be shown again at any time, needs no table,
# cannot be guessed, and a secret that is being rotated keeps the old ones working.


def ping_uuid(signer: Signer, check_id: int) -> str:
    """The UUID (version 8: ours to fill) of a heartbeat: its id, and 74 bits that only we can make."""
    return _uuid_of(check_id, signer.key_for(f"ping:{check_id}"))


def ping_key(signer: Signer, agent_id: int) -> str:
    """The ping key of an agent, with which its heartbeats are named by their names."""
    return _key_of(agent_id, signer.key_for(f"ping-key:{agent_id}"))


def check_of(signer: Signer, text: str) -> int | None:
    """The check a UUID was made for; None where we made none such."""
    if not _UUID.fullmatch(text):
        return None
    asked = str(UUID(text))
    check_id = int(asked.replace("-", "")[:12], 16)
    made = (_uuid_of(check_id, key) for key in signer.keys_for(f"ping:{check_id}"))
    return check_id if any(hmac.compare_digest(asked, each) for each in made) else None


def agent_of(signer: Signer, text: str) -> int | None:
    """The agent a ping key was made for; None where we made none such."""
    if not _KEY.fullmatch(text):
        return None
    agent_id = int.from_bytes(base64.urlsafe_b64decode(text + "==")[:5])
    made = (_key_of(agent_id, key) for key in signer.keys_for(f"ping-key:{agent_id}"))
    return agent_id if any(hmac.compare_digest(text, each) for each in made) else None


def _uuid_of(check_id: int, key: str) -> str:
    bits = int(key[:20], 16)
    return str(UUID(int=check_id << 80 | 8 << 76 | (bits >> 62 & 0xFFF) << 64 | 2 << 62 | bits & (1 << 62) - 1))


def _key_of(agent_id: int, key: str) -> str:
    return base64.urlsafe_b64encode(agent_id.to_bytes(5) + bytes.fromhex(key[:22])).rstrip(b"=").decode()


def is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


class RetiredAgent(Exception):
    """The address was good, and its agent is no longer at work; the text says since when and why."""


class Targets:
    """Who is meant by an address, remembered for a few seconds. Only addresses that we made reach the database."""

    def __init__(self, lanes: Lanes, clock: Clock, signer: Signer) -> None:
        self._lanes = lanes
        self._clock = clock
        self._signer = signer
        self._known: dict[tuple[str, str], tuple[float, Target]] = {}

    def known(self, first: str, name: str = "") -> Target | None:
        """Who is meant, where that was looked up a moment ago."""
        known = self._known.get((first, name))
        return known[1] if known is not None and self._clock.monotonic() - known[0] <= FRESH else None

    async def find(self, first: str, name: str = "") -> Target | None:
        """By UUID, or by ping key and the check's name; None where there is none (any more)."""
        known = self.known(first, name)
        if known is not None:
            return known
        wanted = select(Check, Agent.archived_at).join(Agent, Agent.id == Check.agent_id).where(Check.kind == "heartbeat", Check.archived_at.is_(None))
        wanted = wanted.add_columns(Stage.stage).outerjoin(Stage, Stage.agent_id == Check.agent_id)
        if name:
            agent_id = agent_of(self._signer, first)
            wanted = wanted.where(Check.agent_id == agent_id, Check.name == name)
            meant = agent_id is not None
        else:
            check_id = check_of(self._signer, first)
            wanted = wanted.where(Check.id == check_id)
            meant = check_id is not None
        row = await self._lanes.read(lambda tx: tx.execute(wanted).first()) if meant else None
        if row is None or row.archived_at is not None:
            self._known.pop((first, name), None)
            return None
        if row.stage == "retired":
            self._known.pop((first, name), None)
            said = await self._lanes.read(lambda tx: retired_words(tx, [row.Check.agent_id]))
            raise RetiredAgent(f"this agent {said.get(row.Check.agent_id, 'was retired')}. Its ping addresses are closed.")
        if len(self._known) > _MOST:
            self._known.clear()
        target = target_of(row.Check)
        self._known[first, name] = (self._clock.monotonic(), target)
        return target


def target_of(check: Check) -> Target:
    return Target(check.id, check.agent_id, any(check.spec.get(field) for field in ("at_most", "at_least")))


def heartbeats_of(tx: Session, agent_ids: Collection[int]) -> dict[tuple[int, str], Target]:
    """The heartbeats of these agents, by agent and name."""
    wanted = select(Check).where(Check.agent_id.in_(sorted(agent_ids)), Check.kind == "heartbeat", Check.archived_at.is_(None))
    return {(check.agent_id, check.name): target_of(check) for check in tx.scalars(wanted)}


# --- storing ---------------------------------------------------------------------------------------------------------


def store_pings(tx: Session, now: datetime, pings: Sequence[Ping]) -> None:
    """Keep the pings, and make due those checks that they may change."""
    rows = [(each.to.agent_id, each.to.check_id, each.at, now, each.status, each.rid, each.exit_code, each.body, each.sender) for each in pings]
    told = [(each.to, each.status) for each in pings]
    if tx.get_bind().dialect.name == "sqlite":
        tx.connection().exec_driver_sql(_SQLITE, [(*row[:2], _as_text(row[2]), _as_text(row[3]), *row[4:]) for row in rows])
        look_after(tx, now, told)
    else:
        # Both in one statement: at thousands of pings a second each way to the server counts.
        touched, matter = _touched(told)
        values = (list(each) for each in zip(*rows, strict=True))
        found = tx.connection().exec_driver_sql(f"WITH kept AS ({_POSTGRES}) {_POSTGRES_DUE}", (touched, matter, now, *values))
        _make_due(tx, now, [row[0] for row in found])


def look_after(tx: Session, now: datetime, pings: Iterable[tuple[Target, str]]) -> None:
    """Make due what a ping may change: a failure, a run that is measured, and anything to a check that is not well.

    A good ping to a check that is well needs no look: at its old deadline the look finds the ping, and sets the next one.
    """
    touched, matter = _touched(pings)
    if tx.get_bind().dialect.name == "sqlite":
        found = tx.connection().exec_driver_sql(_SQLITE_DUE, (json.dumps(touched), _as_text(now), json.dumps(matter)))
    else:
        found = tx.connection().exec_driver_sql(_POSTGRES_DUE, (touched, matter, now))
    _make_due(tx, now, [row[0] for row in found])


def _touched(pings: Iterable[tuple[Target, str]]) -> tuple[list[int], list[int]]:
    """The checks that were pinged, and those of them to which the ping matters even while they are well."""
    touched, matter = set[int](), set[int]()
    for target, status in pings:
        touched.add(target.check_id)
        if status == "fail" or (target.watches_runs and status != "log"):
            matter.add(target.check_id)
    return sorted(touched), sorted(matter)


def _make_due(tx: Session, now: datetime, check_ids: list[int]) -> None:
    if check_ids:
        tx.execute(update(Check).where(Check.id.in_(check_ids)).values(due_at=now).execution_options(synchronize_session=False))
        wake(tx, "checks")


def prune(tx: Session, check_ids: Collection[int]) -> None:
    """Forget the oldest pings of these checks beyond those that are kept; what a job logs never drives out how it ended."""
    for check_id in check_ids:
        for of in (PingRow.status == "log", PingRow.status != "log"):
            mine = (PingRow.check_id == check_id, of)
            oldest = tx.scalar(select(PingRow.occurred_at).where(*mine).order_by(PingRow.occurred_at.desc()).offset(KEEP).limit(1))
            if oldest is not None:
                tx.execute(delete(PingRow).where(*mine, PingRow.occurred_at <= oldest))


def addresses(tx: Session, signer: Signer, base_url: str, slug: str | None = None) -> list[tuple[str, str, str, str]]:
    """Agent, check, address by UUID and address by ping key of every heartbeat (of one agent)."""
    wanted = select(Agent.id, Agent.slug, Check.id.label("check_id"), Check.name).join(Agent, Agent.id == Check.agent_id)
    wanted = wanted.where(Check.kind == "heartbeat", Check.archived_at.is_(None), Agent.archived_at.is_(None)).order_by(Agent.slug, Check.name)
    if slug is not None:
        wanted = wanted.where(Agent.slug == slug)
    return [
        (row.slug, row.name, f"{base_url}/ping/{ping_uuid(signer, row.check_id)}", f"{base_url}/ping/{ping_key(signer, row.id)}/{row.name}")
        for row in tx.execute(wanted)
    ]


def _as_text(moment: datetime) -> str:
    return moment.isoformat(" ", "microseconds")[:26]  # as SQLAlchemy's own type writes it


