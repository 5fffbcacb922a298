"""Phoenix: a human annotation on the span (or the trace), found again by its identifier; 404 until the span is stored."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from bot.feedback.outward.places.place import Line, Word, hex_id, no_trace
from bot.routes.outcome import Kind, Outcome


async def tell(line: Line, word: Word) -> Outcome:
    """Make the annotation or change it. Taken back: deleted where the registry names the project, else marked as such."""
    span, trace = hex_id(word.span_id, 16), hex_id(word.trace_id, 32)
    if span is None and trace is None:
        return Outcome(Kind.OK) if word.good is None and not word.stands else no_trace()
    what = "span" if span is not None else "trace"
    project = line.options.get("project")
    if word.good is None and project:
        sought = urlencode({"name": word.name, "identifier": word.key, "delete_all": "true"})
        gone = await line.send("DELETE", f"/v1/projects/{quote(project, safe='')}/{what}_annotations?{sought}")
        if gone.outcome.kind is not Kind.NO_PLACE and gone.status != 405:  # an older Phoenix cannot delete, and another project is not ours
            return gone.outcome
    note = {
        f"{what}_id": span or trace, "name": word.name, "annotator_kind": "HUMAN", "identifier": word.key,
        "result": {"label": word.label, "score": word.score, "explanation": word.explanation()},
        "metadata": {"source": word.source, "agent": word.agent, "output": word.output, "reason": word.reason, "correction": word.correction},
    }  # fmt: skip
    told = (await line.send("POST", f"/v1/{what}_annotations?sync=true", {"data": [note]})).outcome
    # The span was thrown away there: nothing of it stands any more.
    return Outcome(Kind.OK) if word.good is None and told.kind is Kind.NO_PLACE else told
