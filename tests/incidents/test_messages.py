from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from bot.incidents import forms, messages
from bot.incidents.messages import IncidentView, ItemView
from bot.incidents.protocol import PROTOCOL, steps_of
from bot.incidents.rules import Blocked, Failing
from bot.workspace.blocks import check_blocks, check_view

AT = datetime(2026, 11, 20, 3, 12, tzinfo=UTC)
ITEMS = tuple(ItemView(n, n, step.phase, step.words, step.required) for n, step in enumerate(steps_of(PROTOCOL), 1))
OPEN = IncidentView(3, "Support triage", "Answers quote old prices", "page", AT, "Omar", ITEMS, lead="Omar", page_id=12)


def test_what_the_root_says_while_open_and_once_closed() -> None:
    assert messages.root_message(OPEN).text == snapshot("""\
Incident #3 Support triage: Answers quote old prices
Open, at “Contain”. Lead: Omar. Since <!date^1795144320^{date_short_pretty} at {time}|2026-11-20 03:12 UTC>. 0 of 10 steps settled.\
""")
    done = tuple(replace(item, state="done", by="Lea", at=AT) for item in ITEMS)
    assert messages.root_message(replace(OPEN, items=done, closed_at=AT + timedelta(hours=5), closed_by="Omar")).text == snapshot("""\
Incident #3 Support triage: Answers quote old prices
Closed after 5 hours. Lead: Omar. Since <!date^1795144320^{date_short_pretty} at {time}|2026-11-20 03:12 UTC>. 10 of 10 steps settled.\
""")


def test_what_refuses_and_what_closes() -> None:
    assert messages.refused_words(OPEN, Blocked(ITEMS[:2], (), False)).text == snapshot("""\
Incident #3 cannot be closed yet. 2 required steps are neither done nor waived:
• 1. Stop the harm: put the agent under human review, or stop it, if what it makes can do damage.
• 2. Say who does its work meanwhile, and what happens to what is half done.
Do them, or let an owner, the lead of the incident or a lead waive them with a reason.\
""")
    waived = (replace(ITEMS[0], state="waived", by="Lea", at=AT, note="nothing was live"), *ITEMS[1:])
    closed = replace(OPEN, items=waived, closed_at=AT + timedelta(hours=5), closed_by="Omar")
    assert messages.closing_words(closed, [("Lea", 6), ("Omar", 1)]).text == snapshot("""\
Incident #3 is closed by Omar after 5 hours. Who did what: Lea (6 steps), Omar (1 step).
Waived: 1. Stop the harm: put the agent under human review, or stop it, if what it makes can do damage (nothing was live).\
""")


def test_what_the_list_says() -> None:
    assert messages.list_message([OPEN]).text == snapshot("""\
1 open incident:
• *#3* Support triage: Answers quote old prices (since <!date^1795144320^{date_short_pretty} at {time}|2026-11-20 03:12 UTC>, lead Omar, 0 of 10 steps)\
""")


@given(st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=2000), st.text(max_size=3000))
def test_any_incident_stays_within_slacks_limits(agent: str, title: str, note: str) -> None:
    items = tuple(replace(item, state=("open", "done", "waived")[item.number % 3], by=agent, at=AT, note=note, words=item.words + note) for item in ITEMS)
    view = replace(OPEN, agent=agent, title=title, items=items, lead=agent)
    told = [messages.root_message(view), messages.checklist_message(view), messages.one_message(view, [(AT, note)] * 30), messages.list_message([view] * 20)]
    for message in [*told, messages.closing_words(view, [(agent, 1)] * 40), messages.refused_words(view, Blocked(items, tuple(Failing(agent, title, AT) for _ in range(20)), True))]:
        check_blocks(message.want()["blocks"], "message")
        assert 0 < len(message.want()["text"]) < 4000
    for form in (*map(forms.item_form, items), forms.waive_form(items[0]), forms.open_form([("a", agent)] * 100, "a", title[:300], {"page": 1}), forms.closing_form(1, [(n, agent, 5) for n in range(30)], ask_reason=title)):
        check_view(form, "modal")
