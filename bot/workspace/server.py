"""Serves a workspace on a loopback port, inside a running event loop or as a process of its own."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn

from bot.workspace.asgi import create_workspace
from bot.workspace.drop import KnowsTransport
from bot.workspace.workspace import Workspace

RETRY_EVERY = 0.5  # seconds between looks at events that wait for another attempt


class QuietServer(uvicorn.Server):
    """uvicorn without its own signal handlers: whoever started us decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serve(workspace: Workspace, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Workspace]:
    """The workspace on a port (a free one by default) as long as the block lasts; `workspace.base_url` tells where."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    workspace.base_url = f"http://{host}:{sock.getsockname()[1]}"
    config = uvicorn.Config(
        KnowsTransport(create_workspace(workspace)), log_config=None, access_log=False, lifespan="off", ws="websockets-sansio",
        timeout_graceful_shutdown=1, timeout_keep_alive=30,
    )
    server = QuietServer(config)
    running = asyncio.create_task(server.serve(sockets=[sock]))
    retrying = asyncio.create_task(keep_retrying(workspace))
    try:
        while not server.started:
            if running.done():
                await running
                raise RuntimeError("the workspace did not start")
            await asyncio.sleep(0.002)
        yield workspace
    finally:
        retrying.cancel()
        workspace.hub.close()
        for app_id in {connection.app_id for connection in workspace.sockets.connections}:
            await workspace.sockets.cut(app_id)
        server.should_exit = True
        await asyncio.gather(running, retrying, return_exceptions=True)
        sock.close()
        await workspace.close()


async def keep_retrying(workspace: Workspace) -> None:
    while True:
        await asyncio.sleep(RETRY_EVERY)
        if workspace.sender.retries:
            await workspace.retry_due()
