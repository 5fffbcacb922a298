"""PagerDuty, for people whose registry entry names a routing key: Events v2, with the row's id as dedup key.

Each call is an alert of its own: a trigger that joined an acknowledged one would ring nobody.
"""

from __future__ import annotations

import httpx
import orjson

from bot.routes.outcome import Letter, Outcome
from bot.routes.webhook import post
from bot.routes.words import first_line, plain_words
from bot.trust import trusted

SUMMARY = 1024


class PagerDutyRoute:
    """Triggers an event, acknowledges it once somebody has it, and resolves it when it is over. The same id is the same alert over there."""

    name = "pagerduty"

    def __init__(self, url: str = "https://events.pagerduty.com/v2/enqueue", *, timeout: float = 10.0) -> None:
        self._url = url
        self._client = httpx.AsyncClient(verify=trusted(), timeout=timeout, follow_redirects=False)

    async def deliver(self, letter: Letter) -> Outcome:
        event = {
            "routing_key": letter.to,
            "event_action": "resolve" if letter.over else "acknowledge" if letter.acked else "trigger",
            "dedup_key": letter.id,
            "client": "aiops-bot",
            "payload": {
                "summary": first_line(letter.text, SUMMARY),
                "source": "aiops-bot",
                "severity": "critical",
                "custom_details": {"text": plain_words(letter.text)},
            },
        }
        return await post(self._client, self._url, orjson.dumps(event), {"Content-Type": "application/json"})

    async def close(self) -> None:
        await self._client.aclose()
