"""Trouble on demand: what the workspace does wrong, for which calls, how often; nothing here is left to chance.

From Python: `ws.faults.add("drop_after", method="chat.postMessage", times=2)`. Over loopback, for a workspace that is a
process of its own: `POST /faults` with `{"add": [{"kind": "status", "status": 503, "times": 3}]}`, `{"outage": true}`,
`{"revoke": "xoxb-..."}`, `{"clear": true}`; `GET /faults` shows what is armed.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

FaultKind = Literal[
    "status",  # answers with `status` (429 with `retry_after`) and does nothing
    "error",  # answers ok:false with `error` and does nothing
    "refuse_blocks",  # invalid_blocks for every call that carries blocks or a view
    "drop_before",  # cuts the connection; the call had no effect
    "drop_after",  # does what was asked, then cuts the connection
    "lose_answer",  # does what was asked, then answers 500
    "delay",  # waits `delay` seconds, then goes on as usual
    "delay_after",  # does what was asked, then waits `delay` seconds before it answers
]
AFTER = ("drop_after", "lose_answer", "delay_after")


@dataclass
class Fault:
    """One kind of trouble. `times=None` means until removed; `seconds` ends it by the workspace's clock."""

    kind: FaultKind
    method: str = "*"  # a method, or a pattern such as "chat.*"; also "response_url", "upload", "socket"
    times: int | None = 1
    seconds: float | None = None
    skip: int = 0  # let so many matching calls pass first
    every: int = 1  # then hit each n-th
    share: float | None = None  # or this share of them, drawn from `seed`
    seed: int = 0
    status: int = 503
    retry_after: int | None = None
    error: str = "internal_error"
    delay: float = 0.0
    channel: str | None = None  # only calls with this `channel`
    contains: str | None = None  # only calls whose arguments contain this text
    since: float = 0.0
    seen: int = 0
    hits: int = 0
    dice: random.Random = field(default_factory=random.Random, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(f"unknown kind of fault: {self.kind}")
        self.dice = random.Random(self.seed)  # noqa: S311  (repeatable on purpose)

    def over(self, now: float) -> bool:
        worn_out = self.times is not None and self.hits >= self.times
        return worn_out or (self.seconds is not None and now >= self.since + self.seconds)

    def strikes(self, method: str, args: dict[str, Any]) -> bool:
        if not fnmatchcase(method, self.method):
            return False
        if self.channel is not None and args.get("channel") != self.channel:
            return False
        if self.contains is not None and self.contains not in repr(args):
            return False
        if self.kind == "refuse_blocks" and not (args.get("blocks") or args.get("view")):
            return False
        self.seen += 1
        if self.seen <= self.skip or (self.seen - self.skip - 1) % self.every:
            return False
        if self.share is not None and self.dice.random() >= self.share:
            return False
        self.hits += 1
        return True


class Faults:
    """The armed faults, in order; the first that strikes wins, delays add up."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.armed: list[Fault] = []
        self.outage = False
        self.slow = 0.0

    def add(self, kind: FaultKind, **settings: Any) -> Fault:
        fault = Fault(kind, since=self.now(), **settings)
        self.armed.append(fault)
        return fault

    def clear(self) -> None:
        self.armed.clear()
        self.outage, self.slow = False, 0.0

    def strike(self, method: str, args: dict[str, Any]) -> list[Fault]:
        """The faults that hit this call: all delays, and at most one other."""
        if self.outage:
            return [Fault("status", status=503, times=None)]
        struck: list[Fault] = [Fault("delay", delay=self.slow, times=None)] if self.slow else []
        if not self.armed:
            return struck
        now = self.now()
        self.armed = [fault for fault in self.armed if not fault.over(now)]
        serious = False
        for fault in self.armed:
            delays = fault.kind.startswith("delay")
            if (delays or not serious) and fault.strikes(method, args):
                struck.append(fault)
                serious = serious or not delays
        return struck

    def show(self) -> dict[str, Any]:
        armed = [
            {key: value for key, value in vars(fault).items() if key != "dice"}
            for fault in self.armed if not fault.over(self.now())
        ]
        return {"outage": self.outage, "slow": self.slow, "armed": armed}


