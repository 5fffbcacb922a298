"""What the doctor says of the pager's own watch: stuck calls, the page it sends itself, and what it had to repair."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from bot.doctor.findings import Finding, remark
from bot.marks import mark_of
from bot.paging.watching import auditor, stuck, synthetic
from bot.paging.words.phrases import span
from bot.settings import Settings

QUIET_FOR = timedelta(minutes=5)  # the auditor looks every minute


@dataclass(frozen=True)
class Watch:
    """The marks that the pager leaves of itself."""

    audited: dict[str, Any] = field(default_factory=dict)
    tested: dict[str, Any] = field(default_factory=dict)
    queue: dict[str, Any] = field(default_factory=dict)


def watch_of(tx: Session) -> Watch:
    return Watch(*(mark_of(tx, name) for name in (auditor.MARK, synthetic.MARK, stuck.MARK)))


def judge_pager(watch: Watch, settings: Settings, now: datetime) -> Iterator[Finding]:
    """Broken things first."""
    if since := watch.queue.get("since"):
        told = watch.queue.get("told") or []
        leads = f"{len(told)} {'lead was' if len(told) == 1 else 'leads were'} called by another route." if told else "No lead could be told: give them `wake: [email]` (or webhook, pagerduty) under `people:` in aiops.yml."
        yield Finding("calls", f"Calls to people have waited for Slack for {span(now - datetime.fromisoformat(since))}: {watch.queue.get('count')} of them. {leads}", "See what is said about Slack and the token; call the owners of open pages yourself.")
    if watch.tested.get("failed_at") and settings.synthetic_channel:
        ago = span(now - datetime.fromisoformat(watch.tested["failed_at"]))
        yield Finding("self-test", f"The page that the bot sends itself did not arrive {ago} ago: {watch.tested.get('why') or 'no reason is known'}.", "Look whether AIOPS_SYNTHETIC_CHANNEL names a channel the bot is in, and what is said about Slack.")
    if watch.tested.get("tell_error"):
        yield Finding("self-test", f"The outside watcher was not told that pages arrive: {watch.tested['tell_error']}.", "Check AIOPS_DEADMAN_URL, and whether this machine may reach it.")
    if settings.deadman_url is not None and not settings.synthetic_channel:
        yield Finding("self-test", "AIOPS_DEADMAN_URL is set, and nothing fetches it: the bot sends itself no page.", "Set AIOPS_SYNTHETIC_CHANNEL to a channel for the self-test.")
    repairs = sum((watch.audited.get("repairs") or {}).values())
    if repairs:
        count = "one mistake" if repairs == 1 else f"{repairs} mistakes"
        yield remark("auditor", f"The pager found and repaired {count} of its own so far.", "The log and `page.…` rows of the audit say which; please report them.")
    if (at := watch.audited.get("at")) and now - datetime.fromisoformat(at) > QUIET_FOR:
        yield remark("auditor", f"The pager last looked after itself {span(now - datetime.fromisoformat(at))} ago; it should every minute.", "The server does this: look whether it runs.")
