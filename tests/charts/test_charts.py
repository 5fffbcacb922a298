"""Charts: what they say, what they draw, and how they come to Slack in whichever form it takes."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sqlalchemy import select

from bot.charts import block, picture, words
from bot.charts.dress import dress
from bot.charts.values import Chart, Mark, Point, charts_in, place
from bot.clock import MovedClock
from bot.quality.charting import chart_of
from bot.stats import wilson
from bot.status.pictures import chart_links
from bot.tables import Agent, Change, DigestTimer
from bot.workspace.blocks import check_blocks
from tests.digests import scene
from tests.kit.house import Town, town


def chart(shares: list[float | None], marks: list[tuple[int, str]] = (), name: str = "Support triage", baseline: float | None = 0.91) -> Chart:  # type: ignore[assignment]
    days = [(date(2026, 11, 20) - timedelta(len(shares) - 1 - number)).isoformat() for number in range(len(shares))]
    points = tuple(Point(day, share, *(wilson(share, 60) if share is not None else (0.0, 1.0)), 60 if share is not None else 2) for day, share in zip(days, shares, strict=True))
    return Chart(name, "support-triage", points, 7, False, 0.85, False, baseline, "at launch", tuple(Mark(days[at], said) for at, said in marks))


shares = st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=28).filter(lambda found: any(each is not None for each in found))


@given(shares, st.lists(st.tuples(st.integers(0, 27), st.text(max_size=60)), max_size=14), st.text(max_size=300), st.one_of(st.none(), st.floats(0, 1)))
@settings(max_examples=40, deadline=None)
def test_any_chart_can_be_drawn_and_said_within_slacks_limits(found: list[float | None], marks: list[tuple[int, str]], name: str, baseline: float | None) -> None:
    drawn = chart(found, sorted((at % len(found), said) for at, said in marks), name or "x", baseline)
    assert charts_in(json.loads(json.dumps(place([drawn])))) == [drawn]
    for native, where in ((True, None), (False, {"image_url": "https://x.example/c.png"}), (False, None)):
        check_blocks(dress([place([drawn]), place([drawn, drawn])], native, lambda key, where=where: where), "message")  # type: ignore[misc]
    for charts in ([drawn], [drawn] * 3):
        assert Image.open(io.BytesIO(picture.draw(charts))).format == "PNG"


def test_the_words_tell_what_the_eye_sees() -> None:
    fell = chart([0.9] * 20 + [0.78] * 8, [(19, "prompt 14")])
    assert words.alt(fell) == (
        "Chart of the quality of Support triage from 24 Oct to 20 Nov. 20 Nov: 78% (68% to 85%, 60 judged) of the outputs of the 7 days up to it were good, "
        "down 12 points from 90% on 24 Oct. Lowest 78% on 13 Nov, highest 90% on 24 Oct. Baseline 91% at launch, target 85%. Changes: 12 Nov: prompt 14."
    )
    assert "Good, %" in str(block.native(fell))
    assert "12 Nov ▲" in str(block.native(fell))


def test_days_without_a_score_are_never_drawn_over() -> None:
    broken = chart([0.9] * 10 + [None] * 5 + [0.8] * 4)
    assert "5 of 19 days have too few judgements and are left open." in words.alt(broken)
    shown = block.native(broken)
    assert shown is not None
    assert [point["label"] for point in shown[0]["chart"]["series"][0]["data"]] == ["17 Nov", "18 Nov", "19 Nov", "20 Nov"]  # since the gap
    assert block.native(chart([0.9] * 10 + [None, 0.8])) is None  # a picture shows the gap, Slack's block cannot
    line = Image.open(io.BytesIO(picture.draw([broken]))).convert("RGB")
    blue = [any(line.getpixel((x, y)) == (0, 98, 168) or (line.getpixel((x, y))[2] > 150 and line.getpixel((x, y))[0] < 40) for y in range(120, 403)) for x in (268, 529, 715)]  # type: ignore[index]
    assert blue == [True, False, True]


async def judged(t: Town) -> None:
    """Four weeks of judgements, and a new prompt."""
    now = t.clock.now()

    def write(tx: Any) -> None:
        agent = tx.scalars(select(Agent)).one()
        for ago, good in ((27, 18), (10, 14)):
            scene.work(tx, now, agent, (now - timedelta(days=ago)).date().isoformat(), (now - timedelta(days=11 if ago == 27 else 1)).date().isoformat(), judged=20, good=good)
        tx.add(Change(agent_id=agent.id, ext_id=f"c{now:%j}", occurred_at=now - timedelta(days=10), received_at=now, content="c", input="prompt", version="14"))

    await t.write(write)
    await t.settle()


def kinds(message: dict[str, Any]) -> list[str]:
    return [each["type"] for each in message["blocks"]]


async def test_charts_come_as_slacks_own_block_as_a_picture_as_a_link_or_as_words(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        await judged(t)

        # 1. The workspace knows the chart block: the answer holds it, before the buttons, with the changes beneath.
        await t.ws.command("omar", "support-ai", "/aiops", "agent support-triage")
        await t.settle()
        said = t.ws.ephemerals("omar")[-1]
        assert kinds(said).index("data_visualization") < kinds(said).index("actions")
        assert "prompt 14" in str(said["blocks"])
        assert "▲ " in str(said)
        assert "Chart of the quality of Support triage" in said["text"]

        # 2. It does not: the same question is answered with a picture, and the refusal is remembered, also over a restart.
        t.ws.charts = False
        await t.ws.command("omar", "support-ai", "/aiops", "status support-triage")
        await t.settle()
        said = t.ws.ephemerals("omar")[-1]
        (shown,) = (each for each in said["blocks"] if each["type"] == "image")
        assert shown["alt_text"].startswith("Chart of the quality of Support triage from ")
        file = t.ws.store.file(shown["slack_file"]["id"])
        assert file is not None
        assert Image.open(io.BytesIO(file[1] or b"")).size == (960, 460)
        seen = await t.read(lambda tx: chart_of(tx, t.clock.now(), tx.scalars(select(Agent)).one()))
        assert seen is not None
        before = len(t.ws.called("files.completeUploadExternal"))
        t.ws.charts = True
        t.house.charts._known, t.house.charts._rests = False, {}  # as after a restart
        await t.ws.command("omar", "support-ai", "/aiops", "status support-triage")
        await t.settle()
        assert "image" in kinds(t.ws.ephemerals("omar")[-1])
        assert len(t.ws.called("files.completeUploadExternal")) == before  # the picture is at Slack already

        # 3. The digest's thread shows it too.
        due = await t.read(lambda tx: tx.scalars(select(DigestTimer.due_at).where(DigestTimer.channel_id == "C0SUPPORT")).one())
        assert due is not None
        await t.move(seconds=(due - t.clock.now()).total_seconds())
        root = [each for each in t.ws.messages("support-ai") if "Daily health" in str(each)][-1]
        (drawn,) = (each for each in t.ws.thread("support-ai", root["ts"]) if "Chart of the quality" in each["text"])
        assert kinds(drawn) == ["image"]

        # 4. Uploads are not allowed: Slack fetches the picture from us, and finds one even when the link has expired.
        t.house.charts._files.clear()
        t.ws.faults.add("error", method="files.*", error="missing_scope", times=99)
        await t.ws.command("omar", "support-ai", "/aiops", "status support-triage")
        await t.settle()
        (shown,) = (each for each in t.ws.ephemerals("omar")[-1]["blocks"] if each["type"] == "image")
        path = shown["image_url"].removeprefix("https://aiops.example.com")
        fetched = await t.http.get(path)
        assert (fetched.status_code, fetched.headers["content-type"]) == (200, "image/png")
        assert (await t.http.get(path.replace("/c/", "/c/x"))).status_code == 404
        # 5. Nothing of all that: bars and words, never a broken message.
        t.house.charts.link = None
        t.house.charts._rests.clear()
        t.ws.charts = False
        await t.ws.command("omar", "support-ai", "/aiops", "status support-triage")
        await t.settle()
        said = t.ws.ephemerals("omar")[-1]
        assert not {"image", "data_visualization", "aiops_chart"} & set(kinds(said))
        assert "▆" in str(said)
        assert "day by day" in str(said)
        t.clock.move(timedelta(days=40))
        gone = await t.http.get(path)
        assert Image.open(io.BytesIO(gone.content)).size[1] < 200


def test_links_are_made_only_where_slack_can_reach_us() -> None:
    clock = MovedClock(datetime(2026, 11, 20, tzinfo=UTC))
    assert chart_links(None, "https://x.example", clock) is None
    assert httpx.URL("https://x.example").scheme == "https"
