"""The loop "feedback out": makes every place agree with the votes, each letter once, in the face of outages."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import httpx
import orjson
import structlog
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from bot.alone import alone
from bot.clock import Clock
from bot.feedback.outward.places import known
from bot.feedback.outward.places.place import Line
from bot.feedback.outward.rules import Fate, decide
from bot.feedback.outward.words import Addressed, addressed, blacked_out
from bot.lanes import Lanes
from bot.routes.outcome import Kind, Outcome
from bot.routes.webhook import key_of_agent, post, sign
from bot.settings import secret_named
from bot.signing import Signer
from bot.tables import FeedbackLetter
from bot.trust import trusted

log = structlog.get_logger(__name__)

AT_ONCE = 40  # letters a turn
EACH = 8  # calls to one place at the same time
LEASE = timedelta(seconds=90)  # whoever claimed it and died: somebody else tries again
TIMEOUT = 15.0


class Telling:
    """One turn: claim what is due, tell it beside the database, write down what became of it."""

    def __init__(self, lanes: Lanes, clock: Clock, signer: Signer | None, *, secret: Callable[[str], str | None] = secret_named, timeout: float = TIMEOUT) -> None:
        self._lanes, self._clock, self._signer, self._secret = lanes, clock, signer, secret
        self._timeout = timeout
        self._client: httpx.AsyncClient | None = None
        self._held: dict[str, datetime] = {}  # places that are left alone, until when
        self._failures: Counter[str] = Counter()  # turns in a row in which a place answered nothing

    async def step(self, now: datetime) -> bool:
        """Tell what is due; says whether there was any."""
        self._held = {target: until for target, until in self._held.items() if until > now}
        held = sorted(self._held)
        if not await self._lanes.read(partial(_anything_due, now=now, held=held)):
            return False
        letters = await self._lanes.write(partial(self._claim, now=now, held=held))
        busy = {letter.target: asyncio.Semaphore(EACH) for letter in letters}
        outcomes = await asyncio.gather(*(self._tell(letter, busy[letter.target]) for letter in letters))
        if letters:
            await self._settle(self._clock.now(), list(zip(letters, outcomes, strict=True)))
        return bool(letters)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    def _claim(self, tx: Session, now: datetime, held: list[str]) -> list[Addressed]:
        """Take what is due for the length of a lease. Of a place that failed last time only one: to see whether it is back."""
        due = _due(now, held).order_by(FeedbackLetter.due_at, FeedbackLetter.id).limit(AT_ONCE)
        taken: list[FeedbackLetter] = []
        probed: set[str] = set()
        for letter in tx.scalars(due.with_for_update(skip_locked=True)):
            if self._failures[letter.target]:
                if letter.target in probed:
                    continue
                probed.add(letter.target)
            taken.append(letter)
        sent: list[Addressed] = []
        for letter in taken:
            with alone(tx, "a letter of feedback steps aside", letter=letter.id) as tried:
                found, lost = addressed(tx, [letter])
            if tried.failed:
                letter.due_at, letter.state, letter.said = None, "aside", "it cannot be written"
            elif lost:
                letter.due_at, letter.state, letter.said = None, "dropped", "the registry no longer names it"
            else:
                # Written down before the call: a process that dies in the middle of it leaves behind that it may stand there.
                letter.due_at = letter.lease_until = now + LEASE
                letter.tries, letter.maybe = letter.tries + 1, True
                sent += found
        return sent

    async def _tell(self, letter: Addressed, busy: asyncio.Semaphore) -> tuple[Addressed, Outcome]:
        """Try once. What stands there already, or never stood there, needs no call."""
        async with busy:
            try:
                letter = await asyncio.to_thread(blacked_out, letter) if letter.leaving.patterns else blacked_out(letter)
                if letter.digest == letter.told and not letter.word.unsure:
                    return letter, Outcome(Kind.OK, found={"id": letter.word.remote_id})
                return letter, await self._post(letter)
            except Exception as error:
                # A letter that no place was made for must not stop the others; what it was is in the log, its words are not.
                log.exception("a letter of feedback steps aside", letter=letter.letter_id)
                return letter, Outcome(Kind.REFUSED, type(error).__name__)

    async def _post(self, letter: Addressed) -> Outcome:
        if self._client is None:
            self._client = httpx.AsyncClient(verify=trusted(), timeout=self._timeout, follow_redirects=False)
        if letter.store is None:
            return await self._to_agent(letter)
        try:
            headers = known.headers_of(letter.store, self._secret)
        except known.NoKey as missing:
            return Outcome(Kind.UNAUTHORISED, f"{missing} is not set"[:64])
        line = Line(self._client, letter.store.url, headers, known.options_of(letter.store))
        return await known.PLACES[letter.target.partition(" ")[0]](line, letter.word)

    async def _to_agent(self, letter: Addressed) -> Outcome:
        if self._signer is None:
            return Outcome(Kind.UNAUTHORISED, "AIOPS_SECRET is not set")
        assert self._client is not None
        assert letter.url is not None
        word, now = letter.word, self._clock.now()
        told = {
            "id": f"feedback:{word.key}:{word.rev}", "type": "feedback", "agent": word.agent, "feedback": word.key, "rev": word.rev,
            "output": word.output, "run": word.run, "trace_id": word.trace_id, "span_id": word.span_id,
            "good": word.good, "reason": word.reason, "comment": word.comment, "correction": word.correction, "voter": word.source,
            "voted_at": word.at.isoformat(), "at": now.isoformat(),
        }  # fmt: skip
        body, stamp = orjson.dumps(told), str(int(now.timestamp()))
        headers = {"Content-Type": "application/json", "Aiops-Id": str(told["id"]), "Aiops-Signature": f"t={stamp},v1={sign(key_of_agent(self._signer, word.agent), stamp, body)}"}
        said = await post(self._client, letter.url, body, headers)
        # An agent's own address that is not there is away, not waiting for a trace.
        return Outcome(Kind.UNKNOWN, said.error) if said.kind is Kind.NO_PLACE else said

    async def _settle(self, now: datetime, done: list[tuple[Addressed, tuple[Addressed, Outcome]]]) -> None:
        answered = {letter.target for _, (letter, outcome) in done if not outcome.kind.is_trouble}
        for target in {letter.target for letter, _ in done}:  # counted by turns: forty calls into one outage are one failure
            self._failures[target] = 0 if target in answered else self._failures[target] + 1
        told = [(letter, outcome, self._failures[letter.target]) for _, (letter, outcome) in done]
        holds = await self._lanes.write(partial(_note, now=now, told=told))
        for target, until in holds.items():
            self._held[target] = max(until, self._held.get(target, until))


def _due(now: datetime, held: list[str]) -> Select[FeedbackLetter]:
    sought = select(FeedbackLetter).where(FeedbackLetter.due_at <= now)
    return sought.where(FeedbackLetter.target.not_in(held)) if held else sought


def _anything_due(tx: Session, now: datetime, held: list[str]) -> bool:
    return tx.scalars(_due(now, held).limit(1)).first() is not None


def _note(tx: Session, now: datetime, told: list[tuple[Addressed, Outcome, int]]) -> dict[str, datetime]:
    """Write down what became of each; returns the places to be left alone, until when."""
    holds: dict[str, datetime] = {}
    ids = [letter.letter_id for letter, _, _ in told]
    rows = {row.id: row for row in tx.scalars(select(FeedbackLetter).where(FeedbackLetter.id.in_(ids)).order_by(FeedbackLetter.id).with_for_update().execution_options(populate_existing=True))}
    for letter, outcome, failures in told:
        row = rows.get(letter.letter_id)
        if row is None:
            continue
        if outcome.ok:
            row.told, row.told_at = letter.digest, now
            row.remote_id = None if letter.digest is None else (str(outcome.found.get("id") or "") or row.remote_id)
        row.maybe = not outcome.ok and (letter.word.unsure or outcome.kind is Kind.UNKNOWN)
        row.lease_until = None
        if row.rev != letter.rev:
            row.due_at = now  # it changed meanwhile
            continue
        since = row.since or now
        step = decide(now, outcome, tries=letter.tries + 1, since=since, failures=failures)
        if step.hold_until is not None:
            holds[letter.target] = max(step.hold_until, holds.get(letter.target, step.hold_until))
        row.since = None if step.fate is Fate.TOLD else since
        row.due_at = step.again_at
        row.state = {Fate.TOLD: "told", Fate.AGAIN: "due", Fate.ASIDE: "aside"}[step.fate]
        row.said = "" if step.fate is Fate.TOLD else (step.why or outcome.error or str(outcome.kind))[:64]
        if step.fate is Fate.ASIDE:
            log.warning("a letter of feedback steps aside", letter=row.id, place=letter.target.partition(" ")[0], why=row.said)
    return holds
