"""One kit that every route runs: it delivers, tells a clear no from trouble, and never tells a secret."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from bot.clock import MovedClock
from bot.routes.email import EmailRoute
from bot.routes.outcome import Kind, Letter, Outcome, Route
from bot.routes.pagerduty import PagerDutyRoute
from bot.routes.slack import SlackCalls
from bot.routes.webhook import WebhookRoute
from bot.routes.words import first_line, plain_words, times_in
from bot.signing import Signer

CLOCK = MovedClock(datetime(2026, 11, 20, 8, tzinfo=UTC))
TEXT = "*Support triage* failed at <!date^1763625600^{time}|08:00 UTC>, <@U0MAYA>\nOpen it: <https://example.com/p/1|the page>"
SECRETS = {"slack": "xoxb-secret-1", "webhook": "hook-secret-2", "pagerduty": "routing-secret-3", "email": "smtp-secret-4"}


@dataclass
class Far:
    """The other side: an HTTP or SMTP server on loopback that remembers, and answers as told."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    smtp_code: int = 250
    hang_up: bool = False
    seen: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0


async def _http(far: Far, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    lines = head.split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    far.seen.append({"path": lines[0].split()[1], "headers": headers, "raw": body, "body": json.loads(body)})
    if not far.hang_up:
        answer = json.dumps({"ok": far.status == 200, "error": "channel_not_found", "ts": "1.1", "channel": "C1"}).encode()
        extra = "".join(f"{name}: {value}\r\n" for name, value in far.headers.items())
        writer.write(f"HTTP/1.1 {far.status} X\r\nContent-Type: application/json\r\n{extra}Content-Length: {len(answer)}\r\nConnection: close\r\n\r\n".encode() + answer)
        await writer.drain()
    writer.close()


async def _smtp(far: Far, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    def say(line: str) -> None:
        writer.write(line.encode() + b"\r\n")

    say("220 far")
    mail: dict[str, Any] = {}
    while line := (await reader.readline()).decode().strip():
        word = line.split(":")[0].upper()
        if word.startswith("EHLO"):
            say("250 far")
        elif word == "MAIL FROM":
            say("250 ok")
        elif word == "RCPT TO":
            mail["to"] = line.split(":")[1].strip("<>")
            say(f"{far.smtp_code} {'ok' if far.smtp_code == 250 else 'no'}")
        elif word == "DATA":
            say("354 go")
            mail["data"] = (await reader.readuntil(b"\r\n.\r\n")).decode()
            far.seen.append(mail)
            if far.hang_up:
                break
            say("250 kept")
        elif word == "QUIT":
            say("221 bye")
            break
        else:
            say("250 ok")
    writer.close()


@asynccontextmanager
async def listening(route: str) -> AsyncIterator[Far]:
    far = Far()
    talk = _smtp if route == "email" else _http

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await talk(far, reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    far.port = server.sockets[0].getsockname()[1]
    async with server:
        yield far


class SlackRoute:
    """Slack as a route like the others (delivery itself speaks to SlackCalls, because rows are edited and looked up)."""

    name = "slack"

    def __init__(self, calls: SlackCalls) -> None:
        self.calls = calls

    async def deliver(self, letter: Letter) -> Outcome:
        return await self.calls.call("chat.postMessage", {"channel": letter.to, "text": letter.text})

    async def close(self) -> None:
        await self.calls.close()


def route_to(name: str, port: int) -> tuple[Route, str]:
    """The route under test and an address for it; secrets sit where they do in life."""
    base = f"http://127.0.0.1:{port}"
    if name == "slack":
        return SlackRoute(SlackCalls(SECRETS["slack"], f"{base}/api/", timeout=2)), "C0SUPPORT"
    if name == "webhook":
        return WebhookRoute(Signer(["the-signing-secret"]), CLOCK, timeout=2), f"{base}/hook?key={SECRETS['webhook']}"
    if name == "pagerduty":
        return PagerDutyRoute(f"{base}/v2/enqueue", timeout=2), SECRETS["pagerduty"]
    return EmailRoute(f"smtp://127.0.0.1:{port}", "bot@example.com", CLOCK, timeout=2), "maya@example.com"


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


ROUTES = ["slack", "email", "webhook", "pagerduty"]
LETTER = Letter(id="aiops.0123", to="", text=TEXT)


@pytest.fixture(params=ROUTES)
async def told(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, Route, Letter, Far]]:
    async with listening(request.param) as far:
        route, to = route_to(request.param, far.port)
        yield request.param, route, replace(LETTER, to=to), far
        await route.close()


async def test_every_route_delivers_the_words(told: tuple[str, Route, Letter, Far]) -> None:
    name, route, letter, far = told
    assert route.name == name
    assert await route.deliver(letter) == Outcome(Kind.OK) or name == "slack"
    assert len(far.seen) == 1
    text = _text_of(name, far.seen[0])
    assert "Support triage" in text
    if name != "slack":
        assert "08:00 UTC" in text
        assert "the page (https://example.com/p/1)" in text
        assert "<" not in text.replace("<U0MAYA>", "")


def _text_of(name: str, seen: dict[str, Any]) -> str:
    if name == "email":
        from email import message_from_string, policy

        return str(message_from_string(seen["data"], policy=policy.default).get_content())  # type: ignore[attr-defined]
    body = seen["body"]
    return str(body["payload"]["custom_details"]["text"] if name == "pagerduty" else body["text"])


async def test_every_route_tells_a_clear_no(told: tuple[str, Route, Letter, Far]) -> None:
    name, route, letter, far = told
    far.status, far.smtp_code = (200 if name == "slack" else 404), 550
    if name == "slack":
        far.status = 404
    outcome = await route.deliver(letter)
    assert outcome.kind in (Kind.NO_PLACE, Kind.REFUSED)
    assert not outcome.kind.is_trouble


async def test_every_route_tells_trouble_that_passes(told: tuple[str, Route, Letter, Far]) -> None:
    _name, route, letter, far = told
    far.status, far.smtp_code = 503, 451
    assert (await route.deliver(letter)).kind.is_trouble


async def test_every_route_tells_when_nobody_knows_what_happened(told: tuple[str, Route, Letter, Far]) -> None:
    _name, route, letter, far = told
    far.hang_up = True
    assert (await route.deliver(letter)).kind is Kind.UNKNOWN


@pytest.mark.parametrize("name", ROUTES)
async def test_every_route_tells_when_nobody_was_reached(name: str) -> None:
    route, to = route_to(name, closed_port())
    assert (await route.deliver(replace(LETTER, to=to))).kind is Kind.UNREACHABLE
    await route.close()


@pytest.mark.parametrize("name", ["slack", "webhook", "pagerduty"])
async def test_every_http_route_hears_when_to_come_back(name: str) -> None:
    async with listening(name) as far:
        route, to = route_to(name, far.port)
        far.status, far.headers = 429, {"Retry-After": "17"}
        outcome = await route.deliver(replace(LETTER, to=to))
        assert (outcome.kind, outcome.seconds) == (Kind.RATE_LIMITED, 17.0)
        await route.close()


@contextmanager
def heard() -> Iterator[list[str]]:
    """Everything that is logged meanwhile, by anybody."""
    lines: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    ear, root = Ear(level=logging.DEBUG), logging.getLogger()
    level = root.level
    root.addHandler(ear)
    root.setLevel(logging.INFO)
    with structlog.testing.capture_logs() as entries:
        try:
            yield lines
        finally:
            root.removeHandler(ear)
            root.setLevel(level)
            lines.extend(str(entry) for entry in entries)


@pytest.mark.parametrize("status", [200, 400, 403, 404, 429, 500])
async def test_no_route_tells_a_secret_in_an_error(told: tuple[str, Route, Letter, Far], status: int) -> None:
    name, route, letter, far = told
    far.status, far.smtp_code = status, 250 if status == 200 else 550
    outcome = await route.deliver(letter)
    far.hang_up = True
    shown = repr(outcome) + repr(await route.deliver(letter))
    assert SECRETS[name] not in shown
    assert "the-signing-secret" not in shown


async def test_no_route_of_ours_logs_a_secret(told: tuple[str, Route, Letter, Far]) -> None:
    name, route, letter, far = told
    with heard() as lines:
        await route.deliver(letter)
        far.status, far.smtp_code = 500, 550
        await route.deliver(letter)
    assert SECRETS[name] not in "\n".join(lines)


async def test_a_password_is_never_sent_without_tls() -> None:
    async with listening("email") as far:
        route = EmailRoute(f"smtp://maya:{SECRETS['email']}@127.0.0.1:{far.port}", "bot@example.com", CLOCK, timeout=2)
        outcome = await route.deliver(replace(LETTER, to="maya@example.com"))
        assert outcome == Outcome(Kind.REFUSED, "no_starttls_for_the_password")
        assert far.seen == []


async def test_a_webhook_is_signed_with_a_derived_key() -> None:
    async with listening("webhook") as far:
        signer = Signer(["the-signing-secret"])
        route = WebhookRoute(signer, CLOCK)
        await route.deliver(replace(LETTER, to=f"http://127.0.0.1:{far.port}/x", signed_as="support-triage"))
        seen = far.seen[0]
        stamp, signature = (part.split("=")[1] for part in seen["headers"]["aiops-signature"].split(","))
        key = signer.key_for("webhook:support-triage")
        assert signature == hmac.new(key.encode(), stamp.encode() + b"." + seen["raw"], hashlib.sha256).hexdigest()
        assert stamp == str(int(CLOCK.now().timestamp()))
        assert seen["headers"]["aiops-id"] == seen["body"]["id"] == "aiops.0123"
        assert base64.b64encode(b"the-signing-secret").decode() not in str(seen)
        await route.close()


async def test_pagerduty_triggers_and_resolves_the_same_alert() -> None:
    async with listening("pagerduty") as far:
        route = PagerDutyRoute(f"http://127.0.0.1:{far.port}/v2/enqueue")
        letter = replace(LETTER, to="key")
        await route.deliver(letter)
        await route.deliver(replace(letter, over=True))
        assert [(each["body"]["event_action"], each["body"]["dedup_key"]) for each in far.seen] == [("trigger", "aiops.0123"), ("resolve", "aiops.0123")]
        await route.close()


def test_slack_words_read_well_elsewhere() -> None:
    told = "at <!date^1763625600^{time}|08:00 UTC>, <!date^1763625600^{date_short_pretty} at {time}|2025-11-20 08:00 UTC>"
    assert times_in(told, "Asia/Kathmandu") == "at 13:45 +0545, 2025-11-20 13:45 +0545"
    assert times_in(told, "Mars/Olympus") == told  # a zone that nobody here knows loses no call
    assert plain_words("<@U1|maya> &lt;b&gt; <https://x.y> <#C1|support> <!channel>") == "maya <b> https://x.y support channel"
    assert first_line("\n *A failed*\r\nB") == "A failed"
    assert len(first_line("x" * 500)) == 120


async def test_an_address_that_is_none_is_refused_and_nothing_is_sent() -> None:
    hook = WebhookRoute(Signer(["s"]), CLOCK)
    mail = EmailRoute("smtp://127.0.0.1:9", "bot@example.com", CLOCK)
    assert (await hook.deliver(replace(LETTER, to="file:///etc/passwd"))).kind is Kind.REFUSED
    assert (await mail.deliver(replace(LETTER, to="nobody"))).kind is Kind.REFUSED
    with pytest.raises(ValueError, match="AIOPS_SMTP_URL must look like"):
        EmailRoute("imap://x", "bot@example.com", CLOCK)
    await hook.close()


async def test_pagerduty_hears_that_somebody_has_it_between_the_trigger_and_the_end() -> None:
    async with listening("pagerduty") as far:
        route, to = route_to("pagerduty", far.port)
        for letter in (replace(LETTER, to=to), replace(LETTER, to=to, acked=True), replace(LETTER, to=to, acked=True, over=True)):
            assert (await route.deliver(letter)).ok
        await route.close()
    assert [each["body"]["event_action"] for each in far.seen] == ["trigger", "acknowledge", "resolve"]
    assert {each["body"]["dedup_key"] for each in far.seen} == {LETTER.id}


async def test_mails_about_one_thing_refer_to_one_id_and_a_sent_one_is_not_sent_again_when_somebody_has_it() -> None:
    async with listening("email") as far:
        route, to = route_to("email", far.port)
        for number in (1, 2):
            assert (await route.deliver(replace(LETTER, id=f"aiops.{number}", to=to, topic="page-12-1763600000"))).ok
        assert (await route.deliver(replace(LETTER, id="aiops.1", to=to, topic="page-12-1763600000", acked=True))).ok
        await route.close()
    assert len(far.seen) == 2
    for number, mail in enumerate(far.seen, 1):
        head = mail["data"].splitlines()
        assert f"Message-ID: <aiops.{number}@aiops-bot>" in head
        assert "References: <page-12-1763600000@aiops-bot>" in head
        assert "In-Reply-To: <page-12-1763600000@aiops-bot>" in head


async def test_a_webhook_hears_that_somebody_has_it() -> None:
    async with listening("webhook") as far:
        route, to = route_to("webhook", far.port)
        for letter in (replace(LETTER, to=to), replace(LETTER, to=to, acked=True)):
            assert (await route.deliver(letter)).ok
        await route.close()
    assert [(each["body"]["acknowledged"], each["body"]["over"]) for each in far.seen] == [(False, False), (True, False)]
