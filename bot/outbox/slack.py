"""Slack tells that it shuts us out (uninstalled, token revoked): delivery holds at once, and calls take other routes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from bot.db import wake
from bot.marks import mark_of, put_mark
from bot.outbox.delivery import MARK


def uninstalled(tx: Session, event: dict[str, Any], now: datetime) -> None:
    """The app was removed from the workspace: nothing we hold opens it any more."""
    _shut_out(tx, now, "app_uninstalled")


def revoked(tx: Session, event: dict[str, Any], now: datetime) -> None:
    """Tokens were revoked; those of people are not ours to use, only the bot's counts."""
    if (event.get("tokens") or {}).get("bot"):
        _shut_out(tx, now, "tokens_revoked")


def _shut_out(tx: Session, now: datetime, why: str) -> None:
    # Should the news be old (installed anew meanwhile), the loop's next harmless question finds that Slack knows us.
    value = {"state": "unauthorised", "error": why, "since": now.isoformat()}
    if mark_of(tx, MARK).get("state") != "unauthorised":
        put_mark(tx, MARK, value)
    wake(tx, "outbox")
    wake(tx, "ladders")


EVENTS: dict[str, Callable[[Session, dict[str, Any], datetime], None]] = {"app_uninstalled": uninstalled, "tokens_revoked": revoked}
