from __future__ import annotations

import asyncio
import contextlib
import gzip
import re
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update
from starlette.applications import Starlette

from bot.intake.agents import AgentRef
from bot.intake.bodies import split_events
from bot.intake.events import EXAMPLES, LARGEST
from bot.intake.http import routes
from bot.intake.judging import Item, Refusal, Terms, judge
from bot.tables import Output, Run, Token
from tests.intake.conftest import Gate

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
RUN, OUTPUT, RATING, EVALUATION, COST = (EXAMPLES[name] for name in ("run", "output", "rating", "evaluation", "cost"))


def judged(raw: Any, **terms: Any) -> Item | Refusal:
    agent = AgentRef(1, "support-triage", "UTC", True, False, {}, True)
    return judge(0, raw, Terms(NOW, {"support-triage": agent}.get, terms.pop("allowed", None), **terms))


def deep(levels: int) -> Any:
    value: Any = "bottom"
    for _ in range(levels):
        value = [value]
    return value


WRONG = [
    (7, None, "not_an_object"),
    ({}, "type", "missing_field"),
    ({**RUN, "type": "party"}, "type", "unknown_type"),
    ({**RUN, "type": ["run"]}, "type", "unknown_type"),
    ({**RUN, "type": "request"}, "status", "unknown_field"),
    ({key: RUN[key] for key in ("id", "agent", "at")} | {"type": "request"}, "kind", "missing_field"),
    ({key: value for key, value in RUN.items() if key != "id"}, "id", "missing_field"),
    ({key: value for key, value in RATING.items() if key != "good"}, "good", "missing_field"),
    ({**RUN, "id": ""}, "id", "bad_value"),
    ({**RUN, "id": "x" * 129}, "id", "too_long"),
    ({**RUN, "id": 12}, "id", "wrong_type"),
    ({**RUN, "colour": "red"}, "colour", "unknown_field"),
    ({**RUN, "tokens": {"inputs": 3}}, "tokens.inputs", "unknown_field"),
    ({**RUN, "tokens": {"input": -1}}, "tokens.input", "bad_value"),
    ({**RUN, "tokens": {"input": LARGEST + 1}}, "tokens.input", "bad_value"),
    ({**RUN, "tokens": {"input": 1.5}}, "tokens.input", "wrong_type"),
    ({**RUN, "tokens": {"input": "12"}}, "tokens.input", "wrong_type"),
    ({**RUN, "tokens": {"input": True}}, "tokens.input", "wrong_type"),
    ({**RUN, "tokens": [1]}, "tokens", "wrong_type"),
    ({**RUN, "status": "fine"}, "status", "bad_value"),
    ({**RUN, "cost": {"amount": 0.0031, "currency": "USD"}}, "cost.amount", "bad_value"),
    ({**RUN, "cost": {"amount": "-1", "currency": "USD"}}, "cost.amount", "bad_value"),
    ({**RUN, "cost": {"amount": "99999999", "currency": "USD"}}, "cost.amount", "bad_value"),
    ({**COST, "currency": "dollars"}, "currency", "bad_value"),
    ({**RUN, "at": "2026-11-20T08:00:00"}, "at", "bad_value"),
    ({**RUN, "at": "yesterday"}, "at", "bad_value"),
    ({**RUN, "at": 1763625600}, "at", "bad_value"),
    ({**RUN, "at": "0001-01-01T00:00:00+14:00"}, "at", "bad_value"),
    ({**RUN, "at": "2026-11-20T08:05:01Z"}, "at", "in_future"),
    ({**RUN, "at": "2026-10-21T07:59:59Z"}, "at", "too_old"),
    ({**RUN, "started_at": "2026-11-20T08:00:00Z", "ended_at": "2026-11-20T07:00:00Z"}, "ended_at", "bad_value"),
    ({**RUN, "agent": "nobody"}, "agent", "unknown_agent"),
    ({**RUN, "error": "a\0b"}, "error", "nul"),
    ({**RUN, "input": {"fields": ["a\0"], "rejected": 0}}, "input.fields.0", "nul"),
    ({**RUN, "error": "\ud800"}, "error", "bad_text"),
    ({**RUN, "\udfff": 1}, "?", "bad_text"),
    ({**RUN, "error": deep(40)}, None, "too_deep"),
    ({**RUN, "error": "x" * 10_001}, "error", "too_long"),
    ({**OUTPUT, "text": "x" * 100_001}, "text", "too_long"),
    ({**OUTPUT, "url": "javascript:alert(1)"}, "url", "bad_value"),
    ({**OUTPUT, "slack": {"channel": "#general", "ts": "1.0"}}, "slack.channel", "bad_value"),
    ({**RATING, "good": "yes"}, "good", "wrong_type"),
    ({**RATING, "person": "lea"}, "person", "bad_value"),
    ({**EVALUATION, "output": None}, "output", "missing_field"),
    ({**EVALUATION, "score": None}, "score", "missing_field"),
    ({**EVALUATION, "score": "0.9"}, "score", "wrong_type"),
    ({**RUN, "tokens": {"input": 2**70}}, None, "bad_value"),
]


@pytest.mark.parametrize(("raw", "field", "code"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_a_wrong_event_is_refused_by_field_with_the_remedy(raw: Any, field: str | None, code: str) -> None:
    found = judged(raw)
    assert isinstance(found, Refusal), raw
    assert (found.field, found.code) == (field, code), found.message
    assert len(found.message) > 15
    orjson.dumps(found.told())  # can always be answered


def test_a_token_for_one_agent_cannot_report_for_another() -> None:
    found = judged(RUN, allowed=frozenset({"invoices"}))
    assert isinstance(found, Refusal)
    assert found.code == "not_allowed"


def test_a_backslash_before_u0000_is_only_text() -> None:
    assert isinstance(judged({**RUN, "error": "a \\u0000 in a log"}), Item)


@pytest.mark.parametrize("raw", [{**RUN, "at": "2026-11-20T08:04:59.999Z"}, {**RUN, "at": "2026-10-21T08:00:00+00:00"}, {**RUN, "tokens": {"input": LARGEST}}, {**RUN, "cost": {"amount": "0.0000000004", "currency": "EUR"}}])
def test_the_bounds_themselves_are_taken(raw: Any) -> None:
    assert isinstance(judged(raw), Item)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None, exclude_categories=[])) | st.datetimes().map(str),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def spoiled(draw: st.DrawFn) -> Any:
    """An event of the docs with one field replaced, added or missing."""
    event = dict(draw(st.sampled_from(list(EXAMPLES.values()))))
    field = draw(st.sampled_from([*event, "extra"]))
    if draw(st.booleans()):
        event[field] = draw(anything)
    else:
        event.pop(field, None)
    return event


@given(spoiled() | anything)
@settings(max_examples=300, deadline=None)
def test_judging_never_raises_and_always_can_be_answered(raw: Any) -> None:
    found = judged(raw)
    if isinstance(found, Refusal):
        orjson.dumps(found.told())
        assert found.message


broken = st.sampled_from([b"{", b"nope", b'{"id": "\\ud800"}', b'{"a": NaN}', b'{"id": "\xff"}', b"[" * 3000 + b"]" * 3000, b'"\\"', b"1", b'{"a":1}}'])


@given(st.lists(broken | st.just(None), min_size=1, max_size=12))
@settings(max_examples=100, deadline=None)
def test_lines_that_are_no_json_never_stop_the_good_lines_beside_them(parts: list[bytes | None]) -> None:
    good = orjson.dumps(RUN)
    body = b"\n".join(good if part is None else part for part in parts)
    raws = asyncio.run(split_events(body, "application/x-ndjson"))
    items = [judged(raw) for raw in raws]
    assert [isinstance(item, Item) for item in items] == [part is None for part in parts]


@pytest.mark.parametrize("bad", [b'{"id": "\\ud800", "b": "],["}', b'{"id": "\xff"}', b'{"a": ' + b"[" * 3000 + b"]" * 3000 + b"}", b"{oops}", b'{"a": NaN}'])
async def test_an_element_that_is_no_json_never_stops_the_rest_of_the_array(gate: Gate, bad: bytes) -> None:
    body = b"[" + orjson.dumps(gate.event()) + b" , " + bad + b"," + orjson.dumps(gate.event()) + b"]"
    answer = await gate.post(body=body, headers={"content-type": "application/json"})
    assert answer.status_code == 202
    told = answer.json()
    assert (told["accepted"], [each["index"] for each in told["refused"]]) == (2, [1])


async def test_good_and_bad_are_told_apart_in_one_request(gate: Gate) -> None:
    events = [gate.event(), *(raw for raw, _, _ in WRONG[:32]), gate.event()]
    answer = await gate.post(events)
    told = answer.json()
    assert (answer.status_code, told["accepted"], [each["index"] for each in told["refused"]]) == (202, 2, list(range(1, 33)))
    assert len(gate.rows(Run)) == 2


@pytest.mark.parametrize(
    ("token", "status", "code"),
    [("", 401, "no_token"), ("aiops_nonsense", 401, "bad_token"), ("aiops_0123456789ab_" + "x" * 43, 401, "bad_token"), ("old", 401, "bad_token"), ("gone", 401, "bad_token"), ("reader", 403, "scope")],
)
async def test_a_wrong_or_missing_token_is_refused_without_being_repeated(gate: Gate, token: str, status: int, code: str) -> None:
    answer = await gate.post(gate.event(), token=token)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    secret = gate.tokens.get(token, token)[19:]
    assert not secret or secret not in answer.text
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_token_stops_working_two_seconds_after_it_is_revoked(gate: Gate) -> None:
    assert (await gate.post(gate.event())).status_code == 202
    with gate.db.transaction() as tx:
        tx.execute(update(Token).values(revoked_at=gate.clock.now()))
    gate.clock.move(timedelta(seconds=2.1))
    assert (await gate.post(gate.event())).status_code == 401


async def test_whoami_tells_what_a_token_may_do(gate: Gate) -> None:
    answer = await gate.http.get("/v1/whoami", headers={"authorization": f"Bearer {gate.tokens['one']}"})
    assert answer.json()["scopes"] == ["events"]
    assert answer.json()["agents"] == ["invoices"]
    assert (await gate.http.get("/v1/whoami")).status_code == 401


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"", {}, 400, "empty"),
        (b"\n\n", {"content-type": "application/x-ndjson"}, 400, "empty"),
        (b"[]", {}, 422, "nothing_valid"),
        (b"{", {}, 400, "not_json"),
        (b'[{"id": 1}', {}, 400, "not_json"),
        (b"id=1", {"content-type": "application/x-www-form-urlencoded"}, 415, "content_type"),
        (b"{}", {"content-encoding": "br"}, 415, "encoding"),
        (b"{}", {"content-encoding": "gzip"}, 400, "bad_gzip"),
        (gzip.compress(b"{}", mtime=0)[:-6], {"content-encoding": "gzip"}, 400, "bad_gzip"),
        (gzip.compress(b"[" + b" " * 11 * 1024 * 1024 + b"]"), {"content-encoding": "gzip"}, 413, "too_large"),
        (gzip.compress(gzip.compress(b"0" * 50_000_000)), {"content-encoding": "gzip"}, 400, "not_json"),  # inflated once, not twice
        (b"[" + b",".join([b"{}"] * 10_001) + b"]", {}, 413, "too_many"),
        (b"{}\n" * 10_001, {"content-type": "application/x-ndjson"}, 413, "too_many"),
        (b"[" * 200_000, {}, 400, "not_json"),
    ],
)
async def test_a_body_that_cannot_be_read_gets_a_clear_answer(gate: Gate, body: bytes, headers: dict[str, str], status: int, code: str) -> None:
    answer = await gate.post(body=body, headers={"content-type": "application/json", **headers})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["status"] == status
    assert answer.json()["detail"]


async def test_when_too_much_waits_the_sender_is_asked_to_come_back(gate: Gate) -> None:
    gate.intake.groups.queued = 20_000
    answer = await gate.post(gate.event())
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["code"]) == (429, "1", "busy")
    gate.intake.groups.queued = 0


async def test_when_the_process_stops_the_sender_is_asked_to_come_back(gate: Gate) -> None:
    await gate.post(gate.event())  # the token and the agent are known
    gate.intake.lanes.close()
    answer = await gate.post(gate.event())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


@contextlib.asynccontextmanager
async def listening(gate: Gate) -> AsyncIterator[int]:
    """A real server on a real port."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        config = uvicorn.Config(Starlette(routes=routes(gate.intake)), lifespan="off", ws="none", log_level="warning")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[held]))
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        try:
            yield held.getsockname()[1]
        finally:
            server.should_exit = True
            await task


@pytest.mark.parametrize("told", [True, False], ids=["with its length told", "in chunks"])
async def test_a_body_of_100_mb_is_cut_off_early_and_others_are_served_meanwhile(gate: Gate, told: bool) -> None:
    size, sent = 100_000_000, 0
    async with listening(gate) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        length = f"content-length: {size}" if told else "transfer-encoding: chunked"
        writer.write(f"POST /v1/events HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {gate.tokens['all']}\r\ncontent-type: application/json\r\n{length}\r\n\r\n".encode())
        chunk = b"[" + b" " * 999_999
        answer = asyncio.create_task(reader.read(4096))
        while sent < size and not answer.done():
            writer.write(chunk if told else b"%x\r\n%b\r\n" % (len(chunk), chunk))
            await writer.drain()
            sent += len(chunk)
        assert b"413" in (await answer).split(b"\r\n", 1)[0]
        assert sent < size / 2
        assert (await gate.post(gate.event())).status_code == 202
        writer.close()


async def test_the_description_lists_every_event_and_the_page_needs_no_other_host(gate: Gate) -> None:
    document = (await gate.http.get("/openapi.json")).json()
    assert set(document["components"]["schemas"]["Event"]["discriminator"]["mapping"]) == set(EXAMPLES)
    page = (await gate.http.get("/docs")).text
    assert "<script" not in page
    assert "src=" not in page
    for name in EXAMPLES:
        assert f"id='{name}'" in page


async def test_the_description_tells_of_pings_alerts_and_the_gate_and_every_reference_leads_somewhere(gate: Gate) -> None:
    answer = await gate.http.get("/openapi.json")
    document = answer.json()
    assert {"/ping/{uuid}", "/ping/{key}/{check}/{signal}", "/v1/alerts", "/v1/agents/{id}/gate", "/v1/events", "/v1/whoami"} <= set(document["paths"])
    assert set(document["paths"]["/ping/{uuid}"]) == {"get", "head", "post"}
    assert set(re.findall(r'"#/components/schemas/([^"]+)"', answer.text)) <= set(document["components"]["schemas"])
    page = (await gate.http.get("/docs")).text
    for place in ("ping", "alerts", "gate"):
        assert f"<h2 id='{place}'>" in page
    assert "?create=1" in page


async def test_whoever_watches_sees_accepted_and_refused_events(gate: Gate) -> None:
    watching = gate.intake.feed.subscribe()
    first = asyncio.ensure_future(anext(watching))
    await asyncio.sleep(0)
    await gate.post([gate.event(), {"id": "bad"}])
    assert (await first)["said"] == "accepted"
    assert (await anext(watching))["code"] == "missing_field"
    await watching.aclose()
    assert not gate.intake.feed.watched
    assert gate.rows(Output) == []
