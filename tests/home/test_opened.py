"""App Home as people live with it: shown when opened, kept true while they look, never more often than Slack allows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from bot.clock import MovedClock
from bot.home import showing
from bot.tables import HomeView, OutMessage, Vote
from tests.charts.test_charts import judged
from tests.kit.house import REGISTRY, Town, town


def home(t: Town, who: str) -> str:
    return str((t.ws.home(who) or {}).get("blocks"))


def published(t: Town) -> int:
    return len([call for call in t.ws.called("views.publish") if call.ok])


async def press(t: Town, who: str, action_id: str, value: str = "") -> None:
    view: Any = t.ws.home(who)
    assert (await t.ws.press_view(who, view, action_id, **({"value": value} if value else {}))).ok
    await t.settle()


async def test_home_is_shown_when_opened_and_kept_true_while_somebody_looks(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        await judged(t)
        await t.ws.open_home("omar")
        await t.settle()
        assert "Nothing waits for you." not in home(t, "omar")  # he has not accepted yet
        assert "You are its operations owner" in home(t, "omar")
        (picture,) = (each for each in t.ws.home("omar")["blocks"] if each["type"] == "image")  # type: ignore[index]
        assert t.ws.store.file(picture["slack_file"]["id"])[1][:4] == b"\x89PNG"  # type: ignore[index]
        assert picture["alt_text"].startswith("Chart of the quality of Support triage")
        first = published(t)

        # 1. Nothing changed: nothing is published.
        await t.move(seconds=11)
        assert published(t) == first

        # 2. A page opens: it stands there some seconds later, with its button, which works, and what came of it is shown.
        await t.post(t.event("run", "r1", status="failed", error="the index is gone"))
        await t.move(seconds=11)
        assert "Nobody has acknowledged it yet" in home(t, "omar")
        await t.move(seconds=11)
        files = len(t.ws.called("files.completeUploadExternal"))
        await press(t, "omar", "paging.acknowledge")
        assert "Omar Nassar has it since" in home(t, "omar")
        assert len(t.ws.called("files.completeUploadExternal")) == files  # the picture is at Slack already
        assert "Open pages" not in home(t, "dana")

        # An agent hands over to a person: who may answer sees it, and answers from there.
        await t.post(t.event("request", "q1", kind="handoff", title="A <b>refund</b> above the limit"))
        await t.move(seconds=11)
        assert "hands over to a person:* A &lt;b&gt;refund&lt;/b&gt; above the limit" in home(t, "omar")
        await press(t, "omar", "requests.answer")
        assert t.ws.views("omar")[-1]["callback_id"] == "requests.answer"

        # 3. Another one's Home was never opened: it is left alone. Who left an hour ago is left alone too.
        assert t.ws.home("maya") is None
        await t.move(minutes=70)
        await t.move(minutes=2)
        count = published(t)
        assert await t.read(lambda tx: tx.scalars(select(HomeView.due_at)).all()) == [None]
        await t.post(t.event("run", "r2", status="ok"))
        await t.move(seconds=70)
        assert published(t) == count

        # 4. Somebody published something newer meanwhile: ours steps back, and comes again with the next look.
        await t.ws.open_home("omar")
        await t.settle()
        await t.write(lambda tx: [setattr(row, "hash", "1.00000000") or setattr(row, "shown", "") for row in tx.scalars(select(HomeView))])  # type: ignore[func-returns-value]
        await t.move(seconds=11)
        assert any(call.error == "hash_conflict" for call in t.ws.called("views.publish"))
        await t.move(seconds=11)
        assert t.ws.called("views.publish")[-1].ok


async def test_staff_rate_in_home_and_outsiders_are_told_politely(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        await t.post(t.event("output", "o1", kind="reply", text="Take it to <!channel> & rest"))
        await t.settle()
        await t.ws.open_home("dana")
        await t.settle()
        assert "&lt;!channel&gt; &amp; rest" in home(t, "dana")
        await press(t, "dana", "home.bad")
        assert "👎 You called an output of Support triage bad" in home(t, "dana")
        assert t.ws.views("dana")[-1]["callback_id"] == "feedback.rate"
        vote = await t.read(lambda tx: tx.scalars(select(Vote)).one())
        assert (vote.good, vote.surface) == (False, "button")
        shown = await t.read(lambda tx: tx.scalars(select(OutMessage).where(OutMessage.key == f"output:{vote.output_id}")).one())
        assert "1 rated" in str(shown.want)
        await press(t, "dana", "home.undo")
        assert "Outputs you could rate" in home(t, "dana")
        assert (await t.read(lambda tx: tx.scalars(select(Vote)).one())).good is None
        await press(t, "dana", "home.good")
        assert "What became" not in home(t, "dana")
        await t.ws.open_home("gina")
        await t.settle()
        assert "This is for full members of this workspace." in home(t, "gina")


async def test_a_lead_sees_the_fleet_and_turns_its_pages_and_a_look_closer_opens_a_window(database_url: str, clock: MovedClock) -> None:
    agent = REGISTRY[REGISTRY.index("  support-triage:") :].rstrip()
    more = "".join(f"\n{agent}".replace("support-triage:", f"agent-{number}:").replace("name: Support triage", f"name: {'Very long name ' * 5}{number}") for number in range(20))
    async with town(database_url, clock) as t:
        await t.apply(REGISTRY.rstrip() + more)
        await t.ws.open_home("hala")
        await t.settle()
        assert "*21 agents*" in home(t, "hala")
        assert "21 agents without confirmed owners" in home(t, "hala")
        assert "1 to 8 of 21 agents, worst first" in home(t, "hala")
        await press(t, "hala", "home.next")
        assert "9 to 16 of 21 agents, worst first" in home(t, "hala")
        await press(t, "hala", "status.agent")
        assert t.ws.views("hala")[-1]["callback_id"] == "surface.told"
        await t.ws.open_home("hala")  # opened again, it begins at the first page
        await t.settle()
        assert "1 to 8 of 21 agents" in home(t, "hala")

        # Slack asks for a pause: the loop waits for it, and then shows what is new.
        t.ws.faults.add("status", method="views.publish", status=429, retry_after=120, times=1)
        await t.post(t.event("run", "r1", status="failed", error="gone"))
        await t.move(seconds=11)
        before = len(t.ws.called("views.publish"))
        await t.move(seconds=60)
        assert len(t.ws.called("views.publish")) == before
        await t.move(seconds=90)
        assert "to answer the open page" in home(t, "hala")


async def test_many_open_homes_are_published_within_slacks_limit(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        for who in ("maya", "omar", "lea", "hala", "dana"):
            await t.ws.open_home(who)
        await t.settle()
        t.house.homes._published.extend([t.clock.now()] * (showing.A_MINUTE - 2))  # as after a busy minute
        before = published(t)
        await t.post(t.event("output", "o1", kind="reply", text="New"))
        await t.move(seconds=11)
        assert published(t) == before + 2
        await t.move(seconds=60)
        assert published(t) == before + 5
