from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.routing import Route

from bot.checks.alerts import MOST, name_of
from bot.clock import CountedIds, MovedClock
from bot.db import Database
from bot.intake.alerts import TakeAlerts
from bot.intake.doors import Doors
from bot.lanes import Lanes
from bot.people.tokens import mint_token
from bot.tables import Alert, Check
from tests.checks.test_looking import respec
from tests.kit.programs import free_port, need, running
from tests.kit.server import serving
from tests.paging.world import World


@dataclass
class Door:
    """The webhook as Alertmanager sees it, beside the town it tells of."""

    world: World
    http: httpx.AsyncClient
    url: str
    edge: TakeAlerts
    tokens: dict[str, str]

    def alert(self, name: str = "QueueStuck", status: str = "firing", fingerprint: str = "f1", *, started: timedelta = timedelta(minutes=-5), ended: timedelta | None = None, notes: dict[str, str] | None = None, **labels: str) -> dict[str, Any]:
        now = self.world.clock.now()
        return {
            "status": status,
            "labels": {"alertname": name, "agent": "support-triage", **labels},
            "annotations": {"summary": "The queue does not move"} if notes is None else notes,
            "startsAt": (now + started).isoformat().replace("+00:00", "Z"),
            "endsAt": "0001-01-01T00:00:00Z" if ended is None else (now + ended).isoformat().replace("+00:00", "Z"),
            "generatorURL": "http://prometheus.example/graph?g0.expr=x",
            "fingerprint": fingerprint,
        }

    async def send(self, *alerts: Any, token: str = "all", path: str = "/v1/alerts", **more: Any) -> httpx.Response:
        message = {"version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": "firing", "receiver": "aiops", "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://am.example", "alerts": list(alerts), **more}
        answer = await self.http.post(path, json=message, headers={"Authorization": f"Bearer {self.tokens.get(token, token)}"})
        await asyncio.to_thread(self.world.settle)
        return answer


@pytest.fixture
async def door(db: Database, clock: MovedClock) -> AsyncIterator[Door]:
    world = await asyncio.to_thread(World(db, clock).found, {})
    now, ids, tokens = clock.now(), CountedIds(), dict[str, str]()
    with db.transaction() as tx:
        world.add_agent(tx, "billing", "Billing", {})
        for name, scopes, agents in (("all", ["events"], None), ("billing", ["events"], ["billing"]), ("reader", ["read"], None)):
            tokens[name] = mint_token(tx, now, ids, name=name, scopes=scopes, agents=agents)[0]
    lanes = Lanes(db)
    edge = TakeAlerts(Doors(lanes, clock), lanes, clock)
    try:
        async with serving(Starlette(routes=[Route("/v1/alerts", edge, methods=["POST"])])) as url, httpx.AsyncClient(base_url=url, timeout=30) as http:
            yield Door(world, http, url, edge, tokens)
    finally:
        lanes.close()


async def test_an_alert_becomes_a_problem_of_the_agent_it_names_and_its_end_closes_it(door: Door) -> None:
    answer = await door.send(door.alert(severity="critical", instance="a:9100"))
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "stale": 0, "truncated": 0, "unknown_agents": [], "refused": []})
    assert door.world.called() == ["Omar"]
    problem = door.world.problems()[0]
    assert (problem.title, problem.says) == ("alert QueueStuck", "The alert QueueStuck fires: The queue does not move.")
    assert problem.since == door.world.clock.now() - timedelta(minutes=5)
    assert problem.evidence["Labels"] == "instance=a:9100"
    await door.send(door.alert("QueueStuck", "resolved", ended=timedelta(minutes=-1)))
    assert door.world.pages()[0].resolved_why == "The alert QueueStuck no longer fires; it ended at 2026-11-20 07:59 UTC."


async def test_alerts_of_one_name_are_one_problem_until_the_last_of_them_ends(door: Door) -> None:
    one, two = door.alert(severity="page", instance="a"), door.alert(severity="page", instance="b", fingerprint="f2")
    await door.send(one, two)
    await door.send(one, two)  # Alertmanager repeats what still fires
    assert len(door.world.problems()) == 1
    assert door.world.called() == ["Omar"]
    assert "It fires 2 times." in door.world.problems()[0].says
    assert door.world.problems()[0].evidence["Also fires for"] == "instance=b"
    await door.send({**one, "status": "resolved", "endsAt": door.world.clock.now().isoformat()})
    assert door.world.problems()[0].closed_at is None
    await door.send({**two, "status": "resolved", "endsAt": door.world.clock.now().isoformat()})
    assert door.world.problems()[0].closed_at is not None


async def test_the_label_severity_says_whether_people_are_called_unless_the_registry_does(door: Door) -> None:
    await door.send(door.alert(severity="warning"))
    assert (door.world.called(), door.world.problems()[0].severity) == ([], "notice")
    await door.send(door.alert(severity="critical", fingerprint="f2"))
    assert door.world.called() == ["Omar"]
    await asyncio.to_thread(respec, door.world, {"disk": {"kind": "alert", "alert": "DiskFull", "severity": "notice", "why": "the index stops growing"}})
    await door.send(door.alert("DiskFull", fingerprint="d1", severity="critical"))
    assert door.world.check("disk").state == "failing"
    assert door.world.problems()[-1].severity == "notice"


async def test_a_check_written_in_the_registry_takes_over_from_the_one_made_on_arrival(door: Door) -> None:
    await door.send(door.alert(severity="critical"))
    await asyncio.to_thread(respec, door.world, {"queue": {"kind": "alert", "alert": "QueueStuck"}})
    assert door.world.problems()[0].closed_at is None  # the registry does not know of the check made on arrival
    await door.send(door.alert(severity="critical"))
    assert door.world.check("alert:QueueStuck").archived_at is not None
    assert [problem.closed_at is None for problem in door.world.problems()] == [False, True]
    await asyncio.to_thread(respec, door.world, {})
    await door.send(door.alert(severity="critical", fingerprint="f9"))
    assert door.world.check("alert:QueueStuck").state == "failing"


async def test_a_message_that_was_overtaken_changes_nothing_and_a_new_start_fires_anew(door: Door) -> None:
    first = door.alert(severity="critical")
    await door.send({**first, "status": "resolved", "endsAt": first["startsAt"]})
    assert door.world.problems() == []
    await door.send(first)
    await door.send({**first, "status": "resolved", "endsAt": door.world.clock.now().isoformat()})
    assert (await door.send(first)).json()["stale"] == 1
    assert [problem.closed_at is None for problem in door.world.problems()] == [False]
    await door.send(door.alert(severity="critical", started=timedelta(minutes=-1)))
    assert len(door.world.problems()) == 2


async def test_unknown_agents_are_named_and_counted_and_the_others_are_taken(door: Door) -> None:
    lost = door.alert(fingerprint="f2", agent="suport-triage")
    answer = await door.send(door.alert(), lost, {**lost, "labels": {"alertname": "X"}}, door.alert(fingerprint="f3", agent="support-triage", alertname=""), {"status": "odd"}, "text")
    told = answer.json()
    assert (answer.status_code, told["accepted"], told["unknown_agents"]) == (202, 1, ["suport-triage"])
    assert [(each["index"], each["code"]) for each in told["refused"]] == [(4, "bad_value"), (5, "bad_value"), (1, "unknown_agent"), (2, "no_agent"), (3, "missing_field")]
    assert (door.edge.accepted, door.edge.refused, door.edge.unknown_agents) == (1, 5, 1)
    alone = await door.send(lost)
    assert alone.status_code == 422
    assert alone.json()["detail"] == "none of the alerts could be taken; the first because there is no agent 'suport-triage' in the registry"


async def test_another_label_can_name_the_agent(door: Door) -> None:
    alert = door.alert(agent="", service="billing")
    assert (await door.send(alert, path="/v1/alerts?label=service")).json()["accepted"] == 1
    assert door.world.problems()[0].fingerprint == "billing:alert:QueueStuck"
    assert (await door.send(alert, path="/v1/alerts?label=no-label")).status_code == 400


async def test_what_alertmanager_left_out_is_told(door: Door) -> None:
    assert (await door.send(door.alert(), truncatedAlerts=12)).json()["truncated"] == 12
    assert door.world.problems()[0].evidence["Left out by Alertmanager"].startswith("12 further alerts")


async def test_bad_messages_and_strangers_are_refused(door: Door) -> None:
    assert (await door.send(door.alert(), token="reader")).status_code == 403
    assert (await door.send(door.alert(), token="aiops_nonsense")).status_code == 401
    limited = await door.send(door.alert(), token="billing")
    assert (limited.status_code, limited.json()["refused"][0]["code"]) == (422, "not_allowed")
    assert (await door.send(version="3")).json()["code"] == "bad_alerts"
    assert (await door.send()).status_code == 422
    many = await door.send(*([door.alert()] * (MOST + 1)))
    assert (many.status_code, "max_alerts" in many.json()["detail"]) == (400, True)
    bearer = {"Authorization": f"Bearer {door.tokens['all']}"}
    for body in (b"{", b"[]", b'{"alerts": {}}', b"\xff"):
        assert (await door.http.post("/v1/alerts", content=body, headers=bearer)).status_code == 400
    assert (await door.http.post("/v1/alerts", content=b" " * (10 * 1024 * 1024 + 1), headers=bearer)).status_code == 413
    assert door.world.problems() == []


async def test_text_of_alerts_can_ping_nobody_and_is_cut(door: Door) -> None:
    await door.send(door.alert(severity="critical", notes={"summary": "<!here> <@U0ZOE> \0" + "x" * 5000, "description": "y" * 5000, "runbook_url": "javascript:alert(1)"}, instance="<!channel>"))
    shown = str(door.world.row("page:1:channel").want)
    assert "<!here>" not in shown
    assert "<!channel>" not in shown
    assert "<@U0ZOE>" not in shown
    assert "javascript" not in shown
    with door.world.db.reading() as tx:
        assert len(tx.scalars(select(Alert)).one().notes["summary"]) == 1000


def test_long_names_of_alerts_stay_apart() -> None:
    assert name_of("X") == "alert:X"
    one, two = name_of("x" * 190 + "a"), name_of("x" * 190 + "b")
    assert one != two
    assert len(one) <= 128


async def test_a_real_alertmanager_fires_and_resolves(door: Door, tmp_path: Path) -> None:
    program, port = need("prometheus-alertmanager"), free_port()
    (tmp_path / "am.yml").write_text(f"""
route: {{receiver: aiops, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers:
  - name: aiops
    webhook_configs:
      - url: {door.url}/v1/alerts
        send_resolved: true
        http_config: {{authorization: {{credentials: {door.tokens["all"]}}}}}
""")
    base = f"http://127.0.0.1:{port}"
    command = [program, f"--config.file={tmp_path}/am.yml", f"--storage.path={tmp_path}/data", f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    async with running(command, f"{base}/-/ready", tmp_path), httpx.AsyncClient(base_url=base, trust_env=False) as am:

        async def tell(**fields: Any) -> None:
            alert = {"labels": {"alertname": "RealQueue", "agent": "support-triage", "severity": "critical", "instance": "a"}, "annotations": {"summary": "For real"}, **fields}
            assert (await am.post("/api/v2/alerts", json=[alert])).status_code == 200

        async def until(accepted: int) -> None:
            for _ in range(600):
                if door.edge.accepted >= accepted:
                    break
                await asyncio.sleep(0.05)  # the real clock of another program
            await asyncio.to_thread(door.world.settle)

        await tell()
        await until(1)
        assert door.world.problems()[0].says == "The alert RealQueue fires: For real."
        assert door.world.called() == ["Omar"]
        (known,) = (await am.get("/api/v2/alerts")).json()
        await tell(startsAt=known["startsAt"], endsAt=known["updatedAt"])
        await until(2)
        assert door.world.problems()[0].closed_at is not None
        assert [check.name for check in door.world.do(lambda tx: tx.scalars(select(Check)).all())] == ["alert:RealQueue"]
