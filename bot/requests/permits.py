"""May the agent do this? The rules of the registry answer at once; what they leave to a person becomes a request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.agents.reading import spec_of
from bot.agents.spec import AgentSpec
from bot.calendars import zone_named
from bot.clock import Clock
from bot.people.flows import person_for_report
from bot.requests import flows
from bot.requests.reading import as_json, asked_of, request_by_ext, someone
from bot.requests.rules import Action, Before, Decision, Verdict, before, hash_of, judge
from bot.tables import Agent, Request, Stage

KEPT = 20_000  # descriptions kept in memory
LOOKED_BACK = 50  # requests about the same action
FRESH = 1.0  # seconds that an agent's rules are answered from memory


class Conflict(Exception):
    """The id names another request: another action, or no approval at all."""


@dataclass(frozen=True)
class Asking:
    """What came with the question, for whoever has to answer it."""

    action: Action
    ext_id: str | None = None
    title: str | None = None
    context: dict[str, Any] | None = None
    triggered_by: str | None = None
    deadline: datetime | None = None


@dataclass(frozen=True)
class Known:
    """What the rules look at."""

    agent_id: int
    slug: str
    zone: str
    stage: str
    spec: AgentSpec


@dataclass(frozen=True)
class Permit:
    """The answer, with the request it waits for or came from."""

    verdict: Verdict
    request: dict[str, Any] | None = None


class Book:
    """Agents' rules and stages, kept for a second: an order of a stage makes all of it be read anew from its commit on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._specs: dict[tuple[int, int], AgentSpec] = {}  # by revision: parsed once
        self._known: dict[str, tuple[float, Known]] = {}
        self._orders = 0

    def remembered(self, slug: str) -> Known | None:
        """What was read a moment ago."""
        kept = self._known.get(slug)
        return kept[1] if kept is not None and self._clock.monotonic() - kept[0] <= FRESH else None

    def forget(self) -> None:
        """Some stage was ordered: what is being read at this moment may be older than that, too."""
        self._orders += 1
        self._known.clear()

    def read(self, tx: Session, slug: str) -> Known | None:
        """What the rules look at, from the database."""
        orders, at = self._orders, self._clock.monotonic()
        found = select(Agent.id, Agent.zone, Agent.spec_rev, Stage.stage).join(Stage, Stage.agent_id == Agent.id)
        row = tx.execute(found.where(Agent.slug == slug, Agent.archived_at.is_(None))).first()
        if row is None:
            return None
        spec = self._specs.get((row.id, row.spec_rev))
        if spec is None:
            if len(self._specs) >= KEPT:
                self._specs.clear()
            spec = self._specs[row.id, row.spec_rev] = spec_of(tx.get_one(Agent, row.id))
        known = Known(row.id, slug, row.zone, row.stage, spec)
        if len(self._known) >= KEPT:
            self._known.clear()
        if orders == self._orders:
            self._known[slug] = (at, known)
        return known


def verdict_of(known: Known, action: Action, now: datetime) -> Verdict:
    """What the rules alone say."""
    today = now.astimezone(zone_named(known.zone)).date()
    return judge(known.spec.permissions, action, stage=known.stage, today=today, asks=known.spec.approvals is not None)


def deny(tx: Session, now: datetime, known: Known, action: Action, verdict: Verdict) -> None:
    """A refusal is written down, each for itself."""
    doc = action.doc()
    evidence = {"rule": verdict.rule, "action_hash": hash_of(doc), "action": action.name, "on": action.on, "as": action.as_}
    audit.record(tx, now, "permission.deny", f"agent:{known.slug}", came_from="agent", words=verdict.why, evidence=evidence)


def ask(tx: Session, now: datetime, known: Known, asking: Asking, verdict: Verdict) -> Permit:
    """The rules want a person's yes: use one that is there, wait for one that is asked for, or ask."""
    doc = asking.action.doc()
    digest = hash_of(doc)
    # Two who ask the same in the same moment make one request: the second waits here for the first.
    agent = tx.scalars(select(Agent).where(Agent.id == known.agent_id).with_for_update(key_share=True)).one()
    person = person_for_report(tx, asking.triggered_by, None) if asking.triggered_by else None
    earlier = _earlier(tx, now, known.agent_id, asking.ext_id, digest, person.id if person is not None else None)
    if earlier is not None:
        request = flows.held(tx, earlier) or tx.get_one(Request, earlier)
        answered = _by_earlier(tx, now, known, request, asking, verdict)
        if answered is not None:
            return answered
    context = asking.context if known.spec.data.store_text is not False else None
    request = Request(
        agent_id=known.agent_id, ext_id=asking.ext_id or _free_id(tx, known.agent_id, digest), occurred_at=now, received_at=now, content="permission", kind="approval",
        title=asking.title or _title(asking.action), context=context, action=doc, action_hash=digest, rule=verdict.rule if verdict.rule != "none" else None,
        triggered_by=person.id if person is not None else None, deadline_at=asking.deadline, state="open",
    )  # fmt: skip
    tx.add(request)
    tx.flush()
    flows.begin(tx, now, request, agent)
    return Permit(verdict, as_json(tx, request, known.slug))


def _earlier(tx: Session, now: datetime, agent_id: int, ext_id: str | None, digest: str, trigger_id: int | None) -> int | None:
    """The request that answers already. What somebody else triggered does not, but for its no: its yes might be the asker's own."""
    if ext_id is not None:
        found = request_by_ext(tx, agent_id, ext_id)
        if found is not None and found.action_hash != digest:
            raise Conflict(f"the id {ext_id!r} belongs to a request for another action: a yes holds only for exactly what was shown")
        if found is not None and trigger_id not in (None, found.triggered_by):
            raise Conflict(f"the id {ext_id!r} belongs to a request that somebody else triggered: ask with another id")
        return found.id if found is not None else None
    sought = select(Request).where(Request.agent_id == agent_id, Request.action_hash == digest, Request.kind == "approval")
    for earlier in tx.scalars(sought.order_by(Request.id.desc()).limit(LOOKED_BACK)):
        if trigger_id in (None, earlier.triggered_by) or before(asked_of(earlier), now, named=False) is Before.NO:
            return earlier.id
    return None


def _by_earlier(tx: Session, now: datetime, known: Known, request: Request, asking: Asking, verdict: Verdict) -> Permit | None:
    """What an earlier request about exactly this action answers; None where it has to be asked anew."""
    named = asking.ext_id is not None
    found = before(asked_of(request), now, named=named)
    told = someone(tx, request.decided_by)
    by = told.name if told else "nobody in time, so what was agreed for that holds"
    if found is Before.OPEN:
        return Permit(Verdict(Decision.ASK, verdict.rule, "a person is asked already"), as_json(tx, request, known.slug))
    if found is Before.USE and flows.use(tx, now, request):
        return Permit(Verdict(Decision.ALLOW, "approval", f"approved by {by}, for this one time"), as_json(tx, request, known.slug))
    if found is Before.NO:
        why = "the approval was taken back" if request.undone_at is not None else f"a person rejected it: {by}" if request.state == "rejected" else "nobody answered in time"
        refused = Verdict(Decision.DENY, "approval", why)
    elif named and found is Before.USED:
        refused = Verdict(Decision.DENY, "approval", "this approval was used already: ask again with another id")
    elif named:
        over = "it was withdrawn" if request.state == "withdrawn" else "the yes was not used within 24 hours"
        refused = Verdict(Decision.DENY, "approval", f"{over}: ask again with another id")
    else:
        return None
    deny(tx, now, known, asking.action, refused)
    return Permit(refused, as_json(tx, request, known.slug))


def _free_id(tx: Session, agent_id: int, digest: str) -> str:
    """An id for a request whose agent gave none."""
    base = f"permission-{digest[:16]}"
    taken = len(list(tx.scalars(select(Request.id).where(Request.agent_id == agent_id, Request.action_hash == digest))))
    while request_by_ext(tx, agent_id, f"{base}-{taken + 1}") is not None:
        taken += 1
    return f"{base}-{taken + 1}"


def _title(action: Action) -> str:
    return f"{action.name} on {action.on}"[:300] if action.on else action.name

