"""Prometheus metrics: what the parts count themselves, written out when somebody asks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Readings(Collector):
    """Metrics named `aiops_<part>_<what>`; a name that ends in `_total` is a counter, any other a gauge."""

    def __init__(self) -> None:
        self._parts: dict[str, Mapping[str, float]] = {}

    def set(self, part: str, values: Mapping[str, float]) -> None:
        self._parts[part] = values

    def collect(self) -> Iterable[Metric]:
        for part, values in self._parts.items():
            for what, value in values.items():
                name = f"aiops_{part}_{re.sub(r'[^a-z0-9]+', '_', what.lower())}"
                words = f"{part}: {what.removesuffix('_total').replace('_', ' ')}"
                if what.endswith("_total"):
                    yield CounterMetricFamily(name.removesuffix("_total"), words, value)
                else:
                    yield GaugeMetricFamily(name, words, value)

    def text(self) -> bytes:
        """The exposition format."""
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)
