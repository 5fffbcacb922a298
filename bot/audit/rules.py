"""How decisions are hashed and chained: pure, so that anybody can check an export with a few lines of their own.

A leaf is SHA-256 of what a decision says; what is personal in it enters only as a salted commitment. When somebody's
fields are erased, the commitment stays and the salt goes: the leaf is the same, and nobody can guess what it hid. A seal
holds the Merkle root (RFC 6962, section 2.1) of the leaves sealed together and the hash of the seal before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

FIRST = "0" * 64  # what the first seal names as the one before it


class Personal(NamedTuple):
    """What of a decision tells of people."""

    person_id: int | None
    words: str
    evidence: dict[str, Any]


def commitment(salt: str, personal: Personal) -> str:
    """Binds to the personal fields without telling them; hex."""
    return _hash(b"personal", [salt, personal.person_id, personal.words, personal.evidence])


def leaf(at: datetime, action: str, subject: str, came_from: str, bound: str) -> str:
    """The hash of one decision; `bound` is the commitment to its personal fields. Hex."""
    return _hash(b"decision", [at.astimezone(UTC).isoformat(timespec="microseconds"), action, subject, came_from, bound])


def merkle_root(leaves: Sequence[str]) -> str:
    """RFC 6962's tree hash over the leaves in their order; hex. The left part is the largest power of two below the whole."""
    if not leaves:
        return hashlib.sha256().hexdigest()
    level = [hashlib.sha256(b"\0" + bytes.fromhex(each)).digest() for each in leaves]
    # Pairing level by level and carrying the odd one up gives the same tree as the RFC's recursion.
    while len(level) > 1:
        paired = [hashlib.sha256(b"\1" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]
        level = paired + level[len(level) - 1 :] if len(level) % 2 else paired
    return level[0].hex()


def seal_hash(number: int, at: datetime, count: int, root: str, before: str) -> str:
    """What names a seal, and with it everything before it; hex."""
    return _hash(b"seal", [number, at.astimezone(UTC).isoformat(timespec="microseconds"), count, root, before])


def _hash(kind: bytes, told: list[Any]) -> str:
    return hashlib.sha256(kind + b"\0" + orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()
