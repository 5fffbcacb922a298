"""The workspace as a process of its own: `python -m bot.workspace --port 8090 --db var/workspace.db`."""

import argparse
import asyncio
import contextlib
import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bot.workspace.limits import Limits
from bot.workspace.sender import RETRY_AFTER
from bot.workspace.server import serve
from bot.workspace.workspace import Workspace


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bot.workspace", description="A Slack-like server on this machine.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one, which the first line tells")
    parser.add_argument("--db", default=":memory:", help="SQLite file that keeps people and messages")
    parser.add_argument("--limits", choices=["slack", "none"], default="none", help="Slack's rate limits, or none")
    parser.add_argument("--seed", type=Path, help="JSON with people, apps, channels and groups to start with")
    parser.add_argument("--again", type=float, nargs="+", default=RETRY_AFTER, metavar="SECONDS", help="after which an event that nobody took is told again; Slack's are 0 60 300")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        seed = json.loads(options.seed.read_text()) if options.seed else {}
        asyncio.run(run(options.port, options.db, options.limits, options.again, seed))


async def run(port: int, db: str, limits: str, again: Sequence[float], seed: dict[str, Any]) -> None:
    workspace = Workspace(db, limits=Limits(enforce=limits == "slack"), keep_calls=1000, again=again)
    workspace.seed(seed)
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    async with serve(workspace, port=port):
        print(f"workspace ready at {workspace.base_url}", flush=True)
        await stop.wait()


if __name__ == "__main__":
    main()
