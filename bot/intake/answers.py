"""`GET /v1/agents/{agent}/requests/{id}`: what the person answered; with `?wait=30` the answer comes when it is there."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.agents.reading import agent_by_slug
from bot.intake.doors import Denied, Doors
from bot.lanes import Lanes
from bot.requests.reading import as_json, request_by_ext
from bot.requests.waiting import Board

LONGEST = 60  # seconds that one question may wait


def route(doors: Doors, lanes: Lanes, board: Board) -> Route:
    """The one route by which agents read answers."""

    async def answer(request: Request) -> Response:
        slug, ext_id = request.path_params["slug"], request.path_params["id"]
        try:
            bearer = await doors.admit(authorization(request), "read")
            seconds = _seconds(request.query_params.get("wait"))
        except Denied as error:
            return problem(error.status, error.code, error.detail)
        except ValueError as error:
            return problem(400, "wait", str(error))

        def look(tx: Session) -> tuple[int, dict[str, Any]] | None:
            agent = agent_by_slug(tx, slug)
            found = request_by_ext(tx, agent.id, ext_id) if agent is not None else None
            return (found.id, as_json(tx, found, slug)) if found is not None else None

        # An agent outside the token's list is answered like one that is not there: its existence is not told.
        told = await lanes.read(look) if bearer.agents is None or slug in bearer.agents else None
        if told is not None and told[1]["state"] == "open" and seconds:
            await board.wait(told[0], seconds)
            told = await lanes.read(look)
        if told is None:
            return problem(404, "unknown_request", f"there is no request {ext_id[:128]!r} of an agent {slug[:64]!r} that this token may read")
        return Response(orjson.dumps(told[1]), media_type="application/json", headers={"cache-control": "no-store"})

    return Route("/v1/agents/{slug}/requests/{id:path}", answer, methods=["GET"])


def _seconds(text: str | None) -> int:
    if text is None:
        return 0
    if not text.isdecimal() or not text.isascii() or len(text) > 3 or int(text) > LONGEST:
        raise ValueError(f"wait is a number of seconds from 0 to {LONGEST}")
    return int(text)


def authorization(request: Request) -> bytes | None:
    header = request.headers.get("authorization")
    return header.encode("latin-1") if header is not None else None


def problem(status: int, code: str, detail: str, **more: Any) -> Response:
    titles = {400: "The request cannot be read", 401: "Who is asking?", 403: "This token may not do this", 404: "Not found", 409: "The id is taken", 413: "Too much in one request", 422: "This cannot be asked", 503: "The database is away for the moment"}
    body = {"type": f"/docs#{code}", "title": titles[status], "status": status, "code": code, "detail": detail, **more}
    headers = {401: {"www-authenticate": 'Bearer realm="aiops"'}, 503: {"retry-after": "2"}}.get(status, {})
    return Response(orjson.dumps(body), status_code=status, media_type="application/problem+json", headers=headers)
