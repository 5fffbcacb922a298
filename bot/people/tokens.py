"""Tokens that speak for agents: minted once, kept only as a hash, and checked without telling how far they matched."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.clock import Ids
from bot.tables import Agent, Token

SCOPES = ("events", "telemetry", "import", "read", "gate", "permissions", "admin")
_FORM = re.compile(r"aiops_([0-9a-f]{12})_([A-Za-z0-9_-]{32,128})")


class BadToken(Exception):
    """This token does not open the door; the text says why, and never repeats the token.

    `retired` is the agent whose retirement ended it: its gate still tells such a token to stop, and nothing else does.
    """

    def __init__(self, text: str, retired: str | None = None) -> None:
        super().__init__(text)
        self.retired = retired


def mint_token(
    tx: Session,
    now: datetime,
    ids: Ids,
    *,
    name: str,
    scopes: Sequence[str],
    agents: Sequence[str] | None,
    expires_at: datetime | None = None,
    by: int | None = None,
) -> tuple[str, Token]:
    """A new token: its text, which is shown once and kept nowhere, and its row. `agents` None: the whole workspace.

    Raises ValueError for an unknown scope, and for `admin` over single agents (it would reach beyond them).
    """
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise ValueError(f"{unknown[0]!r} is not a scope: choose from {', '.join(SCOPES)}" if unknown else f"a token needs a scope: {', '.join(SCOPES)}")
    if "admin" in scopes and agents is not None:
        raise ValueError("the scope admin is for the whole workspace, not for single agents")
    public_id, secret = ids.nonce()[-12:], ids.secret()
    row = Token(
        public_id=public_id,
        hash=hash_of(secret),
        name=name.strip()[:200],
        scopes=list(dict.fromkeys(scopes)),
        agents=None if agents is None else sorted(set(agents)),
        created_at=now,
        created_by=by,
        expires_at=expires_at,
    )
    tx.add(row)
    tx.flush()
    return f"aiops_{public_id}_{secret}", row


def hash_of(secret: str) -> str:
    """SHA-256 as hex; enough for a secret of 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def public_part(text: str) -> str | None:
    """The id within a token's text, by which its row is found; None where it is no token of ours."""
    matched = _FORM.fullmatch(text)
    return matched.group(1) if matched else None


def check_token(row: Token | None, text: str, now: datetime) -> Token:
    """The row, where the text is its token and it is still good; raises BadToken. Pure: look the row up first."""
    matched = _FORM.fullmatch(text)
    if matched is None:
        raise BadToken("this is not a token of aiops-bot: it looks like aiops_<id>_<secret>")
    if row is None or not hmac.compare_digest(row.hash, hash_of(matched.group(2))):
        raise BadToken("this token is not known here: it may be mistyped or deleted")
    if row.revoked_at is not None and row.revoked_at <= now:
        if row.revoked_for is not None and row.agents:
            raise BadToken(f"this token was revoked on {row.revoked_at:%Y-%m-%d}: {row.revoked_why}", retired=str(row.agents[0]))
        raise BadToken(f"this token was revoked on {row.revoked_at:%Y-%m-%d}: ask for a new one")
    if row.expires_at is not None and row.expires_at <= now:
        raise BadToken(f"this token expired on {row.expires_at:%Y-%m-%d}: ask for a new one")
    return row


def verify_token(tx: Session, text: str, now: datetime) -> Token:
    """Look a token up and check it; raises BadToken."""
    public_id = public_part(text)
    row = tx.scalars(select(Token).where(Token.public_id == public_id)).first() if public_id else None
    return check_token(row, text, now)


def revoke_tokens_of(tx: Session, now: datetime, agent: Agent, why: str) -> tuple[list[Token], list[Token]]:
    """End every token that speaks for this agent alone; returns them, and those that stay since they speak for others too."""
    good = select(Token).where(Token.agents.is_not(None), Token.revoked_at.is_(None)).order_by(Token.id)
    named = [row for row in tx.scalars(good) if agent.slug in (row.agents or ())]
    own = [row for row in named if row.agents == [agent.slug]]
    for row in own:
        row.revoked_at, row.revoked_for, row.revoked_why = now, agent.id, why
    tx.flush()
    return own, [row for row in named if row not in own and (row.expires_at is None or row.expires_at > now)]


def revoke_token(tx: Session, now: datetime, public_id: str) -> Token:
    """End a token now; raises LookupError naming the id where there is none."""
    row = tx.scalars(select(Token).where(Token.public_id == public_id)).first()
    if row is None:
        raise LookupError(f"no token with id {public_id!r}")
    row.revoked_at = row.revoked_at or now
    return row
