"""The `aiops` command: reads arguments, has the work carried out (by the running server where there is one), shows it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import orjson
import typer

from bot import __version__
from bot.control import Line, ask_server, socket_path
from bot.db import DatabaseInUse, SchemaMismatch
from bot.settings import Settings, SettingsError, read_settings

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="The operations layer for AI agents, lived in Slack.")
events = typer.Typer(no_args_is_help=True, help="What agents report.")
check = typer.Typer(no_args_is_help=True, help="Promises about agents.")
token = typer.Typer(no_args_is_help=True, help="Bearer tokens for agents and scripts.")
export = typer.Typer(no_args_is_help=True, help="Write the present state out.")
page = typer.Typer(no_args_is_help=True, help="Calls to people.")
audit = typer.Typer(no_args_is_help=True, help="The record of who decided what.")
feedback = typer.Typer(no_args_is_help=True, help="Votes on their way to trace stores and agents.")
demo = typer.Typer(no_args_is_help=True, help="The demo fleet of the local mode.")
for name, group in {"events": events, "check": check, "token": token, "export": export, "page": page, "audit": audit, "feedback": feedback, "demo": demo}.items():
    app.add_typer(group, name=name)

FAILED, WRONG_INPUT, NO_SERVER = 1, 2, 3  # exit codes, told in `aiops --help` of each command's failures

_MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
ConfigFile = Annotated[Path | None, typer.Argument(help="The registry; AIOPS_CONFIG (./aiops.yml) where left out.")]


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


@app.command()
def up() -> None:
    """Start the server: the local workspace with a demo fleet, or your Slack workspace where tokens are set."""
    from bot.serve import start

    start()


@app.command()
def migrate() -> None:
    """Bring the database to this version's schema; safe to run again."""
    from bot.db import Database
    from bot.migrate import upgrade

    settings = _settings()
    db = Database(settings.database)
    try:
        before = db.schema()
        if before is None or db.is_sqlite:
            db.hold()
        upgrade(db)
        after = db.schema()
        typer.echo(f"The database stands at schema {after}." if before == after else f"The database went from {before or 'nothing'} to schema {after}.")
    except DatabaseInUse as error:
        _stop(str(error), WRONG_INPUT)
    finally:
        db.close()


@app.command()
def plan(file: ConfigFile = None, json: Json = False) -> None:
    """Show what `aiops apply` would change, and what differs between the file and what people decided in Slack."""
    _carry("plan", _document(file), json)


@app.command()
def apply(file: ConfigFile = None, json: Json = False) -> None:
    """Make the registry so: all of the file or nothing."""
    _carry("apply", {**_document(file), "by": _who()}, json)


@export.command("config")
def export_config() -> None:
    """Print the present state as an aiops.yml."""
    _carry("export_config", {}, False)


@app.command()
def doctor(json: Json = False) -> None:
    """Say in plain words what is missing (tokens, scopes, memberships, unreachable owners) and how to mend it."""
    _carry("doctor", {}, json)


@app.command()
def status(what: Annotated[list[str] | None, typer.Argument(help="An agent or a department; the fleet where left out.")] = None, json: Json = False) -> None:
    """How the fleet is, worst first."""
    _carry("status", {"what": " ".join(what or [])}, json)


@app.command()
def sprint(what: Annotated[list[str] | None, typer.Argument(help="An agent or a department; the fleet where left out.")] = None, json: Json = False) -> None:
    """Which agents really got better since two weeks ago, and since a quarter ago, with the probability of it."""
    _carry("sprint", {"what": " ".join(what or [])}, json)


@app.command()
def baseline(
    agent: Annotated[str, typer.Argument(help="The agent's id.")],
    new: Annotated[str | None, typer.Option(help="Measure the baseline of this source anew: people, evaluations or outcomes.")] = None,
    first: Annotated[str | None, typer.Option("--from", help="From this local day on (2026-11-12); since the drift, or of the last 28 days, where left out.")] = None,
    sample: Annotated[int | None, typer.Option(min=0, max=200, help="Ask people to judge so many outputs a day for four weeks, so that a drop is noticed sooner; 0 for as many as the registry says.")] = None,
    known: Annotated[str | None, typer.Option(help="Say that the open drift of this source is known.")] = None,
    why: Annotated[str, typer.Option(help="Kept with the decision.")] = "",
    person: Annotated[str | None, typer.Option("--as", help="Whose decision it is: a Slack id or e-mail.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it: a new baseline changes what all later quality is compared with.")] = False,
    json: Json = False,
) -> None:
    """What an agent's quality is compared with, whether it drifts, and the decisions about it."""
    _carry("baseline", {"agent": agent, "new": new, "first": first, "known": known, "sample": sample, "why": why, "person": person, "yes": yes}, json)


@app.command()
def digest(channel: Annotated[str, typer.Argument(help="#channel or its id.")]) -> None:
    """Show what a channel's summary would say if it were posted now."""
    _carry("digest", {"channel": channel}, False)


@app.command()
def ack(page: Annotated[int, typer.Argument(help="The page's number.")], person: Annotated[str, typer.Option("--as", help="Your Slack id or e-mail.")]) -> None:
    """Acknowledge a page, so that the calling stops (also when Slack is down)."""
    _carry("ack", {"page": page, "person": person}, False)


@app.command()
def link(
    agent: Annotated[str, typer.Argument()],
    output: Annotated[str, typer.Argument(help="The output's id, as the agent reported it.")],
    person: Annotated[str, typer.Option("--as", help="Whose link it is: a Slack id or e-mail.")],
) -> None:
    """Print the page on which one person can rate one output without Slack; it is theirs alone, and good for a week."""
    _carry("link", {"agent": agent, "output": output, "person": person}, False)


@app.command()
def lessons(
    agent: Annotated[str, typer.Argument(help="The agent's id.")],
    since: Annotated[str | None, typer.Option(help="Only what we heard from this day (2026-11-20, UTC) or time on.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many; all where left out.")] = None,
) -> None:
    """Print the outputs that people found bad, or that failed in an incident, as JSONL: with reasons, corrections and traces, never with names."""
    _carry("lessons", {"agent": agent, "since": since, "limit": limit}, False)


@feedback.command("status")
def feedback_status(json: Json = False) -> None:
    """How many votes each trace store was told of, how many wait, and how many were set aside (`aiops doctor` says why)."""
    _carry("feedback_status", {}, json)


@feedback.command("retry")
def feedback_retry(json: Json = False) -> None:
    """Send again what trace stores refused, once you mended why."""
    _carry("feedback_retry", {}, json)


@events.command("tail")
def events_tail(json: Json = False) -> None:
    """Watch accepted and refused events as they come in; needs a running server."""
    _carry("events_tail", {}, json, server_only=True)


@check.command("kinds")
def check_kinds(json: Json = False) -> None:
    """List the kinds of checks and what each needs."""
    _carry("check_kinds", {}, json)


@check.command("pings")
def check_pings(agent: Annotated[str | None, typer.Argument(help="One agent; all where left out.")] = None, json: Json = False) -> None:
    """Show where the jobs behind heartbeat checks must ping (add /start, /fail, /log or an exit code)."""
    _carry("check_pings", {"agent": agent}, json)


@check.command("test")
def check_test(agent: Annotated[str, typer.Argument()], name: Annotated[str | None, typer.Argument(help="One check; all where left out.")] = None, json: Json = False) -> None:
    """Say what an agent's checks would find now, without opening any problem."""
    _carry("check_test", {"agent": agent, "name": name}, json)


@page.command("list")
def page_list(json: Json = False) -> None:
    """The open pages, with the numbers by which `aiops ack` answers them."""
    _carry("page_list", {}, json)


@page.command("ack")
def page_ack(page: Annotated[int, typer.Argument(help="The page's number.")], person: Annotated[str, typer.Option("--as", help="Your Slack id or e-mail.")]) -> None:
    """Acknowledge a page, as `aiops ack` does."""
    _carry("ack", {"page": page, "person": person}, False)


@page.command("snooze")
def page_snooze(
    page: Annotated[int, typer.Argument(help="The page's number.")],
    until: Annotated[list[str], typer.Argument(help="How long, from 15m to 8h; or until when in your own time: until 09:00.")],
    person: Annotated[str, typer.Option("--as", help="Your Slack id or e-mail.")],
) -> None:
    """Say that you have a page, and until when nobody is called."""
    _carry("page_answer", {"verb": "snooze", "page": page, "person": person, "rest": " ".join(until)}, False)


@page.command("escalate")
def page_escalate(page: Annotated[int, typer.Argument(help="The page's number.")], person: Annotated[str, typer.Option("--as", help="Your Slack id or e-mail.")]) -> None:
    """Call whoever is next on the ladder at once, also where somebody has the page."""
    _carry("page_answer", {"verb": "escalate", "page": page, "person": person}, False)


@page.command("resolve")
def page_resolve(
    page: Annotated[int, typer.Argument(help="The page's number.")],
    person: Annotated[str, typer.Option("--as", help="Your Slack id or e-mail.")],
    fixed: Annotated[bool, typer.Option("--fixed", help="It still fails, but you mended it: look again now.")] = False,
    wrong: Annotated[str | None, typer.Option(help="It still fails, but this check is wrong: silence it until it is changed in aiops.yml.")] = None,
) -> None:
    """Close a page whose checks are well; where one still fails, says so and asks what is true (exit code 1)."""
    if fixed and wrong is not None:
        _stop("Say one of --fixed and --wrong.", WRONG_INPUT)
    _carry("page_answer", {"verb": "resolve", "page": page, "person": person, "rest": "fixed" if fixed else f"wrong {wrong}" if wrong is not None else ""}, False)


@page.command("test")
def page_test(person: Annotated[str, typer.Option("--as", help="Your Slack id or e-mail.")], json: Json = False) -> None:
    """Call yourself by each of your routes and see which worked (exit code 1 where one did not); needs a running server."""
    _carry("page_test", {"person": person}, json, server_only=True)


@page.command("stats")
def page_stats(agent: Annotated[str | None, typer.Argument(help="One agent; all where left out.")] = None, json: Json = False) -> None:
    """How often people were called in the last 7 and 28 days, how fast they answered, and how much of it was noise."""
    _carry("page_stats", {"agent": agent}, json)


@audit.command("verify")
def audit_verify(head: Annotated[str | None, typer.Option(help="A seal's hash that you noted earlier: it must still be in the chain.")] = None, json: Json = False) -> None:
    """Compute every seal again: a decision that was changed, removed or inserted is named (exit code 1)."""
    _carry("audit_verify", {"head": head}, json)


@audit.command("export")
def audit_export(
    since: Annotated[datetime | None, typer.Option(help="From this moment on (UTC).", formats=_MOMENTS)] = None,
    until: Annotated[datetime | None, typer.Option(help="Up to this moment (UTC).", formats=_MOMENTS)] = None,
) -> None:
    """Print decisions and their seals as NDJSON, oldest first, with all hashes."""
    since, until = (each.replace(tzinfo=UTC) if each else None for each in (since, until))
    _carry("audit_export", {"since": since.isoformat() if since else None, "until": until.isoformat() if until else None}, False)


@audit.command("erase")
def audit_erase(
    person: Annotated[str, typer.Argument(help="A Slack id or e-mail.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the record, so do not name them here.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Empty the personal fields of every decision that a person made or that names them. This cannot be undone."""
    if not yes and not typer.confirm(f"Erase what the record says of {person} for good?"):
        raise typer.Exit(FAILED)
    _carry("audit_erase", {"person": person, "reason": reason}, json)


app.command("erase")(audit_erase)  # the short word for the same


@token.command("make")
def token_make(
    name: Annotated[str, typer.Option(help="What it is for.")],
    scope: Annotated[list[str], typer.Option(help="events, telemetry, import, read, gate, permissions or admin; repeat for several.")],
    agent: Annotated[list[str] | None, typer.Option(help="Limit it to these agents; the whole workspace where left out.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Expires after this many days.")] = None,
    json: Json = False,
) -> None:
    """Make a token; it is shown once."""
    _carry("token_make", {"name": name, "scopes": scope, "agents": agent, "days": days}, json)


@token.command("webhook-key")
def token_webhook_key(agent: Annotated[str, typer.Argument(help="The agent's id.")], json: Json = False) -> None:
    """Show the key with which this agent's webhook checks what it is sent."""
    _carry("webhook_key", {"agent": agent}, json)


@token.command("list")
def token_list(json: Json = False) -> None:
    """List the tokens (never their secrets)."""
    _carry("token_list", {}, json)


@token.command("revoke")
def token_revoke(public_id: Annotated[str, typer.Argument(help="The part between the underscores.")]) -> None:
    """End a token at once."""
    _carry("token_revoke", {"public_id": public_id}, False)


@app.command("import")
def import_events(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="NDJSON of events, also .gz.")], json: Json = False) -> None:
    """Read events of any age: fills counters and baselines, posts nothing, runs no check. Goes on where it stopped."""
    _carry("import", {"file": str(file.resolve())}, json)


@demo.command("reset")
def demo_reset() -> None:
    """Throw the demo's databases away; the next `aiops up` starts over."""
    settings = _settings()
    if not settings.is_local:
        _stop("This is for the local mode only; your settings name a real workspace.", WRONG_INPUT)
    from bot.serve import reset_demo

    try:
        gone = reset_demo(settings)
    except DatabaseInUse:
        _stop("The server is running: stop it first (Ctrl-C), then reset.", WRONG_INPUT)
    typer.echo(f"Removed {gone} files. `aiops up` starts a new demo." if gone else "There was no demo yet. `aiops up` starts one.")


@app.command()
def workspace(
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8090,
    db: Annotated[str, typer.Option(help="A file to keep messages in.")] = ":memory:",
    limits: Annotated[str, typer.Option(help="slack or none.")] = "slack",
    seed: Annotated[Path | None, typer.Option(help="A JSON file with people, channels and apps.")] = None,
) -> None:
    """Start the Slack-like workspace alone, as an outside world for drills."""
    import runpy

    sys.argv = ["aiops workspace", "--port", str(port), "--db", db, "--limits", limits, *(["--seed", str(seed)] if seed else [])]
    runpy.run_module("bot.workspace", run_name="__main__")


def main() -> None:
    """Run the command line."""
    app()


# --- carrying out -----------------------------------------------------------------------------------------------


def _settings() -> Settings:
    try:
        return read_settings()
    except SettingsError as error:
        _stop(str(error), WRONG_INPUT)


def _stop(words: str, code: int) -> NoReturn:
    typer.echo(words, err=True)
    raise typer.Exit(code)


def _who() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "someone at the command line"


def _document(file: Path | None) -> dict[str, Any]:
    path = file or _settings().config
    try:
        return {"name": str(path), "text": path.read_text("utf-8")}
    except FileNotFoundError:
        _stop(f"{path} does not exist. Begin with docs/aiops.example.yml, or `aiops export config > {path}`.", WRONG_INPUT)
    except (OSError, UnicodeDecodeError) as error:
        _stop(f"{path} cannot be read: {error}", WRONG_INPUT)


def _carry(job: str, args: dict[str, Any], as_json: bool, *, server_only: bool = False) -> None:
    try:
        code = asyncio.run(_show(job, args, as_json, server_only))
    except KeyboardInterrupt:
        code = 130
    except (SettingsError, DatabaseInUse, SchemaMismatch) as error:
        _stop(str(error), WRONG_INPUT)
    raise typer.Exit(code)


async def _show(job: str, args: dict[str, Any], as_json: bool, server_only: bool) -> int:
    printer = _Printer(as_json)
    code = 0
    try:
        async for line in _lines(_settings(), job, args, server_only):
            code = printer.show(line) or code
    finally:
        printer.close()
    return code


async def _lines(settings: Settings, job: str, args: dict[str, Any], server_only: bool) -> AsyncIterator[Line]:
    from bot.db import Database

    db = Database(settings.database)
    path = socket_path(db.url.database if db.is_sqlite else None, settings.var)
    real = settings.own_database
    try:
        try:
            async for line in ask_server(path, job, args):
                yield line
            return
        except ConnectionError:
            if real is None:
                raise
        # The server of a real workspace, started in another terminal: this one need not know its tokens.
        async for line in ask_server(socket_path(str(real), settings.var), job, args):
            yield line
        return
    except ConnectionError:
        if server_only:
            yield {"error": "No server is running here: start one with `aiops up`.", "exit": NO_SERVER}
            return
    finally:
        db.close()
    if real is not None and real.is_file() and real.stat().st_size:
        typer.echo("No Slack token is set in this terminal, so this is about the demo fleet. For your own workspace set SLACK_BOT_TOKEN, or start `aiops up` with it first.", err=True)
    from bot.serve import alone

    async with alone(settings, any_state=job == "doctor") as jobs:
        async for line in jobs[job](args):
            yield line


class _Printer:
    """Shows lines as text or JSON, with a progress bar for long work."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self._progress: Any = None
        self._task: Any = None

    def show(self, line: Line) -> int:
        """Print one line; returns the exit code it asks for."""
        if "progress" in line:
            self._advance(line["progress"])
        elif "error" in line:
            typer.echo(line["error"], err=True)
        elif self.as_json and "json" in line:
            typer.echo(orjson.dumps(line["json"], option=orjson.OPT_INDENT_2).decode())
        elif not self.as_json and "text" in line:
            typer.echo(line["text"])
        return int(line.get("exit", 0))

    def _advance(self, step: dict[str, Any]) -> None:
        if self.as_json or not sys.stderr.isatty():
            return
        if self._progress is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._progress = Progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeRemainingColumn(), console=Console(stderr=True))
            self._progress.start()
            self._task = self._progress.add_task(step.get("words", ""), total=step["total"] or 1)
        self._progress.update(self._task, completed=step["done"], description=step.get("words", ""))

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
