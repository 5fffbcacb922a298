"""A browser and a fixture server for the tests of the page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.fixture_ui import FixtureServer

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]


def find_chromium() -> str:
    """Where Chromium is; skips the test where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine: install it (Debian: apt install chromium) to run the browser tests")
    return found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A headless Chromium. It lives no longer than its module: while it runs, no asynchronous test can."""
    found = find_chromium()
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: the browser tests need it")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def ui() -> Iterator[FixtureServer]:
    """A fresh fixture workspace."""
    server = FixtureServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def page(chromium: Any, ui: FixtureServer) -> Iterator[Any]:
    """A page of a desktop size; a script error or a request elsewhere fails the test."""
    context = chromium.new_context(viewport={"width": 1200, "height": 800}, locale="en-US", timezone_id="America/Los_Angeles", reduced_motion="reduce")
    context.set_default_timeout(8000)
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
    opened.on("console", lambda line: wrong.append(f"console: {line.text}") if "Content Security Policy" in line.text else None)
    opened.on("request", lambda asked: None if asked.url.startswith((ui.url, "data:", "blob:")) else wrong.append(f"asked elsewhere: {asked.url}"))
    yield opened
    context.close()
    assert wrong == []
