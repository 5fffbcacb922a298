"""`aiops doctor`: says in plain words what is missing, and how to mend it. It changes nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from bot.db import SCHEMA, DatabaseInUse
from bot.doctor import probes, rules
from bot.doctor.facts import Seen, Told
from bot.doctor.findings import Finding as Finding
from bot.doctor.findings import remark
from bot.doctor.looking import look
from bot.doctor.outward import judge_feedback
from bot.doctor.pager import judge_pager, watch_of
from bot.doctor.probes import PATIENCE
from bot.feedback.outward.trouble import troubles
from bot.settings import Settings, secret_named

if TYPE_CHECKING:
    from bot.app import House  # whose jobs import this room

LOCAL = "This is the local workspace: its people are made up, and nothing here reaches Slack."


async def examine(house: House) -> list[Finding]:
    """Look at everything, outside at once; broken things first. Without network it says so and judges the rest."""
    now, settings = house.clock.now(), house.settings
    found, seen = await _database(house)
    told, mail_error, way_in = await asyncio.gather(_slack(house, seen), _mail(settings), _way_in(house, seen))
    local = settings.is_local
    if told is not None and told.state != "ok":
        way_in = [each for each in way_in if not each.bad]  # one cause, one line
    found += [*rules.judge_token(told, seen, settings.slack_api_url, local=local), *rules.judge_scopes(told, seen)]
    found += way_in if told is not None else []
    if seen is not None:
        found += rules.judge_channels(seen, told)
        found += rules.judge_owners(seen, now)
        found += rules.judge_routes(seen, email="email" in house.delivery.routes, webhook="webhook" in house.delivery.routes, mail_error=mail_error, quiet=local)
        found += [*rules.judge_registry(seen), *rules.judge_outbox(seen, told, now), *rules.judge_directory(seen, told, now)]
        found += judge_feedback(await house.lanes.read(lambda tx: troubles(tx, secret_named, signing=house.signer is not None)), now)
        found += judge_pager(await house.lanes.read(watch_of), settings, now)
    if not local:
        found += rules.judge_links(public_url=settings.public_url, secret=house.signer is not None)
    found.sort(key=lambda each: not each.bad)
    if local:
        found.append(remark("local mode", LOCAL, "To use your own workspace, set SLACK_BOT_TOKEN and SLACK_APP_TOKEN (README.md, “Connect to Slack”)."))
    well = told is not None and told.state == "ok" and not any(each.bad for each in found)
    return [_well(seen, told), *found] if well else found


def _well(seen: Seen | None, told: Told | None) -> Finding:
    agents = seen.agents if seen is not None else 0
    where = f" in {told.team}" if told is not None and told.team else ""
    fleet = f"{agents} {'agent' if agents == 1 else 'agents'}{where}, and every owner can be reached" if agents else f"ready for your first agent{where}"
    return Finding("all", f"All is well: {fleet}.", state="well")


async def _database(house: House) -> tuple[list[Finding], Seen | None]:
    """Reachable, at the right schema, and ours to write; then what it holds."""
    found: list[Finding] = []
    now, where = house.clock.now(), house.db.url.render_as_string(hide_password=True)
    try:
        schema = await asyncio.wait_for(asyncio.to_thread(house.db.schema), PATIENCE)
        if schema is None and not await asyncio.to_thread(house.db.answers):
            return [Finding("database", f"The database {where} does not answer.", "Start it, or correct AIOPS_DATABASE_URL.")], None
        if schema != SCHEMA:
            stands = f"stands at schema {schema}" if schema else "has no tables yet"
            return [Finding("database", f"The database {stands}, and this version needs {SCHEMA}.", "Start `aiops up`, which brings it there." if house.db.is_sqlite else "Run `aiops migrate`, then start again.")], None
        try:
            house.db.hold()
        except DatabaseInUse:
            found.append(Finding("database", f"Another aiops process writes to {where}.", "One server per SQLite file: stop the other one, or use PostgreSQL."))
        return found, await asyncio.wait_for(house.lanes.read(lambda tx: look(tx, now)), PATIENCE * 4)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        why = "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
        return [*found, Finding("database", f"The database {where} cannot be read ({why}).", "Start it, or correct AIOPS_DATABASE_URL.")], None


async def _slack(house: House, seen: Seen | None) -> Told | None:
    if house.settings.slack_bot_token is None:
        return None
    told = await probes.ask_slack(house.client)
    if told.state != "ok" or seen is None:
        return told
    # The directory may be some hours old: before a channel is complained of, Slack is asked again.
    doubtful = [place.slack_id for place in seen.places if rules.judge_channel(place, None) is not None]
    channels = await probes.ask_channels(house.client, doubtful)
    return Told(told.state, told.error, told.team, told.team_id, told.scopes, channels)


async def _way_in(house: House, seen: Seen | None) -> list[Finding]:
    settings = house.settings
    if settings.slack_bot_token is None:
        return []
    socket_mode, error, connected = settings.slack_app_token is not None, None, None
    if house.sockets:
        connected = await probes.any_connected(house.sockets)
    elif settings.slack_app_token is not None:
        error = await probes.ask_app_token(house.client, settings.slack_app_token.get_secret_value())
    heard = seen is None or seen.from_slack or settings.is_local
    secret = settings.slack_signing_secret is not None
    return list(rules.judge_way_in(socket_mode=socket_mode, app_token_error=error, connected=connected, signing_secret=secret, heard=heard, public_url=settings.public_url))


async def _mail(settings: Settings) -> str | None:
    return await probes.ask_mail_server(settings.smtp_url.get_secret_value()) if settings.smtp_url is not None else None
