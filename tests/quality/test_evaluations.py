"""Automated scores: on the right scale, told apart by name and by who scored, and compared with people."""

from __future__ import annotations

import pytest

from bot.agents.files import read_text
from bot.agents.marked import BadFile
from bot.clock import MovedClock
from bot.jobs import KIND_SPECS
from bot.quality.rules import evaluation_good
from tests.kit.house import REGISTRY, town

RULES = REGISTRY.replace("outputs: {post: all}", "outputs: {post: all}\n    evaluations: {faithfulness: {at_least: 0.8, range: [0, 1]}}")


async def test_a_score_on_another_scale_is_refused_and_the_good_ones_are_told_by_name_and_evaluator(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply(RULES)
        events = [t.event("output", f"o{number}", text="x") for number in range(6)]
        events += [t.event("evaluation", f"e{number}", output=f"o{number}", name="faithfulness", score=0.9 if number else 0.2, evaluator="judge-3") for number in range(6)]
        events += [t.event("evaluation", f"t{number}", output=f"o{number}", name="tone", label="pass") for number in range(6)]
        events += [t.event("rating", f"r{number}", output=f"o{number}", person=f"p{number}@example.com", good=number % 2 == 0) for number in range(6)]
        answer = await t.post(*events, t.event("evaluation", "percent", output="o1", name="faithfulness", score=85.0))
        assert answer["accepted"] == 24
        assert [(each["code"], each["field"], each["message"]) for each in answer["refused"]] == [
            ("out_of_range", "score", "`score` is 85, outside the range 0 to 1 that the registry names for 'faithfulness': is it on another scale?")
        ]
        await t.settle()
        told = (await t.http.get("/v1/agents/support-triage", headers={"Authorization": f"Bearer {t.token}"})).json()["quality_behind"]
        by_name = {each["value"]: (each["n"], round(each["share"], 3)) for each in told["segments"]["evaluations"]["evaluation"]}
        assert by_name == {"faithfulness": (6, 0.833), "tone": (6, 1.0)}
        assert [(each["value"], each["n"]) for each in told["segments"]["evaluations"]["evaluator"]] == [("judge-3", 6)]
        # o0 says half by machines, which says nothing; of the other five people liked two, and machines all.
        pairs = told["agreement_of_people_and_evaluations"]
        assert (pairs["n"], pairs["agreed"], pairs["machines_kind"]) == (5, 2, 3)


def test_a_score_outside_0_to_1_says_nothing_without_a_rule_and_a_rule_must_fit_its_range() -> None:
    assert [evaluation_good(None, score, None) for score in (0.5, 1.0, 4.0, -0.1)] == [True, True, None, None]
    for wrong in ("range: [1, 0]", "range: [0, 1], at_least: 85"):
        with pytest.raises(BadFile, match="range"):
            read_text(RULES.replace("at_least: 0.8, range: [0, 1]", wrong), KIND_SPECS, file="aiops.yml")
