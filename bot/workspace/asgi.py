"""The workspace as an ASGI application: the Web API, sockets, response_urls, uploads, faults and the page."""

import json
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from bot.workspace import api, ui
from bot.workspace.drop import drop_connection
from bot.workspace.errors import JsonAnswer, SlackError
from bot.workspace.responses import use_response_url
from bot.workspace.workspace import Workspace


def create_workspace(workspace: Workspace) -> Starlette:
    """The application that serves one workspace; mount it or run it by itself."""
    app = Starlette(routes=routes(), middleware=[Middleware(ui.LoopbackOnly)])
    app.state.workspace = workspace
    return app


def routes() -> list[BaseRoute]:
    return [
        Route("/api/{method}", api.handle, methods=["GET", "POST"]),
        Route("/response/{team}/{secret}", respond, methods=["POST"]),
        Route("/upload/{file}", upload, methods=["POST", "PUT"]),
        Route("/files-pri/{file}", download, methods=["GET"]),
        Route("/faults", faults, methods=["GET", "POST"]),
        WebSocketRoute("/socket/{ticket}", socket),
        *ui.routes(),
    ]


async def socket(connection: WebSocket) -> None:
    ws: Workspace = connection.app.state.workspace
    await ws.sockets.serve(connection)


async def respond(request: Request) -> Response:
    """A message sent to a response_url."""
    ws: Workspace = request.app.state.workspace
    raw = await request.body()
    try:
        body: Any = json.loads(raw)
    except ValueError:
        return JsonAnswer({"ok": False, "error": "invalid_payload"}, 400)
    faults = ws.faults.strike("response_url", body if isinstance(body, dict) else {})
    kinds = {fault.kind for fault in faults}
    try:
        for fault in faults:
            await api.trouble_before(fault)
        if "drop_before" in kinds:
            return drop_connection(request)
        use_response_url(ws, request.path_params["secret"], body)
    except SlackError as refused:
        status = refused.status if refused.status != 200 else 400
        return JsonAnswer(refused.body(), status, refused.headers)
    if "drop_after" in kinds:
        return drop_connection(request)
    return JsonAnswer({"ok": True})


async def upload(request: Request) -> Response:
    """The bytes of a file, to the address that files.getUploadURLExternal gave out."""
    ws: Workspace = request.app.state.workspace
    known = ws.store.file(request.path_params["file"])
    if known is None or known[1] is not None:
        return Response("not found", 404)
    try:
        for fault in ws.faults.strike("upload", {"file": known[0]["id"]}):
            await api.trouble_before(fault)
            if fault.kind.startswith("drop"):
                return drop_connection(request)
    except SlackError as refused:
        return Response(refused.name, refused.status, refused.headers)
    content = await request.body()
    ws.store.put_file({**known[0], "size": len(content)}, content)
    return Response(f"OK - {len(content)}")


async def download(request: Request) -> Response:
    """url_private: for whoever holds a token of an installed app."""
    ws: Workspace = request.app.state.workspace
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    known = ws.store.file(request.path_params["file"])
    allowed = any(app.installed and token == app.bot_token for app in ws.store.apps.values())
    if known is None or known[1] is None or not allowed:
        return Response("not found", 404)
    return Response(known[1], media_type=known[0]["mimetype"])


async def faults(request: Request) -> Response:
    """Arms and clears faults from outside; see faults.py for the words."""
    ws: Workspace = request.app.state.workspace
    if request.method == "POST":
        try:
            change_faults(ws, await request.json())
        except (ValueError, TypeError, AttributeError, LookupError) as wrong:
            return JsonAnswer({"ok": False, "error": str(wrong)}, 400)
    return JsonAnswer({"ok": True, **ws.faults.show()})


def change_faults(ws: Workspace, orders: dict[str, Any]) -> None:
    if unknown := set(orders) - {"clear", "add", "outage", "slow", "revoke", "charts", "limits"}:
        raise ValueError(f"unknown orders: {sorted(unknown)}")
    if orders.get("clear"):
        ws.faults.clear()
    for fault in orders.get("add", []):
        ws.faults.add(**fault)
    if "outage" in orders:
        ws.faults.outage = bool(orders["outage"])
    if "slow" in orders:
        ws.faults.slow = float(orders["slow"])
    if "revoke" in orders:
        ws.revoke(str(orders["revoke"]))
    if "charts" in orders:
        ws.charts = bool(orders["charts"])
    if "limits" in orders:
        ws.limits.enforce = orders["limits"] == "slack"
