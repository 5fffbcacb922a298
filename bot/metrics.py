"""Prometheus metrics: what the parts count themselves, written out when somebody asks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector


class Readings(Collector):
    """Metrics named `aiops_<part>_<what>`; a name that ends in `_total` is a counter, any other a gauge."""

    def __init__(self) -> None:
        self._parts: dict[str, Mapping[str, float]] = {}
        self._families: dict[str, Metric] = {}

    def set(self, part: str, values: Mapping[str, float]) -> None:
        self._parts[part] = values

    def labelled(self, name: str, words: str, samples: Mapping[tuple[tuple[str, str], ...], float], *, counts: bool = False) -> None:
        """One metric under its own name, a sample for each set of labels."""
        labels = [label for label, _ in next(iter(samples), ())]
        family = (CounterMetricFamily if counts else GaugeMetricFamily)(name, words, labels=labels)
        for given, value in samples.items():
            family.add_metric([text for _, text in given], value)
        self._families[name] = family

    def spread(self, name: str, words: str, buckets: Sequence[tuple[float, float]], total: float, count: float) -> None:
        """A histogram, counted elsewhere."""
        family = HistogramMetricFamily(name, words)
        family.add_metric([], buckets=[*((str(bound), n) for bound, n in buckets), ("+Inf", count)], sum_value=total)
        self._families[name] = family

    def collect(self) -> Iterable[Metric]:
        for part, values in self._parts.items():
            for what, value in values.items():
                name = f"aiops_{part}_{re.sub(r'[^a-z0-9]+', '_', what.lower())}"
                words = f"{part}: {what.removesuffix('_total').replace('_', ' ')}"
                if what.endswith("_total"):
                    yield CounterMetricFamily(name.removesuffix("_total"), words, value)
                else:
                    yield GaugeMetricFamily(name, words, value)

        yield from self._families.values()

    def text(self) -> bytes:
        """The exposition format."""
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)
