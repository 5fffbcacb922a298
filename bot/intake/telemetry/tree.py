"""From the spans of one trace to the runs they tell of, nothing counted twice: pure.

A parent often carries the sum of its children, and whole chains are instrumented twice. So usage is taken from the leaves:
a span's own counts only where nothing below it has any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from bot.intake.telemetry.dialects import AI, Body

RUNS = frozenset({"agent", "chain"})  # spans that are an execution of an agent
Price = Callable[[Body], int | None]  # nano-dollars of a model call that did not say its cost


@dataclass(slots=True)
class Node:
    """One span in its tree; `own` is the agent its own name maps to, `agent` whom it belongs to after all."""

    id: str
    body: Body
    own: int | None
    direct: int | None  # as far as the span alone tells: by its own name, its service, or its token
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)
    agent: int | None = None
    run: Made | None = None
    used_below: bool = False  # something below it says tokens
    priced_below: bool = False  # something below it says its cost
    priced: bool = False  # something above it says a cost that counts, and so includes this

    @property
    def uses(self) -> bool:
        return "in" in self.body or "out" in self.body

    @property
    def says_cost(self) -> bool:
        return "nano" in self.body and not self.priced_below

    @property
    def kind(self) -> str:
        return str(self.body.get("kind", ""))

    @property
    def start(self) -> int:
        return int(self.body.get("start", 0))

    @property
    def end(self) -> int:
        return int(self.body.get("end", 0))


@dataclass(slots=True, eq=False)
class Made:
    """One run of one agent, as the spans have it."""

    agent: int
    root: Node
    nodes: list[Node]
    id: str = ""
    status: str = "ok"
    error: str | None = None
    model: str | None = None
    version: str | None = None
    stage: str | None = None
    tokens_in: int | None = None
    tokens_cached: int | None = None
    tokens_out: int | None = None
    nano: int | None = None
    estimated: bool = False  # some of the cost is by list prices
    tools: dict[str, list[int]] = field(default_factory=dict)  # name: calls, failed
    models: frozenset[str] = frozenset()
    prompts: frozenset[str] = frozenset()
    instructions: frozenset[str] = frozenset()
    indexes: frozenset[str] = frozenset()
    says: str | None = None
    called_by: int | None = None  # the agent above it in the same trace


def runs_of(trace_id: str, spans: Mapping[str, tuple[Body, int | None]], price: Price) -> tuple[list[Made], set[tuple[str, str]]]:
    """The runs a trace tells of, and the (service, name) of AI traffic in it that is nobody's.

    `spans` are by span id: the body, and the agent that the span alone tells. The first run of each agent has the
    trace's id, further ones the trace's and their span's.
    """
    order = _in_order(spans)
    for node in order:
        node.agent = _agent_of(node)
    _find_leaves(order)
    made: dict[int, list[Made]] = {}
    loose: dict[int, list[Node]] = {}
    for node in order:
        if node.agent is None:
            continue
        above = node.parent
        if above is not None and above.run is not None and above.agent == node.agent:
            node.run = above.run
            node.run.nodes.append(node)
        elif node.kind in RUNS:
            node.run = Made(node.agent, node, [node])
            made.setdefault(node.agent, []).append(node.run)
        else:
            loose.setdefault(node.agent, []).append(node)
    found: list[Made] = []
    for agent in sorted({*made, *loose}):
        found += _settled(trace_id, agent, made.get(agent, []), loose.get(agent, []))
    for run in found:
        _fill(run, price)
    nobody = {(str(node.body.get("service", "")), _named(node)) for node in order if node.agent is None and node.kind in AI}
    return found, nobody


def _in_order(spans: Mapping[str, tuple[Body, int | None]]) -> list[Node]:
    """Parents before their children, brothers by their start; a circle of parents is cut open."""
    nodes = {id_: Node(id_, body, body.get("own"), agent) for id_, (body, agent) in spans.items()}
    for node in nodes.values():
        above = nodes.get(str(node.body.get("parent", "")))
        if above is not None and above is not node:
            node.parent = above
            above.children.append(node)
    order: list[Node] = []
    seen: set[str] = set()
    tops = sorted((node for node in nodes.values() if node.parent is None), key=lambda node: (node.start, node.id))
    for top in [*tops, *sorted(nodes.values(), key=lambda node: (node.start, node.id))]:
        if top.id in seen:
            continue
        if top.parent is not None:  # only reached in a circle
            top.parent.children.remove(top)
            top.parent = None
        waiting = [top]
        while waiting:
            node = waiting.pop()
            seen.add(node.id)
            order.append(node)
            node.children.sort(key=lambda each: (each.start, each.id))
            waiting.extend(reversed(node.children))
    return order


def _agent_of(node: Node) -> int | None:
    """Its own name decides, then the span above in the same service, then its service or token, then the span above."""
    above = node.parent
    if node.own is not None:
        return node.own
    if above is not None and above.agent is not None and above.body.get("service") == node.body.get("service"):
        return above.agent
    return node.direct if node.direct is not None or above is None else above.agent


def _named(node: Node) -> str:
    """The nearest agent's name above a span."""
    here: Node | None = node
    while here is not None:
        if name := here.body.get("agent"):
            return str(name)
        here = here.parent
    return ""


def _settled(trace_id: str, agent: int, made: list[Made], loose: list[Node]) -> list[Made]:
    """The runs of one agent: its agent spans that stand in no other; where several stand side by side, the named ones count."""
    if len(made) > 1 and any(run.root.body.get("agent") for run in made):
        named = [run for run in made if run.root.body.get("agent")]
        for run in made:
            if run not in named:
                loose = [*loose, *run.nodes]
        made = named
    made.sort(key=lambda run: (run.root.start, run.root.id))
    if not made:
        if not any(node.kind in AI for node in loose):
            return []
        tops = [node for node in loose if node.parent is None or node.parent.agent != agent]
        made = [Made(agent, min(tops or loose, key=lambda node: (node.start, node.id)), loose)]
    else:
        made[0].nodes += loose
    for number, run in enumerate(made):
        run.id = trace_id if number == 0 else f"{trace_id}:{run.root.id}"
        for node in run.nodes:
            node.run = run
    return made


def _fill(run: Made, price: Price) -> None:
    """Everything a run says, from its spans."""
    nodes, root = run.nodes, run.root
    if root.parent is not None and root.parent.agent not in (None, run.agent):
        run.called_by = root.parent.agent
    calls = [node for node in nodes if node.kind == "model"]
    ended = root
    if root.kind not in RUNS and not root.body.get("failed"):  # no agent's span: the last thing it did says how it ended
        own = [node for node in nodes if node.kind in AI and (node.parent is None or node.parent.kind not in AI)]
        ended = max(own, key=lambda node: (node.end, node.id), default=root)
    if ended.body.get("failed"):
        run.status, run.error = "failed", str(ended.body.get("error") or "")
    run.version = next((str(v) for node in (root, *nodes) if (v := node.body.get("version"))), None)
    run.stage = next((str(v) for node in (root, *nodes) if (v := node.body.get("stage"))), None)
    names = Counter(str(node.body["model"]) for node in calls if node.body.get("model") and not node.body.get("failed"))
    names = names or Counter(str(node.body["model"]) for node in nodes if node.body.get("model"))
    run.model = min(names, key=lambda name: (-names[name], name)) if names else None
    run.models = frozenset(names)
    used = [node for node in nodes if node.uses and not node.used_below]
    run.tokens_in, run.tokens_out, run.tokens_cached = (_sum(node.body.get(key) for node in used) for key in ("in", "out", "cached"))
    said = [node.body["nano"] for node in nodes if node.says_cost]
    guessed = [nano for node in used if not node.priced and not node.says_cost and (nano := price(node.body)) is not None]
    run.nano, run.estimated = _sum([*said, *guessed]), bool(guessed)
    for node in nodes:
        if name := node.body.get("tool"):
            cell = run.tools.setdefault(str(name), [0, 0])
            cell[0] += 1
            cell[1] += bool(node.body.get("failed"))
    run.prompts = frozenset(str(v) for node in nodes if (v := node.body.get("prompt")))
    run.instructions = frozenset(str(v) for node in nodes if (v := node.body.get("instructions")))
    run.indexes = frozenset(str(v) for node in nodes if (v := node.body.get("index")))
    speakers = [root, *sorted((node for node in nodes if node is not root and node.body.get("says") and node.kind in ("model", *RUNS)), key=lambda node: (-node.end, node.id))]
    run.says = next((str(v) for node in speakers if (v := node.body.get("says"))), None) if run.status == "ok" else None


def _find_leaves(order: list[Node]) -> None:
    """Which spans have tokens or a cost below them, and which lie under a cost that counts."""
    for node in reversed(order):
        above = node.parent
        if above is not None:
            above.used_below |= node.used_below or node.uses
            above.priced_below |= node.priced_below or "nano" in node.body
    for node in order:
        above = node.parent
        node.priced = above is not None and (above.priced or above.says_cost)


def _sum(values: Iterable[int | None]) -> int | None:
    found = [value for value in values if value is not None]
    return sum(found) if found else None
