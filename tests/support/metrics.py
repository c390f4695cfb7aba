"""An answer of GET /metrics, read as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

Series = tuple[str, frozenset[tuple[str, str]]]  # a name, and its labels


@dataclass(frozen=True)
class Scrape:
    """All samples of an answer. `counters`: those that may never go down."""

    samples: Mapping[Series, float]
    counters: frozenset[Series]

    def value(self, name: str, **labels: str) -> float | None:
        """The sample of this name and exactly these labels; None where there is none."""
        return self.samples.get((name, frozenset(labels.items())))

    def total(self, name: str, **labels: str) -> float:
        """The sum of all samples of a name that have these labels, among others."""
        wanted = set(labels.items())
        return sum(value for (known, has), value in self.samples.items() if known == name and wanted <= has)

    def labelled(self, name: str, label: str) -> dict[str, float]:
        """The samples of a name by one label; those that share it are added up."""
        found: dict[str, float] = {}
        for (known, has), value in self.samples.items():
            if known == name:
                key = dict(has)[label]
                found[key] = found.get(key, 0) + value
        return found


def read_metrics(text: str) -> Scrape:
    """The samples of an answer in Prometheus' text format. Raises ValueError where it is none, or tells one twice."""
    samples: dict[Series, float] = {}
    counters = set()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            series = (sample.name, frozenset(sample.labels.items()))
            if series in samples:
                raise ValueError(f"{sample.name} {sample.labels} is told twice")
            samples[series] = sample.value
            if family.type in ("counter", "histogram"):
                counters.add(series)
    return Scrape(samples, frozenset(counters))
