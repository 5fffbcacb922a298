"""Many owners at once: what a batch looks up and writes together is what each page alone would look up and write."""

from __future__ import annotations

from sqlalchemy import select

from bot.checks.flows import look_soon, look_step
from bot.tables import AgentOwner, Check, Climb, Decision, Person, Run
from tests.paging.world import World

DESKS = [f"desk-{n}" for n in range(12)]


def _fill(world: World) -> None:
    now = world.clock.now()
    with world.db.transaction() as tx:
        for n, slug in enumerate(DESKS):
            agent = world.add_agent(tx, slug, f"Desk {n}", {"runs": {"kind": "run_failed", "why": "the morning shift starts from its queue"}})
            tx.add(Person(team_id="T0", slack_id=f"U0DESK{n}", name=f"Owner {n}", kind="member", zone="UTC", wake=[], addresses={}))
            tx.flush()
            own = tx.scalars(select(AgentOwner).where(AgentOwner.agent_id == agent.id, AgentOwner.role == "operations")).one()
            own.person_id = tx.scalars(select(Person.id).where(Person.slack_id == f"U0DESK{n}")).one()
            if n == 11:
                own.until = now  # nobody operates this one
    world.settle()


def _fail(world: World, slugs: list[str]) -> None:
    now = world.clock.now()
    with world.db.transaction() as tx:
        ids = [world.agent(tx, slug).id for slug in slugs]
        tx.add_all(Run(agent_id=each, ext_id=f"r{now.timestamp()}", occurred_at=now, received_at=now, content="c", status="failed", version="prompt-14") for each in ids)
        tx.flush()
        look_soon(tx, now, ids, ["run"])


def test_owners_whose_agents_fail_in_one_moment_are_each_called_once_and_read_what_one_alone_would(world: World) -> None:
    _fill(world)
    world.run("failed")
    alone = {key.removeprefix("page:1:"): (world.text(key), world.buttons(key)) for key in ("page:1:channel", "page:1:dm:2")}
    world.press("omar", "paging.acknowledge", "page:1")
    world.move(minutes=5)
    _fail(world, DESKS)
    world.settle()
    # All calls went out at once; what tells of them comes two seconds later.
    assert world.called() == ["Omar", *(f"Owner {n}" for n in range(11)), "Lea"]
    assert len(world.pages()) == 13
    assert all(row.shown_rev > 0 for row in world.rows("call:"))
    assert not any(row.shown_rev for row in world.rows("page:2:"))
    world.move(seconds=2)
    first = world.pages()[1]
    for place, owner in (("channel", None), ("dm", "U0DESK0")):
        key = next(row.key for row in world.rows(f"page:{first.id}:{place}") if owner is None or row.target == owner)
        ours = world.text(key).replace("Desk 0", "Support triage").replace("Owner 0", "Omar")
        theirs = alone["channel" if owner is None else "dm:2"]
        assert ours.split("\n")[0] == theirs[0].split("\n")[0]
        assert world.buttons(key) == theirs[1]
    assert world.lines(f"page:{first.id}:channel") == ["Called Owner 0 (operations owner)."]
    with world.db.transaction() as tx:
        decided = [row.action for row in tx.scalars(select(Decision).where(Decision.subject == f"page:{first.id}").order_by(Decision.id))]
        assert decided == ["page.open", "page.call"]
        assert all(check.cursor.get("told_at") for check in tx.scalars(select(Check)))
        assert len({climb.subject_id for climb in tx.scalars(select(Climb))}) == 13


def test_one_climb_of_a_batch_that_raises_steps_aside_alone(world: World) -> None:
    _fill(world)
    _fail(world, DESKS[:11])
    world.do(lambda tx: look_step(tx, world.clock.now()))
    assert not world.rows("page:")  # the channel hears of a storm from each page's first call
    with world.db.transaction() as tx:
        bad = tx.scalars(select(Climb).order_by(Climb.id).offset(4).limit(1)).one()
        bad.steps = [{"call": "operations_owner"}]  # without its time: it cannot be read
        bad.next_at = world.clock.now()
    world.settle()
    assert sorted(world.called()) == sorted(f"Owner {n}" for n in range(11) if n != 4)
    world.move(seconds=2)
    assert len([row for row in world.rows("page:") if row.key.endswith(":channel") and row.shown_rev]) == 11
    assert "Desk 4" in " ".join(world.text(row.key) for row in world.rows("page:") if row.key.endswith(":channel"))


def test_what_joins_a_page_of_a_storm_before_its_first_call_is_told_in_its_history(world: World) -> None:
    _fill(world)
    with world.db.transaction() as tx:
        more = world.add_agent(tx, "more", "More", {"runs": {"kind": "run_failed"}})
        own = tx.scalars(select(AgentOwner).where(AgentOwner.agent_id == more.id, AgentOwner.role == "operations")).one()
        own.person_id = tx.scalars(select(Person.id).where(Person.slack_id == "U0DESK0")).one()
    world.settle()
    _fail(world, DESKS[:11])
    world.do(lambda tx: look_step(tx, world.clock.now()))
    _fail(world, ["more"])
    world.do(lambda tx: look_step(tx, world.clock.now()))
    world.settle()
    world.move(seconds=2)
    assert sorted(world.called()) == sorted(f"Owner {n}" for n in range(11))
    joined = next(problem.page_id for problem in world.problems() if problem.fingerprint.startswith("more:"))
    lines = world.lines(f"page:{joined}:channel")
    assert any(line.startswith("More fails too") for line in lines)
    assert any(line.startswith("Called Owner 0") for line in lines)
