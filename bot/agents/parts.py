"""The words of aiops.yml that every part of it uses: lengths of time, names, references."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, StringConstraints, WithJsonSchema

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(value: Any) -> timedelta:
    """`30s 10m 2h 7d`; raises ValueError with the remedy."""
    if isinstance(value, timedelta):
        return value
    matched = re.fullmatch(r"(\d{1,6})([smhd])", str(value).strip())
    if not matched:
        raise ValueError(f"{value!r} is not a duration: write 30s, 10m, 2h or 7d")
    return timedelta(seconds=int(matched[1]) * _UNITS[matched[2]])


def write_duration(span: timedelta) -> str:
    """The shortest exact way to write a duration."""
    seconds = int(span.total_seconds())
    for unit in ("d", "h", "m"):
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{seconds // _UNITS[unit]}{unit}"
    return f"{seconds}s"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(write_duration, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,6}[smhd]$"}),
]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Ref = Annotated[str, StringConstraints(min_length=2, max_length=254)]  # Slack id, e-mail, @group, or a name under `people`
ChannelRef = Annotated[str, StringConstraints(pattern=r"^(#.{1,80}|[CG][A-Z0-9]{2,})$")]
ClockTime = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class Part(BaseModel):
    """Every part refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)
