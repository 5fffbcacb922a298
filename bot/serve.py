"""Starting and stopping the server: local or Slack, ready as soon as the port is open, graceful at the end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import structlog
import uvicorn
import yaml
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp

from bot.app import House, WrongWorkspace
from bot.control import ControlServer, Job, socket_path
from bot.db import SCHEMA, Database, DatabaseInUse, SchemaMismatch
from bot.demo import life
from bot.demo.town import NOTE, SETTLING, town
from bot.digests import flows as digests
from bot.jobs import KIND_SPECS, jobs_of
from bot.logs import set_up_logs
from bot.outbox.rules import Rhythm
from bot.settings import Settings, SettingsError, read_settings
from bot.signing import Signer
from bot.wire import Short, with_short_way
from bot.workspace import Workspace, create_workspace, tended
from bot.workspace.ui import LoopbackOnly

log = structlog.get_logger(__name__)

WORKSPACE_FILE = "workspace.db"
DEMO_TITLE = "A local workspace with a demo fleet"
SECRET_FILE = "secret"  # noqa: S105 - a file's name


def start() -> None:
    """Read the settings and run; what stands in the way is said in a sentence, with exit code 2."""
    try:
        serve(read_settings())
    except (SettingsError, DatabaseInUse, SchemaMismatch, WrongWorkspace) as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from error


def serve(settings: Settings) -> None:
    """Run until SIGTERM or Ctrl-C."""
    set_up_logs(settings.log_format, settings.log_level)
    if not settings.is_local:
        settings.require_slack()
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings))


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.Loop  # type: ignore[no-any-return, unused-ignore]


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling: we stop in our own order."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    tune()
    sock = _listen(settings)
    async with contextlib.AsyncExitStack() as stack:
        if settings.is_local:
            await _serve_local(settings, sock, stop, stack)
        else:
            await _serve_slack(settings, sock, stop, stack)


def tune() -> None:
    """Set the interpreter up for serving; the benchmark's server does the same."""
    gc.freeze()  # what was imported stays: the collector need not look at it again
    gc.enable()
    gc.set_threshold(20_000, 10, 10)  # events are many short-lived objects without cycles: looking at every 700th took a third of intake's time
    # Threads that compute must not keep the event loop waiting for the interpreter. At 0.5 ms a gate beside 2,000 events a
    # second waited 10 to 20 ms (p99), at 0.1 ms it waits 3; what is stored a second stays the same within a twentieth.
    sys.setswitchinterval(0.0001)


async def _serve_slack(settings: Settings, sock: socket.socket, stop: asyncio.Event, stack: contextlib.AsyncExitStack) -> None:
    house = House(settings)
    stack.push_async_callback(house.close)
    _prepare(house.db, migrate=house.db.is_sqlite)
    if await house.lanes.read(life.is_demo):
        raise SettingsError("this database holds the demo fleet: give a real workspace a database of its own (AIOPS_DATABASE_URL)")
    await stack.enter_async_context(listening(house.asgi(), sock, short=house.short, trusted_proxies=settings.trusted_proxies))
    await house.open()
    await house.listen()
    await _run(house, settings, stack)
    log.info("ready", url=settings.base_url, slack=house.team.team_id if house.team else "not connected yet")
    await stop.wait()
    log.info("stopping")
    house.gate.let_go()  # who waits at a gate is answered now, so that the connections can end


async def _serve_local(settings: Settings, sock: socket.socket, stop: asyncio.Event, stack: contextlib.AsyncExitStack) -> None:
    settings, secret = _local(settings)
    house = _demo_house(settings, secret)
    if await house.lanes.read(life.half_settled):
        await house.close()
        reset_demo(settings)
        house = _demo_house(settings, secret)
    stack.push_async_callback(house.close)
    workspace = Workspace(settings.var / WORKSPACE_FILE, clock=house.clock.now, team_name="Cedar (local)", keep_calls=200)
    await stack.enter_async_context(tended(workspace, settings.base_url))
    workspace.set_demo(DEMO_TITLE, NOTE if await house.lanes.read(life.is_demo) else SETTLING)
    manifest = yaml.safe_load(_manifest().read_text("utf-8"))
    keys = (settings.slack_bot_token, settings.slack_signing_secret)
    token, signing = (key.get_secret_value() if key else "" for key in keys)
    workspace.seed(town(manifest, bot_token=token, signing_secret=signing, app_token="", request_url=f"{settings.base_url}/slack/events"))
    routes: list[BaseRoute] = [*house.routes(), Mount("/", create_workspace(workspace))]
    await stack.enter_async_context(listening(LoopbackOnly(Starlette(routes=routes)), sock))
    print(f"\n  aiops-bot is at {settings.base_url}/  (a local workspace with a demo fleet; Ctrl-C stops it)\n", file=sys.stderr)
    await house.open()
    await _run(house, settings, stack, turn=False)
    settling = asyncio.create_task(_settle(house, settings))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((settling, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not settling.done():
        settling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await settling
        log.info("stopping")  # where the demo had not settled in, the next start makes it anew
        workspace.hub.close()
        return
    first = settling.result()
    await stack.enter_async_context(life.living(house.lanes, house.clock, house.ids, settings.base_url, first=first, turn=house.loops.start))
    workspace.set_demo(DEMO_TITLE, NOTE)
    log.info("ready", url=settings.base_url)
    await stop.wait()
    log.info("stopping")
    house.gate.let_go()
    workspace.hub.close()
    await house.loops.stop()  # first: they deliver to the workspace that we serve ourselves


def _demo_house(settings: Settings, secret: str) -> House:
    house = House(settings, rhythm=Rhythm.limitless(), secrets=[secret])
    _prepare(house.db, migrate=True)
    return house


async def _settle(house: House, settings: Settings) -> bool:
    """Make the demo where there is none yet, up to its first summaries; says whether it was made now."""
    jobs = jobs_of(house)

    async def import_events(path: Path) -> None:
        async for line in jobs["import"]({"file": str(path)}):
            if "error" in line:
                log.error("the demo's history", error=line["error"])

    first = await life.settle_in(house.lanes, house.clock, KIND_SPECS, import_events, settings.var) if await _synced(house) else False
    if first:
        await house.lanes.write(lambda tx: digests.plan_step(tx, house.clock.now()) and None)
        while await house.loops.loops["fold"].step(house.clock.now()):
            pass
        due = await house.lanes.write(lambda tx: life.make_due(tx, house.clock.now()))
        while await house.lanes.write(lambda tx: digests.post_step(tx, due)):
            pass
    return first


async def _run(house: House, settings: Settings, stack: contextlib.AsyncExitStack, *, turn: bool = True) -> None:
    control = ControlServer(_control_path(house.db, settings), jobs_of(house))
    await control.start()
    stack.push_async_callback(control.stop)
    if not house.db.is_sqlite:
        from bot.wakes import Wakes  # psycopg costs 0.1 s and 15 MB: only where there is a PostgreSQL

        await stack.enter_async_context(Wakes(house.db, house.loops))
    if turn:
        house.loops.start()


async def _synced(house: House) -> bool:
    """Read the directory before anybody is named; True when it is known."""
    await house.loops.loops["slack"].step(house.clock.now())
    return house.team is not None


def _manifest() -> Path:
    return Path(__file__).resolve().parent.parent / "manifest.yml"


@contextlib.asynccontextmanager
async def listening(app: ASGIApp, sock: socket.socket, *, short: Short | None = None, trusted_proxies: str = "") -> AsyncIterator[None]:
    """Answer on this socket for as long as the block lasts; what a proxy says of the caller is believed only of those named.

    `short` is asked before the app and its middleware: it must not need them.
    """
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", http=with_short_way(short) if short is not None else "httptools", ws="websockets-sansio",
        timeout_graceful_shutdown=5, timeout_keep_alive=30, server_header=False,
        proxy_headers=bool(trusted_proxies), forwarded_allow_ips=trusted_proxies or None,
    )  # fmt: skip
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[sock]))
    while not server.started:
        if running.done():
            await running
        await asyncio.sleep(0.002)
    try:
        yield
    finally:
        server.should_exit = True
        await running
        sock.close()


@contextlib.asynccontextmanager
async def alone(settings: Settings, *, any_state: bool = False) -> AsyncIterator[dict[str, Job]]:
    """The jobs of the command line, without a server: takes the database's lock itself.

    `any_state`: also where the database is missing, old, away or another's: for the doctor, who says so.
    """
    set_up_logs("console", "warning")
    if settings.is_local:
        settings, secret = _local(settings)
        house = House(settings, secrets=[secret])
    else:
        house = House(settings)
    try:
        if not any_state:
            _prepare(house.db, migrate=False)
        yield jobs_of(house)
    finally:
        await house.close()


def reset_demo(settings: Settings) -> int:
    """Remove the demo's files; returns how many. Raises DatabaseInUse while a server holds them."""
    db = Database(settings.database)
    if db.url.database is None or not Path(db.url.database).exists():
        db.close()
        return 0
    db.hold()
    gone = 0
    for base in (Path(db.url.database), settings.var / WORKSPACE_FILE):
        for ending in ("", "-wal", "-shm"):
            path = base.with_name(base.name + ending)
            gone += path.exists()
            path.unlink(missing_ok=True)
    db.close()
    return gone


def _prepare(db: Database, *, migrate: bool) -> None:
    db.hold()
    found = db.schema()
    if found is None and not db.is_sqlite and not db.answers():
        raise SchemaMismatch(f"the database {db.url.render_as_string(hide_password=True)} does not answer: start it, or correct AIOPS_DATABASE_URL")
    if found != SCHEMA and migrate:
        from bot.migrate import upgrade  # Alembic costs memory and time: only where there is something to do

        upgrade(db)
        log.info("database made ready", schema=SCHEMA)
    elif found != SCHEMA and not db.is_sqlite:
        raise SchemaMismatch(f"the database is at schema {found}, this version needs {SCHEMA}: run `aiops migrate`, then start again" if found else "the database has no tables yet: run `aiops migrate`, then start again")
    elif found != SCHEMA:
        raise SchemaMismatch("there is no database yet: `aiops up` makes it, or `aiops migrate`" if found is None else f"the database is at schema {found}, this version needs {SCHEMA}: run `aiops migrate`")


def _local(settings: Settings) -> tuple[Settings, str]:
    """The settings of local mode: tokens derived from a secret in the var folder, everything on loopback."""
    if settings.host not in ("127.0.0.1", "localhost", "::1"):
        raise SettingsError(f"local mode answers on this machine only: AIOPS_HOST is {settings.host}. Set 127.0.0.1, or Slack tokens for a real workspace.")
    settings.var.mkdir(parents=True, exist_ok=True)
    path = settings.var / SECRET_FILE
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(32))
    secret = path.read_text().strip()
    keys = Signer([secret])
    changed = {
        "mode": "local",
        "slack_bot_token": SecretStr(f"xoxb-local-{keys.key_for('bot')[:24]}"),
        "slack_signing_secret": SecretStr(keys.key_for("signing")),
        "slack_app_token": None,
        "slack_api_url": f"{settings.base_url}/api/",
        "public_url": settings.base_url,
        "database_url": settings.database,
    }
    return settings.model_copy(update=changed), secret


def _control_path(db: Database, settings: Settings) -> Path:
    return socket_path(db.url.database if db.is_sqlite else None, settings.var)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((settings.host, settings.port))
    except OSError as error:
        sock.close()
        if _answers_as_us(settings):
            raise SettingsError(f"aiops-bot is running at {settings.base_url}/ already. Stop that one first (Ctrl-C where it runs), or set AIOPS_PORT and AIOPS_VAR for a second one.") from error
        raise SettingsError(f"{settings.host}:{settings.port} cannot be used ({error.strerror}): another program may hold it. Set AIOPS_PORT to a free port.") from error
    return sock


def _answers_as_us(settings: Settings) -> bool:
    """Whether an aiops-bot answers at the address that we wanted."""
    import http.client

    asked = http.client.HTTPConnection(settings.host, settings.port, timeout=1)
    try:
        asked.request("GET", "/healthz")
        return asked.getresponse().read(40).startswith(b"aiops-bot")
    except (OSError, http.client.HTTPException):
        return False
    finally:
        asked.close()
