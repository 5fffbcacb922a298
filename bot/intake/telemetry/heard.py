"""What the wire said, the same from protobuf and from JSON: only the attributes that somebody reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Attributes = dict[str, Any]

ATTRIBUTES = 16_384  # of one span, resource or record: what comes after is not read; a long conversation, written message by message, has thousands
VALUE = 400_000  # characters of one text that are read
NO_TRACE, NO_SPAN = "0" * 32, "0" * 16


class BadExport(Exception):
    """The body is no export of this kind; the text says why and what to send instead."""


@dataclass(slots=True)
class Source:
    """Who sends: the resource's attributes."""

    service: str = ""
    version: str = ""
    instance: str = ""
    attributes: Attributes = field(default_factory=dict)


@dataclass(slots=True)
class HeardSpan:
    """One span; `bad` says why it cannot be taken."""

    source: Source
    scope: str
    trace_id: str
    span_id: str
    parent_id: str
    name: str
    start: int  # nanoseconds since 1970
    end: int
    failed: bool
    error: str
    remote: bool  # its parent is in another process
    attributes: Attributes
    links: list[tuple[str, str]]
    events: list[tuple[str, int, Attributes]]  # those somebody reads
    bad: str = ""


@dataclass(slots=True)
class HeardRecord:
    """One log record."""

    source: Source
    scope: str
    name: str
    at: int
    trace_id: str
    span_id: str
    attributes: Attributes
    bad: str = ""


@dataclass(slots=True)
class HeardPoint:
    """One point of a metric that somebody reads: a sum, or the sum of a histogram."""

    source: Source
    scope: str
    name: str
    unit: str
    began: int
    at: int
    value: float
    cumulative: bool
    attributes: Attributes
    bad: str = ""


def source_of(attributes: Attributes) -> Source:
    """The sender behind a resource's attributes."""
    version = attributes.get("service.version") or attributes.get("langfuse.release") or ""
    return Source(text_of(attributes.get("service.name")), text_of(version), text_of(attributes.get("service.instance.id")), attributes)


def text_of(value: Any, most: int = 128) -> str:
    """A short text that any database keeps; empty where it is none."""
    if value is None or isinstance(value, (dict, list)):
        return ""
    told = value if isinstance(value, str) else str(value)
    return told.replace("\0", "")[:most].strip()


def id_of(raw: bytes, length: int) -> str | None:
    """A binary id as hex; None where it has another length or is all zeros."""
    return raw.hex() if len(raw) == length and any(raw) else None
