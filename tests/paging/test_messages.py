from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from bot.ladders.rules import NextCall
from bot.paging import messages
from bot.paging.messages import CallView, DownView, PageView, ProblemView, RootView
from bot.workspace.blocks import check_blocks

AT = datetime(2026, 11, 20, 3, 12, tzinfo=UTC)
PROBLEM = ProblemView("2 runs in a row failed", "2 runs in a row failed (a problem from 2 on): KeyError: order_id.", AT, (("Failed run", "r771"),))
PAGE = PageView(
    id=12, agent="Support triage", severity="page", opened_at=AT, problems=(PROBLEM,), calls=(CallView("Omar", AT),),
    next=NextCall("Lea", "backup", AT + timedelta(minutes=10), 1), changes=("system-prompt is now v14 (30 min before)",), runbook="https://example.com/r",
)  # fmt: skip


def test_what_a_page_says() -> None:
    assert messages.page_message(PAGE, place="channel").text == snapshot("""\
PAGE Support triage: 2 runs in a row failed
2 runs in a row failed (a problem from 2 on): KeyError: order_id. Since <!date^1795144320^{date_short_pretty} at {time}|2026-11-20 03:12 UTC>.
*Called:* Omar at <!date^1795144320^{time}|03:12 UTC>. *Next, unless somebody answers:* Lea (backup) at <!date^1795144920^{time}|03:22 UTC>.
Changed lately: system-prompt is now v14 (30 min before).
Runbook: https://example.com/r\
""")


def test_who_is_called_by_several_routes_at_once_is_named_once() -> None:
    calls = (CallView("Omar", AT), CallView("Omar", AT, "email"), CallView("Omar", AT, "webhook"), CallView("Omar", AT, "pagerduty"), CallView("Maya", AT), CallView("Lea", AT + timedelta(minutes=1), "email"))
    told = messages.page_message(replace(PAGE, calls=calls), place="channel").text
    at, later = (f"<!date^{int(each.timestamp())}^{{time}}|{each:%H:%M} UTC>" for each in (AT, AT + timedelta(minutes=1)))
    assert f"*Called:* Omar at {at} by Slack, e-mail, webhook and PagerDuty, Maya at {at}, Lea at {later} by e-mail." in told


def test_what_a_page_says_once_somebody_has_it_and_once_it_is_over() -> None:
    has = replace(PAGE, acked_by="Lea", acked_at=AT + timedelta(minutes=11), took=True)
    assert messages.page_message(has, place="dm").text == snapshot("""\
PAGE Support triage: 2 runs in a row failed
2 runs in a row failed (a problem from 2 on): KeyError: order_id. Since <!date^1795144320^{date_short_pretty} at {time}|2026-11-20 03:12 UTC>.
*Lea* took it at <!date^1795144980^{time}|03:23 UTC>. Nobody else is called. It stays open until the check recovers.
Changed lately: system-prompt is now v14 (30 min before).
Runbook: https://example.com/r\
""")
    over = replace(has, resolved_at=AT + timedelta(hours=3), resolved_why="The last run was ok.", problems=(replace(PROBLEM, closed_at=AT + timedelta(hours=3)),))
    assert messages.page_message(over, place="dm").text == snapshot("""\
PAGE Support triage: 2 runs in a row failed
2 runs in a row failed (a problem from 2 on): KeyError: order_id. Since <!date^1795144320^{date_short_pretty} at {time}|2026-11-20 03:12 UTC>.
It is over since <!date^1795155120^{date_short_pretty} at {time}|2026-11-20 06:12 UTC>: The last run was ok. It lasted 3 hours. Lea had it.\
""")


def test_what_a_call_says() -> None:
    assert messages.call_message(PAGE, mention="<@U0OMAR>", role="operations owner", round=2, calls_before=4, in_slack=False, link="https://example.com/p/x").text == snapshot("""\
PAGE Support triage: 2 runs in a row failed
<@U0OMAR> You are called as operations owner. This is round 2; 4 calls so far, and nobody has answered.
2 runs in a row failed (a problem from 2 on): KeyError: order_id. Since <!date^1795144320^{date_short_pretty} at {time}|2026-11-20 03:12 UTC>.
To say you have it, which stops the calls, open this link:
https://example.com/p/x\
""")
    assert messages.channel_call(PAGE, calls_before=3).text == snapshot("""\
PAGE Support triage: 2 runs in a row failed
<!here> Nobody has answered yet (3 calls so far). 2 runs in a row failed (a problem from 2 on): KeyError: order_id. Since <!date^1795144320^{date_short_pretty} at {time}|2026-11-20 03:12 UTC>. If you can help, press `I'll take it`.\
""")


def test_what_a_notice_says() -> None:
    assert messages.notice_message(PROBLEM, "Support triage", "tickets wait").text == snapshot("""\
NOTICE Support triage: 2 runs in a row failed
2 runs in a row failed (a problem from 2 on): KeyError: order_id. Since <!date^1795144320^{date_short_pretty} at {time}|2026-11-20 03:12 UTC>. This is a notice: nobody is called. It stays on the owners' list until it recovers.\
""")


def test_how_long_it_lasted() -> None:
    assert [messages.span(timedelta(seconds=s)) for s in (0, 1, 119, 120, 7199, 7200, 7260, 172800, 180000)] == snapshot(['0 seconds', '1 second', '119 seconds', '2 minutes', '119 minutes', '2 hours', '2 h 1 min', '2 days', '2 days 2 h'])


@given(st.text(min_size=1, max_size=120), st.text(min_size=1, max_size=300), st.text(max_size=4000), st.sampled_from(["channel", "dm"]), st.integers(1, 9))
def test_any_page_stays_within_slacks_limits_and_leads_with_severity_agent_and_failure(agent: str, title: str, says: str, place: str, problems: int) -> None:
    each = ProblemView(title, says, AT, tuple((f"label {n}", says) for n in range(12)))
    view = PageView(id=1, agent=agent, severity="page", opened_at=AT, problems=(each,) * problems, runbook=says or "x", changes=(says,) * 4, why=says)
    told = messages.page_message(view, place=place)
    check_blocks(told.want()["blocks"], "message")
    assert len(told.want()["text"]) < 4000
    assert messages.lead(view).startswith("PAGE ")
    assert len(messages.lead(view)) <= 80
    call = messages.call_message(view, mention="<@U0OMAR>", role="backup", round=1, calls_before=0)
    check_blocks(call.want()["blocks"], "message")
    check_blocks(messages.notice_message(each, agent, says).want()["blocks"], "message")


@given(st.text(min_size=1, max_size=120), st.text(min_size=1, max_size=300), st.integers(2, 500), st.sampled_from(["channel", "dm"]), st.booleans(), st.booleans())
def test_any_page_about_several_agents_or_with_a_root_stays_within_slacks_limits(name: str, title: str, count: int, place: str, flaps: bool, part: bool) -> None:
    each = ProblemView(title, title, AT, (("label", title),), agent=name, flapping_at=AT if flaps else None, turns=9, well_at=AT, steady_at=AT)
    view = PageView(
        id=1, agent=name, severity="page", opened_at=AT, problems=(each,) * 12, more_problems=count, agents=(name,) * 12, agent_count=count,
        down=(DownView(name, title, free_at=AT),) * 24, down_count=count, root=RootView(2, title, over=flaps) if part else None, stage="autonomous",
        runbook=f"{name}: {title}\n" * 3, changes=(title,) * 3, stopped=(name,) * count, history="C0SUPPORT", upstream=name,
    )  # fmt: skip
    for shown in (view, replace(view, resolved_at=AT, resolved_why=title), replace(view, acked_by="Omar", acked_at=AT)):
        told = messages.page_message(shown, place=place)
        check_blocks(told.want()["blocks"], "message")
        assert len(told.want()["text"]) < 4000
        assert len(messages.lead(shown)) <= 80
        check_blocks(messages.taken_over(shown, (name,) * count, count).want()["blocks"], "message")
    assert f"and {count - 1} more" in messages.lead(view)
    check_blocks(messages.down_message([(name, title)] * count, count, messages.lead(view), 1).want()["blocks"], "message")
    check_blocks(messages.call_message(view, mention="<@U0OMAR>", role="backup", round=1, calls_before=0).want()["blocks"], "message")
