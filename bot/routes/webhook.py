"""Webhooks out: a signed JSON body to an address, with an id by which the receiver knows a repetition."""

from __future__ import annotations

import hashlib
import hmac
import logging

import httpx
import orjson

from bot.clock import Clock
from bot.routes.outcome import Kind, Letter, Outcome
from bot.routes.words import first_line, plain_words
from bot.signing import Signer
from bot.trust import trusted

# httpx logs whole addresses at INFO, and an address can hold a secret.
logging.getLogger("httpx").setLevel(logging.WARNING)


class WebhookRoute:
    """Posts to the letter's address. The key is derived from AIOPS_SECRET and never the secret itself.

    `Aiops-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">`; check `t` against your own clock.
    """

    name = "webhook"

    def __init__(self, signer: Signer, clock: Clock, *, timeout: float = 10.0) -> None:
        self._signer = signer
        self._clock = clock
        self._client = httpx.AsyncClient(verify=trusted(), timeout=timeout, follow_redirects=False)

    async def deliver(self, letter: Letter) -> Outcome:
        now = self._clock.now()
        body = orjson.dumps(
            {"id": letter.id, "at": now.isoformat(), "title": first_line(letter.text), "text": plain_words(letter.text), "acknowledged": letter.acked, "over": letter.over}
        )
        stamp = str(int(now.timestamp()))
        headers = {
            "Content-Type": "application/json",
            "Aiops-Id": letter.id,
            "Aiops-Signature": f"t={stamp},v1={sign(self._signer.key_for(f'webhook:{letter.signed_as}'), stamp, body)}",
        }
        if not letter.to.startswith(("https://", "http://")):
            return Outcome(Kind.REFUSED, "not_an_http_address")
        return await post(self._client, letter.to, body, headers)

    async def close(self) -> None:
        await self._client.aclose()


def key_of_agent(signer: Signer, slug: str) -> str:
    """The key of one agent's webhook, derived from AIOPS_SECRET: its receiver checks `Aiops-Signature` with it."""
    return signer.key_for(f"webhook:agent:{slug}")


def sign(key: str, stamp: str, body: bytes) -> str:
    """The signature of a body, as the receiver computes it too."""
    return hmac.new(key.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


async def post(client: httpx.AsyncClient, url: str, body: bytes, headers: dict[str, str]) -> Outcome:
    """POST once. Errors are told by their kind alone: an address can hold a secret."""
    try:
        answer = await client.post(url, content=body, headers=headers)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        return Outcome(Kind.UNREACHABLE, type(error).__name__)
    except (httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError, ValueError) as error:
        return Outcome(Kind.REFUSED, type(error).__name__)
    except httpx.HTTPError as error:
        return Outcome(Kind.UNKNOWN, type(error).__name__)
    said = f"http_{answer.status_code}"
    if answer.is_success:
        return Outcome(Kind.OK)
    if answer.status_code == 429:
        wait = answer.headers.get("Retry-After", "")
        return Outcome(Kind.RATE_LIMITED, said, float(wait) if wait.isdigit() and wait != "0" else 30.0)
    if answer.status_code in (401, 403):
        return Outcome(Kind.UNAUTHORISED, said)
    if answer.status_code in (404, 410):
        return Outcome(Kind.NO_PLACE, said)
    return Outcome(Kind.UNKNOWN if answer.status_code >= 500 or answer.status_code == 408 else Kind.REFUSED, said)
