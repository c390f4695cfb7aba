"""The first execution of a job, or those of its array: made, and, once they are stored, put on their way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jobrunner.domain.arrays import array_execution_id, own_turn
from jobrunner.domain.executions import Execution, Job
from jobrunner.domain.schedules import due_at
from jobrunner.domain.states import State
from jobrunner.engine.farm import Farm
from jobrunner.engine.follow_up import follow_up_if_possible
from jobrunner.engine.make import make_execution, make_tick, make_waiting
from jobrunner.engine.send import send, send_all, set_alarm

BATCH = 500


def first_execution(farm: Farm, job: Job, execution_id: str | None) -> Execution:
    """What starts now, waits for its time, or waits for other jobs; not stored yet."""
    now = farm.clock.now()
    due = due_at(job.spec, now)
    if job.spec.cron is not None:
        return make_tick(farm, job, due or now)
    execution = make_execution(farm, job, now, due, execution_id)
    return make_waiting(execution) if job.spec.after else execution


def array_executions(farm: Farm, job: Job) -> list[Execution]:
    """All executions of a job's array: so many as may run at once have a turn; the others wait for one."""
    assert job.spec.array is not None
    array, plain = job.spec.array, make_execution(farm, job, farm.clock.now(), None)
    return [_of_array(plain, index, index < array.most_at_once) for index in range(array.size)]


def _of_array(plain: Execution, index: int, has_turn: bool) -> Execution:
    identifier = array_execution_id(plain.job_id, index)
    execution = replace(plain, id=identifier, array_index=index, turn=own_turn(identifier) if has_turn else None)
    if not has_turn:
        return replace(execution, state=State.SCHEDULED, times={State.SCHEDULED: plain.created_at})
    return make_waiting(execution) if plain.spec.after else execution


def first_executions(farm: Farm, job: Job, execution_id: str | None) -> list[Execution]:
    """All that a job begins with: one execution, or its array."""
    return array_executions(farm, job) if job.spec.array else [first_execution(farm, job, execution_id)]


def put_all_on_their_way(farm: Farm, executions: Sequence[Execution]) -> list[Execution]:
    """All of these, as they are then. What goes to the queue does so in few steps."""
    enqueued = [execution for execution in executions if execution.state is State.ENQUEUED]
    for start in range(0, len(enqueued), BATCH):
        send_all(farm, enqueued[start : start + BATCH])
    return [one if one.state is State.ENQUEUED else put_on_its_way(farm, one) for one in executions]


def put_on_its_way(farm: Farm, execution: Execution) -> Execution:
    """To the queue, or to wait; as it is then. Best effort: what is not done here, a janitor does."""
    if execution.state is State.ENQUEUED:
        send(farm, execution)
    elif execution.due_at is not None:
        set_alarm(farm, execution)
    elif execution.owes_follow_up:
        follow_up_if_possible(farm, execution)
        return farm.store.executions.get(execution.id) or execution
    return execution
