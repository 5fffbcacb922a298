"""Which protocol an incident gets: the agent's own of the registry in force, else the one built in; each version is kept."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bot.agents.reading import protocol_written
from bot.incidents.protocol import PROTOCOL
from bot.tables import Agent, Protocol


def protocol_for(tx: Session, now: datetime, agent: Agent) -> dict[str, Any]:
    """The protocol as data, with its version: a new number whenever its words changed since its last use."""
    name, written = protocol_written(tx, agent)
    document = written if written is not None else {key: value for key, value in PROTOCOL.items() if key not in ("name", "version")}
    digest = hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()
    found = tx.scalars(select(Protocol).where(Protocol.name == name, Protocol.digest == digest)).first()
    version = found.version if found is not None else (tx.scalar(select(func.max(Protocol.version)).where(Protocol.name == name)) or 0) + 1
    whole = {**document, "name": name, "version": version}
    if found is None:
        try:
            with tx.begin_nested():
                tx.add(Protocol(name=name, version=version, digest=digest, document=document, first_used_at=now))
        except IntegrityError:  # somebody used it first in this moment
            kept = tx.scalars(select(Protocol).where(Protocol.name == name, Protocol.digest == digest)).first()
            whole["version"] = kept.version if kept is not None else version
    return whole
