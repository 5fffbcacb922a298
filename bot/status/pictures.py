"""Charts that Slack fetches from us: `GET /c/{signed}`, short-lived, and never a broken picture."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.charts.values import Chart
from bot.clock import Clock
from bot.lanes import Lanes
from bot.outbox.charting import Link
from bot.quality.charting import charts_of
from bot.signing import BadSignature, Signer
from bot.tables import Agent

PURPOSE = "chart"
KEPT = timedelta(days=30)
MOST = 8  # charts in one picture


def chart_links(signer: Signer | None, public_url: str | None, clock: Clock) -> Link | None:
    """Makes the address of the picture of some charts; None where Slack could not reach us."""
    if signer is None or not public_url or not public_url.startswith("https://"):
        return None

    def link(charts: Sequence[Chart]) -> str | None:
        if not charts or not charts[0].points:
            return None
        claims = {"agents": [chart.slug for chart in charts[:MOST]], "day": charts[0].points[-1].day}
        # Kept to the day, so that the same picture has the same address and is fetched once.
        until = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) + KEPT
        return f"{public_url}/c/{signer.sign(PURPOSE, claims, until=until)}.png"

    return link


def picture_route(lanes: Lanes, clock: Clock, signer: Signer) -> Route:
    """The route of the pictures. The signature in the address is the permission."""

    async def picture(request: Request) -> Response:
        from bot.charts import picture as drawing  # the drawing library is loaded with the first picture

        now = clock.now()
        try:
            claims = signer.read(PURPOSE, str(request.path_params["signed"]).removesuffix(".png"), now=now)
        except BadSignature as bad:
            if "expired" not in str(bad):
                return Response("There is no such picture.", 404, media_type="text/plain")
            said = "This chart is no longer kept. /aiops status shows today's."
            return Response(await asyncio.to_thread(drawing.blank, said), media_type="image/png")

        def look(tx: Session) -> list[Chart]:
            slugs = [str(slug) for slug in claims["agents"]][:MOST]
            agents = list(tx.scalars(select(Agent).where(Agent.slug.in_(slugs), Agent.archived_at.is_(None))))
            found = charts_of(tx, now, agents, str(claims["day"]))
            return [found[agent.id] for agent in sorted(agents, key=lambda agent: slugs.index(agent.slug)) if agent.id in found]

        charts = await lanes.read(look)
        drawn = await asyncio.to_thread(drawing.draw, charts) if charts else await asyncio.to_thread(drawing.blank, "There is nothing to draw for this agent any more.")
        return Response(drawn, media_type="image/png", headers={"Cache-Control": "public, max-age=600"})

    return Route("/c/{signed}", picture, methods=["GET"])
