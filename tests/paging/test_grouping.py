from __future__ import annotations

from datetime import timedelta

from bot.agents.reading import spec_of
from bot.checks.flows import look_soon
from bot.db import Database
from bot.paging.flows import open_problem
from bot.paging.rules import Finding, State
from bot.surface.press import Ask, Quiet
from bot.tables import Agent, AgentOwner, Check, Stage
from tests.paging.cities import add, fail_at_once, open_pages
from tests.paging.test_at_once import together
from tests.paging.world import CHANNEL, World, text_of

PAGE = "page:1:channel"


def test_failures_of_one_owner_within_a_minute_share_a_page_and_the_first_calls_at_once(world: World) -> None:
    add(world, "billing")
    add(world, "returns", channel="C0RETURNS")
    add(world, "search", owner="zoe")
    world.run("failed")
    assert world.called() == ["Omar"]
    world.move(seconds=30)
    world.run("failed", slug="billing", error="no <index>")
    world.run("failed", slug="search")  # Zoe's: another page
    world.move(seconds=29)
    world.run("failed", slug="returns")
    assert [page.agent_id for page in world.pages()] == [1, 4]
    assert world.called() == ["Omar", "Zoe"]
    text = world.text(PAGE)
    assert text.startswith("PAGE Support triage and 2 more: a run failed\n*3 agents:* Support triage, Billing and Returns.\n")
    assert "\nBilling: " in text
    assert "&lt;index&gt;" in text
    assert [line.split(":")[0] for line in world.lines(PAGE)] == ["Called Omar (operations owner).", "Billing fails too", "Returns fails too"]
    # Each owner channel shows the same page; the history stands below the first.
    beside = world.row("page:1:channel:C0RETURNS")
    assert beside.target == "C0RETURNS"
    assert world.buttons("page:1:channel:C0RETURNS") == ["Acknowledge", "I'll take it", "Human review"]
    assert "its history stands in the thread in <#C0SUPPORT>" in str(beside.want["blocks"])
    world.press("omar", "paging.acknowledge", "page:1")
    for key in (PAGE, "page:1:channel:C0RETURNS", "page:1:dm:2"):
        assert "*Omar* acknowledged" in world.text(key)
    for slug in ("support-triage", "billing"):
        world.run("ok", slug=slug)
    assert world.pages()[0].resolved_at is None
    assert world.text(PAGE).startswith("PAGE Returns and 2 more: a run failed")
    world.run("ok", slug="returns")
    assert world.pages()[0].resolved_at is not None
    assert "It is over since" in world.text("page:1:channel:C0RETURNS")


def test_two_checks_that_fail_in_the_same_words_are_told_apart_by_their_names(world: World) -> None:
    add(world, "billing", checks_of={"runs": {"kind": "run_failed"}, "night-runs": {"kind": "run_failed"}})
    world.run("failed", slug="billing")
    shown = str(world.row(PAGE).want["blocks"])
    assert "(check `runs`)" in shown
    assert "(check `night-runs`)" in shown
    assert "(check `" in world.text(PAGE)
    assert any("(check `" in str(row.want["text"]) and "You are called" in str(row.want["text"]) for row in world.rows())
    assert any(line.startswith("A further problem of Billing:") and line.endswith("(check `night-runs`)") for line in world.lines(PAGE))
    world.run("ok", slug="billing")
    assert any(line.startswith("Recovered: a run failed (check `") for line in world.lines(PAGE))


def test_after_a_minute_another_agent_opens_a_page_of_its_own_and_the_same_agent_joins(world: World) -> None:
    add(world, "billing", checks_of={"runs": {"kind": "run_failed"}, "more": {"kind": "run_failed"}})
    world.run("failed")
    world.move(seconds=61)
    world.run("failed", slug="billing")
    assert [page.agent_id for page in world.pages()] == [1, 2]
    assert world.called() == ["Omar", "Omar"]
    world.move(minutes=3)
    now = world.clock.now()
    world.do(lambda tx: open_problem(tx, now, tx.get_one(Check, 1), Finding(State.FAILING, "a run failed", "It fails.")))
    assert len(world.pages()) == 2


def test_a_further_agent_calls_again_where_somebody_has_the_page_and_a_further_check_does_not(world: World) -> None:
    add(world, "billing")
    world.run("failed")
    world.press("omar", "paging.acknowledge", "page:1")
    world.do(lambda tx: tx.add(Check(agent_id=1, name="web", kind="http", severity="page", spec={}, watched_at=world.clock.now())))
    web = world.check("web")
    world.do(lambda tx: open_problem(tx, world.clock.now(), web, Finding(State.FAILING, "no answer", "It does not answer.")))
    world.settle()
    assert world.called() == ["Omar"]
    assert "*Omar* acknowledged" in world.text(PAGE)
    assert "It does not answer." in world.text(PAGE)
    world.move(seconds=20)
    world.run("failed", slug="billing")
    assert world.called() == ["Omar", "Omar"]
    assert world.pages()[0].acked_at is None
    assert any(line.startswith("Billing fails too:") and "Omar had this page before; because another agent fails, people are called again." in line for line in world.lines(PAGE))
    assert "This is round 2; 1 call" not in world.text("call:1:2:0:2")
    assert "2 agents are on this page: Support triage and Billing." in world.text("call:1:2:0:2")
    assert world.buttons("call:1:1:0:2") == []


def test_any_owner_of_an_agent_on_it_may_answer_and_others_may_not(world: World) -> None:
    add(world, "billing")
    dot = world.do(lambda tx: world.person(tx, "dot").id)
    world.do(lambda tx: tx.query(AgentOwner).filter_by(agent_id=2, role="backup").update({"person_id": dot}))
    world.run("failed")
    assert "You were not called" in text_of(world.press("dot", "paging.acknowledge", "page:1", channel="D0DOT"))
    world.run("failed", slug="billing")
    assert "You were not called" in text_of(world.press("ben", "paging.acknowledge", "page:1", channel="D0BEN"))
    assert world.press("dot", "paging.acknowledge", "page:1", channel="D0DOT") == Quiet()


def test_the_registry_may_restrict_who_takes_a_page(world: World) -> None:
    world.do(lambda tx: setattr(world.agent(tx), "spec", {**world.agent(tx).spec, "may_take": ["U0BEN"]}))
    world.run("failed")
    told = text_of(world.press("dot", "paging.take", "page:1"))
    assert told == "Only its owners and Ben may take a page about Support triage: the registry says so. Thank you for offering; tell them what you see in the thread."
    assert world.pages()[0].acked_at is None
    assert world.press("ben", "paging.take", "page:1") == Quiet()
    assert world.do(lambda tx: spec_of(world.agent(tx)).may_take) == ["U0BEN"]


def test_stop_and_human_review_ask_which_agent_and_act_on_that_one_alone(world: World) -> None:
    add(world, "billing")
    world.run("failed")
    world.run("failed", slug="billing")
    form = world.choose("omar", "Stop agent", settle=False)
    assert isinstance(form, Ask)
    assert "This page is about 2 agents" in str(form.view)
    choices = form.view["blocks"][1]["element"]["options"]
    assert [each["text"]["text"] for each in choices] == ["Support triage", "Billing", "All 2 of them"]
    assert text_of(world.press("omar", "paging.stop", "page:1", how="view", values={"reason": "wrong"})) == "Mend"
    assert text_of(world.press("omar", "paging.stop", "page:1", how="view", values={"reason": "wrong", "agent": "99"})) == "Mend"
    assert world.press("omar", "paging.stop", "page:1", how="view", values={"reason": "wrong prices", "agent": "2"}) == Quiet()
    stages = world.do(lambda tx: {row.agent_id: row.stage for row in tx.query(Stage)})
    assert stages == {1: "autonomous", 2: "suspended"}
    assert "*Stopped:* Billing. Its checks rest until somebody starts it again with `/aiops stage`." in world.text(PAGE)
    review = world.press("omar", "paging.review", "page:1", settle=False)
    assert isinstance(review, Ask)
    assert [each["text"]["text"] for each in review.view["blocks"][1]["element"]["options"]] == ["Support triage"]
    assert world.press("omar", "paging.review", "page:1", how="view", values={"agent": "1"}) == Quiet()
    assert world.do(lambda tx: {row.agent_id: row.stage for row in tx.query(Stage)}) == {1: "assisted", 2: "suspended"}
    # The stopped one's check rests, the other one still fails: resolving asks about that one alone.
    asked = world.choose("omar", "Resolve", settle=False)
    assert isinstance(asked, Ask)


def test_two_hundred_agents_of_one_owner_make_one_page_within_slacks_limits(world: World) -> None:
    def many(tx):  # type: ignore[no-untyped-def]
        for n in range(200):
            world.add_agent(tx, f"agent-{n:03}", f"Agent {n:03} with a rather long name", {"runs": {"kind": "run_failed"}})

    world.do(many)
    world.settle()
    fail_at_once(world, [f"agent-{n:03}" for n in range(200)])
    assert len(open_pages(world)) == 1
    assert world.called() == ["Omar"]
    assert len(world.problems()) == 200
    text = world.text(PAGE)  # the world checks every message against Slack's limits
    assert text.startswith("PAGE Agent 000 with a rather long… and 199 more: a run failed\n")
    assert "*200 agents:* Agent 000 with a rather long name, " in text
    assert "and 188 more." in text
    assert len(world.lines(PAGE)) <= 14
    form = world.choose("omar", "Stop agent", settle=False)
    assert isinstance(form, Ask)
    assert len(form.view["blocks"][1]["element"]["options"]) == 100
    fail_at_once(world, [f"agent-{n:03}" for n in range(200)], "ok")
    assert open_pages(world) == []


def test_two_processes_that_see_two_agents_of_one_owner_fail_open_one_page(world: World, database_url: str) -> None:
    for slug in ("billing", "returns", "search"):
        add(world, slug)
    other = Database(database_url)
    now = world.clock.now()

    def opens(db: Database, agent_id: int) -> None:
        with db.transaction() as tx:
            check = tx.query(Check).filter_by(agent_id=agent_id, name="runs").one()
            open_problem(tx, now, check, Finding(State.FAILING, "a run failed", "It failed."))

    together([lambda: opens(world.db, 1), lambda: opens(other, 2), lambda: opens(world.db, 3), lambda: opens(other, 4)])
    other.close()
    world.settle()
    assert len(world.pages()) == 1
    assert {problem.page_id for problem in world.problems()} == {1}
    assert world.called() == ["Omar"]


def test_a_page_that_resolves_is_not_joined_and_a_clock_set_back_does_no_harm(world: World) -> None:
    add(world, "billing")
    world.run("failed")
    world.run("ok")
    world.run("failed", slug="billing")
    assert len(world.pages()) == 2
    world.clock.move(timedelta(minutes=-5))
    world.do(lambda tx: look_soon(tx, world.clock.now(), [agent.id for agent in tx.query(Agent)], ["run"]))
    world.run("failed", name="again")
    assert len(open_pages(world)) <= 2
    assert world.row(PAGE).target == CHANNEL
