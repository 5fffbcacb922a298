"""The Unix socket beside the database, by which CLI commands are carried out by the server that holds it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import structlog

log = structlog.get_logger(__name__)

Line = dict[str, Any]  # {"text"}, {"json"}, {"progress": {...}}, {"error", "exit"}
Job = Callable[[dict[str, Any]], AsyncIterator[Line]]

_LONGEST_PATH = 100  # bytes; sockaddr_un holds 108


def socket_path(database: str | None, var: Path) -> Path:
    """Where a server's socket is: beside its SQLite file, else in the var folder."""
    path = Path(f"{database}.sock") if database else var / "aiops.sock"
    if len(os.fsencode(path.absolute())) > _LONGEST_PATH:
        path = Path(os.path.relpath(path))
    return path


class ControlServer:
    """Listens on the socket (mode 0600) and runs one job a connection, line by line."""

    def __init__(self, path: Path, jobs: dict[str, Job]) -> None:
        self.path = path
        self.jobs = jobs
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()  # left behind by a killed process: the database lock says that nobody holds it
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            sock.bind(str(self.path))
        finally:
            os.umask(before)
        self._server = await asyncio.start_unix_server(self._serve, sock=sock, limit=64 * 1024 * 1024)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = orjson.loads(await reader.readline())
            job = self.jobs[asked["job"]]
            async for line in job(asked["args"]):
                writer.write(orjson.dumps(line) + b"\n")
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            return  # the one who asked went away
        except Exception as error:
            log.exception("a command failed")
            with contextlib.suppress(ConnectionError):
                writer.write(orjson.dumps({"error": f"the server failed at this: {type(error).__name__} (see its log)", "exit": 1}) + b"\n")
        finally:
            with contextlib.suppress(ConnectionError, RuntimeError):
                writer.close()
                await writer.wait_closed()


async def ask_server(path: Path, job: str, args: dict[str, Any]) -> AsyncIterator[Line]:
    """Have the server behind the socket do a job; raises ConnectionError when nobody listens there."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(path), limit=64 * 1024 * 1024)
    except FileNotFoundError as error:
        raise ConnectionError("no server") from error
    try:
        writer.write(orjson.dumps({"job": job, "args": args}) + b"\n")
        await writer.drain()
        while raw := await reader.readline():
            yield orjson.loads(raw)
    finally:
        writer.close()


