"""`GET /v1/agents/{id}/gate`: what an agent has to obey now, for tokens with the scope `gate`."""

from __future__ import annotations

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.intake.doors import Denied, Doors
from bot.lanes import Lanes
from bot.stages.flows import gate_of


def route(doors: Doors, lanes: Lanes) -> Route:
    """The one route that tells the stage: asked before acting, so it is one look at one row."""

    async def gate(request: Request) -> Response:
        header = request.headers.get("authorization")
        slug = request.path_params["slug"]
        try:
            bearer = await doors.admit(header.encode("latin-1") if header is not None else None, "gate")
        except Denied as error:
            return _problem(error.status, error.code, error.detail)
        # An agent outside the token's list is answered like one that is not there: its existence is not told.
        told = await lanes.read(lambda tx: gate_of(tx, slug)) if bearer.agents is None or slug in bearer.agents else None
        if told is None:
            return _problem(404, "unknown_agent", f"there is no agent {slug[:64]!r} that this token may ask about")
        headers = {"etag": f'"{told["rev"]}"', "cache-control": "no-cache"}
        if knows(request.headers.get("if-none-match", ""), headers["etag"]):
            return Response(status_code=304, headers=headers)
        return Response(orjson.dumps(told), media_type="application/json", headers=headers)

    return Route("/v1/agents/{slug}/gate", gate, methods=["GET"])


def knows(header: str, etag: str) -> bool:
    """Whether If-None-Match names this answer, by the weak comparison of RFC 9110."""
    return any(each.strip().removeprefix("W/") in (etag, "*") for each in header.split(","))


def _problem(status: int, code: str, detail: str) -> Response:
    titles = {401: "Who is asking?", 403: "This token may not do this", 404: "Not found"}
    body = {"type": "about:blank", "title": titles[status], "status": status, "code": code, "detail": detail}
    headers = {"www-authenticate": "Bearer"} if status == 401 else {}
    return Response(orjson.dumps(body), status_code=status, media_type="application/problem+json", headers=headers)
