"""The page, the workspace's own server and a real Bolt app together: what a stranger does in the first minute."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from bot.workspace import Workspace, serve
from tests.browser.conftest import ARGUMENTS, find_chromium
from tests.workspace.boltapp import over_http
from tests.workspace.conftest import APP_TOKEN, MANIFEST, SECRET, TOKEN, button

pytestmark = pytest.mark.browser


@pytest_asyncio.fixture
async def world() -> AsyncIterator[tuple[Any, Workspace, list[dict[str, Any]]]]:
    """A page that looks as Maya, the workspace it shows, and what the Bolt app heard."""
    chromium = find_chromium()
    playwright = pytest.importorskip("playwright.async_api", reason="playwright is not installed: the browser tests need it")
    heard: list[dict[str, Any]] = []
    async with serve(Workspace()) as ws, playwright.async_playwright() as running:
        ws.add_person("maya", "Maya Haddad", id="U0MAYA", email="maya@example.com")
        ws.add_person("omar", "Omar Aziz", id="U0OMAR", email="omar@example.com", tz="Europe/Paris")
        ws.install_app(MANIFEST, id="A0WATCH", bot_user_id="U0WATCH", bot_token=TOKEN, app_token=APP_TOKEN, signing_secret=SECRET)
        ws.add_channel("support", ["maya", "omar", "U0WATCH"], id="C0SUPPORT")
        async with over_http(ws, heard) as app:
            await app.client.chat_postMessage(channel="C0SUPPORT", text="A page", blocks=[
                {"type": "section", "block_id": "what", "text": {"type": "mrkdwn", "text": "*Support triage* is failing, <@U0MAYA>"}},
                {"type": "actions", "block_id": "page", "elements": [button("go", "1", "Tell more"), button("done", "2", "Mark done")]},
                {"type": "actions", "block_id": "pick", "elements": [{"type": "external_select", "action_id": "agent", "min_query_length": 1, "placeholder": {"type": "plain_text", "text": "Pick an agent"}}]},
            ])  # fmt: skip
            browser = await running.chromium.launch(executable_path=chromium, args=ARGUMENTS)
            page = await browser.new_page(reduced_motion="reduce")
            page.set_default_timeout(8000)
            wrong: list[str] = []
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("console", lambda line: wrong.append(line.text) if "Content Security Policy" in line.text else None)
            await page.goto(f"{ws.base_url}/")
            await page.locator("#main .message").first.wait_for()
            yield page, ws, heard
            await browser.close()
            assert wrong == []


def expect(target: Any) -> Any:
    from playwright.async_api import expect as playwright_expect

    return playwright_expect(target)


async def test_a_button_opens_a_form_whose_errors_and_answer_come_from_the_app(world: Any) -> None:
    page, _, heard = world
    await page.get_by_role("button", name="Tell more").click()
    dialog = page.locator("dialog.modal[open]")
    await dialog.get_by_label("Reason").fill("bad")
    await dialog.get_by_role("button", name="Send").click()
    await expect(dialog.get_by_text("Say more.")).to_be_visible()
    await dialog.get_by_label("Reason").fill("the source was old")
    await dialog.get_by_role("button", name=re.compile("Kind")).click()
    await page.get_by_role("option", name="Late").click()
    await dialog.get_by_role("button", name="Send").click()
    await expect(page.locator("dialog[open]")).to_have_count(0)
    values = [body for body in heard if body.get("type") == "view_submission"][-1]["view"]["state"]["values"]
    assert values["reason"]["text"]["value"] == "the source was old"
    assert values["kind"]["menu"]["selected_option"]["value"] == "late"


async def test_a_form_pushed_on_another_is_cleared_together_and_escape_tells_the_app(world: Any) -> None:
    page, _, heard = world
    dialog = page.locator("dialog.modal[open]")
    await page.get_by_role("button", name="Tell more").click()
    await dialog.get_by_label("Reason").fill("more")
    await dialog.get_by_role("button", name="Send").click()
    await expect(dialog.get_by_role("button", name="Back")).to_be_visible()
    await dialog.get_by_label("Reason").fill("enough")
    await dialog.get_by_role("button", name="Send").click()
    await expect(page.locator("dialog[open]")).to_have_count(0)
    await page.get_by_role("button", name="Tell more").click()
    async with page.expect_response(re.compile("/ui/close")):
        await dialog.get_by_label("Reason").press("Escape")
    await expect(page.locator("dialog[open]")).to_have_count(0)
    assert heard[-1]["type"] == "view_closed"


async def test_commands_mentions_menus_and_home_reach_the_app_and_its_answers_reach_the_page(world: Any) -> None:
    page, _, _ = world
    main = page.locator("#main")
    box = main.get_by_role("textbox", name="Message #support")
    await box.fill("/watch status")
    await box.press("Enter")
    await expect(main.locator(".message.ephemeral")).to_contain_text("You asked for status")
    await box.press_sequentially("hello @night")
    await expect(main.get_by_role("option", name=re.compile("night watch", re.IGNORECASE))).to_be_visible()
    await box.press("Enter")
    await box.press("Enter")
    await main.get_by_role("button", name=re.compile("1 reply")).click()
    await expect(page.get_by_role("complementary", name="Thread")).to_contain_text("I heard you")
    await page.keyboard.press("Escape")
    await main.get_by_role("button", name=re.compile("Pick an agent")).click()
    await page.keyboard.type("tri")
    await expect(page.get_by_role("option", name="tri agent")).to_be_visible()
    await page.keyboard.press("Escape")
    await main.get_by_role("button", name="Mark done").click()
    await expect(main.locator(".message").first).to_contain_text("Done.")
    await page.get_by_role("navigation").get_by_role("button", name="Night watch").click()
    await expect(main.get_by_role("heading", name="Home")).to_be_visible()


async def test_reactions_joining_and_direct_messages_are_kept_by_the_server(world: Any) -> None:
    page, ws, _ = world
    main = page.locator("#main")
    message = main.locator(".message").first
    await message.hover()
    await message.get_by_role("button", name="React with eyes").click()
    await expect(message.get_by_role("button", name=re.compile("eyes reaction, 1. You reacted"))).to_be_visible()
    ws.add_channel("quiet-corner", ["omar"])
    await page.get_by_role("button", name="Join a channel").click()
    await page.get_by_role("menuitem", name=re.compile("#quiet-corner")).click()
    await expect(main.get_by_role("textbox", name="Message #quiet-corner")).to_be_visible()
    await page.keyboard.press("Control+k")
    await page.keyboard.type("omar")
    await page.keyboard.press("Enter")
    box = main.get_by_role("textbox", name="Message Omar Aziz")
    await box.fill("Are you there?")
    await box.press("Enter")
    await expect(main.locator(".message").last).to_contain_text("Are you there?")
    await page.reload()
    await expect(main.locator(".message").last).to_contain_text("Are you there?")
