"""Looking in Slack whether a post of unknown outcome stands there, and removing second copies."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from bot.outbox.claims import Job
from bot.outbox.places import is_person
from bot.outbox.shape import carries, rev_of, to_keep
from bot.routes.outcome import Kind, Outcome
from bot.routes.slack import SlackCalls

SKEW = timedelta(minutes=5)  # between our clock and Slack's
PAGES = 10


@dataclass
class Found:
    """What a look-up saw. `outcome` is OK also where looking is not allowed: then nothing is seen."""

    outcome: Outcome
    channel: str
    copies: dict[str, int | None] = field(default_factory=dict)  # ts -> revision, where told


async def find_copies(calls: SlackCalls, job: Job) -> Found:
    """All posts of the row in its channel (or thread) since its first attempt of unknown outcome."""
    channel = job.channel
    if is_person(channel):
        opened = await calls.call("conversations.open", {"users": channel})
        if not opened.ok:
            return Found(_or_nothing_seen(opened), channel)
        channel = str(opened.found["channel"]["id"])
    found = Found(Outcome(Kind.OK), channel)
    args: dict[str, Any] = {"channel": channel, "limit": 200, "include_all_metadata": True, "inclusive": True}
    if job.since is not None:
        args["oldest"] = f"{(job.since - SKEW).timestamp():.6f}"
    if job.thread_ts is not None:
        args["ts"] = job.thread_ts
    method = "conversations.replies" if job.thread_ts is not None else "conversations.history"
    for _ in range(PAGES):
        answer = await calls.call(method, args)
        if not answer.ok:
            found.outcome = _or_nothing_seen(answer)
            return found
        for message in answer.found.get("messages") or []:
            if carries(message, job.marker):
                found.copies[str(message["ts"])] = rev_of(message)
        cursor = (answer.found.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            break
        args["cursor"] = cursor
    return found


async def remove_extras(calls: SlackCalls, found: Found, known: str | None) -> tuple[str | None, int, bool]:
    """Delete all copies but one: which stays, how many were removed, and whether all extras are gone."""
    keep, removed, clean = to_keep(found.copies, known), 0, True
    for ts in found.copies:
        if ts != keep:
            answer = await calls.call("chat.delete", {"channel": found.channel, "ts": ts})
            removed += answer.ok
            clean = clean and (answer.ok or answer.kind is Kind.NO_MESSAGE)
    return keep, removed, clean


def _or_nothing_seen(answer: Outcome) -> Outcome:
    """A missing scope or membership makes looking impossible: one copy too many is better than none (`doctor` says so)."""
    if answer.kind in (Kind.REFUSED, Kind.NO_PLACE, Kind.NO_MESSAGE):
        return Outcome(Kind.OK, answer.error)
    return answer
