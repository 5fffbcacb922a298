"""What the doctor says of the places that are told of votes: pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.doctor.findings import Finding, listed, remark, shortened
from bot.feedback.outward.trouble import Trouble
from bot.paging.words.phrases import span
from bot.quality.words import plural

FRESH = timedelta(minutes=10)  # an outage that short mends itself


def judge_feedback(found: Sequence[Trouble], now: datetime) -> list[Finding]:
    """Keys that are not set, places that cannot be told, and votes that were given up."""
    said: list[Finding] = []
    for each in found:
        of = f" of {listed(list(each.agents))}" if each.agents else ""
        waiting = f" {plural(each.waiting, 'vote')} wait." if each.waiting > 1 else " One vote waits." if each.waiting else ""
        if each.unset:
            said.append(Finding("feedback", f"{each.place} cannot be told of votes{of}: {listed(list(each.unset))} {'is' if len(each.unset) == 1 else 'are'} not set.{waiting}", "Set it where the server runs, and start again: what waits is sent then."))
        elif each.waiting and each.since is not None:
            for_long, why = span(now - each.since), f" ({each.why})" if each.why else ""
            words = f"{each.place} was not told of {plural(each.waiting, 'vote')}{of} for {for_long}{why}. They are kept and tried again."
            said.append(Finding("feedback", words, "Look whether it runs, and whether the address and the keys in aiops.yml are right.") if now - each.since >= FRESH else remark("feedback", words))
        if each.aside:
            why = f": {each.why}" if each.why else ""
            said.append(Finding("feedback", f"{each.place} refused {plural(each.aside, 'vote')}{of} for good, and they were set aside{why}.", "They count here all the same. Mend what is named, then `aiops feedback retry` sends them again."))
    return shortened(said)
