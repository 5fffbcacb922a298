"""The short ways in: a single event and a bare ping, straight from the connection to the group that stores them."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from bot.intake.http import problem_behind, reply_to
from bot.intake.taking import Intake, Taken
from bot.wire import Answer, Headers, Short


def events(intake: Intake) -> Short:
    """`POST /v1/events` with one plain event of a token and an agent known by now.

    Batches, refusals and whatever is looked up first go the long way (bot/intake/http.py), which has the same rules.
    """

    def take(method: bytes, url: bytes, headers: Headers, body: bytes, answer: Answer) -> bool:
        if url != b"/v1/events" or method != b"POST":
            return False
        authorization = None
        for name, value in headers:
            if name == b"authorization":
                authorization = value
            elif name == b"content-type" and value != b"application/json":
                return False
        bearer = intake.doors.known(authorization, "events")
        if bearer is None:
            return False
        try:
            raw = orjson.loads(body)
        except orjson.JSONDecodeError:
            return False
        item = intake.judge_alone(raw, bearer.agents)
        return item is not None and intake.take_soon(item, _telling(answer))

    return take


def _telling(answer: Answer) -> Callable[[Taken | Exception], None]:
    def tell(became: Taken | Exception) -> None:
        answer(*(problem_behind(became) if isinstance(became, Exception) else reply_to(became, 1)))

    return tell


def first_of(*ways: Short) -> Short:
    """The first way that takes a request."""

    def take(method: bytes, url: bytes, headers: Headers, body: bytes, answer: Answer) -> bool:
        return any(way(method, url, headers, body, answer) for way in ways)

    return take
