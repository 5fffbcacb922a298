"""`POST /slack/events`: the signature is checked before anything is parsed, then Bolt takes over."""

from __future__ import annotations

from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.signature import SignatureVerifier
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.clock import Clock

LARGEST = 1_000_000  # bytes; a view submission is at most 250 kB


class _SlackClock:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> float:
        return self._clock.now().timestamp()


def slack_route(bolt: AsyncApp, signing_secret: str, clock: Clock) -> Route:
    """The one route Slack calls in HTTP mode. Forged, stale and oversized requests are turned away unread."""
    verifier = SignatureVerifier(signing_secret, _SlackClock(clock))  # type: ignore[arg-type]
    handler = AsyncSlackRequestHandler(bolt)

    async def from_slack(request: Request) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST:
                return JSONResponse({"error": "too_large"}, status_code=413)
        raw = bytes(body)
        request._body = raw  # what Starlette itself keeps after reading; Bolt's adapter reads it again
        headers = {name: request.headers.get(name, "") for name in ("x-slack-request-timestamp", "x-slack-signature")}
        try:
            genuine = all(headers.values()) and verifier.is_valid_request(raw, headers)
        except (ValueError, TypeError):  # a timestamp that is no number, a signature that is not ASCII
            genuine = False
        if not genuine:
            return JSONResponse({"error": "invalid_signature"}, status_code=401)
        return await handler.handle(request)

    return Route("/slack/events", from_slack, methods=["POST"])
