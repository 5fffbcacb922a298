"""The composition root: the only place that knows every room, and hands each what it needs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from sqlalchemy.orm import Session
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

import bot.agents.slack
import bot.autonomy.slack
import bot.digests.slack
import bot.feedback.slack
import bot.gaps.slack
import bot.handover.slack
import bot.home.slack
import bot.incidents.slack
import bot.ladders.slack
import bot.lists.slack
import bot.outbox.slack
import bot.paging.slack
import bot.quality.drift.slack
import bot.quiet.slack
import bot.requests.slack
import bot.status.slack
from bot import __version__
from bot.agents import departures, owners
from bot.agents.reading import agents_in_channel, lead_people, owners_named
from bot.audit.sealing import seal_step, something_unsealed
from bot.autonomy.switches import Switches
from bot.autonomy.webhooks import Webhooks
from bot.checks import drifting
from bot.checks import flows as checks
from bot.checks import http as checks_http
from bot.checks.http import Pings, TakePing
from bot.checks.pings import Targets
from bot.checks.probes import Prober
from bot.clock import Clock, Ids, RandomIds, SystemClock
from bot.db import Database
from bot.digests import flows as digests
from bot.feedback import http as feedback_http
from bot.feedback.outward.letters import LOOP as FEEDBACK_OUT
from bot.feedback.outward.letters import people_merged
from bot.feedback.outward.sending import Telling
from bot.feedback.outward.trouble import counts as feedback_counts
from bot.feedback.reviews import review_step
from bot.handover import flows as handovers
from bot.handover.retiring import left_over, sweep_step
from bot.home.showing import Homes
from bot.incidents import flows as incidents
from bot.incidents import reviewing
from bot.incidents.following import follow_ups_step, something_due
from bot.incidents.gathering import orders_step, orders_waiting
from bot.incidents.marks import MarkReader
from bot.incidents.running import running_step, something_to_look_at
from bot.intake import answers, front, gate, permissions
from bot.intake import http as intake_http
from bot.intake.alerts import TakeAlerts
from bot.intake.keeping import Keeping
from bot.intake.taking import Intake
from bot.intake.telemetry import http as telemetry_http
from bot.intake.telemetry.loops import TelemetryLoops
from bot.ladders.telling import rotations_due, rotations_step
from bot.ladders.weekly import week_is_due, weekly_step
from bot.lanes import Lanes, Urgency
from bot.lessons import http as lessons_http
from bot.lists import flows as lists
from bot.loops import Due, Loops, Step
from bot.marks import mark_of, put_mark
from bot.metrics import Readings
from bot.outbox.charting import Charts
from bot.outbox.delivery import Delivery
from bot.outbox.rules import Rhythm
from bot.outbox.waiting import next_due as next_delivery
from bot.paging import dues
from bot.paging import http as paging_http
from bot.paging.answering.acks import acks_step
from bot.paging.answering.resolving import recheck_step
from bot.paging.calling import ladders_step
from bot.paging.sparing.holding import hold_step, quiet_moved
from bot.paging.sparing.settling import settle_step, something_settles
from bot.paging.trying import http as trying_http
from bot.paging.trying.flows import trials_due, trials_step
from bot.paging.waking import QuietHours
from bot.paging.watching.auditor import audit_step
from bot.paging.watching.measures import measures
from bot.paging.watching.stuck import is_stuck, stuck_step
from bot.paging.watching.synthetic import Plan, SelfTest
from bot.people.directory import Team, events_of
from bot.people.merging import Merged
from bot.people.sync import identify, sync
from bot.quality.drift import flows as drift
from bot.quality.flows import late_runs_step, mark_dirty, reobserve, runs_awaited
from bot.quality.folding import Folding
from bot.quality.gathering import gather_step
from bot.quiet import windows
from bot.quiet.flows import silence_ends, silences_step
from bot.requests import calling as request_calls
from bot.requests.counting import Allowed
from bot.requests.hooks import Hooks
from bot.requests.measures import measures as request_measures
from bot.requests.permits import Book
from bot.requests.waiting import Board
from bot.routes.email import EmailRoute
from bot.routes.outcome import Route as Way
from bot.routes.pagerduty import PagerDutyRoute
from bot.routes.slack import SlackCalls
from bot.routes.webhook import WebhookRoute
from bot.setback import SetBack
from bot.settings import Settings
from bot.signing import Signer
from bot.stages.gate import LOOP as GATE_LOOP
from bot.stages.gate import Gate
from bot.status import http as status_http
from bot.status import pictures
from bot.surface.edge import Edge, forget_old
from bot.surface.http import slack_route
from bot.surface.press import Surface
from bot.tables import Mark, OutMessage
from bot.wire import Short

if TYPE_CHECKING:
    from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler

log = structlog.get_logger(__name__)

SLACK_TIMEOUT = 10  # seconds for one call
DIRECTORY_EVERY = timedelta(hours=6)
KEEP_SEEN = timedelta(days=2)  # Slack repeats an event for a few minutes, a signature is good for five
RUSH = 16  # calls to the outside under way at once
TEAM = "slack.team"  # the mark that remembers which workspace this is



class Flow(Protocol):
    """One step of a room, in one transaction; says whether it found work."""

    def __call__(self, tx: Session, now: datetime) -> bool: ...



class Look(Protocol):
    """When the first row of a room after `now` is due; changes nothing."""

    def __call__(self, tx: Session, now: datetime) -> datetime | None: ...



@dataclass(frozen=True)
class When:
    """A step behind a question: where nothing waits, it takes no place in the writers' queue."""

    waits: Flow
    flow: Flow



class House:
    """The product, composed. `open` learns who we are; `start` turns the loops; `close` finishes what was accepted."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        ids: Ids | None = None,
        rhythm: Rhythm | None = None,
        secrets: list[str] | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.ids = ids or RandomIds()
        self.loops = Loops(self.clock)
        self.db = Database(settings.database, on_wake=self._woken)
        self.lanes = Lanes(self.db)
        self.gate = Gate(self.lanes, self.clock, self.loops.wake)
        self.signer = Signer(secrets or settings.secrets) if secrets or settings.secrets else None
        token = settings.slack_bot_token.get_secret_value() if settings.slack_bot_token else None
        # This client looks things up and answers presses; everything that must arrive goes through the outbox.
        self.client = AsyncWebClient(token=token, base_url=settings.slack_api_url, timeout=SLACK_TIMEOUT, retry_handlers=[])
        rhythm = rhythm or Rhythm(posts_per_second=settings.slack_posts_per_second)
        answers_within = rhythm.answers_within.total_seconds()
        slack = SlackCalls(token, settings.slack_api_url, timeout=answers_within) if token else None
        self.charts = Charts(self.lanes, self.clock, slack, pictures.chart_links(self.signer, settings.public_url, self.clock))
        self.delivery = Delivery(self.lanes, self.clock, slack, routes=self._ways(), rhythm=rhythm, next_place=next_place, ids=self.ids, charts=self.charts)
        self.intake = Intake(self.lanes, self.clock)
        self.telemetry = telemetry_http.Telemetry(self.lanes, self.clock, self.intake.doors, most=settings.telemetry_mib * 1024 * 1024)
        self.prober = Prober(self.lanes, self.clock)
        deadman = self.settings.deadman_url.get_secret_value() if self.settings.deadman_url else None
        self.self_test = SelfTest(self.lanes, self.clock, Plan(settings.synthetic_channel, timedelta(minutes=settings.synthetic_minutes), deadman))
        self.pings = Pings(self.lanes, self.clock)
        # A secret is needed to make ping addresses and to know them.
        self.take_ping = TakePing(self.pings, Targets(self.lanes, self.clock, self.signer), self.clock) if self.signer is not None else None
        self.webhooks = Webhooks(self.lanes, self.clock, self.signer) if self.signer is not None else None
        self.answers = Board(self.lanes)
        self.allowed = Allowed(self.lanes)
        self.permits = Book(self.clock)
        self.request_hooks = Hooks(self.lanes, self.clock, self.signer)
        self.feedback_out = Telling(self.lanes, self.clock, self.signer)
        self.alerts = TakeAlerts(self.intake.doors, self.lanes, self.clock)
        self.surface = Surface()
        self.homes = Homes(self.lanes, self.clock, self.client, self.charts)
        self.team: Team | None = None
        self.edge: Edge | None = None
        self.slack_app: Route | None = None
        self.sockets: list[AsyncSocketModeHandler] = []
        self.metrics = Readings()
        self._directory_at: datetime | None = None
        self._add_handlers()
        self._add_loops()

    # --- what there is ------------------------------------------------------------------------------------------

    def _ways(self) -> dict[str, Way]:
        ways: dict[str, Way] = {"pagerduty": PagerDutyRoute(self.settings.pagerduty_url)}
        if self.signer is not None:
            ways["webhook"] = WebhookRoute(self.signer, self.clock)
        if self.settings.smtp_url is not None:
            ways["email"] = EmailRoute(self.settings.smtp_url.get_secret_value(), self.settings.email_from, self.clock)
        return ways

    def _add_handlers(self) -> None:
        rooms: tuple[Any, ...] = (
            bot.agents.slack, bot.quality.drift.slack, bot.feedback.slack, bot.ladders.slack, bot.paging.slack, bot.quiet.slack, bot.requests.slack, bot.incidents.slack, bot.autonomy.slack, bot.handover.slack,
            bot.lists.slack, bot.gaps.slack, bot.digests.slack, bot.status.slack, bot.outbox.slack, bot.home.slack,
        )  # fmt: skip
        for room in rooms:
            self.surface.add(**{kind.lower(): getattr(room, kind, {}) for kind in ("ACTIONS", "VIEWS", "SHORTCUTS", "WORDS")})
            for event, handler in getattr(room, "EVENTS", {}).items():
                self.surface.events.setdefault(event, []).append(handler)
        self.surface.add(views=bot.agents.slack.views(self.ids, self.settings.base_url))
        self.surface.add(views=bot.handover.slack.views(self.ids, self.settings.base_url))
        review_actions, review_words = reviewing.handlers(self.signer, self.settings.public_url)
        self.surface.add(actions=review_actions, words=review_words)
        self.surface.home = self.homes

    def _add_loops(self) -> None:
        """Loops by name, with the steps they turn and how often they look unasked (seconds)."""
        add = self.loops.add
        links = paging_http.AckLinks(self.signer, self.settings.public_url)
        add("set back", SetBack(self.lanes).step, every=1)
        add("counters", self._flow(gather_step), every=1, rest=0.1)
        traces = TelemetryLoops(self.lanes, self.clock, self.intake.agents, timedelta(hours=self.settings.telemetry_hours), lambda: self.telemetry.groups.queued)
        add("telemetry", traces.step, every=1)
        add("telemetry kept", traces.keep_step, every=30)
        add("owners", self._flow(owners.chase_step, When(departures.somebody_left, departures.departures_step)), every=30)
        add("handovers", self._flow(When(handovers.something_to_tell, lambda tx, now: handovers.tell_step(tx, now, links)), When(handovers.something_due, handovers.due_step), When(left_over, sweep_step)), every=5)
        add("oncall", self._flow(When(rotations_due, rotations_step)), every=5)
        add("checks", self._flow(gather_step, When(checks.anything_new, checks.sync_step), When(checks.anything_due, checks.look_step), urgency=Urgency.PAGE), every=0.5, due=self._first(checks.next_due))
        add("clock", self._flow(checks.ahead_step), every=60)
        add("probes", self.prober.step, every=1)
        add("ladders", self._flow(When(dues.somebody_to_call, lambda tx, now: ladders_step(tx, now, links)), When(dues.hold_ends, acks_step), When(dues.look_awaited, recheck_step), When(something_settles, settle_step), urgency=Urgency.PAGE), every=0.5, due=self._first(dues.next_due))
        quiet = (When(windows.file_waits, windows.registry_step), When(silence_ends, silences_step), When(windows.window_waits, windows.windows_step), When(quiet_moved, hold_step))
        add("quiet", self._flow(*quiet, urgency=Urgency.PAGE), every=0.5)
        test_links = trying_http.TrialLinks(self.signer, self.settings.public_url)
        add("who is reached", self._flow(When(week_is_due, weekly_step)), every=60)
        add("route tests", self._flow(When(trials_due, lambda tx, now: trials_step(tx, now, test_links))), every=1)
        if self.settings.slack_bot_token is not None:
            add("quiet hours", QuietHours(self.client, self.lanes, links).step, every=5)
        add("requests", self._flow(When(request_calls.something_due, request_calls.requests_step), urgency=Urgency.PAGE), every=0.5, due=self._first(request_calls.next_due))
        add("answers", self.answers.step, every=0.1)
        add("webhooks of requests", self.request_hooks.step, every=5)
        add("permissions", self.allowed.step, every=1)
        add(FEEDBACK_OUT, self.feedback_out.step, every=5)
        add("auditor", self._flow(lambda tx, now: audit_step(tx, now, links), When(is_stuck, stuck_step), urgency=Urgency.PAGE), every=20)
        add("self-test", self.self_test.step, every=1 if self.settings.synthetic_channel else 3600)
        add(GATE_LOOP, self.gate.step, every=0.5)
        add("switches", Switches(self.lanes, self.gate).step, every=1)
        if self.webhooks is not None:
            add("webhooks", self.webhooks.step, every=1)
        add("incidents", self._flow(incidents.watch_step, When(orders_waiting, orders_step), When(something_due, follow_ups_step), When(something_to_look_at, running_step)), every=5)
        if self.settings.slack_bot_token is not None:
            add("home", self.homes.step, every=2)
            add("marks", MarkReader(self.client, self.lanes).step, every=2)
        add("fold", Folding(self.lanes, lambda: len(self.delivery.under_way) > RUSH).step, every=1, rest=0.25)
        add("drift", self._flow(When(drift.settles, drift.settle_step), When(drift.unmarked, drift.mark_step), When(drifting.unwatched, drifting.watch_step)), every=2, rest=0.05)
        add("late runs", self._flow(When(runs_awaited, late_runs_step)), every=60)
        add("reviews", self._flow(review_step), every=20)
        add("digests", self._flow(digests.plan_step, digests.post_step, digests.look_step, digests.chase_step), every=5)
        add("lists", self._flow(lists.plan_step, lists.post_step, lists.look_step), every=5)
        add("slack", self._keep_in_touch, every=15)
        add("seals", self._flow(When(something_unsealed, seal_step)), every=1)
        add("housekeeping", self._keep_house, every=3600)
        add("keeping", Keeping(self.lanes, timedelta(days=self.settings.keep_days)).step, every=600)
        add("outbox", self.delivery.step, every=0.5, due=self._first(next_delivery))

    def _woken(self, name: str) -> None:
        """A commit wakes a loop; an order also makes the gate's memory stale, before the one who ordered is answered."""
        if name == GATE_LOOP:
            self.gate.forget()
            self.permits.forget()
        self.loops.wake(name)

    def _flow(self, *flows: Flow | When, urgency: Urgency = Urgency.FLOW) -> Step:
        async def step(now: datetime) -> bool:
            busy = False
            for flow in flows:
                if isinstance(flow, When):
                    if not await self.lanes.glance(partial(flow.waits, now=now)):
                        continue
                    flow = flow.flow
                busy = await self.lanes.write(partial(flow, now=now), urgency=urgency) or busy
            return busy

        return step

    def _first(self, look: Look) -> Due:
        """When the first row is due, asked beside the writers."""

        async def due(now: datetime) -> datetime | None:
            return await self.lanes.glance(partial(look, now=now))

        return due

    # --- Slack ----------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Check the schema, and learn from Slack (or, where it is away, from the last time) who we are."""
        await asyncio.to_thread(self.db.check_schema)
        if self.settings.slack_bot_token is not None and not await self._ask_who_we_are():
            remembered = await self.lanes.read(lambda tx: mark_of(tx, TEAM))
            if remembered:
                self._connect(Team(**remembered, on_merge=count_anew))

    async def _ask_who_we_are(self) -> bool:
        try:
            answer = await self.client.auth_test()
        except (SlackApiError, SlackClientError, OSError, TimeoutError) as error:
            log.warning("Slack did not say who we are; trying again", error=type(error).__name__)
            return False
        team = Team(str(answer["team_id"]), str(answer["user_id"]), answer.get("enterprise_id"), count_anew)
        value = {"team_id": team.team_id, "bot_user": team.bot_user, "enterprise_id": team.enterprise_id}

        def remember(tx: Session) -> str | None:
            known = mark_of(tx, TEAM)
            if known and known["team_id"] != team.team_id:
                return str(known["team_id"])
            put_mark(tx, TEAM, value)
            return None

        other = await self.lanes.write(remember)
        if other is not None:
            raise WrongWorkspace(f"this database belongs to the Slack workspace {other}, and the token to {team.team_id}: one deployment serves one workspace")
        self._connect(team)
        return True

    def _connect(self, team: Team) -> None:
        if self.team is not None:
            return
        self.team = team
        # The directory learns first, then the rooms act on what it knows.
        for event, handlers in events_of(team).items():
            self.surface.events[event] = [*handlers, *self.surface.events.get(event, [])]
        for event, handlers in bot.agents.slack.events_of(team).items():
            self.surface.events.setdefault(event, []).extend(handlers)
        self.edge = Edge(self.surface, self.lanes, self.clock, self.client, team, lambda slack_id, now: identify(self.client, self.lanes, team, slack_id, now), self.charts)
        self.bolt: AsyncApp = self.edge.bolt()
        secret = self.settings.slack_signing_secret
        if secret is not None and self.settings.slack_app_token is None:
            self.slack_app = slack_route(self.bolt, secret.get_secret_value(), self.clock)

    async def listen(self) -> None:
        """Open Socket Mode's connections: two, because after an abrupt cut the SDK needs seconds to come back."""
        if self.settings.slack_app_token is None or self.edge is None or self.sockets:
            return
        from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler  # 0.2 s to import: only where used

        for _ in range(2):
            socket = AsyncSocketModeHandler(self.bolt, self.settings.slack_app_token.get_secret_value(), web_client=self.client)
            await socket.connect_async()  # type: ignore[no-untyped-call]
            self.sockets.append(socket)

    async def _keep_in_touch(self, now: datetime) -> bool:
        """Connect where that has not worked yet, and read the directory from time to time."""
        if self.settings.slack_bot_token is None or (self.team is None and not await self._ask_who_we_are()):
            return False
        try:
            await self.listen()
            if self._directory_at is None or now - self._directory_at >= DIRECTORY_EVERY:
                await self.read_directory(now)
        except (SlackApiError, SlackClientError, OSError, TimeoutError) as error:
            log.warning("Slack is away; trying again", error=type(error).__name__)
        return False

    async def read_directory(self, now: datetime) -> None:
        """Take over who is in the workspace, its groups and channels; nothing where Slack is not connected."""
        if self.team is not None:
            await sync(self.client, self.lanes, now, self.team)
            self._directory_at = now

    async def _keep_house(self, now: datetime) -> bool:
        await self.lanes.write(lambda tx: forget_old(tx, now - KEEP_SEEN))
        return False

    # --- HTTP -----------------------------------------------------------------------------------------------------

    def routes(self) -> list[BaseRoute]:
        """Everything the product answers over HTTP, the hottest first."""
        found: list[BaseRoute] = [
            *intake_http.routes(self.intake),
            *telemetry_http.routes(self.telemetry),
            *([checks_http.route(self.take_ping)] if self.take_ping is not None else ()),
            Route("/v1/alerts", self.alerts, methods=["POST"]),
            permissions.route(self.intake.doors, self.lanes, self.clock, self.allowed, self.permits),
            answers.route(self.intake.doors, self.lanes, self.answers),
            gate.route(self.intake.doors, self.gate),
            *status_http.routes(self.intake.doors, self.lanes, self.clock),
            lessons_http.route(self.intake.doors, self.lanes, self.clock),
            Route("/slack/events", self._from_slack, methods=["POST"]),
            Route("/healthz", self._alive),
            Route("/readyz", self._ready),
            Route("/metrics", self._measured),
        ]
        if self.signer is not None:
            found.append(pictures.picture_route(self.lanes, self.clock, self.signer))
            found.append(feedback_http.page_route(self.lanes, self.clock, self.signer, {**feedback_http.PAGES, **paging_http.PAGES, **trying_http.PAGES, **reviewing.PAGES}))
        return found

    def asgi(self) -> Starlette:
        return Starlette(routes=self.routes())

    @property
    def short(self) -> Short:
        """What need not pass the router: single events and bare pings."""
        return front.first_of(front.events(self.intake), gate.short(self.intake.doors, self.gate), *([self.take_ping.short] if self.take_ping is not None else ()))

    async def _from_slack(self, request: Request) -> Response:
        if self.slack_app is None:
            why = "Slack's requests come by Socket Mode here" if self.settings.slack_app_token else "Slack is not connected yet"
            return JSONResponse({"error": why}, status_code=503, headers={"Retry-After": "5"})
        answer: Response = await self.slack_app.endpoint(request)
        return answer

    async def _alive(self, _: Request) -> Response:
        return PlainTextResponse(f"aiops-bot {__version__} is alive\n")

    async def _ready(self, _: Request) -> Response:
        try:
            await asyncio.wait_for(self.lanes.read(lambda tx: tx.get(Mark, TEAM)), 2)
        except Exception as error:  # noqa: BLE001 - whatever it is, we are not ready
            return JSONResponse({"ready": False, "why": f"the database does not answer ({type(error).__name__})"}, status_code=503)
        if self.settings.slack_bot_token is not None and self.team is None:
            return JSONResponse({"ready": False, "why": "Slack has not told us who we are yet"}, status_code=503)
        return JSONResponse({"ready": True})

    async def _measured(self, _: Request) -> Response:
        now = self.clock.now()
        outbox = await self.lanes.read(lambda tx: self.delivery.figures(tx, now))
        self.metrics.set("outbox", outbox)
        paged = await self.lanes.read(lambda tx: measures(tx, now))
        asked = await self.lanes.read(lambda tx: request_measures(tx, now, self.answers, self.allowed))
        for figure in (*paged.figures, *asked):
            self.metrics.labelled(figure.name, figure.words, figure.samples, counts=figure.counts)
        for spread in paged.spreads:
            self.metrics.spread(spread.name, spread.words, spread.buckets, spread.total, spread.count)
        told = (await self.lanes.read(feedback_counts)).values()
        self.metrics.set("feedback_out", {state: float(sum(held.get(state, 0) for held in told)) for state in ("told", "due", "aside")})
        self.metrics.set("lanes", {"waiting": float(self.lanes.waiting())})
        self.metrics.set("intake", {"accepted_total": float(self.intake.totals.accepted), "duplicates_total": float(self.intake.totals.duplicates), "refused_total": float(self.intake.refusals)})
        self.metrics.set("telemetry", {**{f"{signal}_accepted_total": float(n) for signal, n in self.telemetry.accepted.items()}, "refused_total": float(self.telemetry.refused)})
        self.metrics.set("pings", {"accepted_total": float(self.pings.accepted), "refused_total": float(self.pings.refused)})
        self.metrics.set("alerts", {"accepted_total": float(self.alerts.accepted), "refused_total": float(self.alerts.refused), "unknown_agents_total": float(self.alerts.unknown_agents)})
        self.metrics.set("loops", {f"{name}_{what}_total": float(value) for name, loop in self.loops.loops.items() for what, value in (("steps", loop.steps), ("errors", loop.errors))})
        return Response(self.metrics.text(), media_type="text/plain; version=0.0.4")

    # --- life -----------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Stop in order: no new work, finish what was accepted, let go of the database."""
        for socket in self.sockets:
            await socket.close_async()  # type: ignore[no-untyped-call]
        self.gate.let_go()
        self.answers.close()
        await self.loops.stop()
        if self.edge is not None:
            await self.edge.rest()
        await self.intake.close()
        await self.telemetry.close()
        await self.pings.close()
        await self.allowed.step(self.clock.now())
        await self.request_hooks.close()
        await self.feedback_out.close()
        await self.prober.close()
        await self.delivery.close()
        if self.webhooks is not None:
            await self.webhooks.close()
        await asyncio.to_thread(self.lanes.close)
        self.db.close()


class WrongWorkspace(Exception):
    """The token and the database belong to different Slack workspaces."""


def count_anew(tx: Session, now: datetime, merged: Merged) -> None:
    """Two rows became one person: outputs on which both had voted count one vote less, and trace stores hear of one voter."""
    people_merged(tx, now, merged.kept_id, merged.gone_id)
    for agent_id, outputs in merged.outputs.items():
        if reobserve(tx, now, agent_id, outputs, "people"):
            mark_dirty(tx, now, [agent_id])


def next_place(tx: Session, row: OutMessage, tried: frozenset[str]) -> str | None:
    """Where a message goes whose channel is closed to us: the owners of the agents that live there, then the leads."""
    for agent in agents_in_channel(tx, row.target):
        for owner in owners_named(tx, agent).all():
            if owner.slack_id and owner.slack_id not in tried:
                return owner.slack_id
    return next((lead.slack_id for lead in lead_people(tx) if lead.slack_id and lead.slack_id not in tried), None)
