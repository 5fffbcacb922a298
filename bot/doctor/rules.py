"""What is wrong, given what was seen and told: pure. Each function judges one part of the house."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from bot.agents.owners import ANSWER_WITHIN
from bot.doctor.facts import LATELY, Owner, Place, Seen, Told
from bot.doctor.findings import Finding, listed, remark, shortened
from bot.doctor.scopes import SCOPES
from bot.paging.messages import span

FRESH = timedelta(days=1)  # a directory read before that is old news
NEW = timedelta(minutes=10)  # an owner asked before that should have been reached

APPS = "api.slack.com/apps"
REINSTALL = f"Add it at {APPS} → your app → OAuth & Permissions (or paste manifest.yml anew), then press Reinstall."
WAYS = {"email": "e-mail", "webhook": "webhook", "pagerduty": "PagerDuty"}

_REFUSALS = {
    "account_inactive": "the app was uninstalled, or the account behind the token is deactivated",
    "token_revoked": "the token was revoked",
    "token_expired": "the token has expired",
    "invalid_auth": "Slack does not know this token",
    "not_authed": "no token arrived",
    "not_allowed_token_type": "this is another kind of token: a bot token begins with xoxb-",
}


def judge_token(told: Told | None, seen: Seen | None, api_url: str, *, local: bool) -> Iterator[Finding]:
    """The bot token: there, known to Slack, and of the workspace this database belongs to."""
    if told is None:
        yield Finding("token", "There is no Slack token: nobody can be called, and nothing is shown in Slack.", f"Set SLACK_BOT_TOKEN to the bot token (xoxb-...) from {APPS} → your app → OAuth & Permissions.")
    elif told.state == "refused":
        why = _REFUSALS.get(told.error, f"Slack says {told.error}")
        yield Finding("token", f"Slack refuses the bot token: {why}. Messages are kept and wait; calls take people's other routes.", f"Install the app again at {APPS}, put the new token into SLACK_BOT_TOKEN, and start again.")
    elif told.state == "away" and local:
        yield remark("slack", "The local workspace does not answer: it lives inside the server, and none is running.", "Start it with `aiops up`.")
    elif told.state == "away":
        yield Finding("slack", f"Slack does not answer at {api_url} ({told.error}). Messages are kept and wait.", "Look at status.slack.com, and whether this machine may reach that address (proxy, firewall, DNS).")
    elif seen is not None and seen.team is not None and told.team_id and seen.team != told.team_id:
        yield Finding("token", f"The token is for the workspace {told.team or told.team_id} ({told.team_id}), and this database belongs to {seen.team}.", "Use that workspace's token, or give this one a database of its own (AIOPS_DATABASE_URL).")


def judge_scopes(told: Told | None, seen: Seen | None) -> Iterator[Finding]:
    """What the token may do, beside what is needed."""
    if told is None or told.scopes is None:
        return
    for scope in SCOPES.values():
        if scope.name in told.scopes:
            continue
        used = seen.uses.get(scope.name) if seen is not None else None
        if scope.optional and not used:
            yield remark("scopes", f"The optional scope `{scope.name}` was not granted, so {scope.without}. Nothing in the registry needs it now.")
        else:
            because = f" ({used})" if used else ""
            yield Finding("scopes", f"The scope `{scope.name}` is missing{because}: {scope.without}.", REINSTALL)
    more = sorted(told.scopes - set(SCOPES) - {"chat:write.public"})
    if more:
        yield remark("scopes", f"The app holds rights that are never used: {listed([f'`{name}`' for name in more])}.", "Take them away when you next edit the app.")


def judge_way_in(
    *, socket_mode: bool, app_token_error: str | None, connected: bool | None, signing_secret: bool, heard: bool, public_url: str | None
) -> Iterator[Finding]:
    """How presses and events come in: Socket Mode or signed HTTP. `connected` is None where no server is running."""
    if socket_mode:
        if app_token_error is not None:
            yield Finding("way in", f"Slack refuses the app-level token ({app_token_error}): no press, command or event comes in.", f"Make one with the scope connections:write at {APPS} → your app → Basic Information → App-Level Tokens, and set SLACK_APP_TOKEN (xapp-...).")
        elif connected is False:
            yield Finding("way in", "Socket Mode is not connected just now: no press, command or event comes in.", "It connects again by itself within a minute; if it stays so, look whether Socket Mode is on for the app and wss:// is allowed out of this machine.")
        return
    if not signing_secret:
        yield Finding("way in", "Nothing from Slack can come in: there is neither SLACK_APP_TOKEN (Socket Mode) nor SLACK_SIGNING_SECRET (HTTP), so buttons and `/aiops` do nothing.", f"Set one of them; both are at {APPS} → your app → Basic Information.")
    elif not heard:
        where = f"{public_url}/slack/events" if public_url else "https://<your address>/slack/events"
        yield remark("way in", "Nothing came in from Slack over HTTP in the last two days.", f"If somebody pressed a button or wrote `/aiops` meanwhile, check the three addresses in the app's settings: each must be {where}.")


def judge_channel(place: Place, told: Told | None) -> Finding | None:
    """Whether the bot can speak and hear in one channel of the registry. What Slack said just now goes before the directory."""
    fresh: dict[str, Any] | None = told.channels.get(place.slack_id) if told is not None else None
    row, of = place.row, listed(list(place.agents))
    name = f"#{row.name}" if row is not None and row.name else place.slack_id
    if fresh == {} or (fresh is None and row is None):
        return Finding("channel", f"The channel {place.slack_id} of {of} is not known to the bot (private without an invitation, or deleted): its messages go to the owners instead.", "Invite the bot there, or name another channel in aiops.yml and run `aiops apply`.")
    archived = bool(fresh.get("is_archived")) if fresh else row is not None and row.is_archived
    member = bool(fresh.get("is_member")) if fresh else row is not None and row.is_member
    if archived:
        return Finding("channel", f"{name}, the channel of {of}, is archived: summaries and pages cannot be shown there and go to the owners instead.", "Unarchive it in Slack, or name another channel in aiops.yml and run `aiops apply`.")
    if member:
        return None
    if told is not None and told.scopes is not None and "chat:write.public" in told.scopes:
        return Finding("channel", f"{name} is degraded: the bot may post there without being a member, but can neither look its messages up nor hear reactions.", f"Write `/invite @aiops` in {name}.")
    return Finding("channel", f"The bot is not in {name}, the channel of {of}: its messages there are refused.", f"Write `/invite @aiops` in {name}.")


def judge_channels(seen: Seen, told: Told | None) -> list[Finding]:
    return shortened([found for place in seen.places if (found := judge_channel(place, told)) is not None])


def judge_owner(owner: Owner, now: datetime) -> Iterator[Finding]:
    """Whether one owner is here, has accepted, and can be reached."""
    person, roles = owner.person, listed(list(owner.roles), 3)
    name = person.name or person.email or person.slack_id or "someone"
    name_other = "Name somebody else: change aiops.yml and run `aiops apply`, or use `/aiops agent`."
    if person.slack_id is None:
        yield Finding("owner", f"{name} ({roles}) has no Slack account here: no direct message reaches them.", name_other)
        return
    if not person.active:
        yield Finding("owner", f"{name} ({roles}) has left the Slack workspace.", name_other)
        return
    if person.kind != "member":
        what = {"guest": "a guest", "stranger": "from another workspace", "bot": "a bot"}.get(person.kind, person.kind)
        yield Finding("owner", f"{name} ({roles}) is {what}, and may press nothing.", name_other)
        return
    if owner.declined:
        yield Finding("owner", f"{name} pressed `Not me`: {listed(list(owner.declined), 3)}.", name_other)
    if owner.unconfirmed:
        waits = now - owner.asked_at if owner.asked_at else NEW
        told = f"{name} has not accepted {'yet' if waits < NEW else f'for {span(waits)}'}: {listed(list(owner.unconfirmed), 3)}."
        ask = f"Ask {name} to press `Accept` in the bot's direct message, or name somebody else."
        yield Finding("owner", told, ask) if waits >= ANSWER_WITHIN else remark("owner", told, ask)
        if person.dm_channel is None and owner.asked_at is not None and waits >= NEW:
            yield Finding("owner", f"The bot has no direct message with {name} ({roles}) yet: nothing has reached them.", "See what is said above and below about the token, the scope `im:write` and messages that failed.")


def judge_owners(seen: Seen, now: datetime) -> list[Finding]:
    found = [each for owner in seen.owners for each in judge_owner(owner, now)]
    if seen.ownerless:
        found.insert(0, Finding("owner", f"No business or operations owner: {listed(list(seen.ownerless))}.", "Name both in aiops.yml and run `aiops apply`."))
    return shortened(sorted(found, key=lambda each: not each.bad))


def judge_routes(seen: Seen, *, email: bool, webhook: bool, mail_error: str | None, quiet: bool) -> list[Finding]:
    """The ways beyond Slack: set up here, and with an address for whoever is to be woken by them. `quiet`: no remarks."""
    found: list[Finding] = []
    for way, ready, remedy in (
        ("email", email, "Set AIOPS_SMTP_URL, such as smtp://user:password@host:587."),
        ("webhook", webhook, "Set AIOPS_SECRET to a long random text: webhooks are signed with keys made from it."),
    ):
        named = [owner.person.name for owner in seen.owners if way in owner.person.wake]
        if named and not ready:
            found.append(Finding("route", f"{listed(named)} should be called by {WAYS[way]} when Slack fails, and that route is not set up here.", remedy))
    for owner in seen.owners:
        missing = [WAYS.get(way, way) for way in owner.person.wake if not owner.person.addresses.get(way)]
        if missing:
            found.append(Finding("route", f"{owner.person.name} should be called by {listed(missing)}, and there is no address for it.", f"Add it to {owner.person.name} under `people:` in aiops.yml and run `aiops apply`."))
    if mail_error is not None:
        found.append(Finding("route", f"The mail server does not answer ({mail_error}).", "Check AIOPS_SMTP_URL, and whether this machine may reach it."))
    for line, broken in seen.unreached:
        # At night Slack's own do-not-disturb is on for most people: worth knowing, and no reason to fail.
        found.append(Finding("route", line) if broken else remark("route", line, "They can try with `/aiops page test` what reaches them."))
    only_slack = [owner.person.name or "someone" for owner in seen.owners if owner.first_called and not owner.person.wake and owner.person.active]
    if only_slack and not quiet:
        found.append(remark("route", f"Only Slack reaches {listed(only_slack)}: when Slack is down, their pages wait for it.", "Give them `wake: [email]` (or webhook, pagerduty) under `people:` in aiops.yml."))
    return shortened(found)


def judge_links(*, public_url: str | None, secret: bool) -> Iterator[Finding]:
    """Signed links need an address that browsers reach, and a secret that signs."""
    if public_url is None:
        yield remark("public url", "AIOPS_PUBLIC_URL is not set: e-mails and webhooks carry no link to acknowledge or vote with, and curl lines name this machine only.", "Set it to the address under which people's browsers reach this server.")
    elif public_url.startswith("http://") and not public_url.startswith(("http://127.", "http://localhost", "http://[::1]")):
        yield remark("public url", "AIOPS_PUBLIC_URL begins with http://: links and tokens travel unencrypted.", "Put a proxy with TLS in front, and set the https:// address.")
    if not secret:
        yield remark("secret", "AIOPS_SECRET is not set: there are no signed links, and no webhooks.", "Set it to a long random text (`openssl rand -hex 32`), the same for every process.")


def judge_registry(seen: Seen) -> Iterator[Finding]:
    """Agents, leads, tokens, checks."""
    if not seen.agents:
        yield remark("agents", "There are no agents yet.", "Add one with `/aiops agent add` in Slack, or write aiops.yml and run `aiops apply`.")
        return
    if not seen.leads_named:
        yield Finding("leads", "No leads are named: nobody sees the fleet line, nobody hears of owners who do not answer, and a ladder's last step calls nobody.", "Name people or a user group under `workspace: leads:` in aiops.yml and run `aiops apply`.")
    elif not seen.leads_reached:
        yield Finding("leads", "The leads named in aiops.yml reach nobody who is here.", "Name people who are active in Slack, or a user group with members, and run `aiops apply`.")
    if not seen.tokens:
        yield Finding("tokens", "No token is good for sending events: no agent can report.", "Make one with `aiops token make --name NAME --scope events`.")
    if seen.unheard:
        yield remark("agents", f"Not one event came in yet from {listed(list(seen.unheard))}.", "Send one with the curl line of README.md, and watch it arrive with `aiops events tail`.")
    if seen.wrong:
        yield remark("checks", f"Silenced, because somebody said that the check itself is wrong: {listed(list(seen.wrong))}.", "Mend them in aiops.yml, or take them out: until then nobody is called by them.")
    if seen.unlooked:
        yield Finding("checks", f"Checks that are due and were never looked at: {listed(list(seen.unlooked))}.", "The server does this: look whether it runs (`/readyz`) and what its log says.")


def judge_outbox(seen: Seen, told: Told | None, now: datetime) -> Iterator[Finding]:
    """Messages: what Slack did not take, and what waits too long."""
    state = seen.delivery.get("state", "working")
    if state != "working":
        since = seen.delivery.get("since")
        for_long = span(now - datetime.fromisoformat(since)) if since else "a while"
        what = "shut the bot out" if state == "unauthorised" else "been out of reach"
        told_now = " It answers again now; delivery goes on within a minute." if told is not None and told.state == "ok" else ""
        yield Finding("delivery", f"Slack has {what} for {for_long} ({seen.delivery.get('error') or 'no reason given'}): messages are kept and wait.{told_now}", "" if told_now else "See what is said about the token and Slack.")
    if seen.failed:
        where, why = seen.failed_example or ("?", "?")
        count = "One message was" if seen.failed == 1 else f"{seen.failed} messages were"
        yield Finding("messages", f"{count} given up in the last {span(LATELY)}; the newest to {where}: {why}.", "Mend the place it should go to; whatever still holds is shown there with the next change.")
    if seen.overdue and seen.overdue_since is not None:
        count = "One message is" if seen.overdue == 1 else f"{seen.overdue} messages are"
        yield Finding("messages", f"{count} overdue, the oldest by {span(now - seen.overdue_since)}.", "The server sends them: look whether it runs, and what is said above about Slack.")


def judge_directory(seen: Seen, told: Told | None, now: datetime) -> Iterator[Finding]:
    """Slack's directory as last read: who is here, groups, channels."""
    if told is None:
        return
    if seen.directory is None:
        yield remark("directory", "Slack's directory was never read: nobody can be named by e-mail or user group yet.", "The server reads it when it starts: `aiops up`.")
        return
    for part, word in sorted((seen.directory.get("refused") or {}).items()):
        needed = next((scope for scope in SCOPES.values() if scope.name in word), None)
        if needed is not None and needed.optional and needed.name not in seen.uses:
            continue  # declined on purpose, and said under scopes
        yield Finding("directory", f"Slack did not tell us its {part}: {word}. What was known before stays.", REINSTALL if needed else "It is asked again within six hours, or when the server starts.")
    age = now - datetime.fromisoformat(seen.directory["at"])
    if age > FRESH:
        yield remark("directory", f"Slack's directory was last read {span(age)} ago: what is said about people and channels may be old.", "The server reads it every six hours: look whether it runs.")
