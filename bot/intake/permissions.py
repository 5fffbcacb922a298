"""`POST /v1/permissions/check`: may the agent do exactly this now? allow, ask (a person is asked by it) or deny."""

from __future__ import annotations

from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.clock import Clock
from bot.db import is_outage
from bot.intake.answers import authorization, problem
from bot.intake.doors import Denied, Doors
from bot.intake.events import ActionPart, Ident, Moment, PersonRef, RequestContext
from bot.intake.judging import DEPTH, depth_of, find_text
from bot.intake.requests import action_of, too_long
from bot.lanes import Lanes, LanesClosed, Urgency
from bot.requests import permits
from bot.requests.counting import Allowed
from bot.requests.permits import Asking, Book, Conflict, Permit
from bot.requests.rules import Decision, hash_of

BODY = 256 * 1024  # bytes


class CheckIn(BaseModel):
    """The question."""

    model_config = ConfigDict(extra="forbid")

    agent: str = Field(min_length=1, max_length=128, description="The agent's id in the registry.")
    action: ActionPart = Field(description="Exactly what it wants to do.")
    id: Ident | None = Field(None, description="Of the request, where a person has to be asked; the same id again asks how that stands. Without it the action itself is recognised.")
    title: str | None = Field(None, min_length=1, max_length=300, description="What it is about, in a line, for whoever decides.")
    context: RequestContext | None = None
    triggered_by: PersonRef | None = Field(None, description="Who had the agent do this (Slack id or e-mail): they may not approve it.")
    deadline: Moment | None = Field(None, description="After this no answer helps any more.")


def route(doors: Doors, lanes: Lanes, clock: Clock, allowed: Allowed, book: Book) -> Route:
    """The one route that answers; an allow writes nothing but a counter."""
    async def check(request: Request) -> Response:
        try:
            bearer = await doors.admit(authorization(request), "permissions")
        except Denied as error:
            return problem(error.status, error.code, error.detail)
        asked = _read(await request.body())
        if isinstance(asked, Response):
            return asked
        action, slug = action_of(asked.action), asked.agent
        if (long := too_long(action)) is not None:
            return problem(422, "too_long", long, field="action")
        now = clock.now()

        known = None
        if bearer.agents is None or slug in bearer.agents:
            known = book.remembered(slug) or await lanes.read(lambda tx: book.read(tx, slug))
        if known is None:
            return problem(404, "unknown_agent", f"there is no agent {slug[:64]!r} that this token may ask for")
        verdict = permits.verdict_of(known, action, now)
        if verdict.decision is Decision.ALLOW:
            allowed.add(known.agent_id, verdict.rule, now)
            return _told(Permit(verdict), action.doc(), allowed)
        if verdict.decision is Decision.DENY:
            await lanes.write(lambda tx: permits.deny(tx, now, known, action, verdict), urgency=Urgency.PAGE)
            return _told(Permit(verdict), action.doc(), allowed)
        context = asked.context.model_dump(exclude_none=True) if asked.context is not None else None
        asking = Asking(action, asked.id, asked.title, context, asked.triggered_by, asked.deadline)
        try:
            return _told(await lanes.write(lambda tx: permits.ask(tx, now, known, asking, verdict), urgency=Urgency.PAGE), action.doc(), allowed)
        except Conflict as error:
            return problem(409, "id_conflict", str(error), field="id")

    async def safely(request: Request) -> Response:
        try:
            return await check(request)
        except Exception as error:
            if is_outage(error) or isinstance(error, LanesClosed):
                return problem(503, "away", "the database is away for the moment: ask again in two seconds, and do nothing meanwhile")
            raise

    return Route("/v1/permissions/check", safely, methods=["POST"])


def _read(body: bytes) -> CheckIn | Response:
    """The question, or what is wrong with it."""
    if len(body) > BODY:
        return problem(413, "too_large", f"a question has at most {BODY // 1024} KiB")
    try:
        raw = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return problem(400, "not_json", f"the body is not JSON: {error}"[:300])
    if not isinstance(raw, dict):
        return problem(422, "not_an_object", 'send a JSON object: {"agent": ..., "action": {"name": ...}}')
    if depth_of(raw) > DEPTH:
        return problem(422, "too_deep", f"the question is nested deeper than {DEPTH}")
    if (found := find_text(raw, "\0")) is not None:
        return problem(422, "nul", f"`{found}` contains the character U+0000, which cannot be stored: remove it", field=found)
    try:
        return CheckIn.model_validate(raw)
    except ValidationError as error:
        first = min(error.errors(include_url=False, include_input=False), key=lambda each: {"missing": 0, "extra_forbidden": 1}.get(each["type"], 2))
        field = ".".join(str(part) for part in first["loc"])[:200]
        words = {"missing": "is missing", "extra_forbidden": "is not a field of a question"}.get(first["type"], f": {first['msg'][0].lower()}{first['msg'][1:]}")
        return problem(422, "missing_field" if first["type"] == "missing" else "bad_value", f"`{field}` {words}".replace("` :", "`:"), field=field)


def _told(permit: Permit, action: dict[str, Any], allowed: Allowed) -> Response:
    verdict = permit.verdict
    allowed.answered[verdict.decision.value] += 1
    told = {"decision": verdict.decision.value, "rule": verdict.rule, "reason": verdict.why, "action_hash": hash_of(action), "request": permit.request}
    return Response(orjson.dumps(told), media_type="application/json", headers={"cache-control": "no-store"})
