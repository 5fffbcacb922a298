"""The words of an incident, wherever they are said: in its thread, or by its number."""

from __future__ import annotations

from sqlalchemy import select

from bot.clock import MovedClock
from bot.tables import FollowUp, Incident, IncidentItem, Person, TimelineEntry
from tests.handover.kit import find, say
from tests.kit.house import town


async def test_a_word_works_in_the_thread_and_by_number(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        await say(t, "omar", "incident open support-triage wrong refunds since noon")
        # By its number, from anywhere.
        assert "Noted" in await say(t, "lea", "incident 1 note the vendor confirmed it")
        assert "Done, in incident #1" in await say(t, "omar", "incident 1 assign 1 to <@U0LEA>")
        assert "incident 3 note and now" in await say(t, "omar", "note and now")
        for words in ("incident 1 note by number", "note #1 by mark", "incident 1 update half of it is rebuilt", "incident 1 followup <@U0LEA> test every prompt"):
            assert "thread of an incident" not in await say(t, "omar", words), words
        # In its thread, by a mention; what wants a form answers with the button that opens it.
        root = find(t.ws.messages("support-ai"), "Incident #1")
        await t.ws.say("lea", "support-ai", "<@U0AIOPS> note in the thread", thread_ts=root["ts"])
        await t.settle()
        await t.ws.say("lea", "support-ai", "<@U0AIOPS> agent add")
        await t.settle()
        note = t.ws.ephemerals("lea")[-1]
        assert "surface.form" in str(note)
        entries = await t.read(lambda tx: list(tx.scalars(select(TimelineEntry.words).where(TimelineEntry.incident_id == 1))))
        assert [each for each in entries if each.startswith("noted: ")] == ["noted: the vendor confirmed it", "noted: by number", "noted: by mark", "noted: in the thread"]
        lea = await t.read(lambda tx: tx.scalars(select(FollowUp.owner_id)).one())
        assert await t.read(lambda tx: tx.scalars(select(IncidentItem.assignee_id).where(IncidentItem.incident_id == 1, IncidentItem.position == 0)).one()) == lea
        message = note.get("message", note)
        await t.ws.press("lea", "support-ai", message["ts"], "surface.form")
        await t.settle()
        assert "Add an agent" in str(t.ws.views("lea")[-1])


async def test_in_an_incidents_thread_roles_are_named_by_words_and_what_is_not_understood_is_answered_with_its_words(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        await say(t, "omar", "incident open support-triage wrong refunds since noon")
        root = find(t.ws.messages("support-ai"), "Incident #1")

        async def mention(who: str, words: str) -> str:
            before = len(t.ws.ephemerals(who))
            await t.ws.say(who, "support-ai", f"<@U0AIOPS> {words}", thread_ts=root["ts"])
            await t.settle()
            return "".join(str(each) for each in t.ws.ephemerals(who)[before:])

        # Omar names Lea; it is not he who leads then.
        await mention("omar", "lead <@U0LEA>")
        await mention("omar", "scribe <@U0OMAR>")
        named = await t.read(lambda tx: [tx.get_one(Person, each).name for incident in tx.scalars(select(Incident)) for each in (incident.lead_id, incident.scribe_id) if each])
        assert named == ["Lea Khoury", "Omar Nassar"]
        shown = str(find(t.ws.messages("support-ai"), "Incident #1"))
        assert "*Lead*\\nLea Khoury" in shown
        assert "*Scribe and owner*\\nOmar Nassar, Maya Haddad" in shown
        assert "is the lead already" in await mention("omar", "lead <@U0LEA>")
        assert "full member" in await mention("omar", "scribe <@U0GINA>")
        assert "full member" in await mention("omar", "followup <@U0GINA> test every prompt")
        assert "incidents.roles" in await mention("omar", "roles")
        # What is needed in the middle of an incident, not a page about everything.
        for words in ("", "resolve it please <!channel>"):
            told = await mention("omar", words)
            assert "assign 3 to @lea" in told, words
            assert "/aiops sprint" not in told
            assert "<!channel>" not in told
        assert "/aiops sprint" in await mention("omar", "help")


async def test_what_people_type_is_shown_as_they_typed_it_and_pings_nobody(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        await say(t, "omar", "incident open support-triage wrong refunds &amp; prices &lt;50")  # as Slack sends it
        root = find(t.ws.messages("support-ai"), "Incident #1")
        await t.ws.say("omar", "support-ai", "<@U0AIOPS> note R&amp;D said a &lt; b &lt;!channel&gt;", thread_ts=root["ts"])
        await t.ws.say("omar", "support-ai", "<@U0AIOPS> done 9 see <https://example.com/a?b=c&amp;d=e>", thread_ts=root["ts"])
        marked = await t.ws.say("lea", "support-ai", "it was Q&amp;A", thread_ts=root["ts"])
        await t.settle()
        await t.ws.react("lea", "support-ai", marked["ts"], "pushpin")
        await t.settle()
        told = await t.read(lambda tx: (tx.get_one(Incident, 1).title, list(tx.scalars(select(TimelineEntry.words).order_by(TimelineEntry.id)))))
        assert told[0] == "wrong refunds & prices <50"
        assert "noted: R&D said a < b <!channel>" in told[1]
        assert any("Q&A" in words for words in told[1])
        assert await t.read(lambda tx: tx.scalars(select(IncidentItem.answer).where(IncidentItem.position == 8)).one()) == "https://example.com/a?b=c&d=e"
        shown = await say(t, "omar", "incident 1")
        assert "R&amp;D said a &lt; b &lt;!channel&gt;" in shown
        assert "<!channel>" not in shown
