"""Several agents with their owners and what they depend on, in the town of world.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select, update

from bot.checks import flows as checks
from bot.tables import Agent, AgentOwner, Channel, Page, Problem, Registry, Run
from tests.paging.world import World

RUNS = {"runs": {"kind": "run_failed"}}


def add(world: World, slug: str, *, owner: str = "omar", channel: str | None = None, checks_of: Mapping[str, Mapping[str, Any]] = RUNS, **agent: Any) -> None:
    """One more agent, operated by `owner`, with its own channel if asked."""

    def work(tx: Any) -> None:
        row = world.add_agent(tx, slug, slug.replace("-", " ").capitalize(), checks_of, **agent)
        tx.execute(update(AgentOwner).where(AgentOwner.agent_id == row.id, AgentOwner.role == "operations").values(person_id=world.person(tx, owner).id))
        if channel:
            row.channel_id = channel
            if tx.scalars(select(Channel).where(Channel.slack_id == channel)).first() is None:
                tx.add(Channel(team_id="T0", slack_id=channel, name=channel.lower(), is_member=True))

    world.do(work)
    world.settle()


def depend(world: World, needs: Mapping[str, Iterable[str]], upstreams: Mapping[str, Any] | None = None) -> None:
    """The registry file in force says who depends on what."""
    document = {"workspace": {"leads": ["U0ZOE"]}, "agents": {slug: {"depends_on": list(refs)} for slug, refs in needs.items()}, "upstreams": dict(upstreams or {})}
    digest = str(len(str(document)))
    world.do(lambda tx: tx.add(Registry(at=world.clock.now(), by="test", digest=digest, document=document, agents=list(needs))))


def fail_at_once(world: World, slugs: Iterable[str], status: str = "failed") -> None:
    """All of them report in the same moment."""
    now = world.clock.now()

    def work(tx: Any) -> None:
        agents = list(tx.scalars(select(Agent).where(Agent.slug.in_(list(slugs)))))
        for agent in agents:
            tx.add(Run(agent_id=agent.id, ext_id=f"{status}{now.timestamp()}", occurred_at=now, received_at=now, content="c", status=status))
        tx.flush()
        checks.look_soon(tx, now, [agent.id for agent in agents], ["run"])

    world.do(work)
    world.settle()


def open_pages(world: World) -> list[Page]:
    return [page for page in world.pages() if page.resolved_at is None]


def problem_of(world: World, slug: str) -> Problem:
    """The newest problem of an agent."""
    return [each for each in world.problems() if each.fingerprint.startswith(f"{slug}:")][-1]
