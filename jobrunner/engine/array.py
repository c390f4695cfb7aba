"""Arrays: a turn for each execution that may run at the same time, passed on from one that has ended to the next.

An array with `mostAtOnce` M has M turns from its start. An execution keeps its turn through all its attempts. When
the last of those has ended, the turn goes to the next execution that waits, which notes from whom it got it; no two can
note the same. So there are never more turns than M, whoever dies, and whoever passes one on twice.
"""

from __future__ import annotations

from jobrunner.domain.aftermath import deliveries_owed
from jobrunner.domain.executions import Execution
from jobrunner.domain.outcomes import Cause, Outcome
from jobrunner.domain.states import State
from jobrunner.engine.end import end
from jobrunner.engine.farm import Farm
from jobrunner.engine.move import move, move_waiting
from jobrunner.engine.send import send

BATCH = 100


def pass_turn(farm: Farm, ended: Execution) -> None:
    """Have the next one start. Where an array never starts because of another job, all that wait are ended."""
    if ended.turn is None or ended.array_index is None:
        return
    if ended.cause is Cause.DEPENDENCY_FAILED:
        end_waiting(farm, ended.job_id, Outcome(ended.state, Cause.DEPENDENCY_FAILED, ended.reason))
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
            send(farm, started)


def end_waiting(farm: Farm, job_id: str, outcome: Outcome) -> int:
    """End all executions of an array that wait for their turn; how many those were.

    In one update, unless each of them owes something to somebody. They have no turn to pass on; and that the array may
    have ended is looked at when one ends that has a turn.
    """
    one = next(iter(farm.store.arrays.next_in_turn(job_id, 1)), None)
    if one is None:
        return 0
    if deliveries_owed(one, outcome.state):
        return _end_each(farm, job_id, outcome)
    now = farm.clock.now()
    return move_waiting(
        farm,
        job_id,
        outcome.state,
        cause=outcome.cause,
        reason=outcome.reason,
        finished_at=now,
        prune_at=one.spec.retention.first_look_at(now),
    )


def _end_each(farm: Farm, job_id: str, outcome: Outcome) -> int:
    count = 0
    while waiting := farm.store.arrays.next_in_turn(job_id, BATCH):
        count += len([one for one in waiting if end(farm, one, outcome)])
    return count
