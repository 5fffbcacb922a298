"""A long output is cut where it is judged, and read whole with a press."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from bot.blocks import quote
from bot.clock import MovedClock
from bot.db import Database
from bot.feedback import messages, slack
from bot.feedback.messages import ReviewItem, Shown, output_message, pieces, read_view, review_message
from bot.surface.press import Ask
from bot.workspace.blocks import check_view
from tests.feedback.scene import make_agent, make_output, make_person, press


@given(st.text(alphabet=st.sampled_from("ab &<>\n🙂*`"), max_size=9000))
def test_all_of_a_text_is_shown_in_pieces_that_fit_and_nothing_is_lost(text: str) -> None:
    found = pieces(text, 45_000)
    assert "".join(found) == text.strip()
    assert all(quote(piece, messages.PIECE * 2) == quote(piece, 10**6) for piece in found)
    assert all(len(quote(piece, 10**6)) <= 3000 for piece in found)


def test_whoever_judges_a_long_output_can_read_it_all(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    long = "\n".join(f"{number}. Refunds & <returns> take five days." for number in range(200))
    with db.transaction() as tx:
        agent, lea = make_agent(tx, now), make_person(tx, "lea", now)
        output = make_output(tx, agent, now, long, input="What about " + "this " * 400)
        answer = slack.read(tx, press(lea, now, "feedback.read", f"output:{output.id}"))
        assert isinstance(answer, Ask)
        check_view(answer.view, "modal")
        said = json.dumps(answer.view)
        assert "199. Refunds &amp; &lt;returns&gt; take five days." in said
        assert said.count("this") == 400
        hidden = make_output(tx, make_agent(tx, now, "payroll", data={"class": "restricted"}), now, long)
        kept = slack.read(tx, press(lea, now, "feedback.read", f"output:{hidden.id}"))
        assert isinstance(kept, Ask)
        assert "Refunds" not in json.dumps(kept.view)
        assert "kept out of Slack" in json.dumps(kept.view)


def test_the_press_stands_only_where_something_was_cut() -> None:
    short, cut, gone = (Shown(7, "Triage", "reply", text, None, hidden=text is None) for text in ("Five days.", "x" * 1900, None))
    for shown, pressable in ((short, False), (cut, True), (gone, False)):
        for said in (output_message(shown, 0), review_message([ReviewItem(1, shown, "asked")])):
            assert ("feedback.read" in json.dumps(said.blocks)) is pressable
    question = Shown(7, "Triage", "reply", "Five days.", None, asked="why " * 300)
    assert "feedback.read" in json.dumps(review_message([ReviewItem(1, question, "asked")]).blocks)
    check_view(read_view(Shown(7, "Triage <x>", "reply", "<&>" * 33_000, None, asked="&" * 100_000)), "modal")
    assert "54,000 more characters do not fit in here." in json.dumps(read_view(Shown(7, "Triage", "reply", "<&>" * 33_000, None)))
