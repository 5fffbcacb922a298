"""The product in local mode as a newcomer starts it: a process of its own, and its page in a real browser."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

SETTLED = 90_000  # milliseconds the demo may take to settle in on a busy machine
PATIENT = 15_000


def expect(target: Any) -> Any:
    from playwright.sync_api import expect as playwright_expect

    return playwright_expect(target)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture(scope="module")
def local(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """`aiops up` in a folder of its own: its address, and the file its log goes to."""
    folder, port = tmp_path_factory.mktemp("newcomer"), free_port()
    log = folder / "log"
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AIOPS_", "SLACK_"))}
    env |= {"AIOPS_MODE": "local", "AIOPS_VAR": str(folder / "var"), "AIOPS_PORT": str(port), "AIOPS_LOG_FORMAT": "json"}
    with log.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-m", "bot", "up"], env=env, stderr=file, stdout=file)
    try:
        wait_for_port(process, port, log)
        yield f"http://127.0.0.1:{port}", log
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=30)
    said = log.read_text("utf-8")
    assert code == 0, said[-3000:]
    assert '"level": "error"' not in said, said[-3000:]
    assert "Traceback" not in said, said[-3000:]


@pytest.fixture(scope="module")
def page(chromium: Any, local: tuple[str, Path]) -> Iterator[Any]:
    """The page, opened while the demo may still be settling in."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-US", reduced_motion="reduce")
    context.set_default_timeout(PATIENT)
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
    opened.on("request", lambda asked: None if asked.url.startswith((local[0], "data:", "blob:")) else wrong.append(f"asked elsewhere: {asked.url}"))
    opened.goto(f"{local[0]}/")
    yield opened
    context.close()
    assert wrong == []


def wait_for_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Until the server listens; the page itself then waits for what it shows."""
    for _ in range(600):
        assert process.poll() is None, log.read_text("utf-8")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError(f"the port did not open in 30 s: {log.read_text('utf-8')}")


def look_as(page: Any, name: str) -> None:
    page.get_by_role("button", name=re.compile("View as")).click()
    page.get_by_role("menuitemradio", name=re.compile(name)).click()
    page.get_by_role("button", name=re.compile(f"View as: {name}")).wait_for()


def visit(page: Any, place: str) -> Any:
    page.get_by_role("navigation").get_by_role("button", name=re.compile(f"^{place}")).first.click()
    page.get_by_role("heading", level=1, name=re.compile(place)).wait_for()
    return page.locator("#main")


def message(scope: Any, words: str) -> Any:
    return scope.locator(".message", has_text=words).last


def button(scope: Any, label: str) -> Any:
    """By the words on it: its accessible name says more."""
    return scope.locator("button", has_text=re.compile(f"^{label}$")).first


def say(page: Any, words: str) -> Any:
    main = page.locator("#main")
    box = main.get_by_role("textbox").last
    box.fill(words)
    box.press("Enter")
    return main.locator(".message.ephemeral").last


def test_a_failed_night_stands_in_its_channel_and_the_owners_acknowledgement_reaches_every_copy(page: Any) -> None:
    look_as(page, "Jad Rahme")
    main = visit(page, "finance-ai")
    copy = message(main, "Page 1, opened")
    expect(copy).to_contain_text("Nightly reconciliation: a run failed", timeout=SETTLED)
    expect(copy).to_contain_text("Next, unless somebody answers: Tarek Issa (backup)")
    assert copy.inner_text().count("bank export did not arrive") == 1
    expect(page.get_by_role("region", name="Welcome")).to_contain_text("All history is synthetic")
    main = visit(page, "aiops")
    page.get_by_role("tab", name="Messages").click()
    call = message(main, "You are called as operations owner")
    button(call, "Acknowledge").click()
    expect(message(main, "Jad Rahme has it. Nobody else is called.")).to_be_visible()
    main = visit(page, "finance-ai")
    copy = message(main, "Page 1, opened")
    expect(copy).to_contain_text("Jad Rahme acknowledged at")
    expect(button(copy, "Acknowledge")).to_have_count(0)


def test_the_last_working_mornings_summary_stands_in_the_channel_on_whatever_day_the_newcomer_comes(page: Any) -> None:
    look_as(page, "Omar Nassar")
    summary = message(visit(page, "support-ai"), "Daily health")
    expect(summary).to_contain_text("Not worth using: Support triage", timeout=SETTLED)
    expect(button(summary, "Reviewed")).to_be_visible()


def test_an_incident_opens_with_its_checklist_and_does_not_close_before_it_is_done(page: Any) -> None:
    look_as(page, "Jad Rahme")
    main = visit(page, "finance-ai")
    message(main, "Page 1, opened").locator(".block button[aria-haspopup]").last.click()
    page.get_by_role("menuitem", name="Open incident").click()
    root = message(main, "Incident #1: Nightly reconciliation")
    expect(root).to_contain_text("0 of 10 settled")
    root.get_by_role("button", name=re.compile("repl")).click()
    thread = page.get_by_role("complementary", name="Thread")
    checklist = message(thread, "Checklist of incident #1")
    button(checklist, "Done").click()
    expect(message(thread, "Checklist of incident #1")).to_contain_text("done by Jad Rahme")
    expect(message(main, "Incident #1: Nightly reconciliation")).to_contain_text("1 of 10 settled")
    button(message(thread, "Checklist of incident #1"), "Close incident").click()
    expect(thread.locator(".message.ephemeral").last).to_contain_text("Incident #1 cannot be closed yet")
    page.keyboard.press("Escape")


def test_a_thumbs_down_is_one_press_and_asks_for_a_reason(page: Any) -> None:
    look_as(page, "Dana Fares")
    main = visit(page, "support-ai")
    output = main.locator(".message", has=page.get_by_role("button", name=re.compile("^Bad output of"))).first
    output.get_by_role("button", name=re.compile("^Bad output of")).click()
    note = main.locator(".message.ephemeral").last
    expect(note).to_contain_text("Noted as bad")
    button(note, "Outdated").click()
    expect(main.locator(".message.ephemeral").last).to_contain_text("Noted as bad: outdated. Thank you.")
    expect(output).to_contain_text("rated")
    button(main.locator(".message.ephemeral").last, "Take back").click()
    expect(main.locator(".message.ephemeral").last).to_contain_text("taken back")


def test_status_is_answered_worst_first_and_only_to_the_one_who_asked(page: Any) -> None:
    look_as(page, "Omar Nassar")
    visit(page, "support-ai")
    answer = say(page, "/aiops status")
    expect(answer).to_contain_text("18 agents in 4 departments")
    expect(answer).to_contain_text("Silent since")
    deep = say(page, "/aiops status support-triage")
    expect(deep).to_contain_text("Not worth using: Support triage")
    expect(deep).to_contain_text("Operations owner Omar Nassar")


def test_a_guest_may_look_at_nothing_and_vote_on_nothing(page: Any) -> None:
    look_as(page, "Gina Petit")
    main = visit(page, "support-ai")
    expect(say(page, "/aiops status")).to_contain_text("This is for full members of this workspace.")
    main.get_by_role("button", name=re.compile("^Bad output of")).first.click()
    expect(main.locator(".message.ephemeral").last).to_contain_text("Ratings come from full members of this workspace.")


def test_home_shows_an_owner_their_agents(page: Any) -> None:
    look_as(page, "Omar Nassar")
    main = visit(page, "aiops")
    page.get_by_role("tab", name="Home").click()
    expect(main).to_contain_text("Support triage")
    expect(main).to_contain_text("operations owner", ignore_case=True)
    expect(main).to_contain_text("Needed:")
    picture = main.get_by_role("img", name=re.compile("quality", re.IGNORECASE)).first
    expect(picture).to_be_visible(timeout=PATIENT)
    page.wait_for_function("() => [...document.querySelectorAll('#main img')].every((each) => each.complete && each.naturalWidth > 0)")
    rate = button(main, "👍 Good")
    rate.scroll_into_view_if_needed()
    rate.click()
    expect(main).to_contain_text("You called an output of", timeout=PATIENT)
    button(main, "Take back").click()
    expect(main).not_to_contain_text("You called an output of", timeout=PATIENT)


def test_a_chart_is_slacks_own_block_and_where_that_is_unknown_a_picture(page: Any, local: tuple[str, Path]) -> None:
    look_as(page, "Omar Nassar")
    visit(page, "support-ai")
    answer = say(page, "/aiops agent support-triage")
    drawn = answer.locator("figure.data-visualization")
    expect(drawn.get_by_role("img", name=re.compile("Support triage: quality"))).to_be_visible(timeout=PATIENT)
    expect(answer).to_contain_text("Target 85%")
    assert page.request.post(f"{local[0]}/faults", data={"charts": False}).ok
    try:
        say(page, "/aiops status support-triage")
        picture = page.locator("#main").get_by_role("img", name=re.compile("^Chart of the quality of Support triage from "))
        expect(picture).to_be_visible(timeout=PATIENT)
        page.wait_for_function("() => [...document.querySelectorAll('#main img.image-block')].every((each) => each.complete && each.naturalWidth > 0)")
    finally:
        assert page.request.post(f"{local[0]}/faults", data={"charts": True}).ok
