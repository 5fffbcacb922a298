"""`GET /v1/agents` and `/v1/agents/{id}`: the health of agents as JSON, for tokens with the scope `read`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.agents.reading import ROLE_WORDS, agent_by_slug
from bot.clock import Clock
from bot.intake.doors import Denied, Doors
from bot.lanes import Lanes
from bot.quality.sprinting import sprint_of_fleet
from bot.quality.words import FEW
from bot.status.believed import as_json as believed_as_json
from bot.status.facts import Depth, Line
from bot.status.reading import depth, lines_of
from bot.status.sprints import as_json as sprint_as_json
from bot.tables import Agent, AgentNow

PAGE = 100
MOST = 500


def routes(doors: Doors, lanes: Lanes, clock: Clock) -> list[Route]:
    """The reading routes of agents."""

    async def agents(request: Request) -> Response:
        try:
            bearer = await doors.admit(_authorization(request), "read")
            limit = _whole(request.query_params.get("limit"), PAGE)
        except Denied as error:
            return _problem(error.status, error.code, error.detail)
        except ValueError as error:
            return _problem(400, "limit", str(error))
        after = request.query_params.get("after", "")
        department = request.query_params.get("department")
        return _json(await lanes.read(lambda tx: list_agents(tx, bearer.agents, after, department, limit)))

    async def agent(request: Request) -> Response:
        slug = request.path_params["slug"]
        try:
            bearer = await doors.admit(_authorization(request), "read")
        except Denied as error:
            return _problem(error.status, error.code, error.detail)
        now = clock.now()
        # An agent outside the token's list is answered like one that is not there: its existence is not told.
        told = await lanes.read(lambda tx: one_agent(tx, now, slug)) if bearer.agents is None or slug in bearer.agents else None
        return _json(told) if told is not None else _problem(404, "unknown_agent", f"there is no agent {slug[:64]!r} that this token may read")

    async def sprint(request: Request) -> Response:
        try:
            bearer = await doors.admit(_authorization(request), "read")
        except Denied as error:
            return _problem(error.status, error.code, error.detail)
        department = request.query_params.get("department")
        return _json(sprint_as_json(await lanes.read(lambda tx: sprint_of_fleet(tx, department, bearer.agents))))

    return [Route("/v1/sprint", sprint, methods=["GET"]), Route("/v1/agents", agents, methods=["GET"]), Route("/v1/agents/{slug}", agent, methods=["GET"])]


def list_agents(tx: Session, allowed: frozenset[str] | None, after: str, department: str | None, limit: int) -> dict[str, Any]:
    """One page of agents in the order of their ids; `next` is the `after` of the following page."""
    sought = select(Agent, AgentNow).outerjoin(AgentNow, AgentNow.agent_id == Agent.id).where(Agent.archived_at.is_(None), Agent.slug > after)
    if allowed is not None:
        sought = sought.where(Agent.slug.in_(sorted(allowed)))
    if department is not None:
        sought = sought.where(Agent.department == department)
    rows = [(agent, now) for agent, now in tx.execute(sought.order_by(Agent.slug).limit(limit + 1))]
    told = [as_json(line) for line in lines_of(tx, rows[:limit])]
    return {"agents": told, "next": told[-1]["id"] if len(rows) > limit else None}


def one_agent(tx: Session, now: datetime, slug: str) -> dict[str, Any] | None:
    """One agent in depth; None where there is none."""
    agent = agent_by_slug(tx, slug)
    return depth_as_json(depth(tx, now, agent)) if agent is not None else None


def as_json(line: Line) -> dict[str, Any]:
    """An agent at a glance."""
    return {
        "id": line.slug,
        "name": line.name,
        "department": line.department,
        "timezone": line.zone,
        "verdict": line.verdict,
        "why": line.why,
        "quality": {**_told(line.share, line.low, line.high, line.n, people=not line.machine), "machine_judged": line.machine},
        "last_heard_at": line.last_at.isoformat() if line.last_at else None,
        "problems": [{"title": each.title, "says": each.says, "severity": each.severity, "since": each.since.isoformat()} for each in line.problems],
        "page_unacknowledged": line.calling,
        "owners": {ROLE_WORDS[each.role].replace(" ", "_"): {"name": each.name, "slack": each.slack_id, "confirmed": each.confirmed} for each in line.owners.all()},
    }


def depth_as_json(found: Depth) -> dict[str, Any]:
    """An agent in depth."""
    base = found.baseline
    return {
        **as_json(found.line),
        "target": {"share": found.target, "default": found.default_target},
        "scores": {source: _told(score.share, score.low, score.high, score.n, people=source.startswith("people")) for source, score in found.scores.items()},
        "baseline": {"share": base.share, "n": base.n, "label": base.label, "first_day": base.first_day, "last_day": base.last_day} if base else None,
        "quality_behind": believed_as_json(found.believed),
        "days": {"first": found.first_day, "last": found.last_day, "quality": list(found.quality_days), "outputs": list(found.output_days)},
        "week": {**found.week.as_json(), "costs": {currency: f"{nano / 1e9:.9f}" for currency, nano in found.week.costs.items()}},
        "incidents": [{"id": each.id, "title": each.title, "since": each.opened_at.isoformat()} for each in found.incidents],
        "changes": [{"input": each.input, "version": each.version, "at": each.occurred_at.isoformat(), "note": each.note} for each in found.changes],
        "stage": {"stage": found.stage.stage, "since": found.stage.since.isoformat(), "reason": found.stage.reason} if found.stage else None,
        "drift": list(found.drift),
        "quiet": list(found.quiet),
        "checks_silenced": [{"name": each.name, "since": each.wrong_at.isoformat(), "says": each.says} for each in found.silenced if each.wrong_at],
        "channel": found.channel,
        "next_digest_at": found.next_digest.isoformat() if found.next_digest else None,
    }


def _told(share: float | None, low: float | None, high: float | None, n: int, *, people: bool) -> dict[str, Any]:
    """A score; of very few people's judgements only their number, as in every message."""
    hidden = people and n < FEW
    return {"share": None if hidden else share, "low": None if hidden else low, "high": None if hidden else high, "n": n}


def _authorization(request: Request) -> bytes | None:
    header = request.headers.get("authorization")
    return header.encode("latin-1") if header is not None else None


def _whole(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not text.isdigit() or not 1 <= int(text[:6]) <= MOST or len(text) > 6:
        raise ValueError(f"limit is a number from 1 to {MOST}")
    return int(text)


def _json(told: Any) -> Response:
    return Response(orjson.dumps(told), media_type="application/json", headers={"cache-control": "no-store"})


def _problem(status: int, code: str, detail: str) -> Response:
    titles = {400: "The request cannot be read", 401: "Who is asking?", 403: "This token may not do this", 404: "Not found"}
    body = {"type": "about:blank", "title": titles[status], "status": status, "code": code, "detail": detail}
    headers = {"www-authenticate": "Bearer"} if status == 401 else {}
    return Response(orjson.dumps(body), status_code=status, media_type="application/problem+json", headers=headers)
