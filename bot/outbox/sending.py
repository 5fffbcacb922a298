"""Carrying out one job in Slack or over another route; the answer is an outcome."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.charts.dress import dress, holds_chart
from bot.outbox.charting import Charts
from bot.outbox.claims import Job
from bot.outbox.places import is_person
from bot.outbox.rules import Do
from bot.outbox.shape import BARE, FULL, content, plain_blocks
from bot.routes.outcome import Kind, Letter, Outcome, Route
from bot.routes.slack import SlackCalls


async def send(job: Job, slack: SlackCalls | None, routes: Mapping[str, Route], charts: Charts) -> Outcome:
    """Post, edit or delete."""
    if job.route != "slack":
        return await routes[job.route].deliver(letter_of(job))
    assert slack is not None
    if job.do is Do.DELETE:
        return await slack.call("chat.delete", {"channel": job.channel, "ts": job.ts})
    if job.kind == "file":
        return await _share_file(job, slack)
    blocks = list(job.want.get("blocks") or [])
    if job.layout == FULL and holds_chart(blocks):
        return await charts.through(blocks, lambda dressed: _say(job, slack, {**job.want, "blocks": dressed}), lambda outcome: outcome.kind is Kind.LAYOUT)
    return await _say(job, slack, job.want)


async def _say(job: Job, slack: SlackCalls, want: dict[str, Any]) -> Outcome:
    args = {"channel": job.channel, **content(want, job.marker, job.rev, job.nonce, job.layout)}
    if job.do is Do.EDIT:
        del args["unfurl_links"], args["unfurl_media"]
        return await slack.call("chat.update", {**args, "ts": job.ts})
    return await slack.call("chat.postMessage", {**args, "thread_ts": job.thread_ts})


def letter_of(job: Job) -> Letter:
    """A row as a letter for the routes beyond Slack."""
    return Letter(
        id=job.marker, to=job.target, text=str(job.want.get("text") or ""), blocks=dress(job.want.get("blocks") or [], False, lambda key: None),
        signed_as=str(job.want.get("signed_as") or "people"), over=job.do is Do.DELETE,
        acked=bool(job.want.get("acked")), topic=str(job.want.get("topic") or ""),
    )


async def _share_file(job: Job, slack: SlackCalls) -> Outcome:
    """Until files.completeUploadExternal nobody can see anything, so what fails before it had no effect."""
    channel = job.channel
    if is_person(channel):
        opened = await slack.call("conversations.open", {"users": channel})
        if not opened.ok:
            return _without_effect(opened)
        channel = str(opened.found["channel"]["id"])
    body = str(job.want.get("content") or "").encode() or b"\n"
    place = await slack.call("files.getUploadURLExternal", {"filename": job.want["name"], "length": len(body)})
    if not place.ok:
        return _without_effect(place)
    sent = await slack.upload(str(place.found["upload_url"]), body)
    if not sent.ok:
        return _without_effect(sent)
    args: dict[str, Any] = {
        "files": [{"id": place.found["file_id"], "title": job.want.get("title") or job.want["name"]}],
        "channel_id": channel,
        "thread_ts": job.thread_ts,
    }
    text = str(job.want.get("text") or "…")
    shown = {"initial_comment": text} if job.layout == BARE else {"blocks": plain_blocks(text, job.marker)}
    done = await slack.call("files.completeUploadExternal", {**args, **shown})
    return Outcome(Kind.OK, found={"channel": channel}) if done.ok else done


def _without_effect(outcome: Outcome) -> Outcome:
    return Outcome(Kind.UNREACHABLE, outcome.error) if outcome.kind is Kind.UNKNOWN else outcome
