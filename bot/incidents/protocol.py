"""The failure protocol as data: phases and their typed steps. An incident keeps the version it began with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

PHASES = {
    "contain": "Contain",
    "inform": "Inform",
    "diagnose": "Diagnose",
    "recover": "Recover",
    "verify": "Verify",
    "learn": "Learn",
}
SEVERITIES = ("page", "notice")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400

PROTOCOL: dict[str, Any] = {
    "name": "standard",
    "version": 1,
    "status_every": {"page": _HOUR, "notice": _DAY},
    "follow_up_within": {"page": 14 * _DAY, "notice": 30 * _DAY},
    "steps": [
        {"key": "stop", "phase": "contain", "who": "operations_owner", "within": 15 * _MINUTE, "words": "Stop the harm: put the agent under human review, or stop it, if what it makes can do damage."},
        {"key": "work", "phase": "contain", "who": "operations_owner", "within": 30 * _MINUTE, "words": "Say who does its work meanwhile, and what happens to what is half done."},
        {"key": "people", "phase": "inform", "who": "business_owner", "within": _HOUR, "words": "Tell the people who use its outputs, and the business owner."},
        {"key": "since", "phase": "diagnose", "within": 2 * _HOUR, "words": "Find since when, and which outputs are wrong."},
        {
            "key": "change", "phase": "diagnose", "within": 4 * _HOUR, "type": "choose", "words": "Find what changed before it began.",
            "options": ["model", "prompt", "index", "instruction", "input", "credentials", "something else", "nothing we know of"],
        },
        {"key": "agent", "phase": "recover", "within": 8 * _HOUR, "type": "decision", "words": "Bring it back: decide how, mend it or return to the last good version, and do it."},
        {"key": "outputs", "phase": "recover", "required": False, "within": _DAY, "type": "number", "words": "Correct the wrong outputs that were already used: how many?"},
        {"key": "good", "phase": "verify", "within": _DAY, "words": "See it work: the check is well, and a person judged fresh outputs."},
        {"key": "proof", "phase": "verify", "required": False, "within": _DAY, "type": "evidence", "words": "Link what shows that it works again."},
        {"key": "cause", "phase": "learn", "within": 2 * _DAY, "type": "decision", "words": "Write down the cause in a sentence."},
    ],
}  # fmt: skip


@dataclass(frozen=True)
class ProtocolStep:
    """One step of a protocol."""

    key: str
    phase: str
    words: str
    required: bool = True
    kind: str = "confirm"
    who: str = "lead"
    within: timedelta | None = None  # from the start of the incident
    when: tuple[str, ...] = ()  # the severities it is for; all where empty
    options: tuple[str, ...] = ()
    after: tuple[str, ...] = ()  # keys of the steps that come first


def steps_of(protocol: Mapping[str, Any], severity: str | None = None) -> list[ProtocolStep]:
    """The steps of a protocol in order, those of one severity where it is given; what is left out comes before nothing."""
    steps = [
        ProtocolStep(
            key=str(each["key"]),
            phase=str(each["phase"]),
            words=str(each["words"]),
            required=bool(each.get("required", True)),
            kind=str(each.get("type", "confirm")),
            who=str(each.get("who", "lead")),
            within=timedelta(seconds=int(each["within"])) if each.get("within") else None,
            when=tuple(each.get("when", ())),
            options=tuple(each.get("options", ())),
            after=tuple(each.get("after", ())),
        )
        for each in protocol["steps"]
    ]
    return [step for step in steps if severity is None or not step.when or severity in step.when]


def follow_up_within(protocol: Mapping[str, Any], severity: str) -> timedelta:
    """How long a follow-up of an incident may take."""
    given = protocol.get("follow_up_within") or {}
    return timedelta(seconds=int(given.get(severity) or PROTOCOL["follow_up_within"].get(severity, 30 * _DAY)))


def status_every(protocol: Mapping[str, Any], severity: str) -> timedelta | None:
    """How often a status update is asked for; None: never."""
    given = {**PROTOCOL["status_every"], **(protocol.get("status_every") or {})}
    seconds = int(given.get(severity) or 0)
    return timedelta(seconds=seconds) if seconds else None
