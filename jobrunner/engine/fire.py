"""The time of a scheduled execution has come: enqueue it; for a cron, make the next tick first.

The next tick is made before this one moves on, and both are idempotent. So whoever dies in between, the execution is
still scheduled, it is fired again, and the chain of a cron never breaks.
"""

from __future__ import annotations

from jobrunner.domain import outcomes
from jobrunner.domain.executions import Execution
from jobrunner.domain.outcomes import Outcome
from jobrunner.domain.states import State
from jobrunner.engine.claim import refuse
from jobrunner.engine.farm import Farm
from jobrunner.engine.finish import close
from jobrunner.engine.make import make_next_tick
from jobrunner.engine.move import move
from jobrunner.engine.send import send, set_alarm


def fire(farm: Farm, execution_id: str) -> None:
    """Enqueue a scheduled execution that is due. Anything else (moved on, stopped, not due yet) is left alone."""
    execution = farm.store.executions.get(execution_id)
    if execution is None or execution.state is not State.SCHEDULED or execution.due_at is None:
        return
    if execution.due_at > farm.clock.now():
        set_alarm(farm, execution)
        return
    if execution.spec.cron and execution.attempt == 1:
        make_next_tick(farm, execution)
    refusal = _refuse(farm, execution)
    if refusal is not None:
        close(farm, execution, refusal)
        return
    enqueued = move(farm, execution, State.ENQUEUED)
    if enqueued is not None:
        send(farm, enqueued.id)


def _refuse(farm: Farm, execution: Execution) -> Outcome | None:
    job = farm.store.jobs.get(execution.job_id)
    if job is None or job.stopped_at is not None:  # it was made while its job was being stopped
        return outcomes.stopped_before_start()
    return refuse(farm, execution)
