"""The roles of owners, and how messages name them: pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.blocks import escape, mention

ROLES = ("business", "operations", "backup", "sponsor")
ROLE_WORDS = {"business": "business owner", "operations": "operations owner", "backup": "backup", "sponsor": "sponsor"}
NOT_CONFIRMED = "owner not confirmed"
LEFT = "left the workspace"


@dataclass(frozen=True)
class OwnerName:
    """One person in one role, as messages name them."""

    role: str
    person_id: int
    name: str
    slack_id: str | None
    confirmed: bool
    since: datetime
    left: bool = False  # they are no longer in the workspace

    @property
    def mention(self) -> str:
        """A mention, which pings; with the mark where they have not accepted."""
        return mention(self.slack_id, self.name) + self.mark

    @property
    def plain(self) -> str:
        """The escaped name, which pings nobody; with the mark where they have not accepted."""
        return (escape(self.name) or "someone") + self.mark

    @property
    def mark(self) -> str:
        return f" ({LEFT})" if self.left else "" if self.confirmed else f" ({NOT_CONFIRMED})"


@dataclass(frozen=True)
class OwnerNames:
    """Who answers for an agent; a role that nobody holds is None."""

    business: OwnerName | None = None
    operations: OwnerName | None = None
    backup: OwnerName | None = None
    sponsor: OwnerName | None = None

    def all(self) -> list[OwnerName]:
        return [each for each in (self.business, self.operations, self.backup, self.sponsor) if each is not None]

    @property
    def confirmed(self) -> bool:
        """Whether both the business and the operations owner have accepted."""
        return bool(self.business and self.business.confirmed and self.operations and self.operations.confirmed)

    def line(self, *, ping: bool = False) -> str:
        """`operations owner Omar (owner not confirmed), business owner Maya`."""
        order = (self.operations, self.business, self.backup, self.sponsor)
        told = [f"{ROLE_WORDS[each.role]} {each.mention if ping else each.plain}" for each in order if each is not None]
        return ", ".join(told) or "nobody yet"
