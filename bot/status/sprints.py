"""`/aiops sprint`: which agents really got better, against two weeks and a quarter ago; the same for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from bot.agents.reading import agent_by_slug
from bot.blocks import Block, Message, button, clip, context, escape, section
from bot.people.flows import require, roles_of
from bot.people.rules import Act
from bot.quality.sprinting import HOW, ORDER, Mover, Sprint, agent_lines, lines, sprint_of_agent, sprint_of_fleet
from bot.status.believed import told_step
from bot.status.messages import choose, unknown_agent
from bot.status.reading import agents_meant, department_meant, nearest
from bot.surface.press import Answer, Press, Tell
from bot.tables import Agent


def sprint(tx: Session, press: Press) -> Answer:
    """The fleet, a department, or one agent."""
    require(roles_of(tx, press.actor, None), Act.SEE)
    sought = " ".join(press.words).strip()
    agents = agents_meant(tx, sought) if sought else []
    if len(agents) == 1:
        return Tell(_message(agent_lines(sprint_of_agent(tx, agents[0])), agents), share=True)
    department = department_meant(tx, sought) if sought else None
    if sought and department is None:
        return Tell(choose(sought, [(agent.name, agent.slug) for agent in agents]) if agents else unknown_agent(sought, nearest(tx, sought)))
    found = sprint_of_fleet(tx, department)
    moved = [agent for mover in (*found.better, *found.worse) if (agent := agent_by_slug(tx, mover.slug)) is not None]
    return Tell(_message(lines(found), moved), share=True)


def as_json(found: Sprint) -> dict[str, Any]:
    return {
        "counts": {name: {change.value: counts.get(change.value, 0) for change in ORDER} for name, counts in found.counts.items()},
        "better": [mover_json(mover) for mover in found.better],
        "worse": [mover_json(mover) for mover in found.worse],
    }


def mover_json(mover: Mover) -> dict[str, Any]:
    return {"id": mover.slug, "name": mover.name, **{name: told_step(step) for name, step in mover.sprint.items()}}


def _message(told: Sequence[str], agents: Sequence[Agent]) -> Message:
    title, *rest = told
    blocks: list[Block] = [section("\n".join([f"*{escape(clip(title, 300))}*", *(escape(clip(line, 600)) for line in rest if not line.startswith(("Better: ", "Worse: ")))]))]
    moved = [line for line in rest if line.startswith(("Better: ", "Worse: "))]
    for line, agent in zip(moved, agents, strict=False):
        blocks.append(section(escape(clip(line, 600)), accessory=button("Look closer", "status.agent", f"agent:{agent.slug}", label=f"Show {agent.name} in depth")))
    return Message(escape(clip("\n".join(told), 3000)), [*blocks, context(escape(HOW))])
