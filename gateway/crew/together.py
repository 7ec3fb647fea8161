"""Several workers' figures as one: counters and histograms are added, also those of workers that have ended."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import generate_latest
from prometheus_client.core import Metric

from ..metrics import Families

# Gauges that say how much there is in all; of any other the highest is what an operator should know.
_ADDED = frozenset(
    {"lanyard_journal_queue", "lanyard_policy_memo_hits", "lanyard_policy_memo_misses", "lanyard_workers"}
)
_GROWS = ("counter", "histogram")

_Sample = tuple[str, tuple[tuple[str, str], ...]]


class Sums:
    """Figures added up. `add` as many as there are, then read."""

    def __init__(self) -> None:
        self._families: dict[str, tuple[str, str, dict[_Sample, float]]] = {}

    def add(self, families: Families, *, gone: bool = False) -> None:
        """`gone`: of a worker that has ended; what it had counted stays counted, its gauges go with it."""
        for name, words, kind, samples in families:
            if gone and kind not in _GROWS:
                continue
            kept = self._families.setdefault(name, (words, kind, {}))[2]
            for sample, labels, value in samples:
                key = sample, tuple((k, v) for k, v in labels)
                kept[key] = self._joined(name, kind, sample, kept[key], value) if key in kept else value

    @staticmethod
    def _joined(name: str, kind: str, sample: str, one: float, other: float) -> float:
        if sample.endswith("_created"):
            return min(one, other)
        return one + other if kind in _GROWS or name in _ADDED else max(one, other)

    def families(self) -> Families:
        return [
            (name, words, kind, [(sample, list(labels), value) for (sample, labels), value in kept.items()])
            for name, (words, kind, kept) in self._families.items()
        ]

    def collect(self) -> Iterator[Metric]:
        for name, words, kind, samples in self.families():
            metric = Metric(name, words, kind)
            for sample, labels, value in samples:
                metric.add_sample(sample, dict(labels), value)
            yield metric

    def text(self) -> bytes:
        """Prometheus' text form."""
        return generate_latest(self)
