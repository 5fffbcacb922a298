"""Two rows turn out to be one person (or one channel): everything that pointed at the one points at the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, UniqueConstraint, and_, delete, exists, select, update
from sqlalchemy import Table as Relation
from sqlalchemy.orm import Session

from bot import audit
from bot.tables import Person, Table, Vote


@dataclass(frozen=True)
class Merged:
    """What a merger touched: the outputs on which the row that is gone had voted, by agent: they count for the one person now."""

    kept_id: int
    gone_id: int
    outputs: dict[int, list[int]]


def merge_people(tx: Session, now: datetime, *, keep: Person, gone: Person) -> Merged:
    """Make `gone` (known by e-mail alone) one with `keep`; of two votes on one surface the later one stays."""
    tx.flush()
    outputs = _judged_by(tx, gone.id)
    _settle_votes(tx, keep.id, gone.id)
    for relation, column in _columns_of_people():
        for others in _unique_with(relation, column):
            twin = relation.alias()
            same = and_(twin.c[column.name] == keep.id, *(twin.c[other.name] == other for other in others))
            tx.execute(delete(relation).where(column == gone.id, exists(select(1).select_from(twin).where(same))))
        tx.execute(update(relation).where(column == gone.id).values({column.name: keep.id}))
    email, gone_id = gone.email, gone.id
    tx.delete(gone)
    tx.flush()
    keep.email = keep.email or email
    tx.flush()
    tx.expire_all()
    audit.record(tx, now, "person.merge", f"person:{keep.id}", came_from="directory", words="one person: an e-mail address and a Slack account", evidence={"gone": gone_id})
    return Merged(keep.id, gone_id, outputs)


def _judged_by(tx: Session, person_id: int) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for agent_id, output_id in tx.execute(select(Vote.agent_id, Vote.output_id).where(Vote.person_id == person_id).distinct()):
        found.setdefault(agent_id, []).append(output_id)
    return found


def _settle_votes(tx: Session, keep: int, gone: int) -> None:
    mine = {(vote.output_id, vote.surface): vote for vote in tx.scalars(select(Vote).where(Vote.person_id == keep))}
    for vote in tx.scalars(select(Vote).where(Vote.person_id == gone)):
        twin = mine.get((vote.output_id, vote.surface))
        if twin is not None:
            tx.delete(twin if vote.voted_at > twin.voted_at else vote)
    tx.flush()


def _columns_of_people() -> Iterator[tuple[Relation, Column[int]]]:
    for relation in Table.metadata.sorted_tables:
        for column in relation.columns:
            if any(key.target_fullname == "people.id" for key in column.foreign_keys):
                yield relation, column


def _unique_with(relation: Relation, column: Column[int]) -> Iterator[list[Column[int]]]:
    """For each uniqueness that the column is part of: the other columns."""
    wholes = [list(each.columns) for each in relation.constraints if isinstance(each, UniqueConstraint)]
    wholes += [list(each.columns) for each in relation.indexes if each.unique]
    for columns in wholes:
        if column in columns:
            yield [other for other in columns if other is not column]


def point_channels_at(tx: Session, old: str, new: str) -> None:
    """Every row that names a channel by its Slack id names the new id from now on."""
    for relation in Table.metadata.sorted_tables:
        for name in ("channel_id", "channel", "target"):
            if relation.name == "channels" or name not in relation.columns:
                continue
            before, after = (f"channel:{old}", f"channel:{new}") if relation.name == "calls" else (old, new)
            tx.execute(update(relation).where(relation.c[name] == before).values({name: after}))
    tx.expire_all()
