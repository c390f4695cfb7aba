"""What the APIs tell by GET /metrics agrees with all else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise

from tests.chaos.checks.terms import Violation
from tests.chaos.records import Run


def metrics_agree(run: Run) -> Iterator[Violation]:
    """No counter of the farm ever goes down, whichever API tells it; all tell how it ended.

    Where MongoDB was away, they told nothing of the farm.
    """
    told = [seen for seen in run.metrics if seen.counters]
    for before, after in pairwise(told):
        for name in sorted(before.counters):
            if after.counters.get(name, 0) < before.counters[name]:
                change = f"{before.counters[name]:g} ({before.api}), then {after.counters.get(name)} ({after.api})"
                yield Violation("metrics", f"the counter {name} was {change}")
    ended = Counter(f"{execution.status} {execution.cause}" for execution in run.executions)
    for seen in run.last_metrics:
        for what, count in _differences(ended, seen.ended):
            yield Violation(
                "metrics", f"{seen.api} tells {count:g} executions ended as {what}, and there are {ended[what]}"
            )
        if any(seen.open.values()) or not seen.open or seen.owed != 0:
            yield Violation(
                "metrics", f"{seen.api} tells open executions {dict(seen.open)} and owed deliveries {seen.owed}"
            )


def _differences(true: Mapping[str, int], told: Mapping[str, float]) -> list[tuple[str, float]]:
    return [(what, told.get(what, 0)) for what in sorted(true.keys() | told.keys()) if told.get(what, 0) != true[what]]
