"""The page of the local workspace in a real browser, against a small fixture server."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser import fixture_messages as made
from tests.browser.fixture_ui import FixtureServer

pytestmark = pytest.mark.browser


def expect(target: Any) -> Any:
    from playwright.sync_api import expect as playwright_expect

    return playwright_expect(target)


def visit(page: Any, ui: FixtureServer, place: str = "C0SUPPORT") -> Any:
    page.goto(f"{ui.url}/#/{place}")
    page.locator("#main .message, #main .home .block").first.wait_for()
    return page.locator("#main")


def block_message(page: Any, index: int) -> Any:
    return page.locator("#main .message").nth(index)


def open_form(page: Any, ui: FixtureServer) -> Any:
    visit(page, ui)
    ui.tell(type="view_opened", view=made.FORM)
    dialog = page.locator("dialog.modal[open]")
    dialog.wait_for()
    return dialog


# finding one's way --------------------------------------------------------------------------------------------
def test_the_sidebar_names_channels_people_and_apps_and_shows_what_is_unread(page: Any, ui: FixtureServer) -> None:
    visit(page, ui, "C0BLOCKS")
    side = page.get_by_role("navigation")
    expect(side.get_by_role("heading", name="Channels")).to_be_visible()
    expect(side.get_by_role("heading", name="Direct messages")).to_be_visible()
    expect(side.get_by_role("heading", name="Apps")).to_be_visible()
    expect(side.get_by_role("button", name=re.compile("support-ai.*1 mention"))).to_have_class(re.compile("unread"))
    expect(side.get_by_role("button", name=re.compile("every-block"))).to_have_attribute("aria-current", "page")
    expect(side.get_by_text("not-joined-yet")).to_have_count(0)


def test_opening_a_channel_marks_it_read_and_draws_the_new_line_above_what_is_new(page: Any, ui: FixtureServer) -> None:
    main = visit(page, ui)
    expect(main.get_by_role("separator", name="New messages")).to_have_count(1)
    after = main.locator(".new-line + .message")
    expect(after).to_contain_text("Reply to order 88-1204")
    expect(page.get_by_role("navigation").get_by_role("button", name="support-ai")).not_to_have_class(re.compile("unread"))
    assert ui.last("read")["channel"] == "C0SUPPORT"


def test_looking_as_someone_else_reloads_in_their_name_and_is_remembered(page: Any, ui: FixtureServer) -> None:
    visit(page, ui)
    page.get_by_role("button", name=re.compile("View as: Omar Haddad")).click()
    choice = page.get_by_role("menuitemradio", name=re.compile("Lea Nasser"))
    expect(choice).to_contain_text("Support agent, second shift")
    choice.click()
    expect(page.get_by_role("button", name=re.compile("View as: Lea Nasser"))).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name=re.compile("View as: Lea Nasser"))).to_be_visible()


def test_times_are_shown_in_the_zone_of_the_person_looking_not_of_the_browser(page: Any, ui: FixtureServer) -> None:
    ui.post("C0LONG", "U0LEA", "<!date^1732100000^{date_num} {time}|old>", at=1732100000)
    main = visit(page, ui, "C0LONG")
    message = main.locator(".message").first
    expect(message).to_contain_text("2024-11-20 12:53 PM")
    expect(message.locator(".message-time")).to_have_text("12:53 PM")


def test_the_quick_switcher_goes_anywhere_by_keyboard(page: Any, ui: FixtureServer) -> None:
    visit(page, ui)
    page.keyboard.press("Control+k")
    page.keyboard.type("every")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("every-block")
    page.keyboard.press("Control+k")
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)


def test_the_welcome_card_names_the_demo_once(page: Any, ui: FixtureServer) -> None:
    ui.demo = {"title": "This is a local workspace with a demo fleet", "note": "Nothing leaves this machine. Try: open <#C0SUPPORT>."}
    visit(page, ui)
    card = page.get_by_role("region", name="Welcome")
    expect(card).to_contain_text("Nothing leaves this machine. Try: open #support-ai.")
    expect(page.get_by_text("The history here is synthetic.")).to_be_visible()
    ui.demo["note"] = "All history is synthetic."
    page.reload()
    expect(card).to_contain_text(re.compile(r"All history is synthetic.\s*Try: open #\S+ and press a button there; type .aiops status; look as somebody else"))
    card.get_by_role("button", name="Dismiss the welcome").click()
    page.reload()
    page.locator("#main .message").first.wait_for()
    expect(card).to_have_count(0)


def test_an_app_has_a_home_and_messages(page: Any, ui: FixtureServer) -> None:
    visit(page, ui)
    page.get_by_role("navigation").get_by_role("button", name="AIOps").click()
    expect(page.get_by_role("tab", name="Home")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("heading", name="Your agents")).to_be_visible()
    ui.tell(type="home", app_id="A0AIOPS", view={**made.HOME, "blocks": [{"type": "header", "block_id": "n", "text": made.plain("Newly published")}]})
    expect(page.get_by_role("heading", name="Newly published")).to_be_visible()
    page.get_by_role("tab", name="Messages").click()
    expect(page.locator("#main")).to_contain_text("I call you when an agent of yours needs you")


def test_a_channel_not_joined_can_be_joined(page: Any, ui: FixtureServer) -> None:
    visit(page, ui)
    page.get_by_role("button", name="Join a channel").click()
    page.get_by_role("menuitem", name=re.compile("#not-joined-yet")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("not-joined-yet")
    assert ui.last("join")["channel"] == "C0OPEN"


# messages -----------------------------------------------------------------------------------------------------
def test_messages_of_one_author_are_grouped_under_one_name_between_day_dividers(page: Any, ui: FixtureServer) -> None:
    main = visit(page, ui)
    second = main.locator(".message", has_text="two of the answers were outdated")
    expect(second).to_have_class(re.compile("grouped"))
    expect(second).to_contain_text("(edited)")
    expect(main.locator(".day").last).to_be_attached()


def test_a_conversation_begins_by_saying_what_it_is(page: Any, ui: FixtureServer) -> None:
    main = visit(page, ui, "D0MAYA")
    expect(main.get_by_role("heading", level=2, name="Maya Khoury")).to_be_visible()
    expect(main.get_by_text("This conversation is just between you and Maya Khoury.")).to_be_visible()


def test_what_arrives_while_a_conversation_is_being_read_is_not_lost(page: Any, ui: FixtureServer) -> None:
    visit(page, ui)
    ui.held.add("D0MAYA")
    page.get_by_role("navigation").get_by_role("button", name=re.compile("Maya Khoury")).click()
    page.get_by_role("textbox", name="Message Maya Khoury").wait_for()
    ui.tell(type="message", channel="D0MAYA", message={"type": "message", "ts": f"{ui.now}.000900", "user": "U0MAYA", "text": "in between"})
    expect(page.locator("#main .message").last).to_contain_text("in between")
    ui.release.set()
    expect(page.locator("#main .message")).to_have_count(2)
    expect(page.locator("#main .message").last).to_contain_text("in between")


def test_enter_sends_and_shift_enter_makes_a_line(page: Any, ui: FixtureServer) -> None:
    main = visit(page, ui)
    box = main.get_by_role("textbox", name="Message #support-ai")
    box.fill("first")
    box.press("Shift+Enter")
    box.type("second")
    box.press("Enter")
    expect(main.locator(".message").last).to_contain_text("first")
    expect(box).to_have_value("")
    assert ui.last("post") == {"as": "U0OMAR", "channel": "C0SUPPORT", "text": "first\nsecond"}


def test_slash_and_at_suggest_commands_and_people(page: Any, ui: FixtureServer) -> None:
    main = visit(page, ui)
    box = main.get_by_role("textbox", name="Message #support-ai")
    box.type("/ai")
    expect(main.get_by_role("option", name=re.compile(r"aiops \[status"))).to_be_visible()
    box.press("Tab")
    expect(box).to_have_value("/aiops ")
    expect(main.get_by_text("Usage: /aiops [status")).to_be_visible()
    box.type("status")
    box.press("Enter")
    expect(box).to_have_value("")
    assert ui.last("post")["text"] == "/aiops status"
    box.type("ask @le")
    expect(main.get_by_role("option", name=re.compile("Lea Nasser"))).to_be_visible()
    box.press("Enter")
    expect(box).to_have_value("ask @lea ")


def test_what_the_server_refuses_is_said_and_the_words_are_kept(page: Any, ui: FixtureServer) -> None:
    ui.answers["post"] = {"ok": False, "error": "/nope is not a command that any app here knows."}
    main = visit(page, ui)
    box = main.get_by_role("textbox", name="Message #support-ai")
    box.fill("/nope")
    box.press("Enter")
    expect(main.get_by_text("is not a command that any app here knows")).to_be_visible()
    expect(box).to_have_value("/nope")


def test_a_thread_opens_beside_and_replies_go_into_it(page: Any, ui: FixtureServer) -> None:
    main = visit(page, ui)
    main.get_by_role("button", name=re.compile("2 replies")).click()
    thread = page.get_by_role("complementary", name="Thread")
    expect(thread.locator(".message")).to_have_count(3)
    reply = thread.get_by_role("textbox", name="Reply…")
    expect(reply).to_be_focused()
    reply.fill("Done here")
    reply.press("Enter")
    expect(thread.locator(".message")).to_have_count(4)
    expect(main.get_by_role("button", name=re.compile("3 replies"))).to_be_visible()
    assert "thread_ts" in ui.last("post")
    reply.fill("/aiops status")
    reply.press("Enter")
    expect(thread.get_by_text("Slash commands do not work in threads")).to_be_visible()
    page.keyboard.press("Escape")
    expect(thread).to_be_hidden()


def test_reactions_are_added_and_taken_back(page: Any, ui: FixtureServer) -> None:
    main = visit(page, ui)
    message = main.locator(".message", has_text="Reply to order")
    message.get_by_role("button", name=re.compile("thumbsup reaction, 1. You reacted")).click()
    assert ui.last("react")["remove"] is True
    message.hover()
    message.get_by_role("toolbar").get_by_role("button", name="Add reaction").click()
    page.get_by_role("searchbox", name="Search emoji").fill("pushp")
    page.get_by_role("button", name="pushpin", exact=True).click()
    call = ui.last("react", 2)
    assert (call["name"], call["remove"]) == ("pushpin", False)
    ts = call["ts"]
    ui.tell(type="reaction", channel="C0SUPPORT", ts=ts, reactions=[{"name": "pushpin", "count": 2, "users": ["U0OMAR", "U0LEA"]}])
    expect(message.get_by_role("button", name=re.compile("pushpin reaction, 2. You and Lea Nasser"))).to_have_attribute("aria-pressed", "true")


def test_the_message_menu_lists_the_apps_shortcuts(page: Any, ui: FixtureServer) -> None:
    main = visit(page, ui)
    message = main.locator(".message", has_text="Reply to order")
    message.hover()
    message.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name=re.compile("Rate this output")).click()
    call = ui.last("shortcut")
    assert (call["callback_id"], call["app_id"], call["channel"]) == ("rate_output", "A0AIOPS", "C0SUPPORT")


def test_ephemeral_messages_say_so_and_changes_and_deletions_arrive(page: Any, ui: FixtureServer) -> None:
    main = visit(page, ui)
    note = {"type": "message", "ts": f"{ui.now}.000200", "user": "U0BOT", "text": "Your vote counts."}
    ui.tell(type="ephemeral", channel="C0SUPPORT", message=note)
    expect(main.locator(".message.ephemeral")).to_contain_text("Only visible to you")
    ui.tell(type="changed", channel="C0SUPPORT", message={**note, "is_ephemeral": True, "text": "Your vote was changed."})
    expect(main.locator(".message.ephemeral")).to_contain_text("was changed")
    ui.tell(type="deleted", channel="C0SUPPORT", ts=note["ts"])
    expect(main.locator(".message.ephemeral")).to_have_count(0)


def test_five_hundred_messages_are_paged_in_while_scrolling_back_and_one_press_returns(page: Any, ui: FixtureServer) -> None:
    main = visit(page, ui, "C0MANY")
    expect(main.get_by_text("message number 499", exact=True)).to_be_visible()
    assert main.locator(".message").count() < 200
    while (before := main.locator(".message").count()) < 500:
        page.evaluate("document.querySelector('#main .scroller').scrollTop = -1e7")
        page.wait_for_function("(before) => document.querySelectorAll('#main .message').length > before", arg=before)
    expect(main.get_by_text("message number 0", exact=True)).to_be_attached()
    expect(main.locator(".message")).to_have_count(500)
    main.get_by_role("button", name="Jump to latest").click()
    expect(main.get_by_text("message number 499", exact=True)).to_be_in_viewport()


def test_someone_reading_old_messages_is_not_pulled_away_but_told(page: Any, ui: FixtureServer) -> None:
    main = visit(page, ui, "C0MANY")
    page.evaluate("document.querySelector('#main .scroller').scrollTop = -500")
    before = page.evaluate("document.elementFromPoint(700, 300).closest('.message')?.getBoundingClientRect().top")
    ui.tell(type="message", channel="C0MANY", message=ui.post("C0MANY", "U0LEA", "a new one", at=ui.now))
    expect(main.get_by_role("button", name="1 new message")).to_be_visible()
    after = page.evaluate("document.elementFromPoint(700, 300).closest('.message')?.getBoundingClientRect().top")
    assert abs(before - after) < 2


def test_hostile_text_stays_text(page: Any, ui: FixtureServer) -> None:
    ui.channels[0]["topic"] = made.HOSTILE
    ui.people[2]["display_name"] = "<img src=x onerror=window.pwned=1>"
    main = visit(page, ui, "C0LONG")
    message = main.locator(".message").first
    expect(message).to_contain_text("<script>window.pwned=1</script>")
    expect(message).to_contain_text("<b onclick=alert(1)>not bold</b>")
    expect(message.locator("script, img, b")).to_have_count(0)
    assert message.locator("a").evaluate_all("links => links.every((link) => /^https?:/.test(link.href) && !link.getAttributeNames().some((name) => name.startsWith('on')))")
    visit(page, ui)
    assert page.evaluate("window.pwned") is None


def test_long_words_never_make_the_page_wider_than_the_window(page: Any, ui: FixtureServer) -> None:
    page.set_viewport_size({"width": 380, "height": 700})
    visit(page, ui, "C0LONG")
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
    assert page.evaluate("(() => { const pane = document.querySelector('#main .scroller'); return pane.scrollWidth <= pane.clientWidth; })()")


# blocks -------------------------------------------------------------------------------------------------------
def test_every_kind_of_block_is_drawn(page: Any, ui: FixtureServer) -> None:
    main = visit(page, ui, "C0BLOCKS")
    expect(main.locator(".message")).to_have_count(len(made.BLOCKS) + 1)
    kinds = {block["type"] for blocks in made.BLOCKS.values() for block in blocks} - {"hologram"}
    for kind in sorted(kinds):
        assert main.locator(f".block-{kind}").count() >= 1, kind
    expect(main.get_by_text('This page cannot show a "hologram" block.')).to_be_attached()
    expect(main.get_by_text("This page cannot show", exact=False)).to_have_count(1)


def test_mrkdwn_is_complete(page: Any, ui: FixtureServer) -> None:
    visit(page, ui, "C0BLOCKS")
    words = block_message(page, 0).locator(".words").first
    for tag, text in [("strong", "bold"), ("em", "italic"), ("s", "strike"), ("code", "code"), ("pre", "fenced *not bold*"), ("a", "link"), ("blockquote", "quoted line")]:
        expect(words.locator(tag).first).to_have_text(text)
    expect(words).to_contain_text("@Lea Nasser #support-ai")
    expect(words.get_by_role("img", name="large green circle emoji")).to_have_text("🟢")
    expect(words).to_contain_text("3 < 4 & 5 > 2")


def test_rich_text_and_markdown_keep_their_styles(page: Any, ui: FixtureServer) -> None:
    visit(page, ui, "C0BLOCKS")
    rich = block_message(page, 3)
    for tag in ("strong", "em", "s", "code", "blockquote", "pre", "ul li", "ol li"):
        assert rich.locator(tag).count() >= 1, tag
    expect(rich).to_contain_text("2024-11-20")
    words = block_message(page, 4)
    expect(words.get_by_role("heading", name="What changed")).to_be_attached()
    expect(words.locator("ol > li")).to_have_count(2)
    expect(words.locator("table td").last).to_have_text("0.86")
    expect(words.locator("pre")).to_have_text("print('hi')")
    expect(words.get_by_role("link", name="The report")).to_have_attribute("href", "https://example.com/report")


def test_a_data_table_has_pages_and_can_be_sorted(page: Any, ui: FixtureServer) -> None:
    visit(page, ui, "C0BLOCKS")
    table = page.locator(".data-table")
    expect(table.locator("caption")).to_have_text("Scores of the fleet")
    expect(table.locator("tbody tr")).to_have_count(5)
    table.get_by_role("button", name="Next page").click()
    expect(table.locator("tbody tr")).to_have_count(2)
    table.get_by_role("button", name="Score").click()
    expect(table.locator("tbody tr").first).to_contain_text("Returns")
    expect(table.get_by_role("columnheader", name="Score")).to_have_attribute("aria-sort", "ascending")


def test_charts_have_words_and_numbers_for_those_who_cannot_see_them(page: Any, ui: FixtureServer) -> None:
    visit(page, ui, "C0BLOCKS")
    expect(page.get_by_role("img", name=re.compile(r"Quality this week \(line\)\. line chart with 2 series and 5 points"))).to_be_attached()
    expect(page.get_by_role("img", name=re.compile("Where the money went. Pie chart with 3 parts"))).to_be_attached()
    expect(page.locator(".data-visualization table").first.get_by_role("row", name="Fri 0.72 0.85")).to_be_attached()


def test_a_press_tells_the_app_and_shows_a_spinner_until_it_answers(page: Any, ui: FixtureServer) -> None:
    visit(page, ui, "C0BLOCKS")
    button = block_message(page, 2).get_by_role("button", name="Slow")
    button.click()
    frame = button.locator("xpath=..")
    expect(frame).to_have_attribute("aria-busy", "true")
    ui.release.set()
    expect(frame).not_to_have_attribute("aria-busy", "true")
    call = ui.last("press")
    assert call["container"]["channel"] == "C0BLOCKS"
    assert (call["block_id"], call["action"]["action_id"], call["action"]["type"], call["action"]["value"]) == ("all", "slow", "button", "slow")


def test_an_app_that_does_not_answer_leaves_a_warning_beside_the_button(page: Any, ui: FixtureServer) -> None:
    visit(page, ui, "C0BLOCKS")
    block_message(page, 2).get_by_role("button", name="Never answers").click()
    expect(block_message(page, 2).get_by_role("alert")).to_have_text("This app did not respond")


def test_trouble_is_shown_where_the_button_was_pressed_also_in_a_thread(page: Any, ui: FixtureServer) -> None:
    ui.answers["press"] = {"ok": False, "error": "This app did not respond"}
    main = visit(page, ui)
    main.get_by_role("button", name=re.compile("2 replies")).click()
    thread = page.get_by_role("complementary", name="Thread")
    thread.get_by_role("button", name="Human review").click()
    expect(thread.get_by_role("alert")).to_have_text("This app did not respond")


def test_how_long_ago_something_was_stays_true(page: Any, ui: FixtureServer) -> None:
    page.clock.install(time=ui.now)
    main = visit(page, ui)
    expect(main.get_by_text("(1 hour ago)")).to_be_visible()
    page.clock.fast_forward("01:00:00")
    expect(main.get_by_text("(2 hours ago)")).to_be_visible()


def test_a_dangerous_button_asks_first(page: Any, ui: FixtureServer) -> None:
    main = visit(page, ui)
    main.get_by_role("button", name="Stop agent").click()
    question = page.get_by_role("alertdialog", name="Stop Support triage?")
    expect(question).to_contain_text("within 30 seconds")
    question.get_by_role("button", name="Keep it running").click()
    assert not [call for call in ui.calls if call[0] == "press"]
    main.get_by_role("button", name="Stop agent").click()
    question.get_by_role("button", name="Stop it").click()
    expect(question).to_have_count(0)
    assert ui.last("press")["action"]["action_id"] == "stop"


def test_feedback_thumbs_stay_pressed_also_when_the_message_is_painted_anew(page: Any, ui: FixtureServer) -> None:
    main = visit(page, ui)
    good = main.get_by_role("button", name="This output is good")
    good.click()
    expect(good).to_have_attribute("aria-pressed", "true")
    assert (ui.last("press")["action"]["type"], ui.last("press")["action"]["value"]) == ("feedback_buttons", "up")
    message = next(m for m in ui.messages["C0SUPPORT"] if m["text"].startswith("An output"))
    ui.tell(type="changed", channel="C0SUPPORT", message={**message, "blocks": [*message["blocks"], {"type": "context", "block_id": "n", "elements": [made.mrkdwn("1 of 1 good")]}]})
    expect(main.get_by_text("1 of 1 good")).to_be_visible()
    expect(good).to_have_attribute("aria-pressed", "true")
    main.get_by_role("button", name="This output is bad").click()
    expect(good).to_have_attribute("aria-pressed", "false")


@pytest.mark.parametrize(("name", "query", "pick", "field", "value"), [
    ("Pick a person", "lea", "Lea Nasser", "selected_user", "U0LEA"),
    ("Pick a conversation", "maya", "Maya Khoury", "selected_conversation", "D0MAYA"),
    ("Pick a channel", "support", "support-ai", "selected_channel", "C0SUPPORT"),
])
def test_selects_of_people_and_places_send_ids(page: Any, ui: FixtureServer, name: str, query: str, pick: str, field: str, value: str) -> None:
    visit(page, ui, "C0BLOCKS")
    block_message(page, 2).get_by_role("button", name=re.compile(name)).click()
    page.keyboard.type(query)
    expect(page.get_by_role("option", name=re.compile(pick))).to_be_visible()
    page.keyboard.press("Enter")
    expect(block_message(page, 2).get_by_role("button", name=re.compile(f"{name}: {pick}"))).to_be_visible()
    assert ui.last("press")["action"][field] == value


def test_external_and_multiple_selects_and_menus_send_their_options(page: Any, ui: FixtureServer) -> None:
    visit(page, ui, "C0BLOCKS")
    message = block_message(page, 2)
    message.get_by_role("button", name=re.compile("Search agents")).click()
    expect(page.get_by_text("Type at least 2 characters")).to_be_visible()
    page.keyboard.type("tri")
    page.get_by_role("option", name="tri agent").click()
    assert ui.last("press")["action"]["selected_option"]["value"] == "found"
    message.get_by_role("button", name=re.compile("Pick several")).click()
    for words in ("Wrong answer", "Tone"):
        page.get_by_role("option", name=re.compile(words)).click()
    page.keyboard.press("Escape")
    expect(message.get_by_role("button", name="Pick several: Wrong answer, Tone")).to_be_focused()
    assert [option["value"] for option in ui.last("press", 3)["action"]["selected_options"]] == ["wrong", "tone"]
    message.get_by_role("button", name="More options").click()
    page.get_by_role("menuitem", name="Two").click()
    assert ui.last("press", 4)["action"]["selected_option"]["value"] == "2"


def test_dates_times_radios_and_checkboxes_send_slacks_values(page: Any, ui: FixtureServer) -> None:
    visit(page, ui, "C0BLOCKS")
    message = block_message(page, 2)
    expect(message.locator("input[type=datetime-local]")).to_have_value("2024-11-20T12:53")
    message.locator("input[type=datetime-local]").fill("2024-11-20T13:00")
    message.locator("input[type=datetime-local]").blur()
    page.wait_for_function("() => true")
    expect(message.locator(".control.busy")).to_have_count(0)
    assert ui.last("press")["action"]["selected_date_time"] == 1732100400
    message.get_by_role("radio", name=re.compile("Outdated")).check()
    expect(message.locator(".control.busy")).to_have_count(0)
    assert ui.last("press")["action"]["selected_option"]["value"] == "outdated"
    block_message(page, 1).get_by_role("checkbox", name="Tone").check()
    expect(block_message(page, 1).locator(".control.busy")).to_have_count(0)
    assert [option["value"] for option in ui.last("press")["action"]["selected_options"]] == ["tone"]


# forms --------------------------------------------------------------------------------------------------------
def test_a_form_says_what_is_missing_before_it_is_sent(page: Any, ui: FixtureServer) -> None:
    dialog = open_form(page, ui)
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_text("Please complete this required field.")).to_have_count(2)
    dialog.get_by_label("In your words").fill("old")
    dialog.get_by_label("Minutes lost").fill("many")
    dialog.get_by_label("Answer to").fill("nobody")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_text("Please use at least 5 characters (currently 3).")).to_be_visible()
    expect(dialog.get_by_text("Please enter a whole number.")).to_be_visible()
    expect(dialog.get_by_text("Please enter a valid email address.")).to_be_visible()
    assert not [call for call in ui.calls if call[0] == "submit"]


def test_a_form_sends_slacks_state_and_shows_the_apps_errors_and_then_closes(page: Any, ui: FixtureServer) -> None:
    ui.answers["submit"] = {"ok": True, "response_action": "errors", "errors": {"words": "Please say which part."}}
    dialog = open_form(page, ui)
    dialog.get_by_role("button", name="Reason: Pick one").click()
    page.get_by_role("option", name=re.compile("Outdated")).click()
    dialog.get_by_label("In your words").fill("It was out of date")
    dialog.get_by_role("checkbox", name="You may ask me").check()
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_text("Please say which part.")).to_be_visible()
    values = ui.last("submit")["state"]["values"]
    assert values["reason"]["reason"]["selected_option"]["value"] == "outdated"
    assert values["words"]["words"] == {"type": "plain_text_input", "value": "It was out of date"}
    assert values["minutes"]["minutes"] == {"type": "number_input", "value": None}
    assert [one["value"] for one in values["ask"]["ask"]["selected_options"]] == ["yes"]
    ui.answers["submit"] = {"ok": True}
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)


def test_an_updated_form_keeps_what_was_typed_and_where_one_is(page: Any, ui: FixtureServer) -> None:
    dialog = open_form(page, ui)
    field = dialog.get_by_label("In your words")
    field.fill("Half a sentence")
    ui.tell(type="view_updated", view={**made.FORM, "hash": "2", "blocks": [*made.FORM["blocks"], {"type": "input", "block_id": "more", "label": made.plain("One more"), "element": {"type": "plain_text_input", "action_id": "more"}}]})
    expect(dialog.get_by_label("One more")).to_be_visible()
    expect(field).to_have_value("Half a sentence")
    expect(field).to_be_focused()


def test_a_pushed_form_lies_on_top_and_escape_goes_back_one_at_a_time(page: Any, ui: FixtureServer) -> None:
    dialog = open_form(page, ui)
    ui.tell(type="view_pushed", view={**made.FORM, "id": "V2", "title": made.plain("On top"), "root_view_id": "V1", "previous_view_id": "V1"})
    expect(dialog.get_by_role("heading", name="On top")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog.get_by_role("heading", name="Tell more")).to_be_visible()
    assert ui.last("close")["view_id"] == "V2"
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    assert ui.last("close", 2)["view_id"] == "V1"


def test_focus_stays_inside_a_form(page: Any, ui: FixtureServer) -> None:
    open_form(page, ui)
    for _ in range(14):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || document.activeElement.closest('dialog') !== null")


def test_a_field_with_dispatch_action_tells_the_app_on_enter_and_does_not_submit(page: Any, ui: FixtureServer) -> None:
    dialog = open_form(page, ui)
    dialog.get_by_label("Search").fill("triage")
    dialog.get_by_label("Search").press("Enter")
    expect(dialog.locator(".control.busy")).to_have_count(0)
    call = ui.last("press")
    assert call["container"] == {"type": "view", "view_id": "V1"}
    assert (call["action"]["action_id"], call["action"]["value"]) == ("live", "triage")
    assert not [one for one in ui.calls if one[0] == "submit"]


# robustness and access ----------------------------------------------------------------------------------------
def test_the_page_says_when_the_server_is_away_and_comes_back_by_itself(page: Any, ui: FixtureServer) -> None:
    main = visit(page, ui)
    ui.answers["state"] = {"away": True}
    ui.hang_up()
    expect(page.get_by_text("The server is away.")).to_be_visible()
    ui.post("C0SUPPORT", "U0LEA", "written while you were away", at=ui.now)
    del ui.answers["state"]
    expect(main.get_by_text("written while you were away")).to_be_visible(timeout=15000)
    expect(page.get_by_text("The server is away.")).to_be_hidden()


def test_on_a_small_screen_the_sidebar_slides_in_and_the_thread_covers(page: Any, ui: FixtureServer) -> None:
    page.set_viewport_size({"width": 380, "height": 700})
    main = visit(page, ui)
    expect(page.get_by_role("navigation")).to_be_hidden()
    page.get_by_role("button", name="Channels", exact=True).click()
    page.get_by_role("navigation").get_by_role("button", name="every-block").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("every-block")
    expect(page.get_by_role("navigation")).to_be_hidden()
    visit(page, ui)
    main.get_by_role("button", name=re.compile("2 replies")).click()
    box = page.get_by_role("complementary", name="Thread").bounding_box()
    assert box is not None
    assert box["width"] >= 378


def test_arrow_keys_walk_messages_sidebar_and_menus(page: Any, ui: FixtureServer) -> None:
    main = visit(page, ui)
    main.get_by_role("log").focus()
    page.keyboard.press("ArrowUp")
    expect(main.locator(".message").last).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(main.locator(".message").nth(-2)).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.message') !== null")
    row = page.get_by_role("navigation").get_by_role("button", name=re.compile("every-block"))
    row.focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("navigation").get_by_role("button", name=re.compile("many-messages"))).to_be_focused()


def test_every_control_has_a_name(page: Any, ui: FixtureServer) -> None:
    for place in ("C0SUPPORT", "C0BLOCKS", "app/A0AIOPS/home"):
        visit(page, ui, place)
        nameless = page.evaluate("""() => [...document.querySelectorAll('button, a[href], input, textarea, [role=listbox], [role=log], dialog[open]')]
            .filter((each) => !(each.getAttribute('aria-label') || each.textContent.trim() || each.labels?.length || each.getAttribute('aria-labelledby')))
            .map((each) => each.outerHTML)""")
        assert nameless == []
        assert page.evaluate("(() => { const ids = [...document.querySelectorAll('[id]')].map((each) => each.id); return ids.length - new Set(ids).size; })()") == 0


CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => [r, g, b].map((part) => part / 255).map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4).reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const over = (top, under) => top.slice(0, 3).map((part, at) => part * top[3] / 255 + under[at] * (1 - top[3] / 255)).concat(255);
  const paper = (node) => { const layers = []; for (let at = node; at; at = at.parentElement) { const style = getComputedStyle(at); if (style.backgroundImage !== 'none') return null; layers.push(rgba(style.backgroundColor)); } return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 255]); };
  const poor = [];
  for (const node of document.querySelectorAll('#app *')) {
    if (![...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim()) || !node.checkVisibility({ opacityProperty: true }) || node.closest('[disabled], .emoji, svg')) continue;
    const under = paper(node); if (!under) continue;
    const style = getComputedStyle(node); const [a, b] = [light(over(rgba(style.color), under)), light(under)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05); const large = parseFloat(style.fontSize) >= 24 || parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700;
    if (ratio < (large ? 3 : 4.5)) poor.push(`${ratio.toFixed(2)} ${node.className} "${node.textContent.trim().slice(0, 40)}"`);
  }
  return [...new Set(poor)];
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_have_enough_contrast_in_both_themes(page: Any, ui: FixtureServer, theme: str) -> None:
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    for place in ("C0SUPPORT", "C0BLOCKS", "app/A0AIOPS/home"):
        visit(page, ui, place)
        assert page.evaluate(CONTRAST) == []


def test_the_theme_can_be_chosen_and_is_remembered(page: Any, ui: FixtureServer) -> None:
    page.emulate_media(color_scheme="light")
    visit(page, ui)
    page.get_by_role("button", name="Switch to dark theme").click()
    page.reload()
    page.get_by_role("button", name="Switch to light theme").wait_for()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
