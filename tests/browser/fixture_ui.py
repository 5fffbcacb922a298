"""A tiny server that answers the page's `/ui` contract from memory, so that rendering is tested apart from the bot."""

from __future__ import annotations

import asyncio
import copy
import json
import socket
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

import bot.workspace
from tests.browser import fixture_messages as made
from tests.browser.fixture_messages import Doc

PAGE = Path(bot.workspace.__file__).parent / "page"
POLICY = {"Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:", "Cache-Control": "no-cache"}


class FixtureServer:
    """Runs in a thread of its own; a test reads `calls` and tells the page things with `tell`."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Doc]] = []
        self.answers: dict[str, Doc] = {}
        self.held: set[str] = set()  # channels whose history is answered only after `release`
        self.release = threading.Event()
        self.heard = threading.Condition()
        self.messages: dict[str, list[Doc]] = {}
        self.people = copy.deepcopy(made.PEOPLE)
        self.channels = copy.deepcopy(made.CHANNELS)
        self.demo: Doc | None = None
        self.listeners: set[asyncio.Queue[Doc | None]] = set()
        self.now = int(time.time())
        self.fill()
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.loop = asyncio.new_event_loop()
        self.server: uvicorn.Server | None = None
        self.thread = threading.Thread(target=self.run, daemon=True)

    # what is in the workspace -----------------------------------------------------------------------------------
    def fill(self) -> None:
        now = self.now
        root = self.post("C0SUPPORT", "U0BOT", "Support triage is failing", at=now - 4000, blocks=made.page_blocks(now), bot_id="B0", app_id="A0AIOPS", reply_count=2, reply_users=["U0OMAR", "U0BOT"], latest_reply=f"{now - 3500}.000100")
        self.post("C0SUPPORT", "U0LEA", "Good morning, the queue looks short today", at=now - 90000, reactions=[{"name": "wave", "count": 2, "users": ["U0OMAR", "U0MAYA"]}])
        self.post("C0SUPPORT", "U0LEA", "and two of the answers were *outdated*", at=now - 89900, edited={"user": "U0LEA", "ts": f"{now - 89800}.000100"})
        self.post("C0SUPPORT", "U0OMAR", "On it", at=now - 3800, thread_ts=root["ts"])
        self.post("C0SUPPORT", "U0BOT", "Acknowledged by <@U0OMAR>. The ladder has stopped.", at=now - 3500, thread_ts=root["ts"], bot_id="B0", app_id="A0AIOPS")
        self.post("C0SUPPORT", "U0BOT", "An output of Support triage", at=now - 3000, blocks=made.output_blocks(), bot_id="B0", app_id="A0AIOPS", reactions=[{"name": "thumbsup", "count": 1, "users": ["U0OMAR"]}])
        self.post("C0SUPPORT", "U0MAYA", "Thanks <@U0OMAR>, the shift has started", at=now - 1200)
        for number, (name, blocks) in enumerate(made.BLOCKS.items()):
            self.post("C0BLOCKS", "U0BOT", name, at=now - 2000 + number * 10, blocks=blocks, bot_id="B0", app_id="A0AIOPS")
        self.post("C0BLOCKS", "U0BOT", "", at=now - 300, bot_id="B0", app_id="A0AIOPS", attachments=[{"color": "danger", "blocks": made.BLOCKS["section"]}, {"color": "#36c5f0", "title": "A title", "title_link": "https://example.com", "text": "Old *style*", "fields": [{"title": "One", "value": "1", "short": True}, {"title": "Two", "value": "2", "short": True}], "footer": "footer"}])
        self.post("C0LONG", "U0LEA", made.HOSTILE, at=now - 500)
        self.post("C0LONG", "U0MAYA", "averyveryverylongword" * 20, at=now - 100)
        for number in range(500):
            self.post("C0MANY", ["U0LEA", "U0MAYA", "U0OMAR"][number // 3 % 3], f"message number {number}", at=now - 500_000 + number * 900)
        self.post("D0BOT", "U0BOT", "Hello Omar, I call you when an agent of yours needs you.", at=now - 700, bot_id="B0", app_id="A0AIOPS")
        self.post("D0MAYA", "U0MAYA", "Can you look at the returns agent?", at=now - 600)

    def post(self, channel: str, user: str, text: str, *, at: float, **more: object) -> Doc:
        message: Doc = {"type": "message", "ts": f"{at:.6f}", "user": user, "text": text, **more}
        self.messages.setdefault(channel, []).append(message)
        return message

    def last(self, name: str, times: int = 1) -> Doc:
        """The newest call of that name, once there were so many of them."""
        with self.heard:
            self.heard.wait_for(lambda: sum(called == name for called, _ in self.calls) >= times, timeout=8)
        return next(body for called, body in reversed(self.calls) if called == name)

    def hear(self, name: str, body: Doc) -> None:
        with self.heard:
            self.calls.append((name, body))
            self.heard.notify_all()

    def tell(self, **news: object) -> None:
        """Send one event to every page that listens."""
        self.loop.call_soon_threadsafe(self.spread, dict(news))

    def spread(self, news: Doc | None) -> None:
        for queue in self.listeners:
            queue.put_nowait(news)

    def hang_up(self) -> None:
        """End every stream, as a restart of the server would."""
        self.loop.call_soon_threadsafe(self.spread, None)

    # running ----------------------------------------------------------------------------------------------------
    def start(self) -> None:
        self.thread.start()
        while self.server is None or not self.server.started:
            time.sleep(0.005)

    def stop(self) -> None:
        self.hang_up()
        self.release.set()
        assert self.server is not None
        self.server.should_exit = True
        self.thread.join(10)
        self.socket.close()

    def run(self) -> None:
        asyncio.set_event_loop(self.loop)
        config = uvicorn.Config(self.app(), log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1)
        self.server = uvicorn.Server(config)
        self.loop.run_until_complete(self.server.serve(sockets=[self.socket]))
        self.loop.close()

    def app(self) -> Starlette:
        return Starlette(routes=[
            Route("/", self.index), Route("/page/{file:path}", self.static), Route("/ui/state", self.state), Route("/ui/history", self.history),
            Route("/ui/thread", self.replies), Route("/ui/stream", self.stream), Route("/ui/options", self.options), Route("/ui/{name}", self.act, methods=["POST"]),
        ])

    async def index(self, request: Request) -> Response:
        return FileResponse(PAGE / "index.html", headers=POLICY)

    async def static(self, request: Request) -> Response:
        return FileResponse(PAGE / request.path_params["file"], headers=POLICY)

    async def state(self, request: Request) -> Response:
        if self.answers.get("state", {}).get("away"):
            return Response("away", 503)
        return JSONResponse({
            "team": {"id": "T0", "name": "Cedar Retail", "enterprise_id": None, "icon": None}, "me": request.query_params.get("as") or "U0OMAR",
            "people": self.people, "usergroups": [{"id": "S0LEADS", "handle": "ai-leads", "name": "AI leads", "users": ["U0SAM"]}],
            "channels": self.channels, "apps": made.APPS, "demo": self.demo,
        })

    async def history(self, request: Request) -> Response:
        query = request.query_params
        rows = sorted((m for m in self.messages.get(query["channel"], []) if m.get("thread_ts", m["ts"]) == m["ts"]), key=lambda m: m["ts"])
        rows = [m for m in rows if "before" not in query or m["ts"] < query["before"]]
        limit = int(query.get("limit", 50))
        if query["channel"] in self.held:
            await asyncio.to_thread(self.release.wait, 20)
        return JSONResponse({"messages": rows[-limit:], "has_more": len(rows) > limit})

    async def replies(self, request: Request) -> Response:
        query = request.query_params
        rows = [m for m in self.messages.get(query["channel"], []) if query["ts"] in (m["ts"], m.get("thread_ts"))]
        return JSONResponse({"messages": sorted(rows, key=lambda m: m["ts"])})

    async def options(self, request: Request) -> Response:
        self.hear("options", dict(request.query_params))
        return JSONResponse({"ok": True, "options": [made.option(f"{request.query_params['value']} agent", "found")]})

    async def act(self, request: Request) -> Response:
        name, body = request.path_params["name"], await request.json()
        self.hear(name, body)
        action = body.get("action", {}).get("action_id")
        if action == "slow":
            await asyncio.to_thread(self.release.wait, 20)
        if action == "fail":
            return JSONResponse({"ok": False, "error": "This app did not respond"})
        if action == "open_modal":
            self.tell(type="view_opened", view=made.FORM)
        if name == "home":
            return JSONResponse({"ok": True, "view": made.HOME})
        if name == "post" and not body["text"].startswith("/"):
            message = self.post(body["channel"], body["as"], body["text"], at=time.time(), **({"thread_ts": body["thread_ts"]} if "thread_ts" in body else {}))
            self.tell(type="message", channel=body["channel"], message=message)
        return JSONResponse(self.answers.get(name, {"ok": True}))

    async def stream(self, request: Request) -> Response:
        queue: asyncio.Queue[Doc | None] = asyncio.Queue()
        self.listeners.add(queue)

        async def lines() -> AsyncIterator[str]:
            try:
                yield ": hello\n\n"
                while (news := await queue.get()) is not None:
                    yield f"data: {json.dumps(news)}\n\n"
            finally:
                self.listeners.discard(queue)

        return StreamingResponse(lines(), media_type="text/event-stream", headers=POLICY)
