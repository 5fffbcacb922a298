from __future__ import annotations

import pytest

from bot.agents.dependencies import graph
from bot.db import Database
from bot.paging.flows import open_problem
from bot.paging.rules import Finding, State
from bot.surface.press import Quiet
from bot.tables import Check, Person
from tests.paging.cities import add, depend, fail_at_once, open_pages, problem_of
from tests.paging.test_at_once import together
from tests.paging.world import World, text_of

PAGE = "page:1:channel"


@pytest.fixture
def chain(world: World) -> World:
    """Support triage (Omar) stands below Billing (Zoe), which stands below the gateway (Ben)."""
    add(world, "billing", owner="zoe", channel="C0BILLING")
    add(world, "gateway", owner="ben", channel="C0GATEWAY")
    depend(world, {"support-triage": ["billing"], "billing": ["gateway"]})
    return world


def test_a_root_that_failed_first_pages_once_and_lists_whom_it_takes_down(chain: World) -> None:
    chain.run("failed", slug="gateway")
    chain.move(minutes=3)
    chain.run("failed", slug="billing")
    chain.run("failed")
    assert len(chain.pages()) == 1
    assert chain.called() == ["Ben"]
    assert "It takes down Billing and Support triage: nobody is called about them meanwhile." in chain.text(PAGE)
    assert chain.lines(PAGE)[-2:] == [f"It takes down {name} too: The last run failed, and the agent gave no reason. Nobody is called about that." for name in ("Billing", "Support triage")]
    for channel, name in (("C0BILLING", "Billing"), ("C0SUPPORT", "Support triage")):
        told = chain.text(f"page:1:down:{channel}")
        assert told == f"PAGE Gateway: a run failed\nThis takes down {name} (a run failed). Nobody is called about it meanwhile: the owner of what failed first is called, by page 1."
    chain.move(minutes=40)
    assert "Omar" not in chain.called()


def test_pages_already_out_become_part_of_the_root_their_calls_stop_and_one_word_says_so(chain: World) -> None:
    chain.run("failed")
    chain.move(minutes=2)
    chain.run("failed", slug="billing")  # what Support triage stands on: its page becomes part of this one
    assert [page.parent_id for page in chain.pages()] == [2, None]
    chain.move(minutes=2)
    chain.run("failed", slug="gateway")
    assert [page.parent_id for page in chain.pages()] == [3, 3, None]
    assert {problem.under_id for problem in chain.problems()} == {3, None}
    assert chain.called() == ["Omar", "Zoe", "Ben"]
    part = chain.text(PAGE)
    assert "*Part of page 3:* PAGE Gateway: a run failed. Nobody is called about this one: it comes from there." in part
    assert chain.buttons(PAGE) == ["Human review"]
    assert list(chain.menu(PAGE)) == ["Open incident", "Resolve", "Stop agent"]
    assert chain.buttons("call:1:1:0:2") == []
    assert "It is part of page 3 now" in chain.text("call:1:1:0:2")
    assert chain.text("page:2:told:2").startswith("PAGE Billing: a run failed\nSupport triage fails because of this. The page about it is part of page 2 now, and nobody calls you about it any more.")
    assert [row.target for row in chain.rows("page:3:told:")] == ["U0ZOE"]  # Omar has had his one word
    assert "takes down Support triage and Billing: nobody is called about them meanwhile" in chain.text("call:3:1:0:6")
    assert "part of page 3" in text_of(chain.press("omar", "paging.acknowledge", "page:1"))
    assert "part of page 3" in text_of(chain.press("omar", "paging.escalate", "page:1:1"))
    assert "part of page 3" in chain.say("omar", "page")
    chain.move(hours=1)
    assert set(chain.called()[3:]) <= {"Ben", "Lea", "Maya", "Zoe"}
    assert chain.called().count("Omar") == 1


def test_what_recovers_with_its_root_is_over_and_what_does_not_calls_its_own_owner(chain: World) -> None:
    chain.run("failed")  # page 1, Omar
    chain.move(minutes=2)
    chain.run("failed", slug="gateway")
    chain.run("failed", slug="billing")  # never had a page
    assert [page.parent_id for page in chain.pages()] == [2, None]
    chain.move(minutes=5)
    chain.run("ok", slug="gateway")
    assert chain.pages()[1].resolved_at is not None
    assert "Support triage and Billing still fail; what has not recovered by" in chain.text("page:2:channel")
    assert "*What took it down is over (page 2).*" in chain.text(PAGE)
    assert "It is over" in chain.text("page:2:told:2")
    before = list(chain.called())
    chain.move(seconds=60)
    chain.run("ok", slug="billing")
    chain.move(seconds=61)
    assert chain.called() == [*before, "Omar"]
    assert [page.parent_id for page in chain.pages()] == [None, None]
    assert chain.lines(PAGE)[-2].startswith("What took it down is over, and it still fails: calling begins again.")
    assert len(chain.pages()) == 2
    chain.run("ok")
    assert open_pages(chain) == []


def test_a_dependent_without_a_page_gets_its_own_two_minutes_after_the_root(chain: World) -> None:
    chain.run("failed", slug="gateway")
    chain.run("failed", slug="billing")
    chain.run("ok", slug="gateway")
    assert chain.called() == ["Ben"]
    chain.move(seconds=119)
    assert chain.called() == ["Ben"]
    chain.move(seconds=2)
    assert chain.called() == ["Ben", "Zoe"]
    assert problem_of(chain, "billing").page_id == 2
    assert problem_of(chain, "billing").under_id is None


def test_a_root_that_fails_again_takes_its_dependents_back(chain: World) -> None:
    chain.run("failed", slug="gateway")
    chain.run("failed", slug="billing")
    chain.run("ok", slug="gateway")
    chain.move(seconds=60)
    chain.run("failed", slug="gateway")
    chain.move(minutes=5)
    assert chain.called() == ["Ben", "Ben"]
    assert problem_of(chain, "billing").under_id == 2
    assert problem_of(chain, "billing").free_at is None


def test_of_a_diamond_the_other_root_keeps_what_it_takes_down(world: World) -> None:
    add(world, "left", owner="zoe")
    add(world, "right", owner="ben")
    depend(world, {"support-triage": ["left", "right"]})
    world.run("failed", slug="left")
    world.run("failed")
    world.run("failed", slug="right")
    assert problem_of(world, "support-triage").under_id == 1
    world.run("ok", slug="left")
    world.move(minutes=3)
    assert problem_of(world, "support-triage").under_id == 2
    assert world.called() == ["Zoe", "Ben"]
    world.run("ok", slug="right")
    world.move(minutes=3)
    assert world.called() == ["Zoe", "Ben", "Omar"]


def test_a_shared_upstream_pages_where_it_was_first_seen_and_lists_everybody_who_needs_it(world: World) -> None:
    both = {"runs": {"kind": "run_failed"}, "openai": {"kind": "http", "url": "https://openai.example.com"}}
    add(world, "gateway", owner="ben", checks_of=both)
    add(world, "writer", owner="zoe", checks_of=both)
    depend(world, {"support-triage": ["openai"], "writer": ["openai"]}, {"openai": {"name": "OpenAI", "watched_by": ["gateway/openai", "writer/openai"]}})

    def down(agent_id: int) -> None:
        now = world.clock.now()
        world.do(lambda tx: open_problem(tx, now, tx.query(Check).filter_by(agent_id=agent_id, name="openai").one(), Finding(State.FAILING, "OpenAI does not answer", "5 of 5 calls failed.")))
        world.settle()

    world.run("failed", slug="gateway")  # has nothing to do with it
    world.move(minutes=2)
    world.run("failed")
    down(2)
    assert world.called() == ["Ben", "Omar"]
    assert problem_of(world, "support-triage").under_id == 1
    down(3)
    world.run("failed", slug="writer")
    assert world.called() == ["Ben", "Omar"]
    text = world.text(PAGE)
    assert "takes down Support triage and Writer" in text


def test_of_two_hundred_that_one_takes_down_the_message_lists_some_and_counts_the_rest(world: World) -> None:
    def many(tx):  # type: ignore[no-untyped-def]
        for n in range(200):
            world.add_agent(tx, f"agent-{n:03}", f"Agent {n:03}", {"runs": {"kind": "run_failed"}})

    world.do(many)
    depend(world, {f"agent-{n:03}": ["support-triage"] for n in range(200)})
    world.settle()
    fail_at_once(world, [f"agent-{n:03}" for n in range(200)])
    world.move(minutes=2)
    world.run("failed")
    assert len(open_pages(world)) == 2
    assert [page.parent_id for page in open_pages(world)] == [2, None]
    assert "and 188 more: nobody is called about them meanwhile." in world.text("page:2:channel")
    assert world.called() == ["Omar", "Omar"]
    assert world.rows("page:2:told:") == []  # the same owner hears it with the root's call
    world.run("ok")
    world.move(minutes=3)
    assert world.called() == ["Omar", "Omar", "Omar"]


def test_two_processes_see_root_and_dependent_fail_in_the_same_moment(chain: World, database_url: str) -> None:
    other = Database(database_url)
    now = chain.clock.now()

    def opens(db: Database, slug: str) -> None:
        with db.transaction() as tx:
            check = tx.query(Check).filter_by(agent_id=chain.agent(tx, slug).id, name="runs").one()
            open_problem(tx, now, check, Finding(State.FAILING, "a run failed", "It failed."))

    together([lambda: opens(chain.db, "gateway"), lambda: opens(other, "billing"), lambda: opens(chain.db, "support-triage")])
    other.close()
    chain.settle()
    roots = [page for page in chain.pages() if page.parent_id is None]
    assert len(roots) == 1
    assert {problem_of(chain, slug).under_id for slug in ("billing", "support-triage")} == {roots[0].id}


def test_a_page_with_something_of_its_own_goes_on_calling(world: World) -> None:
    add(world, "billing")
    add(world, "gateway", owner="ben")
    depend(world, {"support-triage": ["gateway"]})
    world.run("failed")
    world.run("failed", slug="billing")  # joins Omar's page, and has nothing to do with the gateway
    world.move(minutes=2)
    world.run("failed", slug="gateway")
    assert [page.parent_id for page in world.pages()] == [None, None]
    assert "PAGE Billing and 1 more" in world.text(PAGE)
    assert world.press("omar", "paging.acknowledge", "page:1") == Quiet()
    world.run("ok", slug="billing")
    assert [page.parent_id for page in world.pages()] == [2, None]
    world.run("ok", slug="gateway")
    world.move(minutes=3)
    assert world.pages()[0].parent_id is None
    assert "*Omar* acknowledged" in world.text(PAGE)  # who had it has it again
    assert world.do(lambda tx: tx.get_one(Person, 2).name) == "Omar"


def test_resolving_a_root_by_hand_frees_what_it_took_down(chain: World) -> None:
    chain.run("failed", slug="gateway")
    chain.run("failed", slug="billing")
    chain.press("ben", "paging.stop", "page:1", how="view", values={"reason": "broken"})
    assert chain.choose("ben", "Resolve") == Quiet()
    chain.move(minutes=3)
    assert chain.called() == ["Ben", "Zoe"]


# --- pure ------------------------------------------------------------------------------------------------------------

GRAPH = graph(
    {"triage": ["billing", "search/index"], "billing": ["gateway"], "gateway": ["openai"], "search": ["store"], "writer": ["openai"]},
    {"openai": {"name": "OpenAI", "watched_by": ["gateway/openai", "writer/openai"]}},
)


@pytest.mark.parametrize(
    ("agent", "check", "other", "its", "taken"),
    [
        ("billing", "runs", "triage", "runs", True),
        ("gateway", "runs", "triage", "runs", True),  # a chain
        ("triage", "runs", "billing", "runs", False),  # not upwards
        ("search", "index", "triage", "runs", True),
        ("search", "runs", "triage", "runs", False),  # only that check
        ("store", "runs", "triage", "runs", True),  # below that check's agent
        ("writer", "openai", "triage", "runs", True),  # the upstream, seen by another agent
        ("writer", "openai", "gateway", "openai", True),  # two that watch one upstream
        ("gateway", "openai", "writer", "runs", True),
        ("writer", "runs", "gateway", "runs", False),
        ("gateway", "runs", "writer", "runs", False),
        ("store", "runs", "writer", "openai", False),
    ],
)
def test_who_takes_whom_down(agent: str, check: str, other: str, its: str, taken: bool) -> None:
    assert GRAPH.takes_down(agent, check, other, its) is taken
    if taken:
        assert other in GRAPH.dependents(agent, check)
        assert GRAPH.concerns(agent)
        assert GRAPH.concerns(other)
