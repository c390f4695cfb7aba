"""Sample what the containers on this node use up: one thread for all of them, apart from the runs.

A run does not wait for it: the closing update takes the last sample there is. Every sample is stored too, so that the
API shows it while the container runs, and the peak is kept when the worker dies.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from jobrunner.domain.usage import ResourceUsage, next_sample_at
from jobrunner.engine.node import Run, ThisNode


def sample_usage(node: ThisNode) -> None:
    """Sample the containers that are due. Raises EngineUnavailable, StoreUnavailable: then later."""
    now = node.farm.clock.now()
    due = {run.container.id: run for run in node.runs() if _is_due(node, run, now) and run.container is not None}
    if not due:
        return
    samples = node.executor.usage([run.container for run in due.values() if run.container is not None])
    for container_id, sample in samples.items():
        _note(node, due[container_id], sample)


def _is_due(node: ThisNode, run: Run, now: datetime) -> bool:
    """Whether to sample it now; then its next time is set, so that an Engine in trouble is not asked all the time."""
    if run.started_at is None or run.container is None or run.has_ended:
        return False
    longest_pause = timedelta(seconds=node.farm.settings.usage_interval_seconds)
    is_due = now >= (run.sample_at or next_sample_at(run.started_at, run.started_at, longest_pause))
    if is_due:
        run.sample_at = next_sample_at(now, run.started_at, longest_pause)
    return is_due


def _note(node: ThisNode, run: Run, sample: ResourceUsage) -> None:
    run.usage = sample.after(run.usage)
    node.farm.store.executions.note_usage(run.execution_id, run.held.claim, run.usage)
