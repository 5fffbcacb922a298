from __future__ import annotations

from bot.surface.press import Ask, Mend, Quiet
from tests.incidents.acts import ROOT, close, do_all, follow_up, follow_ups, incident, items, opened, timeline
from tests.paging.world import World, text_of


def nags(world: World, words: str = "step 1 ") -> list[str]:
    return [line for line in world.lines(ROOT) if words in line and "due" in line]


def test_a_step_that_is_due_nags_its_assignee_then_the_lead_then_the_business_owner(world: World) -> None:
    world.run("failed")
    world.press("ben", "incidents.open", "page:1")
    world.move(minutes=14)
    assert nags(world) == []
    world.move(minutes=2)
    assert [line[:8] for line in nags(world)] == ["<@U0OMAR"]
    world.move(minutes=10)
    assert len(nags(world)) == 1
    world.move(minutes=21)
    world.move(minutes=31)
    assert [line[:8] for line in nags(world)] == ["<@U0OMAR", "<@U0BEN>", "<@U0MAYA"]
    world.move(hours=2)
    assert len(nags(world)) == 3
    world.press("omar", "incidents.done", f"item:{items(world)[1].id}")
    world.move(days=2)
    assert len(nags(world)) == 3
    assert len(nags(world, "step 2 ")) >= 3


def test_a_nag_passes_over_a_rung_that_is_the_same_person(world: World) -> None:
    opened(world)  # Omar leads, and the first step is the operations owner's: Omar's
    world.move(minutes=16)
    world.move(minutes=31)
    assert [line[:8] for line in nags(world)] == ["<@U0OMAR", "<@U0MAYA"]


def test_a_status_update_is_asked_for_on_its_rhythm_and_told_to_all(world: World) -> None:
    opened(world)
    for _ in range(4):
        world.move(minutes=16)
    asked = [line for line in world.lines(ROOT) if "how does incident #1 stand" in line]
    assert len(asked) == 1
    assert asked[0].startswith("<@U0OMAR>: how does incident #1 stand? The last word was <!date^")
    form = world.press("omar", "incidents.status", "incident:1")
    assert isinstance(form, Ask)
    assert world.press("omar", "incidents.status", form.view["private_metadata"], how="view", values={"words": " "}) == Mend({"words": "Say in two sentences how it stands."})
    assert world.press("omar", "incidents.status", form.view["private_metadata"], how="view", values={"words": "half <!here> is back"}) == Quiet()
    assert ":loudspeaker: *Status*, by Omar\n> half &lt;!here&gt; is back" in world.lines(ROOT)[-1]
    assert timeline(world)[-1] == "told how it stands: half <!here> is back"
    for _ in range(2):
        world.move(minutes=20)
    assert len([line for line in world.lines(ROOT) if "how does incident #1 stand" in line]) == 1
    thread = world.row(ROOT).ts
    assert world.say("ben", "update all of it is back", how="mention", thread_ts=thread, message_ts="5.5") == "Quiet"


def test_an_update_told_late_to_a_closed_incident_is_kept_and_asks_for_nothing(world: World) -> None:
    opened(world)
    thread = world.row(ROOT).ts
    do_all(world)
    follow_up(world)
    world.run("ok")
    close(world)
    assert incident(world).closed_at is not None
    due = incident(world).look_at
    assert "is closed already. Your words stand in its thread" in world.say("ben", "update half of it was rebuilt", how="mention", thread_ts=thread, message_ts="5.5")
    assert "> half of it was rebuilt" in world.lines(ROOT)[-1]
    assert "The next one" not in world.lines(ROOT)[-1]
    assert timeline(world)[-1] == "told how it stands: half of it was rebuilt"
    assert incident(world).look_at == due


def test_empty_roles_are_asked_about_until_they_are_somebodys(world: World) -> None:
    opened(world)
    world.move(minutes=16)
    asked = [line for line in world.lines(ROOT) if "keeps the timeline" in line]
    assert asked == ["<@U0OMAR>: in incident #1 nobody keeps the timeline (scribe). Name them, or take them yourself."]
    world.move(hours=5)
    assert len([line for line in world.lines(ROOT) if "keeps the timeline" in line]) == 2
    form = world.press("omar", "incidents.roles", "incident:1")
    assert isinstance(form, Ask)
    answer = world.press("omar", "incidents.roles", form.view["private_metadata"], how="view", values={"lead": "U0OMAR", "scribe": "U0GUS", "owner": ""})
    assert answer == Mend({"scribe": "Name a full member of this workspace."})
    assert world.press("omar", "incidents.roles", form.view["private_metadata"], how="view", values={"lead": "U0OMAR", "scribe": "U0BEN", "owner": ""}) == Quiet()
    assert incident(world).scribe_id == world.do(lambda tx: world.person(tx, "ben").id)
    assert "Omar named <@U0BEN> as scribe." in world.lines(ROOT)
    world.move(hours=9)
    assert len([line for line in world.lines(ROOT) if "keeps the timeline" in line]) == 2


def test_steps_are_given_to_people_by_mention_or_form(world: World) -> None:
    opened(world)
    thread = world.row(ROOT).ts
    assert world.say("omar", "assign 3 to <@U0LEA>", how="mention", thread_ts=thread, message_ts="1.1") == "Step 3 is Lea's now."
    assert any(line.startswith("<@U0LEA>, step 3 is yours now, given by Omar") for line in world.lines(ROOT))
    assert "theirs already" in world.say("omar", "assign 3 to <@U0LEA>", how="mention", thread_ts=thread, message_ts="1.2")
    assert "full member" in world.say("omar", "assign 3 to <@U0GUS>", how="mention", thread_ts=thread, message_ts="1.3")
    assert "Write a step's number" in world.say("omar", "assign 99 to <@U0LEA>", how="mention", thread_ts=thread, message_ts="1.4")
    assert "thread of an incident" in world.say("omar", "assign 3 to <@U0LEA>")
    form = world.press("omar", "incidents.item", f"assign:{items(world)[4].id}")
    assert isinstance(form, Ask)
    assert world.press("omar", "incidents.assign", form.view["private_metadata"], how="view", values={"person": "U0BEN"}) == Quiet()
    assert items(world)[4].assignee_id == world.do(lambda tx: world.person(tx, "ben").id)
    assert world.say("ben", "assign 5 to me", how="mention", thread_ts=thread, message_ts="1.5") == "Step 5 is Ben's now."


def test_the_root_links_its_checklist_once_it_stands(world: World) -> None:
    opened(world)
    world.move(seconds=11)
    stands = world.row("incident:1:checklist")
    assert f"https://slack.com/archives/{stands.channel}/p{str(stands.ts).replace('.', '')}|The checklist>" in str(world.row(ROOT).want["blocks"])


def test_a_follow_up_reminds_its_owner_and_goes_up_to_the_business_owner(world: World) -> None:
    opened(world)
    do_all(world)
    follow_up(world)
    world.run("ok")
    assert close(world) == Quiet()
    row = follow_ups(world)[0]
    assert row.due_at.isoformat() == "2026-12-04T18:00:00+00:00"
    assert "1. Test every prompt against old orders (Support triage, Lea, due <!date^" in world.say("ben", "followups")
    assert "No follow-up is open for you." in world.say("ben", "followups mine")
    world.move(days=14, hours=11)
    assert world.lines(ROOT)[-1].startswith("<@U0LEA>, this follow-up was due")
    world.move(days=3)
    assert world.lines(ROOT)[-1].startswith("<@U0MAYA>: a follow-up of Lea was due")
    world.move(days=10)
    assert len([line for line in world.lines(ROOT) if "follow-up" in line and "was due" in line]) == 2
    assert "1 late" in world.say("ben", "followups support triage")
    assert "closed or changed by whoever has it" in text_of(world.press("ben", "followups.done", f"followup:{row.id}"))
    form = world.press("maya", "followups.change", f"followup:{row.id}")
    assert isinstance(form, Ask)
    change = lambda **values: world.press("maya", "followups.change", form.view["private_metadata"], how="view", values=values)  # noqa: E731
    assert change(person="U0GUS", due="2027-01-20") == Mend({"person": "Name a full member of this workspace."})
    assert change(person="U0BEN", due="2026-12-01") == Mend({"due": "That day is over: choose a later one."})
    assert change(person="U0BEN", due="2027-01-20") == Quiet()
    done = world.press("ben", "followups.done", f"followup:{row.id}")
    assert isinstance(done, Ask)
    assert next(block["element"]["initial_value"] for block in done.view["blocks"] if block.get("block_id") == "version") == "prompt-14"
    assert world.press("ben", "followups.done", f"followup:{row.id}", how="view", values={"evidence": "", "version": ""}) == Mend({"evidence": "Say what shows that it is done: a link, or what you saw."})
    assert world.press("ben", "followups.done", f"followup:{row.id}", how="view", values={"evidence": "the test runs", "version": "prompt-15"}) == Quiet()
    assert "No follow-up is open." in world.say("ben", "followups")
    assert "is open again" in world.say("ben", f"followups reopen {row.id} the test was never merged")
    assert "no longer known" in text_of(world.press("ben", "followups.done", "followup:99"))


def test_the_review_is_a_file_with_exact_times_and_what_held(world: World) -> None:
    opened(world)
    world.press("omar", "paging.acknowledge", "page:1")
    world.move(minutes=25)
    do_all(world)
    follow_up(world, words="Test *every* prompt | again")
    world.run("ok")
    assert "The review of incident #1 is written, and goes into its thread now as a file (or as text" in text_of(world.press("ben", "incidents.review", "incident:1"))
    assert "already: nothing happened since" in text_of(world.press("ben", "incidents.review", "incident:1"))
    close(world)
    world.press("ben", "incidents.review", "incident:1")
    files = [row for row in world.rows("incident:1:review:") if row.kind == "file"]
    assert [row.want["name"] for row in files] == ["incident-1-review.md"] * 2
    text = files[-1].want["content"]
    assert "| It began | Fri 2026-11-20 08:00:00 UTC (+0000) |" in text
    assert "| Time until somebody answered (MTTA) | 0 seconds |" in text
    assert "| Time until it was well again (MTTR) | 25 minutes |" in text
    assert "Step 1 (Stop the harm: put the agent under human review, or stop it, if what it makes can do damage.) was 10 minutes late" in text
    assert "Test \\*every\\* prompt \\| again" in text
    assert "- Omar: " in text
    assert "- Fri 2026-11-20 08:00:00 UTC (+0000): Omar acknowledged the page" in text
    assert "Support triage: well again. The last run was ok" in text
    assert "closed Fri 2026-11-20 08:25:00 UTC (+0000) by Omar" in text
    assert world.say("ben", "review 1", how="mention").startswith("The review of incident #1")
