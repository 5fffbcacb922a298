"""Langfuse: a boolean score with our own id, so that the same score again overwrites itself."""

from __future__ import annotations

from urllib.parse import quote

from bot.feedback.outward.places.place import Line, Word, hex_id, no_trace
from bot.routes.outcome import Kind, Outcome

PATH = "/api/public/scores"


async def tell(line: Line, word: Word) -> Outcome:
    """Make the score, change it, or take it away."""
    if word.good is None:
        gone = (await line.send("DELETE", f"{PATH}/{quote(word.key, safe='')}")).outcome
        return Outcome(Kind.OK) if gone.kind is Kind.NO_PLACE else gone
    if not word.trace_id:
        return no_trace()
    body = {
        "id": word.key, "traceId": hex_id(word.trace_id, 32) or word.trace_id, "name": word.name, "value": int(word.good), "dataType": "BOOLEAN", "comment": word.explanation(),
        "metadata": {"source": word.source, "agent": word.agent, "output": word.output, "reason": word.reason, "correction": word.correction},
        **({"observationId": hex_id(word.span_id, 16) or word.span_id} if word.span_id else {}),
    }  # fmt: skip
    return (await line.send("POST", PATH, body)).outcome
