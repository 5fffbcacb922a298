"""LangSmith: feedback on the run, under our own id."""

from __future__ import annotations

from typing import Any

from bot.feedback.outward.places.place import Line, Word, no_trace, uuid_id
from bot.routes.outcome import Kind, Outcome


async def tell(line: Line, word: Word) -> Outcome:
    """Make the feedback, change it, or take it away."""
    if word.good is None:
        gone = (await line.send("DELETE", f"/feedback/{word.key}")).outcome
        return Outcome(Kind.OK) if gone.kind is Kind.NO_PLACE else gone
    trace = uuid_id(word.trace_id)
    run = uuid_id(word.span_id) or trace
    if run is None:
        return no_trace()
    content: dict[str, Any] = {"score": word.score, "comment": word.explanation(), "correction": {"output": word.correction} if word.correction else None}
    if word.stands or word.unsure:
        changed = (await line.send("PATCH", f"/feedback/{word.key}", content)).outcome
        if changed.kind is not Kind.NO_PLACE:
            return changed
    source = {"type": "api", "metadata": {"source": word.source, "agent": word.agent, "output": word.output, "reason": word.reason}}
    made = await line.send("POST", "/feedback", {"id": word.key, "run_id": run, "trace_id": trace or run, "key": word.name, **content, "feedback_source": source})
    if made.status == 409:
        return (await line.send("PATCH", f"/feedback/{word.key}", content)).outcome
    return made.outcome
