"""Arrays: a turn for each execution that may run at the same time, passed on from one that has ended to the next.

An array with `mostAtOnce` M has M turns from its start. An execution keeps its turn through all its attempts. When
the last of those has ended, the turn goes to the next execution that waits, which notes from whom it got it; no two can
note the same. So there are never more turns than M, whoever dies, and whoever passes one on twice.
"""

from __future__ import annotations

from collections.abc import Iterator

from jobrunner.domain.executions import Execution
from jobrunner.domain.outcomes import Cause, Outcome
from jobrunner.domain.states import State
from jobrunner.engine.end import end
from jobrunner.engine.farm import Farm
from jobrunner.engine.move import move
from jobrunner.engine.send import send

BATCH = 100


def pass_turn(farm: Farm, ended: Execution) -> Iterator[Execution]:
    """Have the next one start. What never starts because of another job ends all that wait; those that it has ended."""
    if ended.turn is None or ended.array_index is None:
        return
    if ended.cause is Cause.DEPENDENCY_FAILED:
        yield from _end_all(farm, ended)
        return
    job = farm.store.jobs.get(ended.job_id)
    if job is None or job.stopped_at is not None:
        return
    while not farm.store.arrays.was_passed(ended.id):
        waiting = farm.store.arrays.next_in_turn(ended.job_id, 1)
        if not waiting:
            return
        started = move(farm, waiting[0], State.ENQUEUED, turn=ended.id)
        if started is not None:
            send(farm, started.id)


def _end_all(farm: Farm, ended: Execution) -> Iterator[Execution]:
    outcome = Outcome(ended.state, Cause.DEPENDENCY_FAILED, ended.reason)
    while waiting := farm.store.arrays.next_in_turn(ended.job_id, BATCH):
        yield from filter(None, (end(farm, one, outcome) for one in waiting))
