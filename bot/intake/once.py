"""Once each: new rows are inserted, and every event is told whether it was accepted, came before, or took another's id."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import or_, select, update

from bot.intake import rows
from bot.intake.bulk import Columns, Kept, Key, Row, find_kept, insert_new
from bot.intake.events import OutputEvent
from bot.intake.judging import Item
from bot.intake.work import Work
from bot.people.flows import person_for_report
from bot.tables import Output, Person


def insert_once(
    work: Work,
    columns: Columns,
    made: Sequence[tuple[Item, Row]],
    *,
    want_ids: bool = False,
    fill: bool = False,
) -> dict[Key, int]:
    """Insert each new key once and say to every item what it was: accepted, duplicate, or an id used for something else.

    Returns the ids of new rows where `want_ids`. With `fill`, stubs of outputs are filled and count as new.
    """
    first: dict[Key, tuple[Item, Row]] = {}
    for both in made:
        first.setdefault(both[1][:2], both)
    if not first:
        return {}
    inserted = insert_new(work.tx, columns, [row for _, row in first.values()], want_ids=want_ids)
    if inserted is None and len(first) == len(made):  # nearly always: nothing was there before
        for item, _ in made:
            item.said = "accepted"
        return {}
    new: dict[Key, int] = dict.fromkeys(first, 0) if inserted is None else {key: id_ for key, id_ in inserted.items() if key in first}
    if len(new) < len(first):
        kept = find_kept(work.tx, columns.table, [key for key in first if key not in new])
        if fill:
            kept = _fill_stubs(work, kept, first, new)
    else:
        kept = {}
    for item, _ in made:
        key = (item.agent.id, item.event.id)
        if first[key][0] is item and key in new:
            item.said = "accepted"
        else:
            _say_again(item, kept[key].content if key in kept else first[key][0].content)
    return new


def _fill_stubs(work: Work, kept: dict[Key, Kept], first: dict[Key, tuple[Item, Row]], new: dict[Key, int]) -> dict[Key, Kept]:
    lost = []
    for key, stub in sorted(kept.items(), key=lambda each: each[1].id):  # in one order, as whoever judges locks them
        if stub.content:
            continue
        item, row = first[key]
        values: dict[str, Any] = dict(zip((name for name, _ in rows.OUTPUTS.types), row, strict=True))
        assert isinstance(item.event, OutputEvent)
        values.update(occurred_at=item.event.at, received_at=work.now, extra=rows.output_extra(item.event))
        changed = work.tx.execute(update(Output).where(Output.id == stub.id, Output.known.is_(False)).values(**values))
        if changed.rowcount:  # type: ignore[attr-defined]
            new[key] = stub.id
            del kept[key]
        else:
            lost.append(key)  # another transaction was quicker
    return {**kept, **find_kept(work.tx, "outputs", lost)} if lost else kept


def fresh_of(work: Work, columns: Columns, items: list[Item]) -> list[Item]:
    """Those whose id is new; the others are told so (before a stub is made for what they speak of)."""
    kept = find_kept(work.tx, columns.table, {(item.agent.id, item.event.id) for item in items})
    fresh = []
    for item in items:
        found = kept.get((item.agent.id, item.event.id))
        if found is None:
            fresh.append(item)
        else:
            _say_again(item, found.content)
    return fresh


def _say_again(item: Item, content: str) -> None:
    if content == item.content:
        item.said = "duplicate"
    else:
        item.refuse("id", "id_conflict", f"{type(item.event).noun} with the id {item.event.id!r} came before with other content: give this one an id of its own")


def output_ids_of(work: Work, items: Iterable[Item]) -> dict[Key, int]:
    """The rows of the outputs these events speak of; a stub is made for one that has not come yet."""
    wanted: dict[Key, Item] = {}
    for item in items:
        output: str | None = getattr(item.event, "output", None)
        if output is not None:
            wanted.setdefault((item.agent.id, output), item)
    if not wanted:
        return {}
    found = {key: kept.id for key, kept in find_kept(work.tx, "outputs", wanted).items()}
    missing = [key for key in wanted if key not in found]
    if missing:
        stubs = [rows.stub_row(wanted[key], key[1], work.received, work.stamp) for key in missing]
        found.update(insert_new(work.tx, rows.OUTPUTS, stubs, want_ids=True) or {})
        late = [key for key in missing if key not in found]  # another process made it in the meantime
        found.update({key: kept.id for key, kept in find_kept(work.tx, "outputs", late).items()})
    return found


def people_of(work: Work, items: Iterable[Item]) -> dict[str, int]:
    """The rows of the people these events name; one never seen gets a row, because what they did counts."""
    refs = {ref for item in items if (ref := getattr(item.event, "person", None)) is not None}
    found: dict[str, int] = {}
    by_name = or_(Person.slack_id.in_(sorted(refs)), Person.email.in_(sorted(refs)))
    for id_, slack_id, email in work.tx.execute(select(Person.id, Person.slack_id, Person.email).where(by_name)) if len(refs) > 3 else ():
        found.update((ref, id_) for ref in (slack_id, email) if ref is not None and ref in refs)
    for ref in sorted(refs - found.keys()):
        person = person_for_report(work.tx, ref, None)
        if person is None:
            raise ValueError(f"{ref!r} names nobody")  # judged before: a Slack id or an e-mail address
        found[ref] = person.id
    return found
