"""MLflow: a human assessment on the trace. It gives the id, which is kept; a lost answer is looked for before it is made again."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from bot.feedback.outward.places.place import Line, Reply, Word, hex_id, no_trace
from bot.routes.outcome import Kind, Outcome

MARK = "aiops.feedback"  # where our own id stands in an assessment's metadata


async def tell(line: Line, word: Word) -> Outcome:
    """Make the assessment, change it, or take it away."""
    if not word.trace_id:
        return Outcome(Kind.OK) if word.good is None and not word.stands else no_trace()
    plain = hex_id(word.trace_id, 32)
    trace = f"tr-{plain}" if plain else word.trace_id
    path = f"/api/3.0/mlflow/traces/{quote(trace, safe='')}"
    remote_id = word.remote_id
    if remote_id is None and (word.unsure or word.stands):
        found = await line.send("GET", path)
        if not found.outcome.ok:
            return found.outcome if found.outcome.kind is not Kind.NO_PLACE or word.good is not None else Outcome(Kind.OK)
        remote_id = _ours(found, word.key)
    if word.good is None:
        if remote_id is None:
            return Outcome(Kind.OK)
        gone = (await line.send("DELETE", f"{path}/assessments/{quote(remote_id, safe='')}")).outcome
        return Outcome(Kind.OK) if gone.kind is Kind.NO_PLACE else gone
    if remote_id is not None:
        changed = await line.send("PATCH", f"{path}/assessments/{quote(remote_id, safe='')}", {"assessment": _content(word, trace), "update_mask": "feedback,rationale,metadata"})
        if changed.outcome.kind is not Kind.NO_PLACE:
            return Outcome(Kind.OK, found={"id": remote_id}) if changed.outcome.ok else changed.outcome
    made = await line.send("POST", f"{path}/assessments", {"assessment": {**_content(word, trace), "source": {"source_type": "HUMAN", "source_id": word.source}}})
    if not made.outcome.ok:
        return made.outcome
    told = (made.body or {}).get("assessment", {}) if isinstance(made.body, dict) else {}
    return Outcome(Kind.OK, found={"id": str(told.get("assessment_id") or "")[:128]})


def _content(word: Word, trace: str) -> dict[str, Any]:
    # Metadata is merged there: what no longer holds is emptied, not left out.
    metadata = {MARK: word.key, "agent": word.agent, "output": word.output, "reason": word.reason or "", "correction": (word.correction or "")[:8000]}
    return {"assessment_name": word.name, "trace_id": trace, "feedback": {"value": word.good}, "rationale": word.explanation() or "", "metadata": metadata}


def _ours(found: Reply, key: str) -> str | None:
    """The id of our assessment among those of the trace."""
    trace = found.body.get("trace", found.body) if isinstance(found.body, dict) else {}
    told = trace.get("trace_info", trace) if isinstance(trace, dict) else {}
    for each in told.get("assessments", []) if isinstance(told, dict) else []:
        if isinstance(each, dict) and (each.get("metadata") or {}).get(MARK) == key:
            return str(each.get("assessment_id"))[:128]
    return None
