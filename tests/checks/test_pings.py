from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import func, select
from starlette.applications import Starlette

from bot.checks import flows, pings
from bot.checks.http import Pings, TakePing, route
from bot.clock import MovedClock
from bot.db import Database
from bot.lanes import Lanes
from bot.signing import Signer
from bot.tables import Check, Ping
from tests.checks.test_looking import findings, respec
from tests.kit.server import serving
from tests.paging.world import World

SIGNER = Signer(["a secret for tests"])
RID, OTHER = "8b5a9f5c-3d1e-4c6a-9b0e-0f6f2f3f7a11", "00000000-0000-4000-8000-000000000002"
CHECKS = {
    "nightly": {"kind": "heartbeat", "cron": "0 3 * * *", "zone": "Europe/Paris", "grace": "20m", "why": "the 6 AM shift starts from its queue"},
    "hourly": {"kind": "heartbeat", "every": "1h", "grace": "5m"},
    "measured": {"kind": "heartbeat", "every": "1d", "at_most": "30m", "at_least": "1m", "severity": "notice"},
    "runs": {"kind": "run_failed"},
}


@dataclass
class Door:
    """The ping addresses as a job sees them, beside the town they tell of."""

    world: World
    http: httpx.AsyncClient
    pings: Pings

    def uuid(self, name: str) -> str:
        return pings.ping_uuid(SIGNER, self.world.check(name).id)

    async def ping(self, name: str, word: str = "", *, method: str = "POST", settle: bool = True, **more: Any) -> httpx.Response:
        answer = await self.http.request(method, f"/ping/{self.uuid(name)}{word}", **more)
        if settle:
            await asyncio.to_thread(self.world.settle)
        return answer

    async def move(self, **by: float) -> None:
        await asyncio.to_thread(self.world.move, **by)

    def rows(self) -> list[Ping]:
        with self.world.db.reading() as tx:
            return list(tx.scalars(select(Ping).order_by(Ping.id)).all())


@pytest.fixture
async def door(db: Database, clock: MovedClock) -> AsyncIterator[Door]:
    world = await asyncio.to_thread(World(db, clock).found, CHECKS)
    lanes = Lanes(db)
    taken = Pings(lanes, clock)
    try:
        async with serving(Starlette(routes=[route(TakePing(taken, pings.Targets(lanes, clock, SIGNER), clock))])) as url, httpx.AsyncClient(base_url=url, timeout=30) as http:
            yield Door(world, http, taken)
    finally:
        await taken.close()
        lanes.close()


async def test_a_ping_is_answered_ok_by_every_method_and_address(door: Door) -> None:
    key = pings.ping_key(SIGNER, 1)
    for method in ("GET", "HEAD", "POST"):
        for path in (f"/ping/{door.uuid('hourly')}", f"/ping/{key}/hourly", f"/ping/{door.uuid('hourly').upper()}/"):
            answer = await door.http.request(method, path)
            assert (answer.status_code, answer.text) == (200, "" if method == "HEAD" else "OK")
            assert answer.headers["ping-body-limit"] == "100000"
    assert [row.status for row in door.rows()] == ["success"] * 9
    assert door.rows()[0].sender.startswith("GET python-httpx")


@pytest.mark.parametrize(
    ("word", "status", "code"),
    [("", "success", None), ("/start", "start", None), ("/fail", "fail", None), ("/log", "log", None), ("/0", "success", 0), ("/3", "fail", 3), ("/255", "fail", 255)],
)
async def test_what_follows_the_address_says_what_happened(door: Door, word: str, status: str, code: int | None) -> None:
    assert (await door.ping("hourly", f"{word}?rid={RID}", settle=False)).text == "OK"
    answer = await door.http.post(f"/ping/{pings.ping_key(SIGNER, 1)}/hourly{word}", params={"rid": RID.replace("-", "")})
    assert answer.text == "OK"
    assert {(row.status, row.exit_code, row.rid) for row in door.rows()} == {(status, code, RID)}
    assert len(door.rows()) == 2


async def test_bad_pings_are_refused_and_keep_nothing(door: Door) -> None:
    mine, key = door.uuid("hourly"), pings.ping_key(SIGNER, 1)
    stranger = Signer(["another secret"])
    wrong = [
        (f"/ping/{mine}?rid=run-1", 400), (f"/ping/{mine}?rid=", 400), (f"/ping/{mine}/256", 400), (f"/ping/{mine}/-1", 400),
        (f"/ping/{mine}/done", 404), (f"/ping/{mine}/start/now", 404), (f"/ping/{UUID(int=7)}", 404), (f"/ping/{mine[:-1]}0", 404) if mine[-1] != "0" else (f"/ping/{mine[:-1]}1", 404),
        (f"/ping/{pings.ping_uuid(stranger, 2)}", 404), (f"/ping/{pings.ping_key(stranger, 1)}/hourly", 404), (f"/ping/{key}/weekly", 404), (f"/ping/{key}/runs", 404),
        (f"/ping/{key}/Hourly", 404), (f"/ping/{key}", 404), ("/ping/", 404), ("/ping/x/y/z/w", 404), (f"/ping/{pings.ping_uuid(SIGNER, door.world.check('runs').id)}", 404),
        (f"/ping/{pings.ping_uuid(SIGNER, 2**40)}", 404), (f"/ping/{mine}/%00", 404),
    ]  # fmt: skip
    for path, status in wrong:
        assert (await door.http.get(path)).status_code == status, path
    assert (await door.http.delete(f"/ping/{mine}")).status_code == 405
    assert door.rows() == []


async def test_a_body_of_any_size_and_kind_is_kept_as_evidence_up_to_a_limit(door: Door) -> None:
    assert (await door.ping("hourly", "/fail", content=b"x" * 10_000_000)).text == "OK"
    assert (await door.ping("hourly", "/log", content=b"a\x00b \xff\xfe")).text == "OK"
    long, odd = door.rows()
    assert (len(long.body or ""), odd.body) == (100_000, "a\ufffdb \ufffd\ufffd")
    assert "It said: xxx" in door.world.problems()[0].says


async def test_of_a_long_log_the_page_shows_how_it_ended_and_no_colours(door: Door) -> None:
    await door.ping("nightly", "/1", content="backup begins\n" + "copied 1 file\n" * 500 + "\x1b[31mERROR\x1b[0m: disk full on /srv\n")
    says = door.world.problems()[0].says
    assert "It said: backup begins" in says
    assert says.endswith("ERROR: disk full on /srv")
    assert len(says) < 400
    assert "[31m" not in str(door.world.row("page:1:channel").want)


async def test_what_a_job_says_can_ping_nobody(door: Door) -> None:
    await door.ping("nightly", "/1", content="<!channel> <@U0ZOE> *help* <https://evil.example|click>")
    row = door.world.row("page:1:channel")
    assert "<!channel>" not in str(row.want)
    assert "<@U0ZOE>" not in str(row.want)
    assert "evil.example|click>" not in str(row.want)
    assert "&lt;!channel&gt;" in str(row.want)


async def test_a_missing_heartbeat_pages_at_its_deadline_and_the_next_ping_ends_it(door: Door) -> None:
    await door.ping("hourly")
    await door.move(hours=1, minutes=5)
    assert door.world.pages() == []
    await door.move(seconds=1)
    assert door.world.called() == ["Omar"]
    assert "a heartbeat is missing" in door.world.text("page:1:channel")
    assert "the last report came at 2026-11-20 08:00 UTC" in door.world.text("page:1:channel")
    await door.ping("hourly")
    assert door.world.pages()[0].resolved_why == "The last run ended well at 2026-11-20 09:05:01 UTC."


async def test_good_pings_put_the_deadline_off_without_a_look_at_each(door: Door) -> None:
    await door.ping("hourly")
    for _ in range(5):
        await door.move(minutes=50)
        looked_at = door.world.check("hourly").looked_at
        await door.ping("hourly")
        assert door.world.check("hourly").looked_at == looked_at
    assert door.world.pages() == []
    await door.move(hours=1, minutes=5, seconds=1)
    assert len(door.world.pages()) == 1


async def test_a_nightly_job_is_watched_from_its_creation(door: Door) -> None:
    await door.move(hours=18, minutes=20)  # 03:20 in Paris
    assert door.world.pages() == []
    await door.move(seconds=1)
    assert "A report was expected at 2026-11-21 03:00 CET, with 20m of grace" in door.world.text("page:1:channel")


async def test_a_schedule_written_anew_expects_nothing_from_before(door: Door) -> None:
    await asyncio.to_thread(respec, door.world, {"nightly": {**CHECKS["nightly"], "cron": "0 8 * * *"}})
    await door.move(hours=22, minutes=59)
    assert door.world.pages() == []
    await door.move(minutes=22)
    assert len(door.world.pages()) == 1


async def test_a_failed_run_pages_at_once_and_an_exit_code_of_zero_ends_it(door: Door) -> None:
    await door.ping("nightly", "/start")
    await door.ping("nightly", "/7", content="Traceback: disk full")
    assert door.world.called() == ["Omar"]
    assert "reported failure with exit code 7. It said: Traceback: disk full" in door.world.text("page:1:channel")
    await door.ping("nightly", "/0")
    assert door.world.pages()[0].resolved_at is not None
    assert findings(door.world).count("failing") == 1


async def test_a_run_that_does_not_end_and_one_that_ends_too_soon_are_noticed(door: Door) -> None:
    await door.ping("measured", f"/start?rid={RID}")
    await door.move(minutes=20)
    await door.ping("measured", f"/start?rid={OTHER}")
    await door.move(minutes=5)
    await door.ping("measured", f"?rid={OTHER}")
    await door.move(minutes=5)
    assert door.world.problems() == []
    await door.move(seconds=1)
    assert f"The run {RID} started at 2026-11-20 08:00 UTC and has not ended; at most 30m is promised." in door.world.problems()[0].says
    await door.ping("measured", f"?rid={RID}")
    assert door.world.problems()[0].closed_at is not None
    await door.ping("measured", "/start")
    await door.move(seconds=2)
    await door.ping("measured")
    assert door.world.problems()[1].title == "a run was suspiciously short"


async def test_a_machine_asleep_for_a_day_tells_late_and_once(door: Door) -> None:
    await door.ping("hourly")
    await door.move(days=1)
    hourly = [problem for problem in door.world.problems() if problem.fingerprint.endswith("hourly")]
    assert [problem.title for problem in hourly] == ["a heartbeat is missing"]
    assert door.world.called()[0] == "Omar"


async def test_a_failure_after_the_clock_was_put_back_is_not_hidden_by_an_older_success(door: Door) -> None:
    await door.move(hours=3)
    await door.ping("hourly")
    door.world.clock.move(timedelta(hours=-3))
    await door.ping("hourly", "/1", content="disk full")
    assert door.world.called() == ["Omar"]
    await door.move(hours=3, minutes=1)
    assert door.world.problems()[-1].closed_at is None
    await door.ping("hourly", "/0")
    assert door.world.problems()[-1].closed_at is not None


async def test_after_the_clock_was_put_back_checks_are_looked_at_again_and_nothing_is_told_twice(door: Door) -> None:
    await door.move(days=300)
    told = len(door.world.problems())
    door.world.clock.move(timedelta(days=-300))
    now = door.world.clock.now()
    assert door.world.do(lambda tx: flows.ahead_step(tx, now))
    await asyncio.to_thread(door.world.settle)
    assert door.world.check("runs").looked_at == now
    assert door.world.check("hourly").due_at <= now + timedelta(hours=1)  # type: ignore[operator]
    assert not door.world.do(lambda tx: flows.ahead_step(tx, now))
    assert len(door.world.problems()) == told


async def test_a_clock_that_jumps_ahead_tells_what_is_missing_late_and_once(door: Door) -> None:
    for name in ("hourly", "nightly"):
        await door.ping(name)
    await door.move(days=2)
    assert sorted(problem.fingerprint.rpartition(":")[2] for problem in door.world.problems()) == ["hourly", "nightly"]
    await door.move(hours=2)
    assert len(door.world.problems()) == 2
    await door.ping("hourly")
    await door.ping("nightly")
    assert {problem.closed_at is None for problem in door.world.problems()} == {False}


async def test_old_pings_are_forgotten_and_a_chatty_log_drives_out_no_run(door: Door) -> None:
    check = door.world.check("hourly")
    target = pings.target_of(check)
    start = door.world.clock.now()
    door.world.do(lambda tx: pings.store_pings(tx, start, [pings.Ping(target, start, "success")]))
    door.world.do(lambda tx: pings.store_pings(tx, start, [pings.Ping(target, start + timedelta(seconds=i), "log", body="line") for i in range(1, 1200)]))
    door.world.do(lambda tx: pings.prune(tx, [check.id]))
    counts = door.world.do(lambda tx: dict(tx.execute(select(Ping.status, func.count()).group_by(Ping.status)).all()))
    assert counts == {"success": 1, "log": pings.KEEP}


async def test_pings_of_many_connections_are_all_kept_in_few_commits(door: Door) -> None:
    answers = await asyncio.gather(*(door.ping("hourly", settle=False) for _ in range(60)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(door.rows()) == 60
    assert door.pings.accepted == 60


async def test_a_ping_that_cannot_be_stored_spoils_no_other(door: Door) -> None:
    lost = pings.Target(999_999, 1, False)
    good = pings.target_of(door.world.check("hourly"))
    now = door.world.clock.now()
    told = await asyncio.gather(*(door.pings.add(pings.Ping(to, now, "success")) for to in (good, lost, good)), return_exceptions=True)
    assert [type(each).__name__ for each in told] == ["NoneType", "Refused", "NoneType"]
    assert len(door.rows()) == 2


def test_an_address_holds_through_the_rotation_of_the_secret_and_belongs_to_one_check() -> None:
    old, new = Signer(["old"]), Signer(["new", "old"])
    assert pings.check_of(new, pings.ping_uuid(old, 12)) == 12
    assert pings.check_of(new, pings.ping_uuid(new, 12)) == 12
    assert pings.agent_of(new, pings.ping_key(old, 3)) == 3
    assert pings.check_of(old, pings.ping_uuid(new, 12)) is None
    assert pings.check_of(new, "not a uuid") is None
    assert UUID(pings.ping_uuid(new, 12)).version == 8
    assert len({pings.ping_uuid(new, number) for number in range(100)}) == 100


async def test_addresses_are_shown_for_one_agent_or_all(door: Door) -> None:
    found = door.world.do(lambda tx: pings.addresses(tx, SIGNER, "https://aiops.example.com", "support-triage"))
    assert [(agent, name) for agent, name, _, _ in found] == [("support-triage", "hourly"), ("support-triage", "measured"), ("support-triage", "nightly")]
    for _, name, by_uuid, by_key in found:
        for address in (by_uuid, by_key):
            assert (await door.http.get(address.removeprefix("https://aiops.example.com"))).text == "OK", name
    assert door.world.do(lambda tx: pings.addresses(tx, SIGNER, "", "nobody")) == []
    assert door.world.do(lambda tx: len(tx.scalars(select(Check.id)).all())) == 4
