"""Agreed quiet on the whole path: the command, the registry file, status, the digest, and Slack's own view of it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from bot.agents.files import read_text
from bot.agents.marked import BadFile
from bot.clock import MovedClock
from bot.jobs import KIND_SPECS, jobs_of
from bot.tables import Maintenance, OutMessage, Page, Silence
from tests.kit.house import REGISTRY, Town, town

NIGHTLY = REGISTRY + '    maintenance:\n      rebuild: {cron: "0 22 * * *", for: 2h, why: "the index is rebuilt"}\n'


async def said(t: Town, place: str = "support-ai") -> str:
    return "\n".join(str(each["text"]) for each in t.ws.messages(place))


async def calls(t: Town) -> list[str]:
    return await t.read(lambda tx: [row.target for row in tx.scalars(select(OutMessage).where(OutMessage.kind == "call", OutMessage.state != "dropped").order_by(OutMessage.id))])


async def planned(t: Town, text: str) -> list[dict[str, Any]]:
    return [line async for line in jobs_of(t.house)["plan"]({"text": text, "name": "aiops.yml"})]


async def test_a_silence_from_the_command_to_its_end(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        await t.ws.command("omar", "support-ai", "/aiops", "silence support-triage runs 2h waiting for the vendor")
        await t.settle()
        assert "silenced until" in str(t.ws.ephemerals("omar")[-1]["text"])
        assert "Omar Nassar silenced the check `runs` of *Support triage*" in await said(t)
        await t.post(t.event("run", "r1", status="failed", error="the index is gone"))
        await t.settle()
        assert await calls(t) == []
        assert "SILENCED Support triage" in await said(t)
        shown = "\n".join(str(line.get("text", "")) for line in await t.job("status", what="support-triage"))
        assert "nobody is called until" in shown
        assert "Check runs is silenced until" in shown
        digest = "\n".join(str(line.get("text", "")) for line in await t.job("digest", channel="#support-ai"))
        assert "Check runs is silenced until" in digest
        await t.move(hours=2)
        assert await calls(t) == ["U0OMAR"]
        assert "people are called now" in await said(t)
        assert await t.read(lambda tx: tx.scalars(select(Silence)).one().ended_at) == clock.now()


async def test_the_button_beside_a_silence_ends_it_for_those_who_may(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        await t.ws.command("omar", "support-ai", "/aiops", "silence support-triage 2h waiting for the vendor")
        await t.settle()
        line = next(each for each in t.ws.messages("support-ai") if "silenced" in str(each["text"]))
        await t.ws.press("dana", "support-ai", line["ts"], "quiet.end", "silence:1")
        await t.settle()
        assert "by an owner of the agent or a lead" in str(t.ws.ephemerals("dana")[-1]["text"])
        await t.ws.press("lea", "support-ai", line["ts"], "quiet.end", "silence:1")
        await t.settle()
        assert "Lea Khoury ended the silence of *Support triage*" in await said(t)


async def test_windows_of_the_file_are_planned_applied_held_changed_and_taken_away(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        plan = "\n".join(str(line.get("text", "")) for line in await planned(t, NIGHTLY))
        assert "maintenance.rebuild.cron: 0 22 * * *" in plan
        assert "maintenance.rebuild.for: 2h" in plan
        await t.apply(NIGHTLY)
        row = await t.read(lambda tx: tx.scalars(select(Maintenance)).one())
        assert (row.agent, row.zone, f"{row.starts_at:%H:%M}", row.source) == ("support-triage", "Europe/Paris", "21:00", "agents.support-triage.maintenance.rebuild")
        await t.move(hours=13)  # 21:00 UTC
        assert "Maintenance of *Support triage* has begun: the index is rebuilt." in await said(t)
        await t.post(t.event("run", "r1", status="failed", error="no index"))
        await t.settle()
        assert await calls(t) == []
        # The same file again changes nothing; a longer window holds on.
        await t.apply(NIGHTLY)
        await t.apply(NIGHTLY.replace("for: 2h", "for: 3h"))
        await t.move(hours=2)
        assert await calls(t) == []
        # Taken out of the file: it ends now, and what is still open calls.
        await t.apply(REGISTRY)
        assert await calls(t) == ["U0OMAR"]
        assert "ended the maintenance of *Support triage*" in await said(t)
        assert await t.read(lambda tx: [row.closed_at is not None for row in tx.scalars(select(Maintenance))]) == [True]
        await t.apply(NIGHTLY)
        assert await t.read(lambda tx: [row.closed_at is None for row in tx.scalars(select(Maintenance).order_by(Maintenance.id))]) == [False, True]


async def test_a_window_of_the_file_can_be_skipped_and_not_taken_away_in_slack(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply(NIGHTLY)
        await t.ws.command("omar", "support-ai", "/aiops", "maintenance end 1")
        await t.settle()
        assert "is written in aiops.yml" in str(t.ws.ephemerals("omar")[-1]["text"])
        await t.ws.command("omar", "support-ai", "/aiops", "maintenance skip 1")
        await t.settle()
        assert "is skipped" in str(t.ws.ephemerals("omar")[-1]["text"])
        await t.apply(NIGHTLY + "\n")
        await t.move(hours=14)
        assert "Maintenance" not in await said(t)
        await t.post(t.event("run", "r1", status="failed"))
        await t.settle()
        assert await calls(t) == ["U0OMAR"]


async def test_a_window_of_the_workspace_covers_a_department(database_url: str, clock: MovedClock) -> None:
    text = REGISTRY.replace("leads: [hala]}", 'leads: [hala], maintenance: {move: {at: "2026-11-20 12:00", for: 1h, department: customer service}}}')
    async with town(database_url, clock) as t:
        await t.apply(text)
        await t.move(hours=3)  # noon in Paris is 11:00 UTC
        assert "Maintenance of all agents of customer service has begun." in await said(t)
        await t.post(t.event("run", "r1", status="failed"))
        await t.settle()
        await t.post(t.event("run", "r2", status="ok"))
        await t.settle()
        await t.move(hours=1)
        assert "Maintenance is over of all agents of customer service." in await said(t)
        assert await t.read(lambda tx: tx.scalars(select(Page)).all()) == []
        # A single window that is over is not planned again by the same file.
        await t.apply(text + "\n")
        assert len(await t.read(lambda tx: tx.scalars(select(Maintenance)).all())) == 1


@pytest.mark.parametrize(
    ("written", "field", "says", "remedy"),
    [
        ('{cron: "0 22 * *", for: 2h}', "cron", "five cron fields", "write minute"),
        ('{cron: "0 22 * * mon-xyz", for: 2h}', "cron", "is not a cron schedule", "write minute"),
        ('{cron: "0 * * * *", for: 2h}', "rebuild", "would still run when the next one starts", "make `for` shorter"),
        ('{cron: "0 22 * * *"}', "for", "is required", "Add `for"),
        ("{for: 2h}", "rebuild", "needs either `cron` or `at`", "write `cron"),
        ('{cron: "0 22 * * *", at: "2026-12-24 22:00", for: 2h}', "rebuild", "needs either `cron` or `at`", "write `cron"),
        ('{at: "2026-12-32 22:00", for: 2h}', "at", "is no day and time", "write it as"),
        ('{at: "tonight", for: 2h}', "at", "does not have the right form", 'Write "2026-12-24 22:00"'),
        ('{cron: "0 22 * * *", for: 8d}', "for", "from one minute to seven days", "Write a length"),
        ('{cron: "0 22 * * *", for: 2h, timezone: Mars/Olympus}', "timezone", "is not an IANA time zone", ""),
        ('{cron: "0 22 * * *", for: 2h, department: Sales}', "department", "is not a key known here", ""),
    ],
)
def test_a_window_that_cannot_work_is_refused_by_field_with_the_remedy(written: str, field: str, says: str, remedy: str) -> None:
    with pytest.raises(BadFile) as refused:
        read_text(REGISTRY + f"    maintenance:\n      rebuild: {written}\n", KIND_SPECS)
    (mistake,) = refused.value.mistakes
    assert mistake.field.endswith(field)
    assert says in mistake.message
    assert remedy.lower() in mistake.remedy.lower()
