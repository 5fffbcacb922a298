from __future__ import annotations

import pytest

from bot.agents.files import BadFile, read_text
from bot.checks.kinds import KINDS

SPECS = {name: kind.spec for name, kind in KINDS.items()}
OWNERS = "owners: {business: maya@example.com, operations: U0OMAR}, channel: '#ai', ladder: standard"


def file(*agents: str, upstreams: str = "") -> str:
    return (f"upstreams:\n{upstreams}" if upstreams else "") + "agents:\n" + "".join(f"  {each}\n" for each in agents)


def agent(slug: str, needs: str = "", checks: str = "runs: {kind: run_failed}, slow: {kind: latency, at_most: 2s}") -> str:
    return f"{slug}: {{name: {slug}, {OWNERS}, checks: {{{checks}}}{f', depends_on: [{needs}]' if needs else ''}}}"


def told(text: str) -> list[str]:
    with pytest.raises(BadFile) as bad:
        read_text(text, SPECS)
    return [str(each) for each in bad.value.mistakes]


def test_chains_diamonds_single_checks_and_upstreams_are_understood() -> None:
    text = file(agent("store"), agent("left", "store"), agent("right", "store/runs"), agent("top", "left, right, openai"), upstreams="  openai: {name: OpenAI, watched_by: [store/runs, left/runs]}\n")
    assert read_text(text, SPECS).spec.agents["top"].depends_on == ["left", "right", "openai"]


@pytest.mark.parametrize(
    ("text", "place", "says", "remedy"),
    [
        (file(agent("a", "b"), agent("b", "c"), agent("c", "a")), "aiops.yml:2", "goes round in a circle: a needs b needs c needs a", "Take one of them out"),
        (file(agent("a", "b/runs"), agent("b", "a")), "aiops.yml:2", "goes round in a circle: a needs b needs a", "Take one of them out"),
        (file(agent("a", "gatewey"), agent("gateway")), "aiops.yml:2", "there is no agent and no upstream 'gatewey'", "Did you mean gateway?"),
        (file(agent("a", "b/run"), agent("b")), "aiops.yml:2", "b has no check 'run'", "Did you mean runs?"),
        (file(agent("a", "b/slow"), agent("b")), "aiops.yml:2", "the check b/slow is a notice, which calls nobody", "Write `severity: page` at slow of b"),
        (file(agent("a", "a")), "aiops.yml:2", "names the agent itself", "Take it out"),
        (file(agent("a", "B b")), "aiops.yml:2", "does not have the right form", "Write an agent such as gateway"),
        (file(agent("a"), upstreams="  openai: {watched_by: []}\n"), "aiops.yml:2", "names no check", "Name checks, such as [gateway/openai]"),
        (file(agent("a"), upstreams="  openai: {watched_by: [b/runs]}\n"), "aiops.yml:2", "there is no agent 'b'", "Known: a"),
        (file(agent("a"), upstreams="  a: {watched_by: [a/runs]}\n"), "aiops.yml:2", "is also the name of an agent", "Call the upstream something else"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_remedy(text: str, place: str, says: str, remedy: str) -> None:
    found = told(text)
    assert len(found) == 1
    assert found[0].startswith(place)
    assert says in found[0]
    assert remedy in found[0]


def test_a_very_long_chain_is_no_circle_and_its_end_may_close_one() -> None:
    agents = [agent(f"a{n}", f"a{n + 1}") for n in range(1500)]
    assert read_text(file(*agents, agent("a1500")), SPECS)
    assert "goes round in a circle" in told(file(*agents, agent("a1500", "a0")))[0]
