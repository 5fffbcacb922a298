"""The failure protocol as data: phases and their steps. An incident keeps the version it began with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PHASES = {
    "contain": "Contain",
    "inform": "Inform",
    "diagnose": "Diagnose",
    "recover": "Recover",
    "verify": "Verify",
    "learn": "Learn",
}

PROTOCOL: dict[str, Any] = {
    "name": "failure protocol",
    "version": 1,
    "steps": [
        {"key": "contain.stop", "phase": "contain", "required": True, "words": "Stop the harm: put the agent under human review, or stop it, if what it makes can do damage."},
        {"key": "contain.work", "phase": "contain", "required": True, "words": "Say who does its work meanwhile, and what happens to what is half done."},
        {"key": "inform.people", "phase": "inform", "required": True, "words": "Tell the people who use its outputs, and the business owner."},
        {"key": "diagnose.since", "phase": "diagnose", "required": True, "words": "Find since when, and which outputs are wrong."},
        {"key": "diagnose.change", "phase": "diagnose", "required": True, "words": "Find what changed: model, prompt, index, instruction, input, credentials."},
        {"key": "recover.agent", "phase": "recover", "required": True, "words": "Bring it back: mend it, or return to the last good version."},
        {"key": "recover.outputs", "phase": "recover", "required": False, "words": "Correct the wrong outputs that were already used."},
        {"key": "verify.good", "phase": "verify", "required": True, "words": "See it work: the check is well, and a person judged fresh outputs."},
        {"key": "learn.cause", "phase": "learn", "required": True, "words": "Write down the cause in a sentence."},
        {"key": "learn.prevent", "phase": "learn", "required": True, "words": "Name what keeps it from happening again, and who does it by when."},
    ],
}


@dataclass(frozen=True)
class ProtocolStep:
    """One step of a protocol."""

    key: str
    phase: str
    words: str
    required: bool


def steps_of(protocol: Mapping[str, Any]) -> list[ProtocolStep]:
    """The steps of a protocol, in order."""
    return [ProtocolStep(str(each["key"]), str(each["phase"]), str(each["words"]), bool(each["required"])) for each in protocol["steps"]]
