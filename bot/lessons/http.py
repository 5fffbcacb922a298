"""`GET /v1/agents/{id}/lessons`: failing outputs as lines of JSON, for tokens with the scope `read`."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime
from urllib.parse import urlencode

from pydantic_core import PydanticCustomError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.agents.reading import agent_by_slug
from bot.clock import Clock
from bot.intake.answers import authorization, problem
from bot.intake.doors import Denied, Doors
from bot.intake.events import read_time
from bot.lanes import Lanes
from bot.lessons.reading import BadCursor, Found, Place, failing, written

PAGE, MOST = 100, 500
NDJSON = "application/x-ndjson"


def route(doors: Doors, lanes: Lanes, clock: Clock) -> Route:
    """The one route that tells lessons."""

    async def lessons(request: Request) -> Response:
        slug, asked = request.path_params["slug"], request.query_params
        try:
            bearer = await doors.admit(authorization(request), "read")
        except Denied as error:
            return problem(error.status, error.code, error.detail)
        try:
            limit, since, after = limit_of(asked.get("limit")), moment_of(asked.get("since")), Place.read(asked["cursor"]) if asked.get("cursor") else None
        except BadCursor as error:
            return problem(400, "cursor", str(error))
        except ValueError as error:
            return problem(400, "bad_value", str(error))

        def look(tx):  # type: ignore[no-untyped-def]
            agent = agent_by_slug(tx, slug)
            return failing(tx, agent, after=after, since=since, limit=limit) if agent is not None else None

        # An agent outside the token's list is answered like one that is not there: its existence is not told.
        found: Found | None = await lanes.read(look) if bearer.agents is None or slug in bearer.agents else None
        if found is None:
            return problem(404, "unknown_agent", f"there is no agent {slug[:64]!r} that this token may read")
        page = await asyncio.to_thread(written, found, clock.now())
        body = b"".join(line + b"\n" for line in page.lines)
        cursor = page.resume.write()
        etag = f'"{hashlib.blake2b(body + cursor.encode(), digest_size=16).hexdigest()}"'
        headers = {"ETag": etag, "Cache-Control": "no-cache", "Aiops-Cursor": cursor}
        if page.more:
            headers["Link"] = f'<{request.url.path}?{urlencode({"cursor": cursor, "limit": limit})}>; rel="next"'
        if etag in [each.strip() for each in request.headers.get("if-none-match", "").split(",")]:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=NDJSON, headers=headers)

    return Route("/v1/agents/{slug}/lessons", lessons, methods=["GET"])


def limit_of(text: str | None) -> int:
    """How many lines; raises ValueError with the remedy."""
    if text is None:
        return PAGE
    if not text.isdigit() or len(text) > 6 or not 1 <= int(text) <= MOST:
        raise ValueError(f"`limit` is a number from 1 to {MOST}")
    return int(text)


def moment_of(text: str | None) -> datetime | None:
    """A time with its zone, or a day (UTC); raises ValueError with the remedy."""
    if not text:
        return None
    try:
        if len(text) == 10:
            return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        return read_time(text.replace(" ", "+"))
    except (ValueError, PydanticCustomError):
        raise ValueError("`since` is a day such as 2026-11-20, or a time with its zone such as 2026-11-20T08:00:00Z") from None
