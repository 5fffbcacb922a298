from __future__ import annotations

from bot.tables import Check, Ping
from tests.intake.conftest import Gate


async def test_a_heartbeat_event_is_the_same_as_a_ping(gate: Gate) -> None:
    with gate.db.transaction() as tx:
        check = tx.get_one(Check, 1)
        check.state, check.due_at = "ok", gate.clock.now().replace(hour=23)
    said = [gate.event("heartbeat", check="nightly", status=status, run="r1") for status in ("start", "success")]
    assert (await gate.post(said)).json() == {"accepted": 2, "duplicates": 0, "refused": []}
    assert (await gate.post(said)).json()["duplicates"] == 2
    assert [(row.status, row.rid, row.check_id) for row in gate.rows(Ping)] == [("start", "r1", 1), ("success", "r1", 1)]
    assert gate.rows(Check)[0].due_at.hour == 23  # a check that is well needs no look
    assert (await gate.post(gate.event("heartbeat", check="nightly", status="fail", exit_code=2, note="disk full"))).status_code == 202
    assert gate.rows(Check)[0].due_at == gate.clock.now()
    assert (gate.rows(Ping)[2].exit_code, gate.rows(Ping)[2].body) == (2, "disk full")


async def test_a_heartbeat_of_a_check_that_is_not_there_is_refused_by_name(gate: Gate) -> None:
    answer = await gate.post([gate.event("heartbeat", check="nigthly", status="success"), gate.event("heartbeat", check="x", status="success", agent="invoices"), gate.event()])
    told = answer.json()
    assert (answer.status_code, told["accepted"]) == (202, 1)
    assert [(each["field"], each["code"]) for each in told["refused"]] == [("check", "unknown_check")] * 2
    assert told["refused"][0]["message"] == "support-triage has no heartbeat check called 'nigthly': it has nightly"
    assert "add `kind: heartbeat`" in told["refused"][1]["message"]
