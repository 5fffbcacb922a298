"""An agent's model, prompt or index changes and nobody announced it: its channel hears of it, also where nobody wrote a check."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sqlalchemy import select

from bot.checks.changing import BUILT_IN
from bot.clock import MovedClock
from bot.tables import Check, Problem
from tests.kit.house import REGISTRY, Town, town

CHECKS = '      runs: {kind: run_failed, why: "tickets wait"}\n'


async def run(t: Town, name: str, **more: Any) -> None:
    answer = await t.post({**t.event("run", name, status="ok"), **more})
    assert answer["accepted"] == 1, answer
    await t.settle()


def notices(t: Town) -> list[str]:
    return [json.dumps(each, ensure_ascii=False) for each in t.ws.messages("support-ai") if "unannounced" in json.dumps(each)]


async def checks(t: Town) -> list[str]:
    return list(await t.read(lambda tx: tx.scalars(select(Check.name).where(Check.kind == "change", Check.archived_at.is_(None)).order_by(Check.name)).all()))


async def problems(t: Town) -> list[Problem]:
    return list(await t.read(lambda tx: tx.scalars(select(Problem).order_by(Problem.id)).all()))


async def test_a_change_nobody_announced_is_told_without_any_check_until_somebody_announces_it(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        await run(t, "r1", model="gpt-4o", prompt="p1", version="v1")
        await t.move(minutes=30)
        await run(t, "r2", model="gpt-4o", prompt="p1", version="v2")
        assert await checks(t) == []  # the first of each is no change, and a deployment is told to nobody unasked

        await run(t, "r3", model="gpt-5", prompt="p1", version="v3")
        assert await checks(t) == [BUILT_IN]
        await t.move(minutes=10)
        assert notices(t) == []  # it may still be announced
        await t.move(minutes=10)
        (told,) = notices(t)
        assert f"Model gpt-5 (since {t.clock.now():%d %b} 08:30 UTC) came into use, and nobody announced it." in told
        assert "announce it with a `change` event that names it, such as `input: model, version: gpt-5`" in told
        assert "else a day after the change" in told
        assert "write a `change` check for support-triage into aiops.yml" in told
        assert "v3" not in told
        (problem,) = await problems(t)
        assert (problem.severity, problem.page_id) == ("notice", None)

        await t.post(t.event("change", "c1", input="model", version="gpt-5", note="cheaper"))
        await t.move(minutes=5)
        assert "It is over" in notices(t)[0]
        assert (await problems(t))[0].closed_at is not None


async def test_it_ends_a_day_after_the_change_and_gives_way_to_a_check_of_the_registry(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        await run(t, "r1", prompt="p1", index="i1")
        await t.move(minutes=1)
        await run(t, "r2", prompt="p2", index="i1")
        await t.move(minutes=20)
        assert [each.closed_at for each in await problems(t)] == [None]
        await t.move(hours=24)
        assert (await problems(t))[0].closed_at is not None  # nobody announced it, and it is no news any more

        await run(t, "r3", prompt="p2", index="i2")
        await t.move(minutes=20)
        assert [each.closed_at is None for each in await problems(t)] == [False, True]
        await t.apply(REGISTRY.replace(CHECKS, CHECKS + "      announced: {kind: change, of: [model, prompt]}\n"))
        await t.move(minutes=6)
        assert [each.closed_at is None for each in await problems(t)] == [False, False]


async def test_imported_and_late_told_history_is_no_news(database_url: str, clock: MovedClock, tmp_path: Path) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        old = [{**t.event("run", f"old{number}", status="ok", model=model), "at": t.clock.now().replace(hour=hour).isoformat()} for number, (model, hour) in enumerate((("m1", 1), ("m2", 3), ("m3", 5)))]
        file = tmp_path / "history.ndjson"
        file.write_text("\n".join(json.dumps(each) for each in old) + "\n")
        assert (await t.job("import", file=str(file)))[-1]["json"]["accepted"] == 3
        late = t.clock.now().replace(day=t.clock.now().day - 3).isoformat()
        await run(t, "late0", index="i0", at=t.clock.now().replace(day=t.clock.now().day - 4).isoformat())
        await run(t, "late1", index="i1", at=late)
        await t.move(minutes=30)
        assert await checks(t) == []

        await run(t, "r1", model="m4")
        await t.move(minutes=20)
        (told,) = notices(t)
        assert "Model m4 (since " in told
        assert "m2" not in told
        assert "m3" not in told
