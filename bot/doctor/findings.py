"""What `aiops doctor` says: one line each, with what is missing and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

MARKS = {"bad": "✗", "remark": "•", "well": "✓"}


@dataclass(frozen=True)
class Finding:
    """One thing the doctor saw. `bad` is broken or about to be; a remark is worth knowing; `well` is good news."""

    about: str  # database, token, scopes, way in, channel, owner, ...
    what: str
    remedy: str = ""
    state: Literal["bad", "remark", "well"] = "bad"

    @property
    def bad(self) -> bool:
        return self.state == "bad"

    @property
    def line(self) -> str:
        # Names come from elsewhere: nothing in them may command the terminal.
        told = f"{MARKS[self.state]} {self.what}" + (f" {self.remedy}" if self.remedy else "")
        return "".join(each if each.isprintable() else " " for each in told)

    def as_json(self) -> dict[str, Any]:
        return {"about": self.about, "state": self.state, "bad": self.bad, "what": self.what, "remedy": self.remedy}


def remark(about: str, what: str, remedy: str = "") -> Finding:
    """Worth knowing; nothing is broken."""
    return Finding(about, what, remedy, "remark")


def shortened(found: list[Finding], most: int = 20) -> list[Finding]:
    """The first so many of one sort; how many more there are is said, never hidden."""
    if len(found) <= most:
        return found
    rest = found[most:]
    state: Literal["bad", "remark"] = "bad" if any(each.bad for each in rest) else "remark"
    return [*found[:most], Finding(found[0].about, f"... and {len(rest)} more like this.", state=state)]


def listed(names: list[str], most: int = 4) -> str:
    """`Support triage, Invoice matcher and 3 more`."""
    if len(names) > most + 1:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
