"""What is over is forgotten: texts when the registry says so, fine counters after nine days; counts and scores stay."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import orjson

from bot.intake.imports import import_file
from bot.intake.keeping import GONE, Keeping
from bot.lanes import Lanes
from bot.quality.counting import TALLIES_KEPT
from bot.tables import Attempt, Check, Day, Evaluation, OutMessage, Output, Ping, Run, Tally
from tests.intake.conftest import Gate, add_agent


async def test_texts_go_when_their_time_is_over_and_figures_stay(gate: Gate) -> None:
    add_agent(gate.db, gate.clock.now(), "brief", data={"store_text": "10d"})
    said = {"text": "Refunds take five days.", "input": "How long do refunds take?"}
    for agent in ("support-triage", "brief"):
        judged = gate.event("evaluation", agent=agent, output=f"o-{agent}", name="faith", score=0.9, explanation="It quotes the customer.")
        sent = await gate.post([gate.event("output", id=f"o-{agent}", agent=agent, **said), judged, gate.event(agent=agent)])
        assert sent.json()["accepted"] == 3
    posted = {output.id: output.agent_id for output in gate.rows(Output)}
    with gate.db.transaction() as tx:
        for id_ in posted:
            tx.add(OutMessage(key=f"output:{id_}", kind="show", target="C1", priority=50, want={"text": said["text"]}, state="shown", shown_rev=1, created_at=gate.clock.now()))
    days = len(gate.rows(Day))
    lanes = Lanes(gate.db)
    keeping = Keeping(lanes)
    await keeping.step(gate.clock.now())
    assert {output.text for output in gate.rows(Output)} == {said["text"]}
    assert gate.rows(Tally)
    gate.clock.move(max(TALLIES_KEPT, timedelta(days=10)) + timedelta(hours=1))
    await gate.post(gate.event("output", id="new", agent="brief", **said))
    fresh = len([row for row in gate.rows(Tally) if row.bucket_at > gate.clock.now() - TALLIES_KEPT])
    await keeping.step(gate.clock.now())
    lanes.close()
    kept = {output.ext_id: (output.text, output.input) for output in gate.rows(Output)}
    assert kept == {"o-support-triage": (said["text"], said["input"]), "o-brief": (None, None), "new": (said["text"], said["input"])}
    assert sorted((each.agent_id, each.explanation) for each in gate.rows(Evaluation)) == [(1, "It quotes the customer."), (3, None)]
    assert {posted[int(row.key.partition(":")[2])]: row.want["text"] for row in gate.rows(OutMessage) if row.key.startswith("output:")} == {1: said["text"], 3: GONE}
    assert len(gate.rows(Tally)) == fresh > 0
    assert len(gate.rows(Day)) > days


async def test_details_go_after_ninety_days_and_what_counts_or_is_needed_stays(gate: Gate, tmp_path: Path) -> None:
    old = gate.event(id="old", status="failed", error="Maya's card was refused", input={"fields": ["name"]})
    assert (await gate.post(old)).status_code == 202
    begun = gate.clock.now()
    with gate.db.transaction() as tx:
        for number, count in ((1, 14), (2, 3)):
            tx.add(check := Check(agent_id=1, name=f"job-{number}", kind="heartbeat", severity="page", spec={}, state="ok"))
            tx.flush()
            tx.add_all(Ping(agent_id=1, check_id=check.id, occurred_at=begun, received_at=begun, status="success", rid=str(n)) for n in range(count))
        tx.add_all(Attempt(message_id=1, rev=1, nonce=str(outcome), method="chat.postMessage", at=begun, outcome=outcome) for outcome in ("ok", None))
    counted = _counts(gate)
    lanes = Lanes(gate.db)
    gate.clock.move(timedelta(days=91))
    assert (await gate.post(gate.event(id="new", status="failed", error="the index is gone"))).status_code == 202
    await Keeping(lanes).step(gate.clock.now())
    lanes.close()
    assert {run.ext_id: (run.status, run.error, run.extra) for run in gate.rows(Run)} == {"old": ("failed", None, None), "new": ("failed", "the index is gone", None)}
    assert [ping.rid for ping in gate.rows(Ping)] == [*map(str, range(4, 14)), *map(str, range(3))]
    assert [attempt.outcome for attempt in gate.rows(Attempt)] == [None]
    (tmp_path / "again.ndjson").write_bytes(orjson.dumps(old))
    again = [line async for line in import_file(gate.intake, tmp_path / "again.ndjson")][-1]["json"]
    assert (again["accepted"], again["duplicates"], again["refused"]) == (0, 1, 0)
    assert _counts(gate).items() >= counted.items()


def _counts(gate: Gate) -> dict[tuple[object, ...], tuple[int, int]]:
    return {(row.agent_id, row.local_day, row.metric, row.bin, row.slot): (row.n, row.sum) for row in gate.rows(Day)}
