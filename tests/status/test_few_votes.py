"""Of fewer than five people's judgements only their number is told, to tokens too."""

from __future__ import annotations

from bot.clock import MovedClock
from tests.kit.house import Town, town


async def test_the_json_of_agents_tells_no_share_of_a_single_vote(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        headers = {"Authorization": f"Bearer {t.token}"}
        await rate(t, "o0", good=False)
        one = (await t.http.get("/v1/agents/support-triage", headers=headers)).json()
        listed = (await t.http.get("/v1/agents", headers=headers)).json()["agents"][0]
        assert one["quality"] == {"share": None, "low": None, "high": None, "n": 1, "machine_judged": False}
        assert one["scores"]["people"]["share"] is None
        assert listed["quality"]["low"] is None
        for number in range(1, 5):
            await rate(t, f"o{number}", good=True)
        one = (await t.http.get("/v1/agents/support-triage", headers=headers)).json()
        assert one["quality"]["n"] == 5
        assert one["quality"]["share"] == 0.8


async def rate(t: Town, output: str, *, good: bool) -> None:
    await t.post(t.event("output", output, text="x"), t.event("rating", f"{output}-rated", output=output, person="dana@example.com", good=good))
    await t.settle()
