"""An agent's quality slips: the channel hears it once, the owner looks, calls it known, and sets a new baseline."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from bot.clock import MovedClock
from bot.tables import Baseline, Check, Decision, Drawn, Drift, Problem
from tests.kit.house import REGISTRY, Town, town


def judged(t: Town, dice: random.Random, days_ago: float, good: int, bad: int) -> list[dict[str, Any]]:
    """A day's outputs of the agent, each with an automated verdict."""
    verdicts, found = ["pass"] * good + ["fail"] * bad, list[dict[str, Any]]()
    dice.shuffle(verdicts)
    for number, label in enumerate(verdicts):
        at = (t.clock.now() - timedelta(days=days_ago) + timedelta(minutes=number)).isoformat()
        name = f"o{days_ago}-{number}-{t.clock.now():%m%d}"
        found.append({**t.event("output", name, kind="reply"), "at": at})
        found.append({**t.event("evaluation", f"e{name}", output=name, name="judge", label=label), "at": at})
    return found


async def test_a_slow_decay_is_told_once_with_what_changed_and_ends_by_a_decision(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        dice = random.Random(11)
        await t.apply(REGISTRY.replace("outputs: {post: all}", "outputs: {post: none}\n    target: 0.5"))
        history = [event for day in range(29, 1, -1) for event in judged(t, dice, day, 11, 1)]
        answer = await t.post(*history)
        assert answer["accepted"] == len(history), answer
        await t.move(days=1)
        base = await t.read(lambda tx: tx.scalars(select(Baseline)).one())
        assert (base.source, base.n) == ("evaluations", 336)
        assert "Drift" in await status(t)

        await t.post(t.event("change", "c1", input="system-prompt", version="prompt-15", note="shorter answers"))
        await t.post(*judged(t, dice, 0.02, 20, 28))
        await t.move(days=1, minutes=6)
        told = notices(t)
        assert len(told) == 1
        shown = json.dumps(told[0], ensure_ascii=False)
        assert "prompt-15" in shown
        problem = await t.read(lambda tx: tx.scalars(select(Problem)).one())
        assert (problem.severity, problem.page_id) == ("notice", None)
        assert [each.name for each in await t.read(lambda tx: tx.scalars(select(Check).where(Check.kind == "drift")).all())] == ["quality:drift"]
        assert any("🟡 Watch" in line for line in await status(t))
        assert any(line.startswith("Worse: ") and "prompt-15" in line for line in await status(t))

        # Dana, who owns nothing, sees it and may decide nothing; Omar owns it.
        for who in ("dana", "omar"):
            await t.ws.command(who, "support-ai", "/aiops", "agent support-triage baseline")
            await t.settle()
        assert "drift.rebase" not in json.dumps(t.ws.ephemerals("dana"), default=str)
        assert "drift.rebase" in json.dumps(t.ws.ephemerals("omar"), default=str)
        assert "--yes" in (await t.job("baseline", agent="support-triage", new="evaluations", person="omar@example.com"))[0]["error"]
        assert "owner" in (await t.job("baseline", agent="support-triage", known="evaluations", person="dana@example.com"))[0]["error"]
        assert "whose" in (await t.job("baseline", agent="support-triage", known="evaluations"))[0]["error"]
        assert "is known" in (await t.job("baseline", agent="support-triage", known="evaluations", person="omar@example.com", why="the new prompt"))[0]["text"]
        await t.move(minutes=1)
        assert await t.read(lambda tx: tx.scalars(select(Problem.closed_at)).one()) is not None
        look = (await t.job("baseline", agent="support-triage"))[0]
        assert "Known since" in look["text"]
        assert look["json"]["sources"][0]["change"]["known_by"] == "Omar Nassar"

        assert len(notices(t)) == 1  # nothing more is said of it
        await t.ws.press("omar", "support-ai", t.ws.ephemerals("omar")[-1]["ts"], "drift.rebase", "support-triage:evaluations")
        await t.settle()
        assert "of 300 outputs are judged so far" in json.dumps(t.ws.ephemerals("omar"))
        drift = await t.read(lambda tx: tx.scalars(select(Drift)).one())
        assert drift.ended_why == "rebased"
        decisions = {each.action: each for each in await t.read(lambda tx: tx.scalars(select(Decision)).all())}
        assert decisions["drift.known"].words == "the new prompt"
        assert decisions["baseline.rebase"].person_id is not None
        assert "not watched yet: the new baseline" in "\n".join(await status(t))


def notices(t: Town) -> list[dict[str, Any]]:
    return [each for each in t.ws.messages("support-ai") if "drifted from" in json.dumps(each) and "Daily health" not in json.dumps(each)]


async def status(t: Town) -> list[str]:
    return list((await t.job("status", what="support-triage"))[0]["text"].split("\n"))


def rated(t: Town, days_ago: float, made: int, judged: int, names: tuple[str, ...] = ("maya", "omar", "lea", "dana")) -> list[dict[str, Any]]:
    """A day's outputs, of which people judge some, one in twelve bad."""
    found = list[dict[str, Any]]()
    for number in range(made):
        at = (t.clock.now() - timedelta(days=days_ago) + timedelta(minutes=number)).isoformat()
        name = f"p{days_ago}-{number}"
        found.append({**t.event("output", name, kind="reply", text=f"Answer {number}."), "at": at})
        if number < judged:
            found.append({**t.event("rating", f"r{name}", output=name, person=f"{names[number % len(names)]}@example.com", good=number % 12 != 5), "at": at})
    return found


async def test_too_few_ratings_are_answered_by_an_owner_who_asks_for_more_for_four_weeks(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        quiet = REGISTRY.replace("outputs: {post: all}", "outputs: {post: none}\n    reviews: {reviewers: [maya@example.com, U0OMAR, U0LEA]}")
        await t.apply(quiet)
        history = [event for day in range(29, 1, -1) for event in rated(t, day, 30, 11)]
        answer = await t.post(*history)
        assert answer["accepted"] == len(history), answer
        await t.move(days=1)
        assert await t.read(lambda tx: tx.scalars(select(Baseline.source)).all()) == ["people"]

        # Who owns nothing sees what it takes; the owner also sees the press for it, wherever the line stands.
        for words in ("agent support-triage baseline", "status support-triage", "agent support-triage"):
            for who in ("dana", "omar"):
                await t.ws.command(who, "support-ai", "/aiops", words)
                await t.settle()
            assert "a press (`/aiops baseline support-triage`)" in json.dumps(t.ws.ephemerals("dana")[-1]), words
            assert "drift.sample" not in json.dumps(t.ws.ephemerals("dana")[-1]), words
            assert "drift.sample" in json.dumps(t.ws.ephemerals("omar")[-1]), words
        for who, told in (("omar", "Baseline and drift of Support triage"), ("dana", "Name the agent, as in")):
            await t.ws.command(who, "support-ai", "/aiops", "baseline")
            await t.settle()
            assert told in json.dumps(t.ws.ephemerals(who)[-1])
        asked = pressable(t.ws.ephemerals("omar")[-1])
        number = int(asked["drift.sample"].split(":")[1])
        assert 5 < number <= 25
        shown = t.ws.ephemerals("omar")[-1]
        await t.ws.press("dana", "support-ai", "0", "drift.sample", asked["drift.sample"], stale=shown)
        await t.settle()
        assert "changed by an owner of the agent, or by a lead" in json.dumps(t.ws.ephemerals("dana")[-1])
        for who in ("omar", "lea"):
            await t.ws.press(who, "support-ai", "0", "drift.sample", asked["drift.sample"], stale=shown)
            await t.settle()
        assert f"From the next draw on, {number} outputs of Support triage a working day" in json.dumps(t.ws.ephemerals("omar")[-1])
        assert "as Omar Nassar asked; the registry says 5. Nothing was changed." in json.dumps(t.ws.ephemerals("lea")[-1])
        assert any("as Omar Nassar asked; the registry says 5" in line for line in await status(t))

        # The next morning obeys it.
        await t.post(*rated(t, 0.1, 30, 0))
        await t.move(days=1)
        await t.move(days=1)
        days = await t.read(lambda tx: tx.execute(select(Drawn.local_day, func.count()).group_by(Drawn.local_day)).all())
        assert number in [n for _, n in days], days

        # Undone with a press; asked for again on the command line; ended by the file.
        await t.ws.press("lea", "support-ai", t.ws.ephemerals("lea")[-1]["ts"], "drift.sample_back", "support-triage")
        await t.settle()
        assert "5 outputs of Support triage a working day are sampled for review again" in json.dumps(t.ws.ephemerals("lea")[-1])
        assert "an owner of the agent" in (await t.job("baseline", agent="support-triage", sample=9, person="dana@example.com"))[0]["error"]
        assert "whose it is" in (await t.job("baseline", agent="support-triage", sample=9))[0]["error"]
        assert "9 outputs of Support triage" in (await t.job("baseline", agent="support-triage", sample=9, person="omar@example.com", why="the new index"))[0]["text"]
        assert (await t.job("baseline", agent="support-triage"))[0]["json"]["sampling"]["per_day"] == 9
        many = (await t.job("baseline", agent="support-triage", sample=90, person="omar@example.com"))[0]["text"]
        assert "its 3 reviewers are asked 10 a day each at most, over all their agents, so only about 25 of them reach anybody" in many
        more = quiet.replace("reviewers: [", "per_day: 6, reviewers: [")
        await t.apply(more)
        assert (await t.job("baseline", agent="support-triage"))[0]["json"]["sampling"] == {"slug": "support-triage", "per_day": 6, "registry": 6, "until": "", "by": ""}
        await t.apply(quiet)
        assert (await t.job("baseline", agent="support-triage"))[0]["json"]["reviews_per_day"] == 5
        told = [(each.action, each.came_from) for each in await t.read(lambda tx: tx.scalars(select(Decision).where(Decision.action.like("reviews.%")).order_by(Decision.id)).all())]
        assert told == [("reviews.more", "slack"), ("reviews.as_before", "slack"), ("reviews.more", "cli"), ("reviews.more", "cli"), ("reviews.as_before", "file")]

        # The morning's summary says it too, whole, with the press.
        await t.post(*[{**each, "id": f"again-{each['id']}"} for each in rated(t, 0.1, 30, 0)])
        await t.move(hours=24)
        newest = [each for each in t.ws.messages("support-ai") if "Daily health" in json.dumps(each)][-1]
        assert "drift.sample" not in json.dumps(newest)  # nothing has come for a day: no number of judges would help
        await t.apply(quiet.replace("reviews:", "expect_every: 9d\n    reviews:"))
        await t.move(hours=24)
        newest = [each for each in t.ws.messages("support-ai") if "Daily health" in json.dumps(each)][-1]
        few = next(block for block in newest["blocks"] if "a press (`/aiops baseline support-triage`)" in json.dumps(block))
        assert few["accessory"]["action_id"] == "drift.sample"
        assert "…" not in few["text"]["text"]


def pressable(message: dict[str, Any]) -> dict[str, str]:
    """The buttons of a message, by action."""
    return {each["action_id"]: each["value"] for block in message["blocks"] if block["type"] == "actions" for each in block["elements"]}
