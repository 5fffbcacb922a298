"""The Web API's front door: who calls, may they, how often, what goes wrong today, and one list of all methods."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from bot.workspace import api_chat, api_conversations, api_people, api_views
from bot.workspace.asking import Ask
from bot.workspace.drop import drop_connection
from bot.workspace.errors import JsonAnswer, SlackError, invalid_blocks
from bot.workspace.faults import AFTER, Fault
from bot.workspace.things import App, Doc

if TYPE_CHECKING:
    from bot.workspace.workspace import Workspace

Run = Callable[[Ask], Awaitable[Doc]]


@dataclass(frozen=True)
class Method:
    """`scopes` are all needed; conversations.* check by the kind of channel themselves."""

    run: Run
    scopes: tuple[str, ...] = ()
    app_token: bool = False


METHODS: dict[str, Method] = {
    "api.test": Method(api_people.api_test),
    "apps.connections.open": Method(api_people.open_connection, app_token=True),
    "auth.revoke": Method(api_people.auth_revoke),
    "auth.test": Method(api_people.auth_test),
    "blocks.validate": Method(api_chat.validate_blocks),
    "bots.info": Method(api_people.bots_info, ("users:read",)),
    "chat.delete": Method(api_chat.delete, ("chat:write",)),
    "chat.getPermalink": Method(api_chat.permalink),
    "chat.postEphemeral": Method(api_chat.post_ephemeral, ("chat:write",)),
    "chat.postMessage": Method(api_chat.post_message, ("chat:write",)),
    "chat.update": Method(api_chat.update, ("chat:write",)),
    "conversations.create": Method(api_conversations.create),
    "conversations.history": Method(api_conversations.history),
    "conversations.info": Method(api_conversations.info),
    "conversations.invite": Method(api_conversations.invite),
    "conversations.join": Method(api_conversations.join, ("channels:join",)),
    "conversations.leave": Method(api_conversations.leave),
    "conversations.list": Method(api_conversations.list_channels),
    "conversations.members": Method(api_conversations.members),
    "conversations.open": Method(api_conversations.open_channel),
    "conversations.replies": Method(api_conversations.replies),
    "dnd.info": Method(api_people.dnd_info, ("dnd:read",)),
    "dnd.teamInfo": Method(api_people.dnd_team, ("dnd:read",)),
    "files.completeUploadExternal": Method(api_views.complete_upload, ("files:write",)),
    "files.getUploadURLExternal": Method(api_views.upload_url, ("files:write",)),
    "files.info": Method(api_views.file_info, ("files:read",)),
    "reactions.add": Method(api_views.add_reaction, ("reactions:write",)),
    "reactions.get": Method(api_views.get_reactions, ("reactions:read",)),
    "reactions.remove": Method(api_views.remove_reaction, ("reactions:write",)),
    "team.info": Method(api_people.team_info, ("team:read",)),
    "usergroups.list": Method(api_people.groups_list, ("usergroups:read",)),
    "usergroups.users.list": Method(api_people.group_users, ("usergroups:read",)),
    "users.conversations": Method(api_conversations.list_of_user),
    "users.info": Method(api_people.users_info, ("users:read",)),
    "users.list": Method(api_people.users_list, ("users:read",)),
    "users.lookupByEmail": Method(api_people.lookup_by_email, ("users:read.email",)),
    "views.open": Method(api_views.open_view),
    "views.publish": Method(api_views.publish_view),
    "views.push": Method(api_views.push_view),
    "views.update": Method(api_views.update_view),
}


@dataclass(frozen=True)
class Call:
    """One call of the Web API, as the log keeps it."""

    at: datetime
    method: str
    args: Doc
    app_id: str
    ok: bool
    error: str
    status: int  # 0 when the connection was cut
    took: float
    fault: str = ""


def read_args(request: Request, body: bytes) -> Doc:
    args: Doc = dict(request.query_params)
    content = request.headers.get("content-type", "")
    if "json" in content:
        try:
            given = json.loads(body or b"{}")
        except ValueError:
            raise SlackError("invalid_json") from None
        if not isinstance(given, dict):
            raise SlackError("json_not_object")
        args |= given
    elif body:
        try:
            args |= dict(parse_qsl(body.decode(), keep_blank_values=True))
        except UnicodeDecodeError:
            raise SlackError("invalid_form_data") from None
    return args


def find_app(ws: "Workspace", token: str, method: Method) -> App:
    if not token:
        raise SlackError("not_authed")
    for app in ws.store.apps.values():
        if token in app.revoked:
            raise SlackError("token_revoked")
        if token and token in (app.bot_token, app.app_token):
            if not app.installed:
                raise SlackError("account_inactive")
            if (token == app.app_token) != method.app_token and method.run is not api_people.api_test:
                raise SlackError("not_allowed_token_type")
            return app
    raise SlackError("invalid_auth")


async def handle(request: Request) -> Response:
    """One call from start to answer."""
    ws: Workspace = request.app.state.workspace
    name, started = request.path_params["method"], time.perf_counter()
    body, app, args, headers = await request.body(), None, {}, {}
    faults: list[Fault] = []
    try:
        args = read_args(request, body)
        token = str(args.pop("token", "") or "")
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and bearer:
            token = bearer.strip()
        faults = ws.faults.strike(name, args)
        for fault in faults:
            await trouble_before(fault)
            if fault.kind == "drop_before":
                ws.log(Call(ws.now(), name, args, "", False, "dropped", 0, time.perf_counter() - started, fault.kind))
                return drop_connection(request)
        method = METHODS.get(name)
        if method is None:
            raise SlackError("unknown_method", req_method=name)
        app = find_app(ws, token, method) if name != "api.test" or token else None
        ask = Ask(ws, app, name, args, token) if app else Ask(ws, NOBODY, name, args)
        if app is not None:
            headers["x-oauth-scopes"] = ",".join(app.scopes)
            if method.scopes:
                ask.need_scope(*method.scopes)
            ws.limits.check(app.id, name, ask.text("channel"), lambda: ws.micros() / 1_000_000)
        answer, status, error = {"ok": True, **await method.run(ask)}, 200, ""
    except SlackError as refused:
        answer, status, error = refused.body(), refused.status, refused.name
        headers |= refused.headers
    after = next((fault for fault in faults if fault.kind in AFTER), None)
    for fault in faults:
        if fault.kind == "delay_after":
            await asyncio.sleep(fault.delay)
    kind = next((fault.kind for fault in faults), "")
    if after is not None and after.kind == "lose_answer" and not error:
        answer, status = {"ok": False, "error": "internal_error"}, 500
    dropped = after is not None and after.kind == "drop_after" and not error
    took = time.perf_counter() - started
    app_id = app.id if app else ""
    ws.log(Call(ws.now(), name, args, app_id, not error, error, 0 if dropped else status, took, kind))
    if dropped:
        return drop_connection(request)
    if status == 503:
        return Response("Service unavailable", 503, headers, "text/plain")
    return JsonAnswer(answer, status, headers)


async def trouble_before(fault: Fault) -> None:
    """Raises or waits as the fault says, before the call has any effect."""
    if fault.kind == "delay":
        await asyncio.sleep(fault.delay)
    elif fault.kind == "status":
        if fault.status == 429:
            raise SlackError("ratelimited", status=429, headers={"Retry-After": str(fault.retry_after or 1)})
        raise SlackError("service_unavailable" if fault.status == 503 else fault.error, status=fault.status)
    elif fault.kind == "error":
        raise SlackError(fault.error)
    elif fault.kind == "refuse_blocks":
        raise invalid_blocks(["unsupported type [json-pointer:/blocks/0/type]"])


NOBODY = App(id="", name="", bot_user_id="", bot_id="", bot_token="", signing_secret="")
