"""Months of three agents that nobody here wrote: imported, told, and compared with the files counted in plain Python."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from bot.clock import MovedClock
from bot.jobs import jobs_of
from bot.tables import Evaluation, ImportRun, Output, Page, Problem, Run, Tally, Vote
from tests.kit.house import town
from tests.replay import convert, scene
from tests.replay.convert import AIRLINE, CODER, HELP
from tests.replay.figures import Record, Sum, Told, baseline, told, working_day_after
from tests.replay.scene import DEPARTMENTS, NAMES, NOW, TARGETS, Data

pytestmark = [pytest.mark.data, pytest.mark.timeout(300)]  # seconds when the machine is idle, minutes when it is not

PRECISE = 0.045  # a percentile is read from bins 9% wide
CLOSE = 0.0006  # a share is kept in thousandths


@pytest.fixture(scope="module")
def data() -> Data:
    folder = scene.folder()
    return Data({agent: convert.read(folder, agent) for agent in convert.FILES})


def same(found: Any, wanted: Told) -> None:
    """A score of the product (an object or its JSON) is the one of the files."""
    share, low, high, n = (found[name] if isinstance(found, dict) else getattr(found, name) for name in ("share", "low", "high", "n"))
    assert n == wanted.n
    if wanted.share is None:
        assert share is None
        return
    assert share == pytest.approx(wanted.share, abs=CLOSE)
    assert (low, high) == (pytest.approx(wanted.low, abs=CLOSE), pytest.approx(wanted.high, abs=CLOSE))


def percent(share: float) -> str:
    return f"{round(share * 100)}%"


def figures_in_words(score: Told, judged: str, days: int) -> str:
    """As the summary writes a score."""
    assert score.share is not None
    span = "" if days == 7 else f" in {days} days"
    return f"{percent(score.share)} good ({percent(score.low)} to {percent(score.high)}, {score.n:,} {judged}{span})"


def moment(at: datetime, zone: str) -> str:
    """As people read it where the agent lives; with the year where it is not this one."""
    local = at.astimezone(ZoneInfo(zone))
    return f"{local:%a} {local.day} {local:%b}{'' if local.year == NOW.year else f' {local.year}'} {local:%H:%M}"


def window(record: Record, now: datetime, source: str, least: int = 30) -> tuple[Told, int]:
    """Seven days where they hold 30 judgements, else twenty-eight."""
    week = told(getattr(record.trailing(now, 7), source))
    return (week, 7) if week.n >= least else (told(getattr(record.trailing(now, 28), source)), 28)


async def test_history_of_three_agents_gives_the_figures_that_the_files_hold_and_an_import_cut_off_goes_on(
    database_url: str, clock: MovedClock, data: Data, tmp_path: Path
) -> None:
    path = convert.write(tmp_path / "history.ndjson", history := data.history())
    records = {agent: data.record(agent) for agent in scene.ZONES}
    clock.move(to=NOW - timedelta(minutes=30))
    async with town(database_url, clock) as t:
        await t.apply(scene.registry(HELP, CODER, AIRLINE))
        clock.move(to=NOW)
        await t.settle()
        before, said = await t.read(scene.quiet), (len(t.ws.messages("support-ai")), len(t.ws.dm("omar")))
        lines = jobs_of(t.house)["import"]({"file": str(path)})
        slices = 0
        async for line in lines:
            slices += "progress" in line
            if slices == 9:
                break
        await lines.aclose()  # type: ignore[attr-defined]
        run = await t.read(lambda tx: tx.scalars(select(ImportRun)).one())
        assert (run.accepted, run.finished_at) == (4500, None)
        async with scene.successor(t) as t:
            first, *_, last = await scene.imported(t, path)
            assert first["text"].startswith("Going on after")
            assert last["json"] == {"accepted": len(history), "duplicates": 0, "refused": 0, "lines": []}
            await t.settle()
            assert await t.read(scene.quiet) == before, "an import posts nothing and runs no check"
            assert (len(t.ws.messages("support-ai")), len(t.ws.dm("omar"))) == said
            scene.agree(await t.read(scene.counted), records)
            await _looks_right(t, data, records)
            await _mornings(t, clock, records)


async def _looks_right(t: Any, data: Data, records: dict[str, Record]) -> None:
    """What was stored of single events, and the percentiles of months."""
    rows = {table: await t.read(lambda tx, table=table: tx.scalar(select(func.count()).select_from(table))) for table in (Run, Output, Vote, Evaluation)}
    whole = {slug: record.whole for slug, record in records.items()}
    assert rows[Run] == sum(each.runs for each in whole.values())
    assert rows[Output] == sum(each.outputs for each in whole.values())
    assert rows[Vote] == whole[HELP].thumbs.total() == sum(len(row["ratings"]) for row in data.rows[HELP])
    assert rows[Evaluation] == len(data.rows[AIRLINE])
    for first, last in ((date(2025, 1, 1), date(2025, 3, 31)), (date(2025, 3, 9), date(2025, 3, 9)), (date(2025, 3, 24), date(2025, 3, 30))):
        here, found = records[CODER].between(first, last), await t.read(lambda tx, span=(first, last): scene.totals_of(tx, CODER, *span))
        assert (found.runs, found.failed, found.outputs, found.costs) == (here.runs, here.failed, here.outputs, {"USD": here.nano} if here.nano else {})
        for share in (0.5, 0.9, 0.95, 0.99):
            assert found.latency(share) == pytest.approx(here.within(share), rel=PRECISE)
        same(found.score("outcomes"), told(here.outcomes))
    transcript = await t.read(lambda tx: tx.scalars(select(Evaluation.explanation).where(Evaluation.ext_id == "reward-0")).one())
    assert transcript.startswith(f"user: {data.rows[AIRLINE][0]['traj'][1]['content'][:50]}")
    assert len(transcript) <= convert.LONGEST_NOTE


async def _mornings(t: Any, clock: MovedClock, records: dict[str, Record]) -> None:
    """Five working days with the server asleep on two of them: each summary covers all since the one before."""
    cover = {19: (18, 18), 20: (19, 19), 23: (20, 22), 24: (23, 23), 27: (24, 26)}
    silence = working_day_after(NOW - timedelta(minutes=30), scene.ZONES[CODER])
    verdicts: dict[int, dict[str, str]] = {}
    for day, (first, last) in cover.items():
        clock.move(to=datetime(2026, 11, day, 8, 0, tzinfo=UTC))
        await t.settle()
        digest = (await t.read(scene.digests))[-1]
        assert (digest.local_date, len(await t.read(scene.digests))) == (f"2026-11-{day}", list(cover).index(day) + 1)
        assert (digest.content["first_day"], digest.content["last_day"]) == (f"2026-11-{first}", f"2026-11-{last}")
        reports = {report["slug"]: report for report in digest.content["reports"]}
        message = [each for each in t.ws.messages("support-ai") if "Daily health" in scene.read_aloud(each)][-1]
        aloud = scene.read_aloud(message)
        for slug, record in records.items():
            await _agent_is_told(t, slug, record, clock.now(), record.between(date(2026, 11, first), date(2026, 11, last)), reports[slug], aloud, silence)
        verdicts[day] = {slug: report["verdict"] for slug, report in reports.items()}
        counts = {verdict: list(verdicts[day].values()).count(verdict) for verdict in verdicts[day].values()}
        assert (await t.job("status"))[0]["json"]["counts"] == counts
    assert {day: tuple(each[slug] for slug in (HELP, CODER, AIRLINE)) for day, each in verdicts.items()} == {
        19: ("watch", "learning", "not worth using"),
        20: ("watch", "silent", "not worth using"),
        23: ("watch", "silent", "not worth using"),
        24: ("watch", "silent", "not worth using"),
        27: ("worth using", "silent", "silent"),
    }
    problems = await t.read(lambda tx: [(each.severity, each.title) for each in tx.scalars(select(Problem))])
    assert problems == [("notice", "quality below 80%")], "history calls nobody; the look at the week's quality is a notice"
    assert await t.read(lambda tx: tx.scalar(select(func.count()).select_from(Page))) == 0


async def _agent_is_told(t: Any, slug: str, record: Record, now: datetime, covered: Sum, report: dict[str, Any], aloud: str, silence: datetime) -> None:
    """One agent on one morning: the frozen facts, the words in the channel, and `aiops status`."""
    people, days = window(record, now, "people")
    machine, machine_days = window(record, now, "evaluations")
    by_machine = people.n < 30 <= machine.n
    score, span, judged = (machine, machine_days, "machine-judged") if by_machine else (people, days, "judged")
    silent = now >= {HELP: record.last_output + timedelta(days=30), AIRLINE: record.last_output + timedelta(days=7), CODER: silence}[slug]
    verdict = "silent" if silent else score.verdict(TARGETS[slug]) if score.n >= 30 else "learning"
    assert (report["verdict"], report["machine"], report["days"]) == (verdict, by_machine, span), report["why"]
    if score.n:
        same(report, score)
    assert (report["outputs"], report["runs"], report["failed"]) == (covered.outputs, covered.runs, covered.failed)
    assert report["judged"] == len(covered.evaluations if by_machine else covered.people)
    frozen = baseline(record, record.day(now))
    assert report["baseline"] == (pytest.approx(frozen[2].share, abs=CLOSE) if frozen and not by_machine else None)

    shown = verdict[:1].upper() + verdict[1:]
    headline = f"{shown} since {moment(record.last_output, record.zone)}: {NAMES[slug]}" if silent else f"{shown}: {NAMES[slug]}"
    assert headline in aloud
    if slug == CODER and silent:
        assert headline == "Silent since Sun 30 Mar 2025 18:13: Coding agent"
        assert report["why"] == "no output since 30 Mar 2025 18:13, though one was expected by 19 Nov 21:30"
    if verdict != "learning" and score.n:
        assert figures_in_words(score, judged, span) in aloud
    elif verdict == "learning":
        assert "0 of 30 judgements" in aloud.lower()
    if covered.outputs:
        assert f"{covered.outputs} output" in aloud

    looked = (await t.job("status", what=slug))[0]
    deep = looked["json"]
    assert looked["text"].splitlines()[0].endswith(f" ({DEPARTMENTS[slug]})")
    assert headline in looked["text"].splitlines()[0]
    assert (deep["verdict"], deep["quality"]["machine_judged"]) == (verdict, by_machine)
    same(deep["quality"], score)
    week = record.trailing(now, 7)
    assert (deep["week"]["runs"], deep["week"]["outputs"], deep["week"]["ratings"]) == (week.runs, week.outputs, week.thumbs.total())
    same(deep["scores"]["outcomes"], told(week.outcomes))
    if slug == HELP:
        assert frozen is not None
        assert (deep["baseline"]["first_day"], deep["baseline"]["last_day"], deep["baseline"]["n"]) == (frozen[0].isoformat(), frozen[1].isoformat(), frozen[2].n)
        before = told(record.trailing(now, 7, back=7).people)
        if span == 7 and before.share is not None and score.share is not None:
            assert report["before"] == pytest.approx(before.share, abs=CLOSE)
    else:
        assert deep["baseline"] is None


async def test_a_coding_agent_whose_history_is_fresh_is_told_with_its_errors_latency_and_cost(database_url: str, clock: MovedClock, data: Data, tmp_path: Path) -> None:
    path = convert.write(tmp_path / "aider.ndjson", data.events(CODER))
    record = data.record(CODER)
    clock.move(to=datetime(2025, 3, 31, 6, 50, tzinfo=UTC))  # three minutes after its last event
    async with town(database_url, clock) as t:
        await t.apply(scene.registry(CODER))
        assert (await scene.imported(t, path))[-1]["json"]["refused"] == 0
        await t.settle()
        scene.agree(await t.read(scene.counted), {CODER: record})
        await _buckets_agree(t, data)
        clock.move(to=datetime(2025, 3, 31, 16, 0, tzinfo=UTC))  # nine where the agent lives
        await t.settle()
        (digest,) = await t.read(scene.digests)
        assert (digest.content["first_day"], digest.content["last_day"]) == ("2025-03-28", "2025-03-30")
        covered = record.between(date(2025, 3, 28), date(2025, 3, 30))
        (report,) = digest.content["reports"]
        assert (report["runs"], report["failed"], report["outputs"]) == (covered.runs, covered.failed, covered.outputs)
        assert report["costs"] == {"USD": covered.nano}
        assert report["p95_ms"] == pytest.approx(covered.within(0.95), rel=PRECISE)
        (message,) = [each for each in t.ws.messages("support-ai") if "Daily health" in scene.read_aloud(each)]
        aloud = scene.read_aloud(message)
        assert f"{covered.outputs} outputs (none judged yet) · {covered.runs} runs, none failed" in aloud
        assert f"cost ${covered.nano / 1e9:,.2f}" in aloud
        week = record.trailing(clock.now(), 7)
        deep = (await t.job("status", what=CODER))[0]
        same(deep["json"]["scores"]["outcomes"], told(week.outcomes))
        assert deep["json"]["week"]["p50_ms"] == pytest.approx(week.within(0.5), rel=PRECISE)
        assert deep["json"]["week"]["costs"] == {"USD": f"{week.nano / 1e9:.9f}"}
        assert f"{week.failed:,} of {week.runs:,} runs failed" in deep["text"] or week.failed == 0
        assert deep["json"]["verdict"] == "learning", "what people did beside it judges no output"


async def _buckets_agree(t: Any, data: Data) -> None:
    """The runs of the last nine days, 5 minutes by 5 minutes."""
    now, wanted = t.clock.now(), Counter[datetime]()
    for event in data.events(CODER):
        at = datetime.fromisoformat(event["at"])
        bucket = at - timedelta(minutes=at.minute % 5, seconds=at.second)
        if event["type"] == "run" and bucket >= now - timedelta(days=9):
            wanted[bucket] += 1
    rows = select(Tally.bucket_at, func.sum(Tally.n)).where(Tally.metric == "runs").group_by(Tally.bucket_at)
    assert {at: int(n) for at, n in await t.read(lambda tx: tx.execute(rows).all())} == dict(wanted)
    assert wanted.total() > 200


async def test_lines_in_any_order_with_bad_ones_between_give_the_same_figures_and_a_second_import_changes_nothing(
    database_url: str, clock: MovedClock, data: Data, tmp_path: Path
) -> None:
    history = data.history()
    random.Random("replay:order").shuffle(history)  # most ratings, outcomes and evaluations come before their output
    wrong = {
        700: b"{half a line", 1501: b'["a", "list"]', 1502: json.dumps({**history[0], "agent": "nobody-knows"}).encode(),
        3003: json.dumps({**history[0], "at": "yesterday"}).encode(), 9_999: b'{"id": "\\ud800", "type": "run"}', 12_000: json.dumps({**history[0], "kind": 7, "extra": 1}).encode(),
    }  # fmt: skip
    path = convert.write(tmp_path / "mixed.ndjson", history, between=wrong)
    records = {agent: data.record(agent) for agent in scene.ZONES}
    clock.move(to=NOW)
    async with town(database_url, clock) as t:
        await t.apply(scene.registry(HELP, CODER, AIRLINE))
        lines = await scene.imported(t, path)
        last = lines[-1]
        assert (last["exit"], last["json"]["accepted"], last["json"]["duplicates"], last["json"]["refused"]) == (1, len(history), 0, len(wrong))
        assert [each["line"] for each in last["json"]["lines"]] == sorted(wrong)
        named = [line["text"] for line in lines if line.get("text", "").startswith("line ")]
        assert [int(text.split(":")[0].removeprefix("line ")) for text in named] == sorted(wrong)
        found = await t.read(scene.counted)
        scene.agree(await t.read(scene.counted), records, in_order=False)

        again = await scene.imported(t, path)  # some were refused: it is read once more
        assert (again[-1]["json"]["accepted"], again[-1]["json"]["duplicates"], again[-1]["json"]["refused"]) == (0, len(history), len(wrong))
        assert await t.read(scene.counted) == found
        await t.settle()
        for slug, record in records.items():
            people, days = window(record, NOW, "people")
            row = await t.read(partial(scene.now_of, slug=slug))
            assert row.facts["windows"]["people"] == days
            same(row.facts["scores"]["people"]["trailing" if days == 7 else "longer"], people)
