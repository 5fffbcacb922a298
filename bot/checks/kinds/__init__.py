"""The check kinds, one file each, in one explicit list."""

from __future__ import annotations

from typing import Any

from bot.checks.kinds import (
    alert,
    change,
    drift,
    error_rate,
    freshness,
    handoff_rate,
    heartbeat,
    http,
    input_shape,
    latency,
    measure,
    no_data,
    prometheus,
    quality,
    run_failed,
    stage,
    upstream,
    volume,
)
from bot.checks.kinds.kind import CheckSpec, Kind

_OF_RUNS = (heartbeat.KIND, run_failed.KIND, stage.KIND, no_data.KIND, volume.KIND, error_rate.KIND, latency.KIND, input_shape.KIND, handoff_rate.KIND)
_OF_THE_REST = (quality.KIND, drift.KIND, measure.KIND, change.KIND, freshness.KIND, http.KIND, upstream.KIND, prometheus.KIND, alert.KIND)
KINDS: dict[str, Kind] = {kind.name: kind for kind in (*_OF_RUNS, *_OF_THE_REST)}
SPECS: dict[str, type[CheckSpec]] = {name: kind.spec for name, kind in KINDS.items()}  # for reading aiops.yml


class UnknownKind(ValueError):
    """A check names a kind that does not exist; the text lists those that do."""


def kind_named(name: str) -> Kind:
    """The kind of that name; raises UnknownKind."""
    if name not in KINDS:
        raise UnknownKind(f"{name!r} is not a kind of check: write {', '.join(sorted(KINDS))}")
    return KINDS[name]


def read_spec(written: dict[str, Any]) -> CheckSpec:
    """A check as written in aiops.yml; raises UnknownKind, or pydantic's ValidationError with the field."""
    return kind_named(str(written.get("kind", ""))).spec.model_validate(written)
