"""Three public data sets become events of three agents: small and plain, because nothing of the product may hide in here."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

Event = dict[str, Any]
Row = dict[str, Any]

HELP, CODER, AIRLINE = "help-desk", "coding-agent", "airline-desk"
FILES = {HELP: "feedbackqa.ratings.jsonl", CODER: "aider.events.jsonl", AIRLINE: "tau-bench.airline.jsonl"}
GOOD = ("Excellent", "Acceptable")
DAYS = 60  # over which data without times of its own is spread
PAUSE = 8 * 3600  # seconds without anything of a user: what comes after is another session
LONGEST_NOTE = 10_000  # characters of errors and explanations
LONGEST_TEXT = 100_000  # characters of an output's text


def read(folder: Path, agent: str) -> list[Row]:
    with (folder / FILES[agent]).open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def moments(agent: str, count: int, until: datetime) -> list[datetime]:
    """Seeded times for data that carries none: in order, over the 60 days that end two hours before `until`."""
    chosen = random.Random(f"replay:{agent}")
    seconds = sorted(chosen.randrange(DAYS * 86_400) for _ in range(count))
    return [until - timedelta(days=DAYS, hours=2) + timedelta(seconds=each) for each in seconds]


def help_desk(rows: list[Row], until: datetime) -> Iterable[Event]:
    """FeedbackQA: an answer is an output; its two or three raters, known by their position, found it good or bad."""
    for number, (row, at) in enumerate(zip(rows, moments(HELP, len(rows), until), strict=True)):
        output = f"answer-{number}"
        text = clipped(f"{row['question']}\n\n{row['answer']}", LONGEST_TEXT)
        yield {"id": output, "type": "output", "agent": HELP, "at": at.isoformat(), "kind": "answer", "text": text, "url": link(row["uri"])}
        for position, (label, why) in enumerate(zip(row["ratings"], row["reasons"], strict=True), start=1):
            good = label in GOOD
            yield {
                "id": f"{output}-{position}", "type": "rating", "agent": HELP, "at": rated_at(at, position).isoformat(), "output": output,
                "person": f"rater{position}@example.com", "good": good, "reason": None if good else label.lower().replace(" ", "_"), "comment": why,
            }  # fmt: skip


def rated_at(at: datetime, position: int) -> datetime:
    return at + timedelta(minutes=20 * position)


def coding_agent(rows: list[Row]) -> Iterable[Event]:
    """Aider: a message is a run with its output; an exception is a failed run; undo and commit say what became of the latest output."""
    began: dict[str, int] = {}  # user -> when the message under way was sent
    latest: dict[str, str] = {}  # user -> the newest output of the session
    heard: dict[str, int] = {}
    for number, row in enumerate(rows):
        kind, user, time, said = row["event"], row["user_id"], row["time"], row["properties"]
        if time - heard.get(user, time) > PAUSE:
            latest.pop(user, None)
        heard[user] = time
        head = {"agent": CODER, "at": second(time)}
        if kind == "launched":
            began.pop(user, None)
        elif kind == "message_send_starting":
            began[user] = time
        elif kind in ("message_send", "message_send_exception"):
            start = began.pop(user, None)
            took = {"started_at": second(start), "ended_at": second(time)} if start is not None else {}
            if kind == "message_send_exception":
                yield {"id": f"run-{number}", "type": "run", **head, **took, "status": "failed", "error": clipped(said["exception"], LONGEST_NOTE)}
                continue
            yield {
                "id": f"run-{number}", "type": "run", **head, **took, "status": "ok", "model": said["main_model"],
                "tokens": {"input": said["prompt_tokens"], "output": said["completion_tokens"]},
                "cost": {"amount": f"{Decimal(str(said['cost'])):.18f}", "currency": "USD"},
            }  # fmt: skip
            latest[user] = f"message-{number}"
            yield {"id": latest[user], "type": "output", **head, "run": f"run-{number}", "kind": "message"}
        elif kind in ("command_undo", "auto_commits") and user in latest:
            result = "overridden" if kind == "command_undo" else "accepted"
            yield {"id": f"outcome-{number}", "type": "outcome", **head, "output": latest[user], "result": result}


def airline_desk(rows: list[Row], until: datetime) -> Iterable[Event]:
    """tau-bench: a whole conversation is a run; what the agent said last is its output, the reward its evaluation, the transcript the evidence."""
    for number, (row, at) in enumerate(zip(rows, moments(AIRLINE, len(rows), until), strict=True)):
        head = {"agent": AIRLINE, "at": at.isoformat()}
        said = [each["content"] for each in row["traj"] if each["role"] == "assistant" and each["content"]]
        yield {"id": f"talk-{number}", "type": "run", **head, "status": "ok", "model": "gpt-4o", "version": f"trial-{row['trial']}"}
        yield {"id": f"reply-{number}", "type": "output", **head, "run": f"talk-{number}", "kind": "reply", "text": clipped(said[-1], LONGEST_TEXT)}
        yield {
            "id": f"reward-{number}", "type": "evaluation", "agent": AIRLINE, "at": (at + timedelta(minutes=1)).isoformat(),
            "output": f"reply-{number}", "run": f"talk-{number}", "name": "reward", "score": row["reward"], "evaluator": "tau-bench",
            "explanation": clipped(transcript(row["traj"]), LONGEST_NOTE),
        }  # fmt: skip


def transcript(messages: list[Row]) -> str:
    """The conversation without the policy that stands before each of them."""
    lines = []
    for each in messages:
        if each["role"] == "system":
            continue
        calls = [f"calls {call['function']['name']}({call['function']['arguments']})" for call in each.get("tool_calls") or []]
        lines.append(f"{each.get('name') or each['role']}: {' '.join([*([each['content']] if each['content'] else []), *calls])}")
    return "\n".join(lines)


def clipped(text: str, most: int) -> str:
    """At most so many characters: the beginning and the end are kept, and what lies between is said to be left out."""
    if len(text) <= most:
        return text
    half = (most - 40) // 2
    return f"{text[:half]}\n[{len(text) - 2 * half} characters left out]\n{text[-half:]}"


def link(address: str | None) -> str | None:
    fits = address and address.startswith(("http://", "https://")) and not set(address) & set(" \t\n<>|")
    return address if fits else None


def second(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat()


def write(path: Path, events: Iterable[Event], *, between: dict[int, bytes] | None = None) -> Path:
    """One event a line; `between` are foreign lines, by the number they get (from 1 on)."""
    lines = [json.dumps(each, ensure_ascii=False).encode() for each in events]
    for number in sorted(between or {}):
        lines.insert(number - 1, (between or {})[number])
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path
