from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from bot.intake.imports import import_file
from bot.quality.reading import totals
from bot.tables import Agent, Check, Decision, ImportRun, Observation, OutMessage, Output, Run, Tally
from tests.intake.conftest import Gate, add_agent

LONG_AGO = datetime(2019, 3, 31, 12, tzinfo=UTC)


def history(count: int, agent: str = "support-triage") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for number in range(count):
        at = (LONG_AGO + timedelta(minutes=number)).isoformat()
        found.append({"id": f"r{number}", "type": "run", "agent": agent, "at": at, "status": "failed" if number % 10 == 0 else "ok", "model": "gpt-3"})
        found.append({"id": f"o{number}", "type": "output", "agent": agent, "at": at, "run": f"r{number}", "text": "An answer."})
        found.append({"id": f"v{number}", "type": "rating", "agent": agent, "at": at, "output": f"o{number}", "person": f"rater{number % 7}@example.com", "good": number % 4 != 0})
    return found


def written(path: Path, events: list[Any]) -> Path:
    lines = b"\n".join(each if isinstance(each, bytes) else orjson.dumps(each) for each in events) + b"\n"
    path.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else lines)
    return path


async def told(gate: Gate, path: Path) -> list[dict[str, Any]]:
    return [line async for line in import_file(gate.intake, path)]


async def test_history_of_any_age_fills_counters_and_posts_nothing_and_runs_no_check(gate: Gate, tmp_path: Path) -> None:
    far = gate.clock.now() + timedelta(hours=1)
    with gate.db.transaction() as tx:
        tx.add(Check(agent_id=1, name="failed", kind="run_failed", severity="page", due_at=far))
    for suffix in (".ndjson", ".ndjson.gz"):
        lines = await told(gate, written(tmp_path / f"history{suffix}", history(400)))
        assert lines[-1]["text"].startswith("history")
        if suffix == ".ndjson":
            assert lines[-1]["json"] == {"accepted": 1200, "duplicates": 0, "refused": 0, "lines": []}
            assert [line["progress"]["done"] for line in lines if "progress" in line][-1] == (tmp_path / "history.ndjson").stat().st_size
        else:
            assert (lines[-1]["json"]["accepted"], lines[-1]["json"]["duplicates"]) == (0, 1200)
    assert gate.rows(OutMessage) == []
    assert gate.rows(Agent)[0].heard_at is None
    assert [check.due_at for check in gate.rows(Check) if check.kind != "heartbeat"] == [far]
    assert gate.rows(Tally) == []
    with gate.db.reading() as tx:
        found = totals(tx, 1, "2019-03-31", "2019-03-31")
    assert (found.runs, found.failed, found.outputs, found.ratings, found.score("people").n) == (400, 40, 400, 400, 400)
    assert found.score("people").share == pytest.approx(0.75)
    assert len(gate.rows(Observation)) == 400
    assert [decision.action for decision in gate.rows(Decision)] == ["import.finish"] * 2


async def test_an_import_goes_on_where_it_was_stopped(gate: Gate, tmp_path: Path) -> None:
    path = written(tmp_path / "history.ndjson.gz", history(200))
    lines = import_file(gate.intake, path, at_once=100)
    async for line in lines:
        if "progress" in line:
            break  # stopped after the first slice
    await lines.aclose()
    (run,) = gate.rows(ImportRun)
    assert (run.accepted, run.finished_at) == (100, None)
    last = (await told(gate, path))[-1]
    assert last["json"] == {"accepted": 600, "duplicates": 0, "refused": 0, "lines": []}
    assert (await told(gate, path))[-1]["text"].endswith("Nothing to do.")
    assert len(gate.rows(Run)) == len(gate.rows(Output)) == 200


async def test_refused_lines_are_told_by_number_and_can_be_imported_once_their_agent_is_known(gate: Gate, tmp_path: Path) -> None:
    good = history(3)
    path = written(tmp_path / "mixed.ndjson", [*good[:2], b"", b"{not json", {**good[2], "agent": "nobody"}, b'{"id": "\\ud800"}', *history(1, "newcomer"), good[2]])
    lines = await told(gate, path)
    found = lines[-1]["json"]
    assert (found["accepted"], found["refused"], lines[-1]["exit"]) == (3, 6, 1)
    assert [(each["line"], each["code"]) for each in found["lines"]] == [
        (4, "not_json"), (5, "unknown_agent"), (6, "bad_text"), (7, "unknown_agent"), (8, "unknown_agent"), (9, "unknown_agent"),
    ]  # fmt: skip
    add_agent(gate.db, gate.clock.now(), "newcomer")
    again = (await told(gate, path))[-1]["json"]
    assert (again["accepted"], again["duplicates"], again["refused"]) == (3, 3, 3)


async def test_a_file_that_is_no_ndjson_is_named(gate: Gate, tmp_path: Path) -> None:
    array = tmp_path / "array.json"
    array.write_text('[{"id": "r1"}]')
    (line,) = await told(gate, array)
    assert "JSON array" in line["error"]
    broken = tmp_path / "broken.gz"
    broken.write_bytes(gzip.compress(orjson.dumps(history(1)[0]) + b"\n")[:-12])
    lines = await told(gate, broken)
    assert "cannot be read" in lines[-1]["error"]
    (missing,) = await told(gate, tmp_path / "missing")
    assert missing["exit"] == 2


async def test_events_that_are_too_long_or_from_before_1970_are_refused(gate: Gate, tmp_path: Path) -> None:
    run = history(1)[0]
    path = written(tmp_path / "odd.ndjson", [{**run, "at": "1960-01-01T00:00:00Z"}, b'{"id": "' + b"x" * 1_100_000 + b'"}', {**run, "at": "2100-01-01T00:00:00Z"}, run])
    found = (await told(gate, path))[-1]["json"]
    assert (found["accepted"], [(each["line"], each["code"]) for each in found["lines"]]) == (1, [(1, "too_old"), (2, "too_long"), (3, "in_future")])
