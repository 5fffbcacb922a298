"""What can be pressed on a page: pure."""

from __future__ import annotations

from bot.blocks import button, clip, confirm, escape, option, overflow
from bot.paging.words.views import PageView


def of(page: PageView, place: str) -> list[dict[str, object]]:
    """The buttons and the menu, by how the page stands. `place` is `channel` or `dm`."""
    if page.resolved_at:
        return []
    pressed: list[dict[str, object]] = []
    if not page.acked_by and page.root is None:
        pressed.append(button("Acknowledge", "paging.acknowledge", page.value, style="primary", label=f"Acknowledge the page about {page.whom}"))
        if place == "channel" and not page.test:
            pressed.append(button("I'll take it", "paging.take", page.value, label=f"Take over the page about {page.whom}"))
    if page.stage == "autonomous" and not page.test:
        about = escape(clip(page.agent, 60))
        asked = f"Mind: {page.by_hand}" if page.by_hand else f"From now on a person looks at every output of {about} before it counts. Its channel is told."
        sure = confirm("Human review", asked, "Order it", "Not now")
        # Where it is about several agents the press asks which, and that is question enough.
        pressed.append(button("Human review", "paging.review", page.value, confirm=None if page.several else sure, label=f"Put {page.whom} under human review"))
    if page.roll_back is not None:
        pressed.append(button("Roll back", "autonomy.roll_back", page.orders_at, label=clip(f"Roll {page.agent} back to version {page.roll_back}", 75)))
    if not page.test:
        pressed.append(overflow("surface.menu", _menu(page)))
    return pressed


def _menu(page: PageView) -> list[dict[str, object]]:
    """What else can be done; each option names the action that does it (see Surface.choose)."""
    choices = [] if page.root is not None else [("Snooze", f"paging.snooze {page.value}"), ("Escalate now", f"paging.escalate {page.value}:{len(page.calls)}")]
    if page.incident is None:
        choices.append(("Open incident", f"incidents.open {page.value}"))
    choices.append(("Resolve", f"paging.resolve {page.value}"))
    if page.stage not in ("", "suspended", "retired"):
        choices.append(("Stop agent", f"paging.stop {page.value}"))
    return [option(words, value) for words, value in choices]
