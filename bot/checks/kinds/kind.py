"""What every check kind is made of: its fields, its facts, and how it judges them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from bot.agents.spec import Duration, Misfit, Part
from bot.paging.rules import Finding


class CheckSpec(Part):
    """What every check has, whatever its kind."""

    DEFAULT_SEVERITY: ClassVar[str] = "page"
    DEFAULT_EVERY: ClassVar[timedelta] = timedelta(minutes=5)

    kind: str = Field(description="Which kind of check this is.")
    severity: Literal["page", "notice"] | None = Field(None, description="`page` calls people along the ladder; `notice` is shown and calls nobody. The kind's own where unset.")
    why: str = Field("", max_length=500, description="Why this is promised: shown to whoever is called.")
    every: Duration | None = Field(None, description="How often it is looked at, also when nothing comes in. The kind's own where unset.")
    after: int = Field(1, ge=1, le=100, description="How many failures in a row make it a problem.")
    well_after: int = Field(1, ge=1, le=100, description="How many successes in a row make it well again.")

    def misfits(self, agent: Mapping[str, Any]) -> Iterable[Misfit]:
        """What makes this check impossible for that agent (as written in aiops.yml); it may hold mistakes of its own."""
        return ()

    def chosen_severity(self) -> str:
        return self.severity or self.DEFAULT_SEVERITY

    def interval(self) -> timedelta:
        """How often to look; never more than once in ten seconds."""
        return max(self.every or self.DEFAULT_EVERY, timedelta(seconds=10))


@dataclass(frozen=True)
class Kind:
    """One kind of check, explaining itself."""

    name: str
    about: str  # a sentence for `aiops check kinds` and the README
    spec: type[CheckSpec]
    judge: Callable[[Any, Any, datetime], Finding]  # facts, spec, now
    woken_by: frozenset[str] = frozenset()  # which reported things make it due at once: run, output, ping
    probes: bool = False  # its facts come over the network
    next_look: Callable[[Any, Any, datetime], datetime] | None = None  # facts, spec, now: when it may turn bad by itself; else `every`
    counts_itself: bool = False  # `after` and `well_after` count what was reported, not looks
    rests: bool = True  # not looked at while the agent is suspended or retired
    example: str = ""  # one line of aiops.yml
