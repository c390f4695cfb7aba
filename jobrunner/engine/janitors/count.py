"""Add ended executions to the totals (`MeasureStore.ended`), so that whoever reads those finds little left to add."""

from __future__ import annotations

from jobrunner.engine.farm import Farm

BATCH = 1000
MOST_BATCHES = 100  # of one look


def count_ended(farm: Farm, most_batches: int = MOST_BATCHES) -> None:
    """All that have ended by now, a batch at a time, unless there are very many."""
    for _ in range(most_batches):
        if farm.stopping.is_set() or not farm.store.measures.count_ended(BATCH):
            return
