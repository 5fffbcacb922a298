"""What the page asks for: state, history, posting, pressing, forms, and the stream of what changes."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bot.workspace import acts, messages, payloads, ui_acts, ui_state
from bot.workspace.errors import JsonAnswer
from bot.workspace.things import ts_micros
from bot.workspace.ui_state import known_person, seen_channel
from bot.workspace.workspace import Workspace

PAGE = Path(__file__).parent / "page"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache", "X-Frame-Options": "DENY",
}
PING_SECONDS = 15


class LoopbackOnly:
    """Refuses foreign `Host` and `Origin` on the page and everything it calls: other sites must not reach in."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = {key.decode().lower(): value.decode("latin-1") for key, value in scope["headers"]}
            host, origin = headers.get("host", ""), headers.get("origin")
            if not is_loopback(host) or (origin is not None and urlsplit(origin).netloc != host):
                refusal = JsonAnswer({"ok": False, "error": "only from this machine"}, 403)
                await refusal(scope, receive, send)
                return
        await self.app(scope, receive, send)


def is_loopback(host: str) -> bool:
    try:
        return urlsplit(f"//{host}").hostname in LOOPBACK
    except ValueError:
        return False


def routes() -> list[BaseRoute]:
    return [
        Route("/", index), Route("/page/{file:path}", static),
        Route("/ui/state", state), Route("/ui/history", history), Route("/ui/thread", thread),
        Route("/ui/stream", stream), Route("/ui/file/{file}", file), Route("/ui/options", options),
        *(Route(f"/ui/{name}", answering(run), methods=["POST"]) for name, run in ui_acts.POSTS.items()),
    ]


def answering(run: ui_acts.Act) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that reads JSON, finds who acts and answers `{ok, error?}`."""

    async def endpoint(request: Request) -> Response:
        ws: Workspace = request.app.state.workspace
        try:
            body = await request.json()
            answer = await run(ws, known_person(ws, body), body)
        except (ValueError, TypeError, AttributeError) as wrong:
            return JsonAnswer({"ok": False, "error": f"not understood: {wrong}"}, 400)
        except LookupError as missing:
            return JsonAnswer({"ok": False, "error": str(missing).strip("'\"")}, 404)
        return JsonAnswer({"ok": True, **answer})

    return endpoint


# the page and its files ---------------------------------------------------------------------------------------
async def index(request: Request) -> Response:
    return FileResponse(PAGE / "index.html", headers=HEADERS)


async def static(request: Request) -> Response:
    path = (PAGE / request.path_params["file"]).resolve()
    if not path.is_relative_to(PAGE) or not path.is_file():
        return Response("not found", 404, HEADERS)
    return FileResponse(path, headers=HEADERS)


# reading ------------------------------------------------------------------------------------------------------
async def state(request: Request) -> Response:
    """Everything but messages. Without `as` the first person looks; loading it drops the ephemeral messages."""
    ws: Workspace = request.app.state.workspace
    wanted = request.query_params.get("as", "")
    person = ws.store.people.get(wanted)
    if person is None or person.is_bot or person.deleted:
        person = next((p for p in ws.store.people.values() if not p.is_bot and not p.deleted), None)
    if person is None:
        return JsonAnswer({"ok": False, "error": "nobody lives in this workspace yet"}, 404)
    for note in ws.notes:
        if note["person"] == person.id and not note["gone"]:
            note["gone"] = "reloaded"
    return JsonAnswer({"ok": True, **ui_state.state(ws, person)})


async def history(request: Request) -> Response:
    ws: Workspace = request.app.state.workspace
    query = request.query_params
    try:
        person = known_person(ws, query)
        channel = seen_channel(ws, person, query.get("channel"))
        limit = max(1, min(200, int(query.get("limit") or 50)))
    except LookupError as missing:
        return JsonAnswer({"ok": False, "error": str(missing)}, 404)
    except ValueError:
        return JsonAnswer({"ok": False, "error": "limit is a number"}, 400)
    before = ts_micros(query.get("before", "")) or 2**62
    rows = ws.store.history(channel.id, limit + 1, latest=before)
    shown = [messages.without_metadata(message) for message in reversed(rows[:limit])]
    oldest = ts_micros(shown[0]["ts"]) if len(rows) > limit else 0
    notes = [
        n["message"] for n in ws.notes
        if n["person"] == person.id and n["channel"] == channel.id and not n["gone"]
        and not n["message"].get("thread_ts") and oldest <= ts_micros(n["message"]["ts"]) < before
    ]
    both = sorted([*shown, *notes], key=lambda message: ts_micros(message["ts"]))
    return JsonAnswer({"messages": both, "has_more": len(rows) > limit})


async def thread(request: Request) -> Response:
    ws: Workspace = request.app.state.workspace
    query = request.query_params
    try:
        person = known_person(ws, query)
        channel = seen_channel(ws, person, query.get("channel"))
    except LookupError as missing:
        return JsonAnswer({"ok": False, "error": str(missing)}, 404)
    ts = query.get("ts", "")
    notes = [
        n["message"] for n in ws.notes
        if n["person"] == person.id and n["channel"] == channel.id and not n["gone"]
        and n["message"].get("thread_ts") == ts
    ]
    rows = [messages.without_metadata(message) for message in ws.store.thread(channel.id, ts)]
    return JsonAnswer({"messages": sorted([*rows, *notes], key=lambda message: ts_micros(message["ts"]))})


async def file(request: Request) -> Response:
    ws: Workspace = request.app.state.workspace
    known = ws.store.file(request.path_params["file"])
    person = str(request.query_params.get("as"))
    if known is None or known[1] is None or (person not in known[0].get("people", []) and not any(
        channel in ws.store.channels and (person in ws.store.channels[channel].members
                                          or ws.store.channels[channel].kind == "channel")
        for channel in known[0].get("channels", [])
    )):
        return Response("not found", 404)
    name = known[0]["name"].encode("ascii", "replace").decode().replace('"', "'")
    image = known[0]["mimetype"] in ("image/png", "image/jpeg", "image/gif", "image/webp")
    kind = known[0]["mimetype"] if image else "application/octet-stream"
    headers = {**HEADERS, "Content-Disposition": f'{"inline" if image else "attachment"}; filename="{name}"'}
    return Response(known[1], headers=headers, media_type=kind)


async def options(request: Request) -> Response:
    """Suggestions for an external menu: `channel` and `ts`, or `view_id`, then `action_id`, `block_id`, `value`."""
    ws: Workspace = request.app.state.workspace
    query = request.query_params
    try:
        person = known_person(ws, query)
        if view_id := query.get("view_id"):
            view = ws.view(view_id)
            app, place = ws.store.apps[view["app_id"]], {
                "container": {"type": "view", "view_id": view_id}, "view": payloads.shown_view(view),
            }
        else:
            channel = seen_channel(ws, person, query.get("channel"))
            message, ephemeral = ui_acts.shown_message(ws, person, channel, query)
            app = acts.message_app(ws, message)
            place = acts.message_place(ws, app, person, channel, message, ephemeral)
    except LookupError as missing:
        return JsonAnswer({"ok": False, "error": str(missing)}, 404)
    answer = await acts.suggest(
        ws, person, app, place, query.get("action_id", ""), query.get("block_id", ""), query.get("value", "")
    )
    body = answer.body if isinstance(answer.body, dict) else {}
    return JsonAnswer({"ok": answer.ok, **{k: body[k] for k in ("options", "option_groups") if k in body}})


async def stream(request: Request) -> Response:
    """Server-sent events for one person's page."""
    ws: Workspace = request.app.state.workspace
    person = request.query_params.get("as", "")
    if person not in ws.store.people:
        return Response("not found", 404)
    queue = ws.hub.open(person)

    async def lines() -> AsyncIterator[str]:
        try:
            yield ": hello\n\n"
            while not ws.hub.closed:
                try:
                    async with asyncio.timeout(PING_SECONDS):
                        news = await queue.get()
                except TimeoutError:
                    yield ": ping\n\n"
                    continue
                if news["type"] == "bye":
                    return
                if news["type"] == "channel":
                    news = ui_state.channel_news(ws, person, news)
                yield f"data: {json.dumps(news)}\n\n"
        finally:
            ws.hub.leave(person, queue)

    return StreamingResponse(lines(), media_type="text/event-stream", headers={**HEADERS, "X-Accel-Buffering": "no"})
