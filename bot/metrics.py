"""Prometheus metrics, read at scrape time from what the parts count themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Counts = Callable[[], Mapping[str, float]]


class Readings(Collector):
    """Gauges and counters named `aiops_<part>_<what>`; a name that ends in `_total` is a counter."""

    def __init__(self) -> None:
        self._parts: dict[str, Counts] = {}

    def add(self, part: str, counts: Counts) -> None:
        self._parts[part] = counts

    def collect(self) -> Iterable[Metric]:
        for part, counts in self._parts.items():
            for what, value in counts().items():
                name = f"aiops_{part}_{what}"
                words = f"{part}: {what.removesuffix('_total').replace('_', ' ')}"
                family = CounterMetricFamily if what.endswith("_total") else GaugeMetricFamily
                metric: Metric = family(name, words)
                metric.add_sample(name, {}, value)
                yield metric

    def text(self) -> bytes:
        """The exposition format."""
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)
