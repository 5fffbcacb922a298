"""The record of decisions: sealed, and whatever is done to it afterwards is found."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, insert, select, update
from typer.main import get_command

from bot import audit, cli
from bot.audit.erasing import erase_person
from bot.audit.rules import FIRST, Personal, commitment, merkle_root
from bot.audit.sealing import BATCH, seal_step
from bot.audit.telling import exported, verified_words
from bot.audit.verifying import Verified, verify
from bot.clock import MovedClock
from bot.db import Database
from bot.tables import Decision, Person, Seal


@pytest.fixture
def kept(db: Database, clock: MovedClock) -> Database:
    """Three seals: 3 decisions, 1, and 5; two by Omar, one of the product's own names him."""
    with db.transaction() as tx:
        tx.add_all([Person(slack_id="U0OMAR", name="Omar Haddad", email="omar@example.com", kind="member"), Person(slack_id="U0LEA", name="Lea", kind="member")])
    for count in (3, 1, 5):
        with db.transaction() as tx:
            for number in range(count):
                words = "called Omar Haddad" if number == 2 else "after 3 min"
                audit.record(tx, clock.now(), "page.call" if number == 2 else "page.acknowledge", f"page:{number}", person_id=None if number == 2 else 1 + number % 2, words=words, evidence={"round": number, "share": 0.1})
        clock.move(timedelta(seconds=1))
        seal(db, clock)
    return db


def seal(db: Database, clock: MovedClock) -> bool:
    with db.transaction() as tx:
        return seal_step(tx, clock.now())


def look(db: Database, **asked: Any) -> Verified:
    with db.reading() as tx:
        return verify(tx, **asked)


def change(db: Database, *statements: Any) -> None:
    with db.transaction() as tx:
        for statement in statements:
            tx.execute(statement.execution_options(synchronize_session=False))


def test_what_nobody_touched_agrees(kept: Database) -> None:
    found = look(kept)
    assert (found.decisions, found.seals, found.erased, found.unsealed, found.faults) == (9, 3, 0, 0, [])
    assert "Everything agrees" in verified_words(found)


def test_nothing_is_sealed_where_nothing_was_decided(db: Database, clock: MovedClock) -> None:
    assert seal(db, clock) is False
    assert look(db).head == FIRST
    assert verified_words(look(db)) == "Nothing is sealed yet."


@pytest.mark.parametrize(
    ("done", "found"),
    [
        (update(Decision).where(Decision.id == 5).values(words="never"), "was changed: one of 5, 6, 7, 8, 9"),
        (update(Decision).where(Decision.id == 2).values(person_id=None), "was changed: one of 1, 2, 3"),
        (update(Decision).where(Decision.id == 4).values(action="page.resolve"), "was changed: one of 4"),
        (update(Decision).where(Decision.id == 4).values(salt="00"), "was changed: one of 4"),
        (delete(Decision).where(Decision.id == 6), "holds 5 decisions, and 4 are there: some were removed"),
        (update(Decision).where(Decision.id == 6).values(seal_number=1), "holds 3 decisions, and 4 are there: some were inserted"),
        (delete(Seal).where(Seal.number == 2), "1 seals are missing"),
        (delete(Seal).where(Seal.number == 3), "the newest seals were removed"),
        (update(Seal).where(Seal.number == 1).values(count=2), "itself was changed"),
        (update(Seal).where(Seal.number == 2).values(before="0" * 64), "does not follow from the one before it"),
    ],
)
def test_a_row_that_was_changed_removed_or_inserted_is_found(kept: Database, done: Any, found: str) -> None:
    change(kept, done)
    faults = look(kept).faults
    assert any(found in fault for fault in faults), faults


def test_a_decision_inserted_under_an_old_date_is_found(kept: Database, clock: MovedClock) -> None:
    values = {"at": clock.now() - timedelta(hours=2), "action": "page.acknowledge", "subject": "page:1", "came_from": "slack", "words": "", "evidence": {}, "salt": "aa"}
    change(kept, insert(Decision).values(**values))
    clock.move(timedelta(seconds=1))
    seal(kept, clock)
    assert any("inserted afterwards" in fault for fault in look(kept).faults)


def test_a_record_cut_off_at_its_end_is_found_by_a_hash_noted_elsewhere(kept: Database) -> None:
    noted = look(kept).head
    change(kept, delete(Decision).where(Decision.seal_number == 3), delete(Seal).where(Seal.number == 3))
    assert look(kept).faults == []
    assert look(kept, head=noted).faults == ["The hash you noted earlier is not in the chain: what was sealed up to it was removed or written anew."]


def test_a_chain_written_anew_is_found_by_the_noted_hash(kept: Database, clock: MovedClock) -> None:
    noted = look(kept).head
    change(kept, delete(Seal), update(Decision).values(seal_number=None))
    change(kept, update(Decision).where(Decision.id == 1).values(words="something else"))
    seal(kept, clock)
    assert look(kept).faults == []
    assert len(look(kept, head=noted).faults) == 1


def test_personal_fields_are_erased_and_the_seals_still_agree(kept: Database, clock: MovedClock) -> None:
    with kept.transaction() as tx:
        omar = tx.get_one(Person, 1)
        named = erase_person(tx, clock.now(), omar, reason="he asked for it")
    assert named == 6  # four he made, two of the product's own that name him
    clock.move(timedelta(seconds=1))
    seal(kept, clock)
    found = look(kept)
    assert (found.erased, found.faults, found.decisions) == (6, [], 10)
    assert "Personal fields of 6 of them were erased" in verified_words(found)
    with kept.reading() as tx:
        told = [row for row in exported(tx, None, None) if "decision" in row]
        assert not any("Omar" in str(row) or row["person_id"] == 1 for row in told)
        assert tx.scalar(select(func.count()).select_from(Decision).where(Decision.person_id == 2)) == 3
    with kept.transaction() as tx:
        assert erase_person(tx, clock.now(), tx.get_one(Person, 1)) == 0


def test_what_is_erased_by_hand_is_found(kept: Database, clock: MovedClock) -> None:
    with kept.reading() as tx:
        row = tx.get_one(Decision, 1)
        bound = commitment(row.salt, Personal(row.person_id, row.words, row.evidence))
    change(kept, update(Decision).where(Decision.id == 1).values(person_id=None, words="", evidence={}, salt="", bound=bound, erased_at=clock.now()))
    assert look(kept).faults == ["Decision 1 (page.acknowledge) is marked as erased, and no erasure is recorded for it."]
    change(kept, update(Decision).where(Decision.id == 1).values(action="page.take"))
    assert any("was changed" in fault for fault in look(kept).faults)


def test_a_long_queue_is_sealed_in_turns(db: Database, clock: MovedClock) -> None:
    rows = [{"at": clock.now(), "action": "bench", "subject": "x:1", "came_from": "cli", "words": "", "evidence": {}} for _ in range(BATCH + 1)]
    change(db, insert(Decision.__table__).values(rows[:1]))  # type: ignore[arg-type, unused-ignore]
    with db.transaction() as tx:
        tx.execute(insert(Decision), rows[1:])
    assert seal(db, clock) is True
    assert seal(db, clock) is False
    assert (look(db).decisions, look(db).seals, look(db).faults) == (BATCH + 1, 2, [])


def test_the_export_lets_anybody_check_a_seal(kept: Database) -> None:
    with kept.reading() as tx:
        lines = list(exported(tx, None, None))
    decisions, seals = [line for line in lines if "decision" in line], [line for line in lines if "root" in line]
    assert [seal["count"] for seal in seals] == [3, 1, 5]
    for each in seals:
        assert merkle_root([line["leaf"] for line in decisions if line["seal"] == each["seal"]]) == each["root"]
    assert [later["before"] for later in seals[1:]] == [earlier["hash"] for earlier in seals[:-1]]


def test_the_tree_is_the_one_of_rfc_6962() -> None:
    def by_the_book(leaves: list[str]) -> bytes:
        if len(leaves) == 1:
            return hashlib.sha256(b"\0" + bytes.fromhex(leaves[0])).digest()
        split = 1
        while split * 2 < len(leaves):
            split *= 2
        return hashlib.sha256(b"\1" + by_the_book(leaves[:split]) + by_the_book(leaves[split:])).digest()

    for count in range(1, 40):
        leaves = [hashlib.sha256(bytes([number])).hexdigest() for number in range(count)]
        assert merkle_root(leaves) == by_the_book(leaves).hex()


def test_two_processes_never_seal_twice(db: Database, clock: MovedClock) -> None:
    if db.is_sqlite:
        pytest.skip("one process writes a SQLite file")
    for number in (1, 2):
        with db.transaction() as tx:
            audit.record(tx, clock.now(), "page.open", f"page:{number}")
        with db.transaction() as first:
            seal_step(first, clock.now())
            with db.transaction() as second:
                assert seal_step(second, clock.now()) is False  # the first is at it
    assert (look(db).decisions, look(db).seals, look(db).faults) == (2, 2, [])


def test_the_short_word_erase_does_what_audit_erase_does() -> None:
    short, long = get_command(cli.app).commands["erase"], get_command(cli.app).commands["audit"].commands["erase"]  # type: ignore[attr-defined]
    assert short.callback.__wrapped__ is long.callback.__wrapped__
    assert [each.opts for each in short.params] == [each.opts for each in long.params]
