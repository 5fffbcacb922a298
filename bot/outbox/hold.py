"""When Slack as a whole is away or refuses our token: everything waits, and one harmless call at a time asks again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.outbox.rules import wait_after
from bot.routes.outcome import Kind, Outcome

LONGEST = timedelta(seconds=60)
LONGEST_AWAY = timedelta(seconds=5)  # a page goes out within 10 s of Slack's return


@dataclass
class Hold:
    """`state` is working, unreachable or unauthorised."""

    limit: int  # failures in a row after which the other side counts as away
    state: str = "working"
    error: str = ""
    since: datetime | None = None
    next_at: datetime | None = None
    tries: int = 0
    failures: int = 0

    @property
    def holds(self) -> bool:
        return self.state != "working"

    def heard(self, outcome: Outcome, now: datetime) -> bool:
        """Take an outcome into account; True where the state changed."""
        if outcome.kind is Kind.UNAUTHORISED:
            return self._hold("unauthorised", outcome.error, now)
        if not outcome.kind.is_trouble:
            self.failures = 0
            return False
        self.failures += 1
        return self.failures >= self.limit and self._hold("unreachable", outcome.error, now)

    def probed(self, outcome: Outcome, now: datetime) -> bool:
        """The answer to the harmless call; True where the state changed."""
        if outcome.kind is Kind.UNAUTHORISED or outcome.kind.is_trouble:
            self.tries += 1
            longest = LONGEST if outcome.kind is Kind.UNAUTHORISED else LONGEST_AWAY
            self.next_at = now + min(wait_after(self.tries), longest)
            state = "unauthorised" if outcome.kind is Kind.UNAUTHORISED else "unreachable"
            changed = state != self.state
            self.state, self.error = state, outcome.error
            return changed
        if outcome.kind is Kind.RATE_LIMITED:
            self.next_at = now + timedelta(seconds=outcome.seconds)
            return False
        self.state, self.error, self.since, self.next_at, self.tries, self.failures = "working", "", now, None, 0, 0
        return True

    def told(self, state: str, error: str, now: datetime) -> None:
        """Somebody else wrote down that Slack is away (an event, another process, we before a restart): ask it ourselves."""
        if state != "working" and self.state == "working":
            self._hold(state, error, now)
            self.next_at = now

    def _hold(self, state: str, error: str, now: datetime) -> bool:
        if self.state == state:
            return False
        self.state, self.error, self.since, self.tries = state, error, now, 1
        self.next_at = now + wait_after(1)
        return True
