"""`upstream`: systems that an agent reads or writes, asked, reported or dated."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bot.agents.files import BadFile, read_text
from bot.checks.asking import ask
from bot.checks.kinds import SPECS
from bot.checks.kinds.http import AnswerFacts
from bot.checks.kinds.upstream import KIND, Reported, UpstreamFacts, UpstreamSpec, judge
from bot.clock import MovedClock
from bot.paging.rules import Finding, State
from tests.checks.test_kind_stories import registry, says
from tests.kit.house import town
from tests.kit.programs import free_port
from tests.kit.server import serving

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
HEALTH = b'{"sync": {"finished_at": "2026-11-20T06:30:00Z"}, "rows": 1204, "token": {"ends": 1800000000}}'


def spec(**fields: Any) -> UpstreamSpec:
    return UpstreamSpec.model_validate({"system": "CRM", "url": "https://crm.example.com/health", **fields})


def found(written: UpstreamSpec, *, status: int | None = 200, body: bytes = HEALTH, error: str = "", cert: datetime | None = None, reported: Reported | None = None) -> Finding:
    return judge(UpstreamFacts(AnswerFacts(NOW, written.url or "", status, 40, body, error, cert), reported, "Asia/Beirut"), written, NOW)


def test_a_system_that_keeps_every_promise_is_well_and_says_why() -> None:
    finding = found(spec(fresh="2h", fresh_path="sync.finished_at", rows_path="rows", at_least=1000, expires_path="token.ends", expires="2026-12-31"), cert=NOW + timedelta(days=60))
    assert finding.state is State.OK
    assert finding.says.startswith("CRM answers 200 in 40 ms. Its credential holds until 2026-12-31. Its credential holds until 2027-01-15. Its certificate holds until 2027-01-19.")
    assert finding.says.endswith("Its newest data is 90 minutes old. `rows` is 1,204.")


@pytest.mark.parametrize(
    ("fields", "more", "title", "words"),
    [
        ({}, {"status": None, "error": "no answer within 10 s"}, "CRM is not reachable", "gave no answer: no answer within 10 s."),
        ({}, {"status": 401}, "CRM answers 401", "It may have refused the credential."),
        ({"fresh": "1h", "fresh_path": "sync.finished_at"}, {}, "CRM is 90 minutes old", "The newest data of CRM is 90 minutes old (2026-11-20 06:30 UTC); at most 1 hour is promised."),
        ({"fresh": "1h", "fresh_path": "sync.gone"}, {}, "CRM does not say how fresh it is", "it has no `sync.gone`"),
        ({"fresh": "1h", "fresh_path": "rows"}, {"body": b'{"rows": "soon"}'}, "CRM does not say how fresh it is", "'soon' is not a time such as 2026-11-20T08:00:00Z"),
        ({"rows_path": "rows", "at_least": 2000}, {}, "CRM is not complete", "`rows` is 1,204; at least 2,000 is promised."),
        ({"rows_path": "rows", "at_most": 1000}, {}, "CRM holds too much", "`rows` is 1,204; at most 1,000 is promised."),
        ({"rows_path": "rows", "at_least": 1}, {"body": b"<html>"}, "CRM does not say how much it holds", "it is not JSON"),
        ({"rows_path": "rows", "at_least": 1}, {"body": b'{"rows": true}'}, "CRM does not say how much it holds", "'True' is not a number"),
        ({"expires": "2026-11-19"}, {}, "the credential of CRM has ended", "ended at 2026-11-19 22:00 UTC"),
        ({"expires": "2026-11-30"}, {}, "the credential of CRM ends in 10 days", "renew it (told 14 days ahead)"),
        ({}, {"cert": NOW + timedelta(days=3)}, "the certificate of CRM ends in 3 days", "at 2026-11-23 08:00 UTC"),
        ({"url": None, "measure": "crm_rows", "at_least": 10}, {"reported": Reported(4, NOW - timedelta(hours=1), "rows")}, "CRM is not complete", "`crm_rows` is 4 rows; at least 10 is promised."),
        ({"url": None, "measure": "crm_rows"}, {"reported": Reported(4, NOW - timedelta(days=2))}, "CRM is 2 days old", "at most 1 day is promised"),
        ({"url": None, "expires": "2026-11-21", "warn": "7d"}, {}, "the credential of CRM ends in 38 hours", "told 7 days ahead"),
    ],
)
def test_what_is_broken_is_named(fields: dict[str, Any], more: dict[str, Any], title: str, words: str) -> None:
    finding = found(spec(**fields), **more)
    assert (finding.state, finding.title) == (State.FAILING, title)
    assert words in finding.says
    assert finding.evidence["System"] == "CRM (it reads)"


def test_several_broken_promises_are_told_together_the_worst_first() -> None:
    finding = found(spec(fresh="1h", fresh_path="sync.finished_at", rows_path="rows", at_least=2000, expires="2026-11-01", ask="sales systems"))
    assert finding.title == "the credential of CRM has ended and 2 more"
    assert "is 90 minutes old" in finding.says
    assert "not complete" in finding.says
    assert finding.evidence["Ask"] == "sales systems"


def test_a_measure_that_was_never_reported_is_unknown_and_called_out() -> None:
    finding = found(spec(measure="crm_rows", at_least=10))
    assert (finding.state, finding.nothing) == (State.UNKNOWN, True)
    assert "No crm_rows was ever reported" in finding.says


def test_a_credential_holds_through_its_last_day_in_the_zone_of_the_agent() -> None:
    ends = spec(url=None, expires="2026-11-20", warn="1m")
    late = datetime(2026, 11, 20, 21, 58, tzinfo=UTC)  # 23:58 in Beirut
    assert judge(UpstreamFacts(AnswerFacts(late, ""), None, "Asia/Beirut"), ends, late).state is State.OK
    over = late + timedelta(minutes=3)
    assert judge(UpstreamFacts(AnswerFacts(over, ""), None, "Asia/Beirut"), ends, over).title == "the credential of CRM has ended"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ("{}", "has nothing to look at, so it could never fail"),
        ("{url: 'tcp://db.example.com'}", "needs a port"),
        ("{url: 'ftp://db.example.com'}", "url"),
        ("{expires: tomorrow}", "'tomorrow' is not a day"),
        ("{url: 'tcp://db:5432', rows_path: rows, at_least: 1}", "there is none"),
        ("{url: 'https://x', fresh: 1h}", "nothing tells how old it is"),
        ("{url: 'https://x', fresh_path: a}", "Add `fresh: 2h`"),
        ("{url: 'https://x', at_least: 1}", "have no number to look at"),
        ("{url: 'https://x', rows_path: a}", "Add `at_least"),
        ("{url: 'https://x', measure: a, rows_path: b, at_least: 1}", "two sources"),
        ("{measure: a, at_least: 5, at_most: 1}", "which no number is"),
        ("{url: 'https://x', warn: 0s}", "never or for ever"),
    ],
)
def test_a_promise_that_cannot_be_is_a_mistake_with_its_place(fields: str, says: str) -> None:
    inner = fields[1:-1]
    with pytest.raises(BadFile) as caught:
        read_text(registry("{kind: upstream, system: CRM" + (f", {inner}" if inner else "") + "}"), SPECS)
    assert any(says in each.message + each.remedy + each.field for each in caught.value.mistakes), caught.value.mistakes


def test_the_example_of_the_kind_can_be_written_and_is_read_back() -> None:
    read = read_text(registry(KIND.example.partition(": ")[2]), SPECS)
    written = read.spec.agents["support-triage"].checks["promise"]
    assert UpstreamSpec.model_validate(written).expires == date(2027, 3, 1)
    with pytest.raises(ValidationError):
        spec(systm="CRM")


async def test_a_port_is_asked_and_private_ones_only_when_allowed(clock: MovedClock) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        open_ = spec(url=f"tcp://localhost:{port}", allow_private=True)
        answer = await ask(open_, clock)
        assert judge(UpstreamFacts(answer), open_, NOW).says.startswith("CRM takes connections")
        assert "lies in a private network" in (await ask(spec(url=f"tcp://127.0.0.1:{port}"), clock)).error
    shut = spec(url=f"tcp://127.0.0.1:{free_port()}", allow_private=True)
    assert judge(UpstreamFacts(await ask(shut, clock)), shut, NOW).title == "CRM is not reachable"


async def test_a_system_that_falls_behind_is_told_in_the_channel_and_its_recovery_too(database_url: str, clock: MovedClock) -> None:
    state = {"rows": 5000, "status": 200}

    async def health(request: Request) -> Response:
        return JSONResponse({"rows": state["rows"], "at": clock.now().isoformat()}, state["status"]) if state["status"] else PlainTextResponse("garbage \x00\xff")

    async with serving(Starlette(routes=[Route("/health", health)])) as url, town(database_url, clock) as t:
        await t.apply(registry(f"{{kind: upstream, system: CRM, use: both, url: '{url}/health', allow_private: true, fresh: 1h, fresh_path: at, rows_path: rows, at_least: 1000}}"))
        await t.move(minutes=5)
        assert not says(t, "CRM")
        state["rows"] = 12
        await t.move(minutes=5)
        assert not says(t, "CRM is not complete")  # after two failures, as it is promised
        await t.move(minutes=5)
        assert says(t, "CRM is not complete: `rows` is 12; at least 1,000 is promised.")
        told = await t.job("check_test", agent="support-triage")
        assert told[0]["text"].startswith("promise: failing: CRM is not complete")
        state["rows"] = 1000
        await t.move(minutes=5)
        assert says(t, "It is over")


async def test_a_measure_about_a_system_is_looked_at_without_any_address(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply(registry("{kind: upstream, system: Data lake, measure: lake_rows, at_least: 100, fresh: 1h, after: 1}"))
        await t.move(minutes=5)
        assert (await t.job("check_test", agent="support-triage"))[0]["text"].startswith("promise: unknown: No lake_rows was ever reported")
        await t.post(t.event("measure", "m1", name="lake_rows", value="40", unit="rows"))
        await t.move(minutes=5)
        assert says(t, "Data lake is not complete: `lake_rows` is 40 rows; at least 100 is promised.")
        await t.post(t.event("measure", "m2", name="lake_rows", value="140", unit="rows"))
        await t.move(minutes=5)
        assert says(t, "It is over")
        await t.move(hours=1)
        assert says(t, "Data lake is 65 minutes old")
