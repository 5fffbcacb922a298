"""Servers from Debian's packages, run for one test on a free loopback port."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from bot.trust import trusted


def need(program: str) -> str:
    """Where the program is; skips the test where it is not installed."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed (Debian: apt-get install {program})")
    return found


def free_port() -> int:
    """A port that nobody uses at this moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _begin(command: list[str], folder: Path, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        return subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=folder)


@contextlib.asynccontextmanager
async def running(command: list[str], ready: str, folder: Path) -> AsyncIterator[None]:
    """Run a server until the block ends; it is ready once its address answers 200."""
    log = folder / "server.log"
    process = await asyncio.to_thread(_begin, command, folder, log)
    try:
        async with httpx.AsyncClient(verify=trusted(), trust_env=False) as http:
            for _ in range(600):
                with contextlib.suppress(httpx.HTTPError):
                    if (await http.get(ready)).status_code == 200:
                        break
                if process.poll() is not None:
                    raise RuntimeError(log.read_text()[-2000:])
                await asyncio.sleep(0.05)
            else:
                raise RuntimeError(f"{command[0]} did not become ready")
        yield
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 20)
