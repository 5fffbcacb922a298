"""Socket Mode: the websockets that apps open instead of listening, envelopes out, acknowledgements in."""

import asyncio
import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from bot.workspace.answers import Answer
from bot.workspace.things import App, Doc

if TYPE_CHECKING:
    from bot.workspace.workspace import Workspace

MOST_CONNECTIONS = 10


@dataclass
class Connection:
    app_id: str
    socket: WebSocket
    leaving: bool = False
    waiting: dict[str, "asyncio.Future[Any]"] = field(default_factory=dict)


class Sockets:
    def __init__(self, ws: "Workspace") -> None:
        self.ws = ws
        self.tickets: dict[str, str] = {}
        self.connections: list[Connection] = []
        self.turn = 0

    # connecting -----------------------------------------------------------------------------------------------
    def ticket(self, app: App) -> str:
        """A path good for one connection, as apps.connections.open hands it out."""
        ticket = secrets.token_urlsafe(16)
        self.tickets[ticket] = app.id
        return ticket

    def open_for(self, app_id: str) -> list[Connection]:
        return [c for c in self.connections if c.app_id == app_id and not c.leaving]

    async def serve(self, socket: WebSocket) -> None:
        """One connection from hello to goodbye."""
        app_id = self.tickets.pop(socket.path_params["ticket"], "")
        if not app_id or len(self.open_for(app_id)) >= MOST_CONNECTIONS or self._in_trouble():
            await socket.close(code=4404)
            return
        await socket.accept()
        connection = Connection(app_id, socket)
        self.connections.append(connection)
        await socket.send_json({
            "type": "hello", "num_connections": len(self.open_for(app_id)),
            "connection_info": {"app_id": app_id},
            "debug_info": {"host": "workspace", "build_number": 1, "approximate_connection_time": 18060},
        })
        try:
            while True:
                self._hear(connection, await socket.receive_text())
        except (WebSocketDisconnect, RuntimeError, KeyError):
            pass  # the app went away; what it had not acknowledged is answered below
        finally:
            self.connections.remove(connection)
            for future in connection.waiting.values():
                if not future.done():
                    future.set_exception(ConnectionError("the socket closed"))

    def _in_trouble(self) -> bool:
        return any(not fault.kind.startswith("delay") for fault in self.ws.faults.strike("socket", {}))

    def _hear(self, connection: Connection, text: str) -> None:
        try:
            heard = json.loads(text)
        except ValueError:
            return
        if not isinstance(heard, dict):
            return
        future = connection.waiting.pop(str(heard.get("envelope_id")), None)
        if future is not None and not future.done():
            future.set_result(heard.get("payload"))

    # sending --------------------------------------------------------------------------------------------------
    async def send(
        self, app_id: str, kind: str, payload: Doc, within: float, retry: int = 0, reason: str = ""
    ) -> Answer:
        """One envelope to any of the app's connections, in turn; the answer is its acknowledgement."""
        connections = self.open_for(app_id)
        self.turn += 1
        connection = connections[self.turn % len(connections)]
        envelope_id = secrets.token_hex(16)
        envelope: Doc = {
            "envelope_id": envelope_id, "payload": payload, "type": kind,
            "accepts_response_payload": kind != "events_api",
        }
        if kind == "events_api":
            envelope |= {"retry_attempt": retry, "retry_reason": reason}
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        connection.waiting[envelope_id] = future
        try:
            async with asyncio.timeout(within):
                await connection.socket.send_json(envelope)
                return Answer(True, 200, await future)
        except TimeoutError:
            return Answer(False, error="http_timeout")
        except (ConnectionError, RuntimeError, WebSocketDisconnect) as trouble:
            return Answer(False, error="connection_failed", body=str(trouble))
        finally:
            connection.waiting.pop(envelope_id, None)

    # leaving --------------------------------------------------------------------------------------------------
    async def warn(self, app_id: str, reason: str = "warning") -> int:
        """Slack's notice that a connection ends soon (`warning`) or now (`refresh_requested`, `link_disabled`)."""
        connections = self.open_for(app_id)
        for connection in connections:
            connection.leaving = reason != "warning"
            await connection.socket.send_json(
                {"type": "disconnect", "reason": reason, "debug_info": {"host": "workspace"}}
            )
            if reason != "warning":
                await connection.socket.close()
        return len(connections)

    async def cut(self, app_id: str) -> int:
        """Close every connection of the app without a word."""
        connections = [c for c in self.connections if c.app_id == app_id]
        for connection in connections:
            connection.leaving = True
            await connection.socket.close(code=1011)
        return len(connections)
