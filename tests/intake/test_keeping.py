"""What is over is forgotten: texts when the registry says so, fine counters after nine days; counts and scores stay."""

from __future__ import annotations

from datetime import timedelta

from bot.intake.keeping import GONE, Keeping
from bot.lanes import Lanes
from bot.quality.counting import TALLIES_KEPT
from bot.tables import Day, Evaluation, OutMessage, Output, Tally
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
