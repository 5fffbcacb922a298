"""Failure protocols in aiops.yml: their shape, and what in them cannot work."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Literal

from pydantic import Field

from bot.agents.marked import Marked, Mistake, Path
from bot.agents.parts import Duration, Part, Slug

PHASES = ("contain", "inform", "diagnose", "recover", "verify", "learn")
TYPES = ("confirm", "choose", "evidence", "decision", "number", "person")
WHO = ("lead", "scribe", "owner", "operations_owner", "backup", "business_owner", "sponsor")
MOST_STEPS = 20  # one Slack message shows them all


class BySeverity(Part):
    """A length for each severity."""

    page: Duration | None = Field(None, description="For incidents of severity page.")
    notice: Duration | None = Field(None, description="For incidents of severity notice.")


class ProtocolStepSpec(Part):
    """One step of a protocol."""

    id: Slug = Field(description="A short name; other steps come `after` it.")
    phase: Literal["contain", "inform", "diagnose", "recover", "verify", "learn"] = Field(description="Steps are shown by phase, and phases come in this order.")
    say: str = Field(min_length=3, max_length=500, description="What is to be done, as one sentence.")
    type: Literal["confirm", "choose", "evidence", "decision", "number", "person"] = Field(
        "confirm", description="What is asked: a press, one of `options`, a link, a sentence (or one of `options` with its reason), a number, a person."
    )
    options: list[str] = Field(default_factory=list, description="What may be chosen; for `choose`, and if you like for `decision`.")
    who: str = Field("lead", description="Whose step it is: lead, scribe, owner (of the incident), operations_owner, backup, business_owner, sponsor.")
    within: Duration | None = Field(None, description="When it is due, from the start of the incident; never where unset.")
    required: bool = Field(True, description="Whether the incident may close without it.")
    severity: list[Literal["page", "notice"]] = Field(default_factory=list, description="Only in incidents of these severities; in all where empty.")
    after: list[Slug] = Field(default_factory=list, description="Steps that come first.")


class ProtocolSpec(Part):
    """A failure protocol. Changing it never rewrites an incident that is under way."""

    steps: list[ProtocolStepSpec] = Field(description="In the order in which they are shown.")
    status_every: BySeverity = Field(default_factory=BySeverity, description="How often a status update is asked for: 1h and 1d where unset, `0s` for never.")
    follow_up_within: BySeverity = Field(default_factory=BySeverity, description="How long a follow-up may take: 14d and 30d where unset.")

    def document(self) -> dict[str, Any]:
        """As an incident keeps it."""
        steps = [
            {
                "key": step.id, "phase": step.phase, "words": step.say, "type": step.type, "options": step.options, "who": step.who,
                "within": _seconds(step.within), "required": step.required, "when": list(step.severity), "after": step.after,
            }
            for step in sorted(self.steps, key=lambda step: PHASES.index(step.phase))
        ]  # fmt: skip
        return {"steps": steps, "status_every": _lengths(self.status_every), "follow_up_within": _lengths(self.follow_up_within)}


def _seconds(span: timedelta | None) -> int | None:
    return None if span is None else int(span.total_seconds())


def _lengths(given: BySeverity) -> dict[str, int]:
    return {name: int(span.total_seconds()) for name, span in (("page", given.page), ("notice", given.notice)) if span is not None}


def protocol_mistakes(marked: Marked) -> Iterator[Mistake]:
    """Circles, unknown roles, fields that do not fit a step's type, and agents that name a protocol there is not."""
    protocols = {name: given for name, given in _items(marked.value, "protocols") if isinstance(given, dict)}
    for name, given in protocols.items():
        steps = given.get("steps")
        if isinstance(steps, list):
            yield from _step_mistakes(marked, ("protocols", name, "steps"), steps)
    known = [*protocols, "standard"]
    for slug, agent in _items(marked.value, "agents"):
        named = agent.get("protocol") if isinstance(agent, dict) else None
        if isinstance(named, str) and named not in known:
            yield marked.mistake(("agents", slug, "protocol"), f"there is no protocol {named!r}", _close(named, known))


def _step_mistakes(marked: Marked, at: Path, steps: list[Any]) -> Iterator[Mistake]:
    if not steps:
        yield marked.mistake(at, "has no step", "Write the steps, or leave the protocol out: `standard` is built in")
    if len(steps) > MOST_STEPS:
        yield marked.mistake(at, f"has {len(steps)} steps", f"Keep it to {MOST_STEPS}: people work through it in one Slack message")
    ids: dict[str, int] = {}
    for i, step in enumerate(steps):
        if not isinstance(step, dict):
            continue
        named = step.get("id")
        if isinstance(named, str):
            if named in ids:
                yield marked.mistake((*at, i, "id"), f"{named!r} is the name of an earlier step", "Give each step its own `id`")
            ids.setdefault(named, i)
        yield from _fields(marked, (*at, i), step)
    needs = {str(step.get("id")): [str(each) for each in step["after"]] for step in steps if isinstance(step, dict) and isinstance(step.get("after"), list)}
    for i, step in enumerate(steps):
        for j, other in enumerate(step.get("after") or [] if isinstance(step, dict) and isinstance(step.get("after"), list) else []):
            if isinstance(other, str) and other not in ids:
                yield marked.mistake((*at, i, "after", j), f"there is no step {other!r} in this protocol", _close(other, list(ids)))
    for circle in _circles(needs):
        i = ids.get(circle[0], 0)
        yield marked.mistake((*at, i, "after"), f"goes round in a circle: {' after '.join([*circle, circle[0]])}", "Take one of them out: some step must come first")


def _fields(marked: Marked, at: Path, step: Mapping[str, Any]) -> Iterator[Mistake]:
    who, kind, options = step.get("who"), step.get("type", "confirm"), step.get("options")
    if isinstance(who, str) and who not in WHO:
        yield marked.mistake((*at, "who"), f"{who!r} is no role of an incident", _close(who, list(WHO)))
    if kind in ("choose",) and not options:
        yield marked.mistake((*at, "type"), "a step of type choose needs `options`", "Add `options: [one, other]`, or take another type")
    if isinstance(options, list) and options:
        if kind not in ("choose", "decision") and kind in TYPES:
            yield marked.mistake((*at, "options"), f"a step of type {kind} has no options", "Make it `type: choose`, or take the options out")
        for i, each in enumerate(options):
            if isinstance(each, str) and not 0 < len(each) <= 70:
                yield marked.mistake((*at, "options", i), "must have 1 to 70 characters", "Slack's menus show no more")
        if len(options) > 30:
            yield marked.mistake((*at, "options"), f"has {len(options)} options", "Keep it to 30")


def _circles(needs: Mapping[str, list[str]]) -> list[list[str]]:
    """Each circle once, beginning with the step that stands first."""
    found: list[list[str]] = []
    seen: set[frozenset[str]] = set()
    done: set[str] = set()

    def walk(node: str, path: list[str]) -> None:
        if node in path:
            circle = path[path.index(node) :]
            if frozenset(circle) not in seen:
                seen.add(frozenset(circle))
                found.append(circle)
            return
        if node in done:
            return
        for other in needs.get(node, []):
            walk(other, [*path, node])
        done.add(node)

    for node in needs:
        walk(node, [])
    return found


def _close(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean {close[0]}?" if close else f"Known: {', '.join(known)}"


def _items(part: Any, key: str) -> list[tuple[str, Any]]:
    inner = part.get(key) if isinstance(part, dict) else None
    return list(inner.items()) if isinstance(inner, dict) else []
