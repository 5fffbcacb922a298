"""What holds for requests: which rule decides an action, what exactly is approved, when which timer fires. Pure."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

from bot.agents.spec import ApprovalsSpec, HandoffsSpec, PermissionSpec, StepSpec
from bot.stats import wilson

CONFIRM_WITHIN = timedelta(seconds=60)  # a call not confirmed by then goes the person's next way
REFUSAL_HOLDS = timedelta(hours=1)  # a no to an action answers the same action asked again for so long
YES_HOLDS = timedelta(hours=24)  # a yes that was not used by then has lapsed
BY_HABIT = timedelta(seconds=3)  # an approval quicker than this was hardly read
SHOWN_ACTION = 2500  # characters: what cannot be shown whole cannot be approved
ENOUGH_RUNS = 30  # fewer say nothing about a share


class Decision(StrEnum):
    """What an agent hears when it asks."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


@dataclass(frozen=True)
class Verdict:
    """What the rules say about one action: which of them (by name), and why in words."""

    decision: Decision
    rule: str
    why: str


@dataclass(frozen=True)
class Action:
    """One thing the agent wants to do, exactly."""

    name: str
    on: str = ""
    as_: str | None = None
    params: Mapping[str, Any] | None = None

    def doc(self) -> dict[str, Any]:
        return {"name": self.name, "on": self.on, "as": self.as_, "params": dict(self.params or {})}


# --- what exactly ---------------------------------------------------------------------------------------------------


def hash_of(action: Mapping[str, Any]) -> str:
    """SHA-256 of the action as canonical JSON (sorted keys, no spaces, UTF-8): the same action, the same hash."""
    return hashlib.sha256(json.dumps(action, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def shown(action: Mapping[str, Any]) -> str:
    """The whole action as text to read; characters that do not show (or turn the direction of text) are written out."""
    return "".join(_visible(each) for each in json.dumps(action, sort_keys=True, indent=2, ensure_ascii=False))


def _visible(character: str) -> str:
    if character == "\n" or unicodedata.category(character) not in ("Cc", "Cf", "Co", "Cn", "Zl", "Zp"):
        return character
    return character.encode("ascii", "backslashreplace").decode()


# --- which rule -----------------------------------------------------------------------------------------------------


def judge(rules: Sequence[PermissionSpec], action: Action, *, stage: str, today: date, asks: bool) -> Verdict:
    """What the first rule that fits says. `asks`: somebody is named to approve what no rule covers."""
    if stage in ("suspended", "retired"):
        return Verdict(Decision.DENY, "stage", f"the agent is {stage}: it must not act")
    if stage == "shadow":
        return Verdict(Decision.DENY, "stage", "the agent is in shadow: nothing it makes is used, so it writes nothing")
    rule = next((each for each in rules if fits(each, action)), None)
    if rule is None:
        if asks:
            return Verdict(Decision.ASK, "none", f"no rule covers {action.name}, so a person is asked")
        return Verdict(Decision.DENY, "none", f"no rule covers {action.name}: add one under `permissions` in aiops.yml, or `approvals` to ask a person")
    if rule.then == "deny":
        return Verdict(Decision.DENY, rule.name, f"the rule {rule.name} refuses it")
    if rule.then == "ask":
        return Verdict(Decision.ASK, rule.name, f"the rule {rule.name} wants a person's yes")
    if rule.until is not None and today > rule.until:
        return Verdict(Decision.ASK, rule.name, f"the agreement behind the rule {rule.name} ended on {rule.until:%Y-%m-%d}, so a person is asked")
    if stage not in rule.stages:
        return Verdict(Decision.ASK, rule.name, f"the rule {rule.name} does not hold while the agent is {stage}, so a person is asked")
    return Verdict(Decision.ALLOW, rule.name, f"the rule {rule.name} allows it")


def fits(rule: PermissionSpec, action: Action) -> bool:
    """Whether a rule speaks of this action: its name, what it is done to, as whom, and how much."""
    if not (_pattern(rule.action).fullmatch(action.name) and _pattern(rule.on).fullmatch(action.on)):
        return False
    if rule.then == "allow" and rule.as_ is not None and action.as_ != rule.as_:
        return False  # only a yes is bound to the identity: a refusal holds whoever it acts as
    params = action.params or {}
    return all(_at_most(params.get(name), most) for name, most in rule.at_most.items())


def _at_most(value: Any, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value <= most


@lru_cache(4096)
def _pattern(written: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in written.split("*")), re.DOTALL)


# --- what became of the same action asked before -----------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """A request about the same action: how it stands."""

    state: str
    allowed: bool  # it was approved, or time ran out where that allows
    decided_at: datetime | None
    used: bool
    undone: bool


class Before(StrEnum):
    """What an earlier request about exactly this action means for asking again."""

    OPEN = "open"  # it waits: nothing is asked twice
    USE = "use"  # a yes that nobody used yet
    USED = "used"
    NO = "no"
    OVER = "over"  # withdrawn, lapsed or long ago


def before(asked: Asked, now: datetime, *, named: bool) -> Before:
    """How an earlier request answers; `named`: the agent asks about that very request, so a no holds for good."""
    if asked.state == "open":
        return Before.OPEN
    at = asked.decided_at or now
    if asked.undone:
        return Before.NO if named or now - at < REFUSAL_HOLDS else Before.OVER
    if asked.allowed:
        if asked.used:
            return Before.USED
        return Before.USE if now - at < YES_HOLDS else Before.OVER
    if asked.state in ("rejected", "timed_out") and (named or now - at < REFUSAL_HOLDS):
        return Before.NO
    return Before.OVER


# --- timers ---------------------------------------------------------------------------------------------------------


def steps_of(spec: ApprovalsSpec | HandoffsSpec) -> list[StepSpec]:
    """Whom to call when, where the registry names no ladder: those named, else the owners, in parts of the SLA."""
    third, half, late = spec.sla / 3, spec.sla / 2, spec.sla * 2 / 3
    if spec.by:
        return [StepSpec(call=ref, after=after) for after in (third, late) for ref in spec.by]
    if isinstance(spec, ApprovalsSpec):
        return [StepSpec(call="operations_owner", after=third), StepSpec(call="backup", after=half), StepSpec(call="business_owner", after=late)]
    return [StepSpec(call="operations_owner", after=third), StepSpec(call="backup", after=late), StepSpec(call="business_owner", after=spec.sla), StepSpec(call="leads", after=spec.sla * 2)]


class Due(StrEnum):
    """What the timer of a request means now."""

    NOTHING = "nothing"
    TIME_OUT = "time out"  # nobody answered: what was agreed for that holds
    LATE = "late"  # nobody claimed the hand-off within its SLA
    REMIND = "remind"  # whoever claimed it is reminded
    RELEASE = "release"  # they did not answer after that either: it is anybody's again


@dataclass(frozen=True)
class Timing:
    """The times of an open request."""

    kind: str
    sla: timedelta
    sla_at: datetime | None
    deadline_at: datetime | None
    claimed_at: datetime | None
    reminded_at: datetime | None
    late: bool


def next_due(timing: Timing) -> tuple[datetime, Due] | None:
    """Which timer of an open request comes next, and when."""
    ends = [(timing.deadline_at, Due.TIME_OUT)]
    if timing.kind == "approval":
        ends.append((timing.sla_at, Due.TIME_OUT))
    elif timing.claimed_at is None and not timing.late:
        ends.append((timing.sla_at, Due.LATE))
    if timing.claimed_at is not None and timing.kind == "handoff":
        ends.append((timing.claimed_at + timing.sla, Due.REMIND) if timing.reminded_at is None else (timing.reminded_at + timing.sla, Due.RELEASE))
    return min(((at, what) for at, what in ends if at is not None), key=lambda each: each[0], default=None)


def at_timeout(agreed: str | None, sla_at: datetime, deadline_at: datetime | None) -> str | None:
    """What silence means. A yes was agreed for people who had the whole SLA: a shorter deadline, which the agent sets itself, never makes one."""
    return "deny" if agreed == "allow" and deadline_at is not None and deadline_at < sla_at else agreed


# --- how often ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HandoffRate:
    """The share of runs that ended with a person, against its plan."""

    handoffs: int
    runs: int
    plan: float

    @property
    def share(self) -> float | None:
        return min(self.handoffs / self.runs, 1.0) if self.runs >= ENOUGH_RUNS else None

    @property
    def says(self) -> str:
        """`too many`, `too few`, `as planned`, or `too early to say`."""
        if self.share is None:
            return "too early to say"
        low, high = wilson(self.share, self.runs)
        return "too many" if min(low, self.share) > self.plan else "too few" if high < self.plan / 2 else "as planned"
