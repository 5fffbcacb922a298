"""Lessons over HTTP and by the command: whole, paged, blacked out, and never with a voter's name."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from bot.clock import MovedClock
from bot.redaction import NAMES, WITHHELD, redact, redact_all
from bot.tables import Agent, Incident, Output, RegressionCase
from tests.kit.house import REGISTRY, Town, town

TWO = REGISTRY + """
  invoices:
    name: Invoices
    owners: {business: maya@example.com, operations: U0OMAR}
    channel: "#support-ai"
    data: {class: restricted}
"""
RULES = '    redact: {hide: [email], patterns: {order: "ORD-[0-9]+", greedy: "(a+)+c"}}\n'


async def get(t: Town, query: str = "", agent: str = "support-triage", **headers: str) -> Any:
    return await t.http.get(f"/v1/agents/{agent}/lessons{query}", headers={"Authorization": f"Bearer {t.token}", **headers})


def lines(answer: Any) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in answer.content.splitlines()]


async def test_lessons_tell_what_failed_and_why_and_never_who_said_so(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply(TWO.replace('    channel: "#support-ai"\n', '    channel: "#support-ai"\n' + RULES, 1))
        empty = await get(t)
        assert (empty.status_code, empty.content, empty.headers["content-type"]) == (200, b"", "application/x-ndjson")
        assert (await t.job("lessons", agent="support-triage"))[0]["error"].startswith("Nobody found an output of support-triage bad yet")

        await t.post(t.event("run", "r1", status="ok", model="gpt-4o", version="prompt-14", trace_id="0af7651916cd43dd8448eb211c80319c", topic="returns"))
        asked = "Where is ORD-1234? Mail me: ann@example.com, +33 6 12 34 56 78"
        await t.post(t.event("output", "o1", run="r1", text="It comes on Monday.", input=asked), *(t.event("output", f"o{n}", text=f"Answer {n}.") for n in range(2, 6)))
        for person, words in {"lea": {"reason": "outdated", "correction": "On Saturday, says omar@example.com."}, "omar": {"reason": "outdated", "comment": "Ask ann@example.com"}, "dana": {"reason": "did_not_know"}}.items():
            clock.move(timedelta(seconds=1))
            await t.post(t.event("rating", f"v-{person}", output="o1", person=f"{person}@example.com", good=False, **words))
        await t.post(t.event("rating", "v-good", output="o2", person="lea@example.com", good=True), t.event("evaluation", "e1", output="o1", name="faithfulness", score=0.2, explanation="Not what the source says."))

        def keep(tx: Any) -> int:
            agent = tx.scalars(select(Agent).where(Agent.slug == "support-triage")).one()
            incident = Incident(agent_id=agent.id, fingerprint="f", severity="high", title="Wrong days", opened_at=clock.now(), template={}, channel_id="C0SUPPORT", output_id=None)
            tx.add(incident)
            tx.flush()
            output = tx.scalars(select(Output).where(Output.ext_id == "o3")).one()
            tx.add(RegressionCase(agent_id=agent.id, output_id=output.id, incident_id=incident.id, added_at=clock.now(), fixed_in="prompt-15", fixed_at=clock.now()))
            return incident.id

        incident = await t.write(keep)
        clock.move(timedelta(minutes=1))
        first, second = lines(answer := await get(t))
        assert (first["output"], first["topic"], first["model"], first["version"], first["trace_id"]) == ("o1", "returns", "gpt-4o", "prompt-14", "0af7651916cd43dd8448eb211c80319c")
        assert first["input"] == "Where is [order]? Mail me: [email], +33 6 12 34 56 78"
        assert (first["reasons"], first["comments"], first["corrections"]) == ({"did_not_know": 1, "outdated": 2}, ["Ask [email]"], ["On Saturday, says [email]."])
        assert (first["votes"], first["bad"], first["may_ask"]) == (3, None, 0)
        assert [(each["name"], each["score"], each["explanation"]) for each in first["evaluations"]] == [("faithfulness", 0.2, "Not what the source says.")]
        assert (second["output"], second["incidents"], second["regression"][0]["fixed_in"]) == ("o3", [incident], "prompt-15")
        assert not [name for name in ("lea", "omar", "dana", "U0", "person") if name in answer.text.replace("release", "")]
        assert [each["text"] for each in await t.job("lessons", agent="support-triage")] == answer.text.splitlines()

        # Unchanged: 304. A vote that is taken back, and only that, takes the output away; what is new comes at the cursor.
        assert (await get(t, **{"If-None-Match": answer.headers["etag"]})).status_code == 304
        assert lines(await get(t, f"?cursor={answer.headers['aiops-cursor']}")) == []
        await t.post(t.event("rating", "v-late", output="o4", person="lea@example.com", good=False, comment="aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"))
        [late] = lines(await get(t, f"?cursor={answer.headers['aiops-cursor']}"))
        assert (late["output"], late["comments"], late["text"]) == ("o4", [WITHHELD], "Answer 4.")
        clock.move(timedelta(minutes=1))
        await t.post(t.event("rating", "v-back", output="o4", person="lea@example.com", good=None))
        assert [each["output"] for each in lines(await get(t, "?since=2026-11-20"))] == ["o1", "o3"]
        assert lines(await get(t, "?since=2026-11-21T00:00:00%2B01:00")) == []

        # Restricted: which outputs and why, and no text.
        await t.post({**t.event("output", "s1", text="Secret words.", input="Secret question."), "agent": "invoices"})
        await t.post({**t.event("rating", "sv1", output="s1", person="lea@example.com", good=False, reason="wrong", correction="Secret answer."), "agent": "invoices"})
        [kept] = lines(answer := await get(t, agent="invoices"))
        assert (kept["output"], kept["reasons"], kept["text"], kept["corrections"], kept["withheld"]) == ("s1", {"wrong": 1}, None, [], True)
        assert "Secret" not in answer.text

        for query, code in {"?limit=0": "bad_value", "?limit=501": "bad_value", "?since=soon": "bad_value", "?cursor=%21": "cursor", "?cursor=MjAyNg": "cursor"}.items():
            wrong = await get(t, query)
            assert (wrong.status_code, wrong.json()["code"]) == (400, code)
        assert (await t.http.get("/v1/agents/support-triage/lessons")).status_code == 401
        assert (await get(t, agent="nobody")).status_code == 404
        described = (await t.http.get("/openapi.json")).json()
        assert set(first) == set(described["components"]["schemas"]["Lesson"]["properties"])
        assert "/v1/agents/{id}/lessons" in described["paths"]


async def test_pages_tell_every_failing_output_once_and_in_order(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        for start in range(0, 30, 10):  # ten at the same moment
            await t.post(*(t.event("rating", f"v{n}", output=f"o{n}", person="lea@example.com", good=n % 3 > 0) for n in range(start, start + 10)))
            clock.move(timedelta(seconds=1))
        clock.move(timedelta(minutes=1))
        expected = [f"o{n}" for n in range(30) if n % 3 == 0]
        seen: list[str] = []
        url: str | None = "?limit=4"
        while url is not None:
            answer = await get(t, url)
            seen += [each["output"] for each in lines(answer)]
            url = "?" + answer.links["next"]["url"].partition("?")[2] if "next" in answer.links else None
        assert seen == expected
        assert [orjson.loads(each["text"])["output"] for each in await t.job("lessons", agent="support-triage", limit=7)] == expected[:7]


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Write to ann.o'neil+x@shop.example.co.uk.", "Write to [email]."),
        ("Call +33 6 12 34 56 78, 06 12 34 56 78 or (555) 123-4567", "Call [phone], [phone] or [phone]"),
        ("Card 4111 1111 1111 1111, order 1234567890123", "Card [card], order 1234567890123"),
        ("DE89 3704 0044 0532 0130 00 please, not GB82WEST12345698765433", "[iban] please, not GB82WEST12345698765433"),
        ("Use sk-proj-4bCdefGh1jKlmnop, or ghp_0123456789abcdefABCD and AKIA0123456789ABCDEF", "Use [key], or [key] and [key]"),
        ("Authorization: Bearer abcdefghij0123456789.x/y+z==; sk-learn-is-a-long-package-name and sk-12", "Authorization: Bearer [key]; sk-learn-is-a-long-package-name and sk-12"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow/+\n-----END RSA PRIVATE KEY----- then eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl", "[key] then [key]"),
        ("From 10.0.0.1 in v1.2.3.4 on 2026-11-20 at 08:00, 20.11.2026", "From [ip] in v1.2.3.4 on 2026-11-20 at 08:00, 20.11.2026"),
    ],
)
def test_known_kinds_of_personal_data_are_hidden_and_what_only_looks_like_them_is_not(text: str, clean: str) -> None:
    assert redact(text, list(NAMES)) == clean
    assert redact(text, []) == text


def test_a_pattern_that_takes_too_long_costs_only_the_text_it_was_stuck_on() -> None:
    bad = "a" * 60 + "!"
    told = redact_all(["ORD-1 x@example.com", bad, "", "ORD-2"], ["email"], {"order": r"ORD-\d", "greedy": "(a+)+c"}, seconds=0.2)
    assert told == ["[order] [email]", WITHHELD, "", "[order]"]
