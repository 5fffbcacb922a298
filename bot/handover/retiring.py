"""An agent ends its work, and nothing of it is left lying; within a month it may come back: in one open transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from bot import audit
from bot.agents import owners
from bot.agents.introductions import introduce
from bot.agents.reading import retired_words
from bot.agents.slack import BACK_WITHIN
from bot.blocks import escape
from bot.clock import Ids
from bot.db import wake
from bot.handover.knowledge import open_things
from bot.handover.telling import Open
from bot.incidents.passing import close_follow_ups, close_for_good, give_incident, open_follow_ups, pass_follow_ups
from bot.incidents.reading import open_incidents
from bot.lists import flows as lists
from bot.paging.answering.handing import close_all
from bot.people.flows import owners_of, shared_registry
from bot.people.tokens import mint_token, revoke_tokens_of
from bot.quality.flows import mark_dirty
from bot.requests.passing import withdraw_all
from bot.stages.flows import MEANING, order_stage, stage_of
from bot.stages.rules import FREEDOM
from bot.tables import Agent, Person, Problem, Request, Stage, StageOrder, Token

BEGINS_AS = ("shadow", "assisted")  # who comes back shows itself first


@dataclass(frozen=True)
class Retired:
    """What became of what was open."""

    problems: int
    incidents: int
    kept: tuple[int, ...]  # incidents that would not close, and run on
    follow_ups: int
    requests: int
    tokens: int
    shared: int  # tokens that speak for other agents too, and stay
    heir: str = ""


def standing_open(tx: Session, now: datetime, agent: Agent) -> tuple[Open, ...]:
    """What is open of it, for the form."""
    return open_things(tx, now, agent, None)


def dependents_of(tx: Session, agent: Agent) -> list[str]:
    """The ids of agents that cannot work without it, by the registry file."""
    needs = shared_registry(tx).get("depends_on", {})
    return sorted(slug for slug, refs in needs.items() if any(str(ref).partition("/")[0] == agent.slug for ref in refs))


def tokens_of(tx: Session, agent: Agent) -> int:
    """How many tokens speak for it alone."""
    return sum(row.agents == [agent.slug] for row in tx.scalars(select(Token).where(Token.agents.is_not(None), Token.revoked_at.is_(None))))


def retire(tx: Session, now: datetime, agent: Agent, by: Person, reason: str, heir: Person | None) -> Retired:
    """End its work: pages, then incidents, requests, the order to stop, tokens. Incidents and follow-ups close, or go to the heir. Leave was asked before."""
    why = f"{agent.name} was retired by {by.name or 'somebody'}: {reason}"
    # 1. Nobody is called about it any more: pages first, in the order in which everybody takes their locks.
    problems = close_all(tx, now, agent, by, why)
    # 2. The order itself: from here on its gate says so, its webhook hears it, and its channel reads it.
    order_stage(tx, now, agent, "retired", by.id, reason)
    # 3. What people still do about it.
    incidents, kept = _incidents(tx, now, agent, by, why, heir)
    if heir is not None:
        follow_ups = len(open_follow_ups(tx, agent.id))
        pass_follow_ups(tx, now, agent, None, heir, by)
    else:
        follow_ups = close_follow_ups(tx, now, agent, by, why)
    requests = withdraw_all(tx, now, agent, by.id, why)
    # 4. Nothing speaks for it any more, and nobody is asked about it.
    own, shared = revoke_tokens_of(tx, now, agent, f"{why[:400]}. Nothing is taken for it any more.")
    for row in own:
        audit.record(tx, now, "token.revoke", f"token:{row.public_id}", person_id=by.id, words=row.name, evidence={"agent": agent.slug})
    owners.end_asking(tx, now, agent)
    done = Retired(problems, incidents, kept, follow_ups, requests, len(own), len(shared), heir.name if heir is not None else "")
    evidence = {"problems": problems, "incidents": incidents, "kept": list(kept), "follow_ups": follow_ups, "requests": requests, "tokens": len(own), "heir": heir.id if heir is not None else None}
    audit.record(tx, now, "agent.retire", f"agent:{agent.slug}", person_id=by.id, words=reason, evidence=evidence)
    _everywhere(tx, now, agent, heir)
    return done


def _incidents(tx: Session, now: datetime, agent: Agent, by: Person, why: str, heir: Person | None) -> tuple[int, tuple[int, ...]]:
    running = open_incidents(tx, [agent.id])
    kept = []
    for incident in running:
        if heir is not None:
            give_incident(tx, now, incident, heir, by, why)
        elif not close_for_good(tx, now, incident.id, by, why):
            kept.append(incident.id)
    return len(running), tuple(kept)


def _everywhere(tx: Session, now: datetime, agent: Agent, heir: Person | None) -> None:
    mark_dirty(tx, now, [agent.id])
    if agent.channel_id:
        introduce(tx, now, agent.channel_id, only_edit=True)
    tx.flush()
    for person_id in sorted({row.person_id for row in owners_of(tx, agent.id).values()}):
        lists.changed(tx, now, person_id)
    if heir is not None:
        lists.expect(tx, now, {heir.id})
    for loop in ("quality", "lists", "checks", "probes", "handovers"):
        wake(tx, loop)


def left_over(tx: Session, now: datetime) -> bool:
    """Whether something came up for a retired agent all the same: what was under way when it retired."""
    return tx.scalars(_problems().limit(1)).first() is not None or tx.scalars(_requests().limit(1)).first() is not None


def sweep_step(tx: Session, now: datetime) -> bool:
    """End what was under way when an agent retired: a look that had begun, a request on its way; says whether there was any."""
    for agent_id in sorted({*tx.scalars(_problems().limit(20)), *tx.scalars(_requests().limit(20))}):
        agent, stage = tx.get_one(Agent, agent_id), stage_of(tx, agent_id)
        by = tx.get(Person, stage.by_id) if stage.by_id is not None else None
        if by is None:
            continue
        why = f"{agent.name} {says(tx, agent)}"
        close_all(tx, now, agent, by, why)
        withdraw_all(tx, now, agent, by.id, why)
    return False  # whatever could not be ended is looked at again in a while, not at once


def _problems() -> Select[int]:
    return select(Problem.agent_id).join(Stage, Stage.agent_id == Problem.agent_id).where(Problem.closed_at.is_(None), Stage.stage == "retired", Stage.by_id.is_not(None)).distinct()


def _requests() -> Select[int]:
    return select(Request.agent_id).join(Stage, Stage.agent_id == Request.agent_id).where(Request.state == "open", Stage.stage == "retired", Stage.by_id.is_not(None)).distinct()


# --- coming back ----------------------------------------------------------------------------------------------------------


def back_until(tx: Session, agent: Agent) -> datetime:
    """Until when it may be brought back."""
    return stage_of(tx, agent.id).since + BACK_WITHIN


def may_begin_as(tx: Session, agent: Agent) -> list[tuple[str, str]]:
    """The stages as which it may begin again, the freest first, with what each means: never freer than it was."""
    before = tx.scalars(select(StageOrder.before).where(StageOrder.agent_id == agent.id, StageOrder.stage == "retired").order_by(StageOrder.rev.desc()).limit(1)).first()
    most = before if before in FREEDOM else "shadow"
    found = [each for each in BEGINS_AS if FREEDOM.index(each) <= max(FREEDOM.index(most), FREEDOM.index("shadow"))]
    return [(each, MEANING[each]) for each in reversed(found)]


def bring_back(tx: Session, now: datetime, ids: Ids, agent: Agent, by: Person, stage: str, reason: str) -> str:
    """It works again, with what it had but its tokens; returns the text of a new one. Leave was asked before."""
    order = tx.scalars(select(StageOrder).where(StageOrder.agent_id == agent.id, StageOrder.stage == "retired").order_by(StageOrder.rev.desc()).limit(1)).first()
    before = order.before if order is not None else stage
    row = order_stage(tx, now, agent, stage, by.id, reason)
    if before in FREEDOM and FREEDOM.index(before) > FREEDOM.index(stage):
        row.back_to = before  # as far as the way back goes
    text, token = mint_token(tx, now, ids, name=f"{agent.name}, made when it was brought back"[:200], scopes=["events", "telemetry", "gate", "read"], agents=[agent.slug], by=by.id)
    audit.record(tx, now, "token.make", f"token:{token.public_id}", person_id=by.id, words=token.name, evidence={"scopes": token.scopes, "agents": token.agents})
    audit.record(tx, now, "agent.bring_back", f"agent:{agent.slug}", person_id=by.id, words=reason, evidence={"stage": stage})
    owners.ask_again(tx, now, agent)
    _everywhere(tx, now, agent, None)
    return text


# --- words ------------------------------------------------------------------------------------------------------------------


def what_will_be(things: tuple[Open, ...], tokens: int, heir: str) -> list[str]:
    """The second look of the form, escaped."""
    counts = {each.one: len(each.lines) for each in things}
    told = ["It is ordered to stop: its gate and its webhook say so, and its channel reads why."]
    pages, problems = counts["open page"], counts["open problem"]
    if pages or problems:
        told.append(f"{_n(pages + problems, 'page or problem', 'pages and problems')} settle{'s' if pages + problems == 1 else ''}; everybody called is told once.")
    incidents, follow_ups = counts["running incident"], counts["follow-up"]
    if incidents or follow_ups:
        both = " and ".join(each for each in (_n(incidents, "incident", "incidents") if incidents else "", _n(follow_ups, "follow-up", "follow-ups") if follow_ups else "") if each)
        told.append(f"{both} go{'es' if incidents + follow_ups == 1 else ''} to {escape(heir)}." if heir else f"{both} close{'s' if incidents + follow_ups == 1 else ''} with your reason; what was left of the checklists is waived.")
    if counts["request"]:
        told.append(f"{_n(counts['request'], 'request is', 'requests are')} withdrawn, and its webhook hears it.")
    told.append(f"{_n(tokens, 'token is', 'tokens are')} revoked, and its ping addresses are closed." if tokens else "Its ping addresses are closed.")
    told.append("Its checks rest; status, summaries and `/aiops agent` say that it is retired.")
    return told


def what_became(agent: Agent, done: Retired) -> str:
    """After the press, escaped."""
    ended = [_n(done.problems, "problem", "problems") + " settled"] if done.problems else []
    if done.incidents:
        ended.append(f"{_n(done.incidents, 'incident', 'incidents')} {'given to ' + escape(done.heir) if done.heir else 'closed'}")
    if done.follow_ups:
        ended.append(f"{_n(done.follow_ups, 'follow-up', 'follow-ups')} {'given to ' + escape(done.heir) if done.heir else 'closed'}")
    if done.requests:
        ended.append(f"{_n(done.requests, 'request', 'requests')} withdrawn")
    if done.tokens:
        ended.append(f"{_n(done.tokens, 'token', 'tokens')} revoked")
    said = f"{escape(agent.name)} is retired. " + (f"{', '.join(ended)}. " if ended else "")
    if done.kept:
        said += f"Still running, since something of them is open elsewhere: {', '.join(f'#{number}' for number in done.kept)}. "
    if done.shared:
        said += f"{_n(done.shared, 'token', 'tokens')} for other agents too stay{'s' if done.shared == 1 else ''}; what comes with {'it' if done.shared == 1 else 'them'} for this agent is refused. "
    return said + "Its channel reads it; it can be brought back for 30 days: `/aiops agent bring-back " + agent.slug + "`."


def says(tx: Session, agent: Agent) -> str:
    """`was retired on 2026-11-21 by Hala: the new desk does it`; empty where it is at work."""
    return retired_words(tx, [agent.id]).get(agent.id, "")


def _n(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
