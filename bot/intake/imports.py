"""`aiops import FILE`: history of any age from NDJSON, resumable and idempotent; it posts nothing and runs no check."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from bot import audit
from bot.db import is_outage
from bot.intake.bodies import parse_one
from bot.intake.judging import Item, Refusal
from bot.intake.store import store
from bot.intake.taking import Intake
from bot.intake.work import Learned
from bot.lanes import Urgency
from bot.quality.flows import mark_dirty
from bot.tables import AgentNow, ImportRun

LINES = 500  # of one transaction: what was read and how far it came are committed together
LONGEST = 1024 * 1024  # bytes of one line
SHOWN = 20  # refused lines that are told one by one
UNREADABLE = 2  # exit code: the file cannot be read as NDJSON
SOME_REFUSED = 1  # exit code: all was read, some lines were refused

Line = dict[str, Any]  # as the command line shows it: text, progress, error


@dataclass
class Slice:
    """Some lines of the file; `end` is the offset after them in the (unpacked) file, `read` the bytes of the file itself."""

    numbers: list[int]
    raws: list[Any]
    end: int
    read: int


async def import_file(intake: Intake, path: Path, *, at_once: int = LINES) -> AsyncIterator[Line]:
    """Read a file of events into the counters; yields lines for the command line, the last one says what became of it."""
    try:
        total = path.stat().st_size
        digest = await asyncio.to_thread(_digest, path)
    except OSError as error:
        yield {"error": f"{path.name} cannot be read: {error.strerror}", "exit": UNREADABLE}
        return
    run = await intake.lanes.write(lambda tx: _begin(tx, intake.clock.now(), digest))
    if run.finished_at is not None and not run.refused:
        yield {"text": f"{path.name} was imported on {run.finished_at:%Y-%m-%d %H:%M} UTC: {run.accepted:,} events. Nothing to do.", "json": _figures(run)}
        return
    if run.finished_at is not None:  # some were refused then: their agents may be known by now
        run.done_bytes = run.accepted = run.duplicates = run.refused = 0
    elif run.done_bytes:
        yield {"text": f"Going on after {run.done_bytes:,} bytes, where the last import of this file stopped."}
    shown: list[dict[str, Any]] = []
    told_of: set[int] = set()  # the agents that something new was read of
    slices = _slices(path, run.done_bytes, at_once)
    try:
        while (part := await asyncio.to_thread(next, slices, None)) is not None:
            items, refused = await intake.judge_all(part.raws, None, any_age=True)
            await _keep(intake, run, part, items, refused)
            told_of.update(item.agent.id for item in items if item.said == "accepted")
            refused += [item.said for item in items if isinstance(item.said, Refusal)]
            for each in sorted(refused, key=lambda each: each.index):
                if len(shown) < SHOWN:
                    number = part.numbers[each.index]
                    shown.append({"line": number, "id": each.id, "field": each.field, "code": each.code, "message": each.message})
                    yield {"text": f"line {number}: {each.message}"}
            words = f"{run.accepted:,} events, {run.duplicates:,} known, {run.refused:,} refused"
            yield {"progress": {"done": min(part.read, total), "total": total, "words": words}}
    except (OSError, EOFError, ValueError) as error:
        yield {"error": f"{path.name} cannot be read on after {run.done_bytes:,} bytes: {error}. What came before is kept; the import goes on from there.", "exit": UNREADABLE}
        return
    except DBAPIError as error:
        if not is_outage(error):
            raise
        yield {"error": f"the database is away; {run.done_bytes:,} bytes are imported. Start the import again: it goes on from there.", "exit": UNREADABLE}
        return
    await intake.lanes.write(lambda tx: _finish(tx, intake.clock.now(), run, path.name, told_of))
    if run.refused > len(shown):
        yield {"text": f"and {run.refused - len(shown):,} more lines were refused"}
    words = f"{path.name}: {run.accepted:,} events imported, {run.duplicates:,} were known already, {run.refused:,} refused."
    yield {"text": words, "json": _figures(run) | {"lines": shown}, **({"exit": SOME_REFUSED} if run.refused else {})}


def _figures(run: ImportRun) -> dict[str, Any]:
    return {"accepted": run.accepted, "duplicates": run.duplicates, "refused": run.refused}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _begin(tx: Session, now: datetime, digest: str) -> ImportRun:
    run = tx.scalars(select(ImportRun).where(ImportRun.digest == digest)).first()
    if run is None:
        run = ImportRun(digest=digest, started_at=now, done_bytes=0, accepted=0, duplicates=0, refused=0)
        tx.add(run)
        tx.flush()
    elif run.finished_at is None or run.refused:
        run.started_at = now  # baselines wait while it goes on
        tx.flush()
    return run


def _finish(tx: Session, now: datetime, run: ImportRun, name: str, told_of: set[int]) -> None:
    row = tx.get_one(ImportRun, run.id)
    row.finished_at = now
    tx.flush()
    # History may hold a baseline: the next fold looks for one, as it does on a new day.
    ids = sorted(told_of)
    for start in range(0, len(ids), LINES):
        tx.execute(update(AgentNow).where(AgentNow.agent_id.in_(ids[start : start + LINES])).values(folded_at=None), execution_options={"synchronize_session": False})
    mark_dirty(tx, now, ids)
    words = f"{name}: {run.accepted} events, {run.duplicates} known, {run.refused} refused"
    audit.record(tx, now, "import.finish", f"import:{run.id}", came_from="cli", words=words[:500], evidence={"sha256": run.digest})


async def _keep(intake: Intake, run: ImportRun, part: Slice, items: list[Item], refused: list[Refusal]) -> None:
    """Store a slice together with how far the import came; where one event spoils it, the events one by one."""
    now = intake.clock.now()

    def counted(items: Sequence[Item]) -> tuple[int, int, int]:
        said = [item.said for item in items]
        return said.count("accepted"), said.count("duplicate"), sum(isinstance(each, Refusal) for each in said) + len(refused)

    def whole(tx: Session) -> Learned:
        learned = store(tx, now, items, live=False) if items else Learned()
        _note(tx, run, part.end, counted(items))
        return learned

    try:
        (await intake.lanes.write(whole, urgency=Urgency.INTAKE)).remember()
    except Exception as error:
        if is_outage(error):
            raise
        for item in items:
            try:
                one = [item]
                (await intake.lanes.write(lambda tx, one=one: store(tx, now, one, live=False), urgency=Urgency.INTAKE)).remember()  # type: ignore[misc]
            except Exception as inner:
                if is_outage(inner):
                    raise
                item.refuse(None, "not_stored", f"this event could not be stored ({type(inner).__name__})")
        await intake.lanes.write(lambda tx: _note(tx, run, part.end, counted(items)), urgency=Urgency.INTAKE)
    accepted, duplicates, wrong = counted(items)
    run.done_bytes = part.end
    run.accepted, run.duplicates, run.refused = run.accepted + accepted, run.duplicates + duplicates, run.refused + wrong


def _note(tx: Session, run: ImportRun, end: int, counted: tuple[int, int, int]) -> None:
    row = tx.get_one(ImportRun, run.id)
    row.done_bytes, row.finished_at = end, None
    row.accepted, row.duplicates, row.refused = (before + more for before, more in zip((run.accepted, run.duplicates, run.refused), counted, strict=True))


def _slices(path: Path, start: int, at_once: int) -> Iterator[Slice]:
    """The file's lines in slices, from an offset of the unpacked file on."""
    with path.open("rb") as packed:
        is_gzip = packed.read(2) == b"\x1f\x8b"
        packed.seek(0)
        file: IO[bytes] = gzip.GzipFile(fileobj=packed) if is_gzip else packed  # type: ignore[assignment]
        number = _skip(file, start)
        offset, numbers, raws = start, list[int](), list[Any]()
        while line := file.readline(LONGEST + 1):
            offset += len(line)
            number += 1
            if len(line) > LONGEST:
                while not line.endswith(b"\n") and (line := file.readline(LONGEST)):
                    offset += len(line)
                raws.append(Refusal(len(raws), None, None, "too_long", f"the line is longer than {LONGEST // 1024 // 1024} MiB"))
                numbers.append(number)
            elif not line.isspace():
                if number == 1 and line.lstrip().startswith(b"["):
                    raise ValueError("it holds a JSON array, not one event per line (`jq -c '.[]'` turns one into the other)")
                raws.append(parse_one(line.removeprefix(b"\xef\xbb\xbf"), len(raws)))
                numbers.append(number)
            if len(raws) >= at_once:
                yield Slice(numbers, raws, offset, packed.tell())
                numbers, raws = [], []
        if raws:
            yield Slice(numbers, raws, offset, packed.tell())


def _skip(file: IO[bytes], start: int) -> int:
    """Pass over what is imported already; returns how many lines that was."""
    lines, left = 0, start
    while left:
        chunk = file.read(min(left, 1024 * 1024))
        if not chunk:
            raise ValueError("it is shorter than it was")
        lines += chunk.count(b"\n")
        left -= len(chunk)
    return lines
