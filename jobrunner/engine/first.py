"""The first execution of a job: made, and, once it is stored, put on its way."""

from __future__ import annotations

from jobrunner.domain.executions import Execution, Job
from jobrunner.domain.schedules import due_at
from jobrunner.domain.states import State
from jobrunner.engine.farm import Farm
from jobrunner.engine.follow_up import follow_up_if_possible
from jobrunner.engine.make import make_execution, make_waiting
from jobrunner.engine.send import send, set_alarm


def first_execution(farm: Farm, job: Job, execution_id: str | None) -> Execution:
    """What starts now, waits for its time, or waits for other jobs; not stored yet."""
    now = farm.clock.now()
    execution = make_execution(farm, job, now, due_at(job.spec, now), execution_id)
    return make_waiting(execution) if job.spec.after else execution


def put_on_its_way(farm: Farm, execution: Execution) -> Execution:
    """To the queue, or to wait; as it is then. Best effort: what is not done here, a janitor does."""
    if execution.state is State.ENQUEUED:
        send(farm, execution.id)
    elif execution.due_at is not None:
        set_alarm(farm, execution)
    elif execution.owes_follow_up:
        follow_up_if_possible(farm, execution)
        return farm.store.executions.get(execution.id) or execution
    return execution
