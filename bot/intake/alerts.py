"""`POST /v1/alerts`: the webhook of a Prometheus Alertmanager, stored before it is answered."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

import orjson

from bot.checks.alerts import AGENT_LABEL, BadAlerts, Taken, read_alerts, store_alerts
from bot.clock import Clock
from bot.intake.bodies import BadBody, read_body
from bot.intake.doors import Doors
from bot.intake.http import JSON, Receive, Scope, Send, answer, problem, tell_trouble
from bot.lanes import Lanes, Urgency

_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)


class TakeAlerts:
    """Takes what Alertmanager sends, with a token of the scope `events`; `?label=` names another label than `agent`."""

    def __init__(self, doors: Doors, lanes: Lanes, clock: Clock) -> None:
        self._doors = doors
        self._lanes = lanes
        self._clock = clock
        self.accepted = 0
        self.refused = 0
        self.unknown_agents = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._take(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - logged and told; Alertmanager sends again what is answered with 5xx
            await tell_trouble(BadBody(400, "bad_alerts", str(error)) if isinstance(error, BadAlerts) else error, scope, receive, send)

    async def _take(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"")
        bearer = await self._doors.admit(headers.get(b"authorization"), "events")
        label = dict(parse_qsl(scope["query_string"].decode("latin-1"))).get("label", AGENT_LABEL)
        if not _LABEL.fullmatch(label):
            raise BadAlerts("`label` in the address is not the name of a label")
        body = await read_body(receive, headers.get(b"content-encoding", b"").decode("latin-1").strip().lower(), int(length) if length.isdigit() else None)
        try:
            message = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise BadBody(400, "not_json", f"the body is not JSON: {error}") from error
        found, taken = read_alerts(message)
        if found:
            now = self._clock.now()
            taken = await self._lanes.write(lambda tx: store_alerts(tx, now, found, taken, allowed=bearer.agents, label=label), urgency=Urgency.PAGE)
        await self._tell(send, taken)

    async def _tell(self, send: Send, taken: Taken) -> None:
        self.accepted += taken.accepted
        self.refused += len(taken.refused)
        self.unknown_agents += sum(each["code"] == "unknown_agent" for each in taken.refused)
        if taken.accepted:
            await answer(send, 202, JSON, taken.told())
        elif taken.refused:
            # The first reason in the first words: Alertmanager logs the beginning of the answer.
            await problem(send, 422, "nothing_valid", f"none of the alerts could be taken; the first because {taken.refused[0]['message']}", more=taken.told())
        else:
            await problem(send, 422, "nothing_valid", "there is no alert in the body", more=taken.told())
