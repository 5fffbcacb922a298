from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot.app import House
from bot.blocks import Message
from bot.clock import MovedClock
from bot.doctor import Finding, examine
from bot.doctor.findings import listed, shortened
from bot.jobs import jobs_of
from bot.outbox import flows as outbox
from bot.settings import Settings
from bot.tables import Agent, AgentOwner, Check, Mark, OutMessage, Person, Ping, Token
from tests.kit.house import MANIFEST, REGISTRY, Town, town

WAKING = REGISTRY.replace("hala: {slack: U0HALA}", "hala: {slack: U0HALA}\n  omar: {slack: U0OMAR, email: omar@example.com, pagerduty: key1, wake: [email, pagerduty]}").replace("U0OMAR, backup", "omar, backup")


def said(found: list[Finding], *, bad: bool | None = None) -> str:
    return "\n".join(each.line for each in found if bad is None or each.bad is bad)


@contextlib.asynccontextmanager
async def well(database_url: str, clock: MovedClock, registry: str = REGISTRY) -> AsyncIterator[Town]:
    """A house where everybody accepted, the agent said hello, and somebody used `/aiops`."""
    async with town(database_url, clock) as t:
        await t.apply(registry)
        now = t.clock.now()
        await t.write(lambda tx: tx.execute(update(AgentOwner).values(accepted_at=now, chase_at=None)))
        await t.post(t.event("run", "r1", status="ok"))
        await t.settle()
        await t.ws.command("maya", "support-ai", "/aiops", "help")
        await t.settle()
        yield t


def grant(t: Town, *, without: tuple[str, ...] = (), more: str = "") -> None:
    oauth = MANIFEST["oauth_config"]["scopes"]
    app = t.ws.app()
    app.scopes = [name for name in [*oauth["bot"], *oauth["bot_optional"], more] if name and name not in without]
    t.ws.store.save(app)


async def test_a_house_in_order_gets_one_kind_line_and_what_is_worth_knowing(database_url: str, clock: MovedClock) -> None:
    async with well(database_url, clock) as t:
        found = await examine(t.house)
        assert said(found) == (
            f"✓ All is well: 1 agent in {t.ws.team_name}, and every owner can be reached.\n"
            "• Only Slack reaches Omar Nassar and Lea Khoury: when Slack is down, their pages wait for it. Give them `wake: [email]` (or webhook, pagerduty) under `people:` in aiops.yml."
        )
        lines = [line async for line in jobs_of(t.house)["doctor"]({})]
        assert lines[0]["exit"] == 0
        assert lines[0]["json"][0]["state"] == "well"


async def test_a_refused_token_is_told_once_with_what_it_means(database_url: str, clock: MovedClock) -> None:
    async with well(database_url, clock) as t:
        t.ws.revoke("xoxb-test")
        found = await examine(t.house)
        assert said(found, bad=True).startswith("✗ Slack refuses the bot token: the token was revoked. Messages are kept and wait; calls take people's other routes. Install the app again")
        assert [each.about for each in found if each.bad] == ["token"]
        lines = [line async for line in jobs_of(t.house)["doctor"]({})]
        assert lines[0]["exit"] == 1


async def test_without_network_the_rest_is_judged_all_the_same(database_url: str, clock: MovedClock) -> None:
    async with well(database_url, clock) as t:
        t.ws.faults.outage = True
        await t.write(lambda tx: tx.execute(update(Person).where(Person.slack_id == "U0OMAR").values(active=False)))
        told = said(await examine(t.house), bad=True)
        assert "✗ Slack does not answer at" in told
        assert "✗ Omar Nassar (operations owner of Support triage) has left the Slack workspace. Name somebody else" in told


async def test_a_token_of_another_workspace_is_noticed(database_url: str, clock: MovedClock) -> None:
    async with well(database_url, clock) as t:
        await t.write(lambda tx: tx.execute(update(Mark).where(Mark.name == "slack.team").values(value={"team_id": "T0OTHER"})))
        assert "this database belongs to T0OTHER" in said(await examine(t.house), bad=True)


async def test_missing_rights_are_named_with_what_stops_and_declined_ones_only_where_they_are_needed(database_url: str, clock: MovedClock) -> None:
    async with well(database_url, clock) as t:
        grant(t, without=("im:write", "reactions:read", "users:read.email"), more="pins:write")
        found = await examine(t.house)
        bad, remarks = said(found, bad=True), said(found, bad=False)
        assert "✗ The scope `im:write` is missing: nobody can be called by direct message. Add it at api.slack.com/apps" in bad
        assert "✗ The scope `users:read.email` is missing (aiops.yml names people by e-mail address)" in bad
        assert "• The optional scope `reactions:read` was not granted, so pushpins and emoji count for nothing; the buttons and `note` go on. Nothing in the registry needs it now." in remarks
        assert "• The app holds rights that are never used: `pins:write`." in remarks


async def test_private_channels_that_were_declined_cost_no_public_one(database_url: str, clock: MovedClock) -> None:
    async with well(database_url, clock) as t:
        grant(t, without=("groups:read", "groups:history"))
        t.ws.add_channel("news", members=["maya"], id="C0NEWS")
        await t.house.read_directory(clock.now())
        found = await examine(t.house)
        assert said(found, bad=True) == ""
        assert "`groups:read` was not granted" in said(found)
        grant(t, without=("channels:read",))
        await t.house.read_directory(clock.now())
        assert "✗ Slack did not tell us its channels: missing_scope (needs the scope channels:read). What was known before stays." in said(await examine(t.house), bad=True)


async def test_a_channel_without_the_bot_is_told_and_forgotten_once_it_is_invited(database_url: str, clock: MovedClock) -> None:
    async with well(database_url, clock) as t:
        with t.ws.quietly():
            t.ws.leave("U0AIOPS", "support-ai")
        await t.house.read_directory(clock.now())
        assert "✗ The bot is not in #support-ai, the channel of Support triage: its messages there are refused. Write `/invite @aiops` in #support-ai." in said(await examine(t.house), bad=True)
        grant(t, more="chat:write.public")
        assert "✗ #support-ai is degraded: the bot may post there without being a member" in said(await examine(t.house), bad=True)
        with t.ws.quietly():
            t.ws.join("U0AIOPS", "support-ai")  # the directory does not know yet: Slack is asked
        assert said(await examine(t.house), bad=True) == ""


async def test_archived_and_unknown_channels_are_told_apart(database_url: str, clock: MovedClock) -> None:
    async with well(database_url, clock) as t:
        with t.ws.quietly():
            t.ws.archive_channel("support-ai")
        await t.house.read_directory(clock.now())
        assert "✗ #support-ai, the channel of Support triage, is archived" in said(await examine(t.house), bad=True)
        await t.write(lambda tx: tx.execute(update(Agent).values(channel_id="C0GONE")))
        assert "✗ The channel C0GONE of Support triage is not known to the bot" in said(await examine(t.house), bad=True)


async def test_who_left_and_is_only_named_in_a_rotation_is_told_too(database_url: str, clock: MovedClock) -> None:
    rotations = 'ladders: {standard: [{call: "rotation:web"}, {after: 5m, call: backup}]}\nrotations: {web: {people: [U0DANA, U0OMAR], handover: "mon 09:00", every: 1w, timezone: Europe/Paris, starts: 2026-01-05}}\n'
    async with well(database_url, clock) as t:
        await t.apply(rotations + REGISTRY)
        await t.write(lambda tx: tx.execute(update(Person).where(Person.slack_id.in_(("U0DANA", "U0OMAR"))).values(active=False)))
        told = said(await examine(t.house), bad=True)
        assert "✗ Dana Fares: left the workspace, and is still named." in told
        assert told.count("Omar Nassar") == 1  # as the operations owner


async def test_owners_who_cannot_be_reached_are_named_with_their_roles(database_url: str, clock: MovedClock) -> None:
    async with well(database_url, clock) as t:
        def trouble(tx: Session) -> None:
            tx.execute(update(Person).where(Person.slack_id == "U0MAYA").values(kind="guest"))
            tx.execute(update(Person).where(Person.slack_id == "U0LEA").values(slack_id=None, email="lea@example.com"))
            tx.execute(update(AgentOwner).where(AgentOwner.role == "operations").values(accepted_at=None, asked_at=clock.now()))

        await t.write(trouble)
        found = await examine(t.house)
        assert "✗ Maya Haddad (business owner of Support triage) is a guest, and may press nothing." in said(found, bad=True)
        assert "✗ Lea Khoury (backup of Support triage) has no Slack account here" in said(found, bad=True)
        assert "• Omar Nassar has not accepted yet: operations owner of Support triage." in said(found, bad=False)
        await t.write(lambda tx: tx.execute(update(Person).where(Person.slack_id == "U0OMAR").values(dm_channel=None)))
        clock.move(timedelta(days=4))
        told = said(await examine(t.house), bad=True)
        assert "✗ Omar Nassar has not accepted for 4 days: operations owner of Support triage. Ask Omar Nassar to press `Accept`" in told
        assert "✗ The bot has no direct message with Omar Nassar" in told
        await t.write(lambda tx: tx.execute(update(AgentOwner).where(AgentOwner.role == "operations").values(declined_at=clock.now())))
        assert "✗ Omar Nassar pressed `Not me`: operations owner of Support triage." in said(await examine(t.house), bad=True)


async def test_routes_that_somebody_counts_on_must_be_set_up_and_have_an_address(database_url: str, clock: MovedClock) -> None:
    async with well(database_url, clock, WAKING) as t:
        await t.write(lambda tx: tx.execute(update(Person).where(Person.slack_id == "U0OMAR").values(addresses={"email": "omar@example.com"})))
        told = said(await examine(t.house), bad=True)
        assert "✗ Omar Nassar should be called by e-mail when Slack fails, and that route is not set up here. Set AIOPS_SMTP_URL" in told
        assert "✗ Omar Nassar should be called by PagerDuty, and there is no address for it." in told


async def test_leads_tokens_and_silent_agents_are_asked_for(database_url: str, clock: MovedClock) -> None:
    async with well(database_url, clock, REGISTRY.replace(", leads: [hala]", "")) as t:
        clock.move(timedelta(minutes=30))

        def trouble(tx: Session) -> None:
            tx.execute(update(Token).values(revoked_at=clock.now()))
            tx.execute(update(Agent).values(heard_at=None))
            tx.execute(update(Check).values(looked_at=None, due_at=clock.now() - timedelta(minutes=20)))

        await t.write(trouble)
        found = await examine(t.house)
        assert "✗ No leads are named: nobody sees the fleet line" in said(found, bad=True)
        assert "✗ No token is good for sending events: no agent can report. Make one with `aiops token make" in said(found, bad=True)
        assert "✗ Checks that are due and were never looked at: `runs` of Support triage." in said(found, bad=True)
        assert "• Not one event came in yet from Support triage." in said(found, bad=False)
        # A job that only pings is connected: nobody is asked to send an event for it.
        await t.write(lambda tx: tx.add(Ping(agent_id=1, check_id=tx.scalars(select(Check.id)).first(), occurred_at=clock.now(), received_at=clock.now(), status="success")))
        assert "Not one event" not in said(await examine(t.house))


async def test_messages_given_up_and_overdue_are_counted_with_an_example(database_url: str, clock: MovedClock) -> None:
    async with well(database_url, clock) as t:
        now = clock.now()

        def trouble(tx: Session) -> None:
            for key in ("one", "two", "three"):
                outbox.show(tx, now, key=key, to="C0GENERAL", message=Message("hello"))
            tx.execute(update(OutMessage).where(OutMessage.key.in_(("one", "two"))).values(state="failed", due_at=None, error="not_in_channel"))
            tx.execute(update(OutMessage).where(OutMessage.key == "three").values(due_at=now - timedelta(hours=3)))

        await t.write(trouble)
        told = said(await examine(t.house), bad=True)
        assert "✗ 2 messages were given up in the last 7 days; the newest to #general: not_in_channel." in told
        assert "✗ One message is overdue, the oldest by 3 hours." in told
        clock.move(timedelta(days=8))
        assert "given up" not in said(await examine(t.house))


async def test_slack_that_shut_us_out_is_told_with_since_when(database_url: str, clock: MovedClock) -> None:
    async with well(database_url, clock) as t:
        since = clock.now() - timedelta(hours=5)
        await t.write(lambda tx: tx.merge(Mark(name="delivery.slack", value={"state": "unauthorised", "error": "app_uninstalled", "since": since.isoformat()})))
        assert "✗ Slack has shut the bot out for 5 hours (app_uninstalled): messages are kept and wait. It answers again now; delivery goes on within a minute." in said(await examine(t.house), bad=True)


async def test_an_old_directory_is_a_remark(database_url: str, clock: MovedClock) -> None:
    async with well(database_url, clock) as t:
        clock.move(timedelta(days=3))
        assert "• Slack's directory was last read 3 days ago" in said(await examine(t.house), bad=False)


async def test_a_house_without_slack_token_address_or_secret_says_what_is_lost(database_url: str, clock: MovedClock) -> None:
    house = House(Settings(AIOPS_MODE="slack", AIOPS_DATABASE_URL=database_url), clock=clock)
    try:
        found = await examine(house)
        assert said(found, bad=True).startswith("✗ There is no Slack token: nobody can be called")
        remarks = said(found, bad=False)
        assert "• AIOPS_PUBLIC_URL is not set: e-mails and webhooks carry no link" in remarks
        assert "• AIOPS_SECRET is not set: there are no signed links, and no webhooks." in remarks
        assert "• There are no agents yet. Add one with `/aiops agent add`" in remarks
    finally:
        await house.close()


async def test_no_way_in_and_a_dead_mail_server_are_told(database_url: str, clock: MovedClock) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with well(database_url, clock) as t:
        changed = {"slack_signing_secret": None, "smtp_url": type(t.house.settings.slack_bot_token)(f"smtp://user:secret-word@127.0.0.1:{port}")}
        t.house.settings = t.house.settings.model_copy(update=changed)
        told = said(await examine(t.house), bad=True)
        assert "✗ Nothing from Slack can come in: there is neither SLACK_APP_TOKEN (Socket Mode) nor SLACK_SIGNING_SECRET (HTTP)" in told
        assert f"✗ The mail server does not answer (127.0.0.1:{port}: the connection failed)." in told
        assert "secret-word" not in told


async def test_a_bad_app_level_token_is_told(database_url: str, clock: MovedClock) -> None:
    async with well(database_url, clock) as t:
        secret = type(t.house.settings.slack_bot_token)
        t.house.settings = t.house.settings.model_copy(update={"slack_app_token": secret("xapp-wrong")})
        assert "✗ Slack refuses the app-level token (invalid_auth): no press, command or event comes in." in said(await examine(t.house), bad=True)
        t.house.settings = t.house.settings.model_copy(update={"slack_app_token": secret("xapp-test")})
        assert said(await examine(t.house), bad=True) == ""


async def test_a_database_without_tables_or_away_is_told_and_slack_is_still_asked(clock: MovedClock, tmp_path: Path) -> None:
    house = House(Settings(AIOPS_MODE="slack", AIOPS_DATABASE_URL=f"sqlite:///{tmp_path}/new.db"), clock=clock)
    try:
        told = said(await examine(house), bad=True)
        assert "✗ The database has no tables yet, and this version needs" in told
        assert "✗ There is no Slack token" in told
    finally:
        await house.close()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    house = House(Settings(AIOPS_MODE="slack", AIOPS_DATABASE_URL=f"postgresql://aiops:hush@127.0.0.1:{port}/none"), clock=clock)
    try:
        told = said(await examine(house), bad=True)
        assert f"✗ The database postgresql+psycopg://aiops:***@127.0.0.1:{port}/none does not answer." in told or f"✗ The database postgresql://aiops:***@127.0.0.1:{port}/none does not answer." in told
        assert "hush" not in told
    finally:
        await house.close()


async def test_the_look_changes_nothing(database_url: str, clock: MovedClock) -> None:
    async with well(database_url, clock) as t:
        async def rows() -> list[tuple[str, int, str]]:
            return await t.read(lambda tx: [(row.key, row.want_rev, row.state) for row in tx.scalars(select(OutMessage).order_by(OutMessage.id))])

        before = await rows()
        await examine(t.house)
        assert await rows() == before
        assert t.ws.calls[-1].method == "auth.test"


def test_a_name_cannot_command_the_terminal_and_long_lists_say_how_much_is_left_out() -> None:
    assert Finding("owner", "\x1b[2JEve\nis here.").line == "✗  [2JEve is here."
    many = shortened([Finding("owner", f"{number} is away.") for number in range(25)])
    assert len(many) == 21
    assert many[-1].line == "✗ ... and 5 more like this."
    assert listed(["A"]) == "A"
    assert listed(["A", "B"]) == "A and B"
    assert listed(["A", "B", "C"]) == "A, B and C"
    assert listed(list("ABCDEFG")) == "A, B, C, D and 3 more"
