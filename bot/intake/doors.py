"""Who may come in: bearer tokens, checked against their hash and remembered for two seconds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import structlog
from sqlalchemy import update
from sqlalchemy.orm import Session

from bot.clock import Clock
from bot.lanes import Lanes
from bot.people.tokens import BadToken, verify_token
from bot.tables import Token

log = structlog.get_logger(__name__)

REMEMBERED = 2.0  # seconds; a revoked token is refused after at most that long
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Pass:
    """What the bearer may do."""

    id: int
    public_id: str
    name: str
    scopes: frozenset[str]
    agents: frozenset[str] | None  # None: the whole workspace
    expires_at: datetime | None
    used_at: datetime | None

    def told(self) -> dict[str, Any]:
        return {
            "token": self.public_id,
            "name": self.name,
            "scopes": sorted(self.scopes),
            "agents": None if self.agents is None else sorted(self.agents),
            "expires_at": self.expires_at.isoformat() if self.expires_at else None,
        }


class Denied(Exception):
    """Not without another token; `status` is 401 (who are you) or 403 (not you)."""

    def __init__(self, status: int, code: str, detail: str, retired: str | None = None) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.retired = retired  # the agent whose retirement ended the token


class Doors:
    """Checks tokens; a good one is looked up once in two seconds, whatever it is used for."""

    def __init__(self, lanes: Lanes, clock: Clock) -> None:
        self._lanes = lanes
        self._clock = clock
        # By the SHA-256 of the header, so that memory never holds a token in a place that is easy to print.
        self._known: dict[bytes, tuple[float, Pass | Denied]] = {}
        self._looking: dict[bytes, asyncio.Task[Pass | Denied]] = {}
        self._renewing: asyncio.Task[None] | None = None  # held, or it could be collected while it runs

    async def admit(self, header: bytes | None, scope: str) -> Pass:
        """The pass behind an Authorization header, where it has the scope; raises Denied."""
        if not header:
            raise Denied(401, "no_token", "this needs a token: send `Authorization: Bearer aiops_...` (`aiops token` makes one)")
        key = sha256(header).digest()
        known = self._known.get(key)
        if known is None or self._clock.monotonic() - known[0] > REMEMBERED:
            known = (self._clock.monotonic(), await self._looked(key, header))
            if len(self._known) > _MOST:
                self._known.clear()
            self._known[key] = known
        found = known[1]
        if isinstance(found, Denied):
            raise Denied(found.status, found.code, found.detail, found.retired)
        if found.expires_at is not None and found.expires_at <= self._clock.now():
            raise Denied(401, "bad_token", f"this token expired on {found.expires_at:%Y-%m-%d}: ask for a new one")
        if scope and scope not in found.scopes and "admin" not in found.scopes:
            raise Denied(403, "scope", f"this token lacks the scope `{scope}`: it has {', '.join(sorted(found.scopes))}")
        return found

    def known(self, header: bytes | None, scope: str) -> Pass | None:
        """The pass behind the header where it was looked up a moment ago and lets this through; None where `admit` must say.

        Half way through that moment it is looked up anew beside, so that a token in steady use never makes anybody wait.
        """
        key = sha256(header).digest() if header else b""
        known = self._known.get(key)
        if known is None or header is None or (age := self._clock.monotonic() - known[0]) > REMEMBERED:
            return None
        if age > REMEMBERED / 2 and key not in self._looking:
            self._renewing = asyncio.create_task(self._renew(key, header))
        found = known[1]
        if isinstance(found, Denied) or (found.expires_at is not None and found.expires_at <= self._clock.now()):
            return None
        return found if scope in found.scopes or "admin" in found.scopes else None

    async def _renew(self, key: bytes, header: bytes) -> None:
        at = self._clock.monotonic()
        try:
            self._known[key] = (at, await self._looked(key, header))
        except Exception as error:  # noqa: BLE001 - whoever asks next is told
            log.warning("a token could not be looked up anew", error=type(error).__name__)

    async def _looked(self, key: bytes, header: bytes) -> Pass | Denied:
        """One look for all who ask at the same moment: 64 connections with one token would else make 64."""
        looking = self._looking.get(key)
        if looking is None:
            looking = self._looking[key] = asyncio.create_task(self._look(header))
            looking.add_done_callback(lambda _: self._looking.pop(key, None))
        return await asyncio.shield(looking)

    async def _look(self, header: bytes) -> Pass | Denied:
        kind, _, text = header.decode("latin-1").strip().partition(" ")
        if kind.lower() != "bearer":
            return Denied(401, "bad_token", "send the token as `Authorization: Bearer aiops_...`")
        now = self._clock.now()

        def look(tx: Session) -> Pass | Denied:
            try:
                row = verify_token(tx, text.strip(), now)
            except BadToken as error:
                return Denied(401, "bad_token", str(error), error.retired)
            agents = None if row.agents is None else frozenset(row.agents)
            return Pass(row.id, row.public_id, row.name, frozenset(row.scopes), agents, row.expires_at, row.used_at)

        found = await self._lanes.read(look)
        if isinstance(found, Pass) and (found.used_at is None or now - found.used_at > timedelta(minutes=1)):
            used = update(Token).where(Token.id == found.id).values(used_at=now)
            await self._lanes.write(lambda tx: tx.execute(used) and None)
        return found
