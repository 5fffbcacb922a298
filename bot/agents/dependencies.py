"""Whom a failure takes down: what agents depend on, by the registry; pure but for `graph_of`, which reads the file in force."""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from sqlalchemy.orm import Session

from bot.agents.marked import Marked, Mistake
from bot.people.flows import shared_registry

_FORM = re.compile(r"[a-z0-9][a-z0-9-]{0,62}(/[a-z0-9][a-z0-9-]{0,62})?")
Failure = tuple[str, str]  # an agent's id and a check's name


@dataclass(frozen=True)
class Graph:
    """Who depends on what: an agent on other agents (as a whole), on single checks of theirs, and on shared upstreams.

    An upstream is known by the checks that watch it. Such a check stands for the upstream itself, so what its agent
    depends on does not matter to it: of several checks that watch one upstream, the first to fail is the root.
    """

    agents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # agent -> agents it needs
    checks: Mapping[str, tuple[Failure, ...]] = field(default_factory=dict)  # agent -> checks whose failure takes it down
    upstreams: Mapping[str, tuple[Failure, ...]] = field(default_factory=dict)  # upstream -> the checks that watch it
    uses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # agent -> upstreams it needs
    names: Mapping[str, str] = field(default_factory=dict)  # upstream -> as people call it
    needed_by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # agent -> agents that need it, or one of its checks
    watches: Mapping[Failure, tuple[str, ...]] = field(default_factory=dict)  # check -> upstreams it stands for

    def concerns(self, agent: str) -> bool:
        """Whether the agent depends on something, or something on it."""
        return agent in self.agents or agent in self.checks or agent in self.uses or agent in self.needed_by

    def roots(self, agent: str, check: str) -> tuple[set[str], set[Failure]]:
        """What may have taken a check of an agent down: agents as a whole, and single checks; near or far."""
        if upstreams := self.watches.get((agent, check)):
            return set(), {each for name in upstreams for each in self.upstreams[name]} - {(agent, check)}
        whole: set[str] = set()
        single: set[Failure] = set()
        seen, left = {agent}, [agent]
        while left:
            one = left.pop()
            whole.update(self.agents.get(one, ()))
            single.update(self.checks.get(one, ()))
            single.update(each for name in self.uses.get(one, ()) for each in self.upstreams.get(name, ()))
            for above in (*self.agents.get(one, ()), *(owner for owner, _ in self.checks.get(one, ()))):
                if above not in seen:
                    seen.add(above)
                    left.append(above)
        whole.discard(agent)
        single.discard((agent, check))
        return whole, single

    def takes_down(self, agent: str, check: str, other: str, its: str) -> bool:
        """Whether a failure of that check of `agent` takes the check `its` of the agent `other` down."""
        whole, single = self.roots(other, its)
        return agent in whole or (agent, check) in single

    def dependents(self, agent: str, check: str) -> set[str]:
        """The agents that a failure of this check may take down, near or far; `takes_down` says which of their checks."""
        found: set[str] = set()
        for upstream in self.watches.get((agent, check), ()):
            found.update(slug for slug, _ in self.upstreams[upstream])
            found.update(slug for slug, names in self.uses.items() if upstream in names)
        left = [agent, *found]
        while left:
            for below in self.needed_by.get(left.pop(), ()):
                if below not in found:
                    found.add(below)
                    left.append(below)
        return found

    def stands_for(self, agent: str, check: str) -> str:
        """The upstream that a check watches, as people call it; nothing where it watches none."""
        return ", ".join(self.names.get(name, name) for name in self.watches.get((agent, check), ()))


def graph(agents: Mapping[str, Iterable[str]], upstreams: Mapping[str, Mapping[str, Any]]) -> Graph:
    """Read `depends_on` of each agent, and the shared upstreams with the checks that watch them."""
    watched = {name: tuple(_failure(each) for each in given.get("watched_by", ())) for name, given in upstreams.items()}
    whole: dict[str, tuple[str, ...]] = {}
    checks: dict[str, tuple[Failure, ...]] = {}
    uses: dict[str, tuple[str, ...]] = {}
    needed: dict[str, dict[str, None]] = defaultdict(dict)
    for slug, named in agents.items():
        refs = list(dict.fromkeys(named))
        if found := tuple(ref for ref in refs if ref in watched):
            uses[slug] = found
        if pairs := tuple(_failure(ref) for ref in refs if "/" in ref):
            checks[slug] = pairs
        if others := tuple(ref for ref in refs if "/" not in ref and ref not in watched):
            whole[slug] = others
        for above in (*whole.get(slug, ()), *(owner for owner, _ in checks.get(slug, ()))):
            needed[above][slug] = None
    # Who needs an upstream hangs below the agents that watch it; only by that check (see `takes_down`).
    for slug, names in uses.items():
        for owner, _ in (each for name in names for each in watched[name]):
            if owner != slug:
                needed[owner].setdefault(slug, None)
    watches: dict[Failure, tuple[str, ...]] = {}
    for name, pairs in watched.items():
        for pair in pairs:
            watches[pair] = (*watches.get(pair, ()), name)
    for owner, _ in watches:
        needed.setdefault(owner, {})
    names_of = {name: str(given.get("name") or name) for name, given in upstreams.items()}
    return Graph(whole, checks, watched, uses, names_of, {slug: tuple(found) for slug, found in needed.items()}, watches)


def _failure(written: str) -> Failure:
    slug, _, check = written.partition("/")
    return slug, check


def graph_of(tx: Session) -> Graph:
    """The dependencies of the registry file in force; made once per file."""
    shared = shared_registry(tx)
    found = shared.get("graph")
    if not isinstance(found, Graph):
        found = graph(shared.get("depends_on", {}), shared.get("upstreams", {}))
        if shared:
            shared["graph"] = found  # kept beside what it was made of
    return found


# --- what is wrong in a file -------------------------------------------------------------------------------------


def dependency_mistakes(marked: Marked, kinds: Mapping[str, type[BaseModel]]) -> Iterator[Mistake]:
    """Names that nothing has, checks that never page, and circles."""
    agents = {slug: agent for slug, agent in _items(marked.value, "agents") if isinstance(agent, dict)}
    upstreams = {name: given for name, given in _items(marked.value, "upstreams") if isinstance(given, dict)}
    for name, given in upstreams.items():
        at = ("upstreams", name)
        if name in agents:
            yield marked.mistake(at, "is also the name of an agent", "Call the upstream something else: `depends_on` must tell them apart", key=True)
        watched = given.get("watched_by")
        if watched == []:
            yield marked.mistake((*at, "watched_by"), "names no check, so nothing would ever tell that it is down", "Name checks, such as [gateway/openai]")
        for i, ref in enumerate(watched if isinstance(watched, list) else []):
            if isinstance(ref, str) and _FORM.fullmatch(ref) and "/" in ref and (wrong := _wrong_check(ref, agents, kinds)):
                yield marked.mistake((*at, "watched_by", i), *wrong)
    needs: dict[str, list[tuple[str, int]]] = {}
    for slug, agent in agents.items():
        listed = agent.get("depends_on")
        for i, ref in enumerate(listed if isinstance(listed, list) else []):
            if not isinstance(ref, str) or not _FORM.fullmatch(ref):
                continue  # its form was complained of already
            place = ("agents", slug, "depends_on", i)
            other = ref.partition("/")[0]
            if "/" not in ref and ref not in agents and ref not in upstreams:
                yield marked.mistake(place, f"there is no agent and no upstream {ref!r}", _close(ref, [*agents, *upstreams]))
            elif other == slug:
                yield marked.mistake(place, "names the agent itself", "Take it out: the checks of one agent share a page anyway")
            elif "/" in ref and (wrong := _wrong_check(ref, agents, kinds)):
                yield marked.mistake(place, *wrong)
            elif other in agents:
                needs.setdefault(slug, []).append((other, i))
    for circle in _circles({slug: [other for other, _ in found] for slug, found in needs.items()}):
        first, second = circle[0], circle[1 % len(circle)]
        i = next(i for other, i in needs[first] if other == second)
        round = " needs ".join([*circle, first])
        yield marked.mistake(("agents", first, "depends_on", i), f"goes round in a circle: {round}", "Take one of them out: a root is what does not need the others")


def _wrong_check(ref: str, agents: Mapping[str, dict[str, Any]], kinds: Mapping[str, type[BaseModel]]) -> tuple[str, str] | None:
    """What is wrong with `agent/check`: an unknown name, or one that calls nobody and so is never a root."""
    slug, _, name = ref.partition("/")
    if slug not in agents:
        return f"there is no agent {slug!r}", _close(slug, list(agents))
    checks = dict(_items(agents[slug], "checks"))
    if name not in checks:
        return f"{slug} has no check {name!r}", _close(name, list(checks))
    check = checks[name]
    kind = kinds.get(str(check.get("kind"))) if isinstance(check, dict) else None
    if isinstance(check, dict) and kind is not None and check.get("severity", getattr(kind, "DEFAULT_SEVERITY", "page")) != "page":
        return f"the check {ref} is a notice, which calls nobody and so stands for nobody else's call", f"Write `severity: page` at {name} of {slug}"
    return None


def _circles(needs: Mapping[str, list[str]]) -> Iterator[list[str]]:
    """Each circle once, from the agent written first; a long way round is walked without recursion."""
    done: set[str] = set()
    for start in needs:
        path: list[str] = []
        stack: list[tuple[str, Iterator[str]]] = []
        if start not in done:
            path, stack = [start], [(start, iter(needs.get(start, ())))]
        while stack:
            here, left = stack[-1]
            below = next(left, None)
            if below is None:
                stack.pop()
                path.pop()
                done.add(here)
            elif below in path:
                yield path[path.index(below) :]
            elif below not in done:
                path.append(below)
                stack.append((below, iter(needs.get(below, ()))))


def _close(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"Did you mean {close[0]}?"
    return f"Known: {', '.join(known[:20])}" if known else "Describe it first"


def _items(part: Any, key: str) -> list[tuple[str, Any]]:
    inner = part.get(key) if isinstance(part, dict) else None
    return list(inner.items()) if isinstance(inner, dict) else []
