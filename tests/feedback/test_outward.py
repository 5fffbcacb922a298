"""Votes reach trace stores and the agent, once each, changed and taken back, through outages: against little strict servers."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import select, update
from starlette.responses import JSONResponse, Response

from bot.agents.files import read_text
from bot.agents.marked import BadFile
from bot.clock import MovedClock
from bot.feedback.outward.letters import LOOP
from bot.feedback.outward.places.place import seconds_of
from bot.jobs import KIND_SPECS
from bot.tables import FeedbackLetter, Person, Vote
from tests.kit.house import REGISTRY, Town, town
from tests.kit.server import serving
from tests.kit.stores import Stores

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
KEYS = {"LANGFUSE_PUBLIC_KEY": "pk-lf-1", "LANGFUSE_SECRET_KEY": "sk-lf-secret", "PHOENIX_API_KEY": "px-key", "LANGSMITH_API_KEY": "ls-key", "OTEL_HEADERS": "Authorization=Bearer%20otel-key"}


def registry(url: str, **more: str) -> str:
    to = f"""
    webhook: {url}/hook
    feedback:
      webhook: true
      to:
        - langfuse: {{url: "{url}/langfuse"}}
        - mlflow: {{url: "{url}/mlflow"}}
        - phoenix: {{url: "{url}/phoenix", key: PHOENIX_API_KEY, project: shop}}
        - langsmith: {{url: "{url}/langsmith"}}
        - otlp: {{url: "{url}/otlp", headers: OTEL_HEADERS}}
"""
    return REGISTRY.replace("    outputs: {post: all}\n", f"    outputs: {{post: all}}{to}" + "".join(f"    {name}: {value}\n" for name, value in more.items()))


def only(url: str, kind: str, more: str = "") -> str:
    return REGISTRY.replace("    outputs: {post: all}\n", f'    feedback: {{to: [{{{kind}: {{url: "{url}/{kind}"{more}}}}}]}}\n')


def rating(t: Town, id: str, good: bool | None, person: str = "lea@example.com", output: str = "o1", **more: Any) -> dict[str, Any]:
    t.clock.move(timedelta(seconds=1))
    return t.event("rating", id, output=output, person=person, good=good, **more)


async def letters(t: Town) -> list[FeedbackLetter]:
    return await t.read(lambda tx: list(tx.scalars(select(FeedbackLetter).order_by(FeedbackLetter.id))))


async def tell(t: Town, **later: float) -> None:
    """Let the one loop turn that sends; what else there is to do can wait in these stories."""
    t.clock.move(timedelta(**later))
    while await t.house.loops.loops[LOOP].step(t.clock.now()):
        pass


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> Stores:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    return Stores(traces={TRACE}, spans={SPAN})


async def test_a_vote_its_words_its_change_and_its_end_reach_every_place_once(database_url: str, clock: MovedClock, stores: Stores) -> None:
    async with serving(stores.app()) as url, town(database_url, clock) as t:
        await t.apply(registry(url))
        await t.post(t.event("run", "r1", status="ok", trace_id=TRACE, span_id=SPAN), t.event("output", "o1", run="r1", text="Refunds take five days."))
        words = "Ask ann@example.com or +33 6 12 34 56 78"
        assert (await t.post(rating(t, "v1", False, reason="outdated", comment=words, correction="Three days.")))["accepted"] == 1
        await tell(t)

        assert stores.wrong == []
        [score] = stores.langfuse.values()
        assert (score["traceId"], score["observationId"], score["value"], score["name"]) == (TRACE, SPAN, 0, "human_feedback")
        assert score["comment"] == "Outdated.\nAsk [email] or [phone]\nIt should have said: Three days."
        [assessment] = stores.mlflow.values()
        assert (assessment["feedback"], assessment["trace_id"], assessment["metadata"]["reason"]) == ({"value": False}, f"tr-{TRACE}", "outdated")
        [(about, note)] = stores.phoenix.items()
        assert (about[0], note["result"]["label"], note["result"]["score"]) == (SPAN, "bad", 0.0)
        [told] = stores.langsmith.values()
        assert (told["run_id"], told["score"], told["correction"]) == ("0af76519-16cd-43dd-8448-eb211c80319c", 0.0, {"output": "Three days."})
        [log] = stores.logs
        assert (log["event"], log["trace"], log["span"], log["gen_ai.evaluation.score.label"]) == ("gen_ai.evaluation.result", TRACE, SPAN, "bad")
        [(headers, body)] = stores.hooks
        hook = orjson.loads(body)
        assert (hook["type"], hook["output"], hook["good"], hook["reason"], hook["correction"]) == ("feedback", "o1", False, "outdated", "Three days.")
        key = (await t.job("webhook_key", agent="support-triage"))[0]["json"]["key"]
        stamp, signature = (part.partition("=")[2] for part in headers["aiops-signature"].split(","))
        assert signature == hmac.new(key.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        # Nobody's name: one stable made-up id, the same in every place.
        voters = {assessment["source"]["source_id"], score["metadata"]["source"], note["metadata"]["source"], log["aiops.feedback.source"], hook["voter"]}
        assert len(voters) == 1
        assert next(iter(voters)).startswith("voter-")
        assert not {"lea@", "U0LEA", "Khoury"} & {each for each in ("lea@", "U0LEA", "Khoury") if each in repr((score, assessment, note, told, log, body))}

        # The same again changes nothing anywhere; a second person's vote stands beside the first.
        calls = len(stores.calls)
        await t.post(rating(t, "v2", False))
        await tell(t)
        assert len(stores.calls) == calls
        await t.post(rating(t, "v3", True, "omar@example.com"))
        await tell(t)
        assert sorted(each["value"] for each in stores.langfuse.values()) == [0, 1]
        assert len({each["source"]["source_id"] for each in stores.mlflow.values()}) == 2

        # Changed: the same ids. Taken back: gone, or said to be.
        await t.post(rating(t, "v4", True))
        await tell(t)
        assert [each["value"] for each in stores.langfuse.values()] == [1, 1]
        assert [each["feedback"]["value"] for each in stores.mlflow.values()] == [True, True]
        assert [each["metadata"]["correction"] for each in stores.mlflow.values()] == ["", ""]
        assert [each["result"]["label"] for each in stores.phoenix.values()] == ["good", "good"]
        assert [each["score"] for each in stores.langsmith.values()] == [1.0, 1.0]
        await t.post(rating(t, "v5", None), rating(t, "v6", None, "omar@example.com"))
        await tell(t)
        assert (stores.langfuse, stores.mlflow, stores.phoenix, stores.langsmith) == ({}, {}, {}, {})
        assert [each["gen_ai.evaluation.score.label"] for each in stores.logs[-2:]] == ["retracted", "retracted"]
        assert [orjson.loads(body)["good"] for _, body in stores.hooks[-2:]] == [None, None]
        assert {(row.state, row.due_at, row.told) for row in await letters(t)} == {("told", None, None)}


async def test_history_sends_nothing_and_what_is_written_in_slack_does(database_url: str, clock: MovedClock, stores: Stores, tmp_path: Path) -> None:
    async with serving(stores.app()) as url, town(database_url, clock) as t:
        await t.apply(registry(url, data="{class: restricted}", redact='{hide: [], patterns: {order: "ORD-[0-9]+"}}'))
        await t.post(t.event("output", "o1", text="Refunds take five days.", trace_id=TRACE, span_id=SPAN))
        old = {**rating(t, "old", True), "at": "2026-01-05T08:00:00Z", "output": "older"}
        (path := tmp_path / "old.ndjson").write_bytes(orjson.dumps(old))
        await t.job("import", file=str(path))
        await t.settle()
        assert await t.read(lambda tx: tx.scalars(select(Vote)).all())
        assert stores.calls == []

        shown = next(each for each in reversed(t.ws.messages("support-ai")) if "Not rated yet" in str(each.get("blocks")))
        await t.ws.press("lea", "support-ai", shown["ts"], "feedback.thumb", "output:1:bad")
        await t.settle()
        note = t.ws.ephemerals("lea")[-1]
        await t.ws.press("lea", "support-ai", note["ts"], "feedback.tell")
        await t.settle()
        await t.ws.submit("lea", t.ws.views("lea")[-1], {"reason": "wrong", "correction": "Secret words."})
        await t.settle()
        # Restricted: thumb and reason leave, no text does.
        assert [orjson.loads(body)["good"] for _, body in stores.hooks] == [False, False]
        assert [orjson.loads(body)["reason"] for _, body in stores.hooks] == [None, "wrong"]
        assert len(stores.langfuse) == 1
        assert "Secret" not in repr((stores.langfuse, stores.mlflow, stores.phoenix, stores.langsmith, stores.logs, stores.hooks))
        assert stores.wrong == []

        # Two accounts that are one person are one voter there too.
        await t.post(rating(t, "v9", True, "ghost@example.com"))
        await t.settle()
        assert len(stores.mlflow) == 2

        def merge(tx: Any) -> None:
            from bot.app import count_anew
            from bot.people.merging import merge_people

            keep = tx.scalars(select(Person).where(Person.slack_id == "U0LEA")).one()
            gone = tx.scalars(select(Person).where(Person.email == "ghost@example.com")).one()
            tx.execute(update(Person).where(Person.id == keep.id).values(email=None))
            count_anew(tx, t.clock.now(), merge_people(tx, t.clock.now(), keep=keep, gone=gone))

        await t.write(merge)
        await t.settle()
        assert [each["feedback"]["value"] for each in stores.mlflow.values()] == [True]


async def test_outages_limits_missing_traces_lost_answers_and_poison(database_url: str, clock: MovedClock, stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(stores.app()) as url, town(database_url, clock) as t:
        # A trace that is not stored yet: asked for again, with patience.
        await t.apply(only(url, "phoenix", ", key: PHOENIX_API_KEY"))
        stores.spans.clear()
        await t.post(rating(t, "v1", False), t.event("output", "o1", text="Refunds."))
        await tell(t)
        assert (await letters(t))[0].said == "no_trace"  # the vote came before its output, and nothing names a trace
        assert stores.calls == []
        await t.post(t.event("output", "o2", text="Refunds.", trace_id=TRACE, span_id=SPAN), rating(t, "v2", False, output="o2"))
        await tell(t)
        assert (await letters(t))[1].said == "http_404"
        stores.spans.add(SPAN)
        await tell(t, seconds=30)
        assert [each["result"]["label"] for each in stores.phoenix.values()] == ["bad"]
        doctor = (await t.job("doctor"))[0]["text"]
        assert "Phoenix at http" in doctor
        assert "name no trace" in doctor
        long_ago = t.clock.now() - timedelta(days=3)  # as if it had been tried for so long
        await t.write(lambda tx: tx.execute(update(FeedbackLetter).where(FeedbackLetter.state == "due").values(since=long_ago)) and None)
        await tell(t, minutes=2)
        assert (await letters(t))[0].state == "aside"
        assert "refused 1 vote of Support triage for good, and they were set aside: their outputs name no trace" in (await t.job("doctor"))[0]["text"]
        # Without a project the vote that is taken back stays, marked.
        await t.post(rating(t, "v3", None, output="o2"))
        await tell(t)
        assert [each["result"] for each in stores.phoenix.values()] == [{"label": "retracted", "score": None, "explanation": None}]

        # Too fast: everything for that place waits as long as it says, and is sent once.
        await t.apply(only(url, "langfuse"))
        stores.calls.clear()
        stores.next.append(JSONResponse({}, status_code=429, headers={"Retry-After": "120"}))
        await t.post(rating(t, "v4", True, output="o2"))
        await tell(t)
        await t.post(rating(t, "v5", True, "omar@example.com", output="o2"))
        await tell(t, seconds=60)
        assert len(stores.calls) == 1
        await tell(t, seconds=61)
        assert [each["value"] for each in stores.langfuse.values()] == [1, 1]
        # An outage: one probe at a time, and afterwards all that waited.
        stores.calls.clear()
        stores.next.extend(Response(status_code=503) for _ in range(6))
        for number, person in enumerate(("maya", "omar", "lea", "dana", "hala")):
            await t.post(rating(t, f"w{number}", False, f"{person}@example.com", output="o2"))
        await tell(t)
        for _ in range(5):
            await tell(t, minutes=6)
        assert sorted(each["value"] for each in stores.langfuse.values()) == [0, 0, 0, 0, 0]
        # A key that is not set, or is no longer good.
        monkeypatch.delenv("LANGFUSE_SECRET_KEY")
        await t.post(rating(t, "v6", True, output="o2"))
        await tell(t)
        said = (await t.job("doctor"))[0]["text"]
        assert "Langfuse at" in said
        assert "LANGFUSE_SECRET_KEY is not set. One vote waits." in said
        assert "sk-lf-secret" not in said
        monkeypatch.setenv("LANGFUSE_SECRET_KEY", "sk-lf-secret")
        await tell(t, minutes=6)
        assert sum(each["value"] for each in stores.langfuse.values()) == 1
        # Refused for good: it steps aside, and the others go on.
        stores.next.append(JSONResponse({"error": "no"}, status_code=400))
        await t.post(rating(t, "v7", None, output="o2"), rating(t, "v8", True, "omar@example.com", output="o2"))
        await tell(t)
        assert [row.state for row in await letters(t)].count("aside") == 2
        assert "set aside: http_400" in (await t.job("doctor"))[0]["text"]

        assert (await t.job("feedback_retry"))[0]["json"] == {"again": 2}
        await tell(t)
        assert len(stores.langfuse) == 4  # the one that was refused was to be taken away
        [phoenix, langfuse] = sorted((each["text"] for each in await t.job("feedback_status")), reverse=True)
        assert langfuse.endswith("told of 5 votes, 0 wait, 0 set aside")
        assert phoenix.endswith("told of 1 vote, 0 wait, 0 set aside")  # the registry no longer names it: what could not be told is let go
        assert "aiops_feedback_out_told 6.0" in (await t.http.get("/metrics")).text

        # MLflow keeps no id of ours: an answer that was lost is looked for before the assessment is made again.
        await t.apply(only(url, "mlflow"))
        stores.deaf = True
        await t.post(rating(t, "v10", False, output="o2"))
        await tell(t)
        await tell(t, minutes=2)
        assert len(stores.mlflow) == 1
        await t.post(rating(t, "v11", True, output="o2"))
        await tell(t)
        [(there, kept)] = stores.mlflow.items()
        assert kept["feedback"] == {"value": True}
        assert [row.remote_id for row in await letters(t) if row.target.startswith("mlflow")] == [there]
        assert stores.wrong == []


def test_the_registry_takes_no_secret_and_no_pattern_that_is_none() -> None:
    for words, wrong in {
        'feedback: {to: [{langfuse: {url: "https://a:b@langfuse.example.com"}}]}': "without user",
        'feedback: {to: [{langfuse: {url: "https://x", secret_key: AIOPS_SECRET}}]}': "is the bot's own",
        'feedback: {to: [{langfuse: {url: "https://x", secret_key: sk-lf-123}}]}': "secret_key",
        'feedback: {to: [{langfuse: {url: "https://x"}, otlp: {url: "https://y"}}]}': "exactly one",
        'feedback: {to: [{otlp: {url: "https://y"}}, {otlp: {url: "https://y/"}}]}': "named twice",
        'redact: {patterns: {order: "ORD-("}}': "no regular expression",
        'redact: {patterns: {order: "x*"}}': "matches where there is nothing",
    }.items():
        with pytest.raises(BadFile, match=wrong):
            read_text(REGISTRY.replace("outputs: {post: all}", words), KIND_SPECS)


def test_a_date_to_come_back_at_is_read_against_the_answers_own_clock() -> None:
    now = datetime(2020, 1, 1, tzinfo=UTC)
    assert seconds_of(format_datetime(now + timedelta(seconds=90), usegmt=True), format_datetime(now, usegmt=True)) == 90
    assert (seconds_of("7"), seconds_of(None), seconds_of("soon"), seconds_of("999999999")) == (7, 30, 30, 3600)
