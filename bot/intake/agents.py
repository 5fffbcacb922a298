"""The agents as intake needs them at every event, remembered for a few seconds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.agents.reading import retired_words
from bot.agents.spec import EvaluationSpec
from bot.clock import Clock
from bot.lanes import Lanes
from bot.tables import Agent, Check, Stage

FRESH = 5.0  # seconds until an agent is read again: a changed zone or rule takes effect after that
_REMEMBERED = 50_000


@dataclass(slots=True, eq=False)
class AgentRef:
    """One agent; `seen` are the models and versions its runs are known to have used."""

    id: int
    slug: str
    zone: str
    heard: bool
    archived: bool
    evaluations: dict[str, EvaluationSpec]  # what the registry calls good, by name of the evaluation
    store_text: bool
    seen: set[tuple[str, str]] = field(default_factory=set)
    read_at: float = 0.0
    troubled: bool = False  # a check of its runs fails: the next run may end that, so it is looked at at once
    trace_outputs: bool = True  # an answer seen in a trace is an output
    retired: str = ""  # when, by whom and why, where it is no longer at work
    ordered: str = ""  # the stage in force, where a check sees to it that runs obey it


def agent_ref(agent: Agent) -> AgentRef:
    """What intake keeps of an agent's row."""
    spec = agent.spec or {}
    keep = (spec.get("data") or {}).get("store_text") is not False
    rules = {name: EvaluationSpec.model_validate(rule) for name, rule in (spec.get("evaluations") or {}).items()}
    return AgentRef(agent.id, agent.slug, agent.zone, agent.heard_at is not None, agent.archived_at is not None, rules, keep, trace_outputs=(spec.get("telemetry") or {}).get("outputs") is not False)


def read_agents(tx: Session, slugs: Iterable[str]) -> list[AgentRef]:
    """Those of the named agents that exist, the archived ones too."""
    wanted, found = sorted(slugs), []
    for start in range(0, len(wanted), 500):
        part = [agent_ref(agent) for agent in tx.scalars(select(Agent).where(Agent.slug.in_(wanted[start : start + 500])))]
        refs = {ref.id: ref for ref in part}
        _note_checks(tx, refs)
        for agent_id, words in retired_words(tx, refs).items():
            refs[agent_id].retired = words
        found += part
    return found


def _note_checks(tx: Session, refs: dict[int, AgentRef]) -> None:
    """Which of their runs must be looked at soon (see noticing.look_at_failures)."""
    live = (Check.agent_id.in_(refs), Check.kind.in_(("run_failed", "stage")), Check.archived_at.is_(None))
    for row in tx.execute(select(Check.agent_id, Check.kind, Check.state, Stage.stage).join(Stage, Stage.agent_id == Check.agent_id).where(*live)):
        refs[row.agent_id].troubled |= row.state == "failing"
        if row.kind == "stage":
            refs[row.agent_id].ordered = row.stage


class AgentBook:
    """Agents by slug. `know` reads the ones not known or no longer fresh; `get` answers from memory."""

    def __init__(self, lanes: Lanes, clock: Clock) -> None:
        self._lanes = lanes
        self._clock = clock
        self._agents: dict[str, AgentRef] = {}

    def get(self, slug: str) -> AgentRef | None:
        return self._agents.get(slug)

    def fresh(self, slug: str) -> bool:
        """Whether `get` may answer for it without a look."""
        known = self._agents.get(slug)
        return known is not None and self._clock.monotonic() - known.read_at <= FRESH

    def missing(self, slugs: Iterable[str]) -> list[str]:
        """Which of them must be read before events can be judged."""
        now, agents = self._clock.monotonic(), self._agents
        return [slug for slug in slugs if (known := agents.get(slug)) is None or now - known.read_at > FRESH]

    async def know(self, slugs: Iterable[str]) -> None:
        """Read what is missing; unknown names stay unknown."""
        missing = self.missing(slugs)
        if not missing:
            return
        now, known_before = self._clock.monotonic(), [self._agents[slug] for slug in missing if slug in self._agents]
        if len(known_before) == len(missing):  # what others ask for meanwhile is answered from memory, not read again
            for ref in known_before:
                ref.read_at = now
        found = await self._lanes.read(lambda tx: read_agents(tx, missing))
        if len(self._agents) > _REMEMBERED:
            self._agents.clear()
        for ref in found:
            ref.read_at = now
            known = self._agents.get(ref.slug)
            if known is not None and known.id == ref.id:
                ref.seen, ref.heard = known.seen, ref.heard or known.heard
            self._agents[ref.slug] = ref
        for slug in set(missing) - {ref.slug for ref in found}:
            self._agents.pop(slug, None)
