"""Serves a workspace on a loopback port, inside a running event loop or as a process of its own."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import uvicorn

from bot.workspace.asgi import create_workspace
from bot.workspace.drop import KnowsTransport
from bot.workspace.workspace import Workspace

RETRY_EVERY = 0.5  # seconds between looks at events that wait for another attempt
STOP_WITHIN = 1.0


@contextlib.asynccontextmanager
async def serve(workspace: Workspace, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Workspace]:
    """The workspace on a port (a free one by default) as long as the block lasts; `workspace.base_url` tells where.

    uvicorn's protocols without its main loop and signal handlers: starting and stopping costs milliseconds, which a
    suite with a workspace in every test feels.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    workspace.base_url = f"http://{host}:{sock.getsockname()[1]}"
    config = uvicorn.Config(
        KnowsTransport(create_workspace(workspace)), log_config=None, access_log=False, lifespan="off",
        ws="websockets-sansio", timeout_keep_alive=30,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[sock])
    async with tended(workspace, workspace.base_url):
        try:
            yield workspace
        finally:
            await stop(server, workspace)
            sock.close()


@contextlib.asynccontextmanager
async def tended(workspace: Workspace, base_url: str) -> AsyncIterator[Workspace]:
    """What a workspace needs besides a port, when another server mounts `create_workspace(workspace)` at `/`."""
    workspace.base_url = base_url
    retrying = asyncio.create_task(keep_retrying(workspace))
    try:
        yield workspace
    finally:
        retrying.cancel()
        await asyncio.gather(retrying, return_exceptions=True)
        await workspace.close()


async def stop(server: uvicorn.Server, workspace: Workspace) -> None:
    """Ends streams and sockets, lets running requests finish for a moment, then closes what is left."""
    for listener in server.servers:
        listener.close()
    workspace.hub.close()
    for app_id in {connection.app_id for connection in workspace.sockets.connections}:
        await workspace.sockets.cut(app_id)
    for connection in list(server.server_state.connections):
        connection.shutdown()
    if tasks := set(server.server_state.tasks):
        _, late = await asyncio.wait(tasks, timeout=STOP_WITHIN)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
    for _ in range(3):  # the transports tell their protocols in the next rounds of the loop
        await asyncio.sleep(0)


async def keep_retrying(workspace: Workspace) -> None:
    """Events that were not answered get their later attempts when their time comes."""
    while True:
        await asyncio.sleep(RETRY_EVERY)
        if workspace.sender.retries:
            await workspace.retry_due()
