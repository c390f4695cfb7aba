"""Delete what was kept for long enough: executions that ended, or their output, by the farm's rules and by their jobs'.

The farm's ages hold for all. So all that has ended is gone through in the order in which it did, up to the age; what
has to stay (the last execution of a job) is looked at again once a day. What a job's own `retention` says stands in
its executions as the instant when to look at them (`prune_at`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from jobrunner.domain.executions import EndedExecution, Execution
from jobrunner.domain.retention import LOOK_AGAIN_AFTER, age
from jobrunner.domain.states import TERMINAL
from jobrunner.engine.farm import Farm
from jobrunner.engine.forget import forget, forget_output

BATCH = 100
PAUSE_SECONDS = 0.05  # between two batches: the database has other things to do


class Sweep:
    """Goes through all that has ended, the oldest first, a batch at a time; from the oldest one again once a day."""

    def __init__(self, look: Callable[[Farm, EndedExecution], None]) -> None:
        self._look = look
        self._began_at: datetime | None = None
        self._seen: EndedExecution | None = None

    def up_to(self, farm: Farm, least_age: timedelta) -> None:
        """Look at everything that ended so long ago and was not looked at in this sweep."""
        now = farm.clock.now()
        if self._began_at is None or now - self._began_at >= LOOK_AGAIN_AFTER:
            self._began_at, self._seen = now, None
        while batch := farm.store.executions.ended(now - least_age, self._seen, BATCH):
            for ended in batch:
                self._seen = ended  # also if the look fails: it must not keep from the others for ever
                self._look(farm, ended)
                if farm.stopping.is_set():
                    return
            farm.stopping.wait(PAUSE_SECONDS)


class Prune:
    """The duty, with how far it has got."""

    def __init__(self) -> None:
        self._outputs, self._executions = Sweep(_prune_output), Sweep(_prune_execution)

    def look(self, farm: Farm) -> None:
        """What jobs want first, then what the farm does."""
        _as_jobs_want(farm)
        output_age = age(farm.settings.output_retention_days)
        if output_age is not None:
            self._outputs.up_to(farm, output_age)
        execution_age = age(farm.settings.execution_retention_days)
        if execution_age is not None:
            self._executions.up_to(farm, execution_age)


def _prune_output(farm: Farm, ended: EndedExecution) -> None:
    if ended.output_deleted_at is not None:
        return
    execution = farm.store.executions.get(ended.id)
    if execution is not None and execution.state.is_terminal:
        _plan(farm, forget_output(farm, execution))


def _prune_execution(farm: Farm, ended: EndedExecution) -> None:
    if not farm.store.executions.was_followed(ended):  # most that are old are the only ones of their jobs
        return
    execution = farm.store.executions.get(ended.id)
    if execution is not None:
        forget(farm, execution)


def _as_jobs_want(farm: Farm) -> None:
    """Look at all executions whose time has come, a batch at a time."""
    while batch := farm.store.executions.to_prune(farm.clock.now(), BATCH):
        for execution in batch:
            _as_its_job_wants(farm, execution)
            if farm.stopping.is_set():
                return


def _as_its_job_wants(farm: Farm, execution: Execution) -> None:
    now, retention, ended_at = farm.clock.now(), execution.spec.retention, execution.finished_at
    assert ended_at is not None  # `prune_at` is set when it ends
    due_at, output_due_at = retention.due_at(ended_at), retention.output_due_at(ended_at)
    all_gone = _forget_beyond(farm, execution.job_id, retention.keep_last)
    is_due = due_at is not None and due_at <= now
    if is_due and forget(farm, execution):
        return
    if execution.output_deleted_at is not None or (output_due_at is not None and output_due_at <= now):
        execution = forget_output(farm, execution)
    _plan(farm, execution, at_least_again=is_due or not all_gone)


def _forget_beyond(farm: Farm, job_id: str, keep_last: int | None) -> bool:
    """Delete the ended executions of a job but the newest ones; whether none of them had to stay."""
    while keep_last is not None:
        beyond = farm.store.executions.ended_of_job(job_id, keep_last, BATCH)
        forgotten = [forget(farm, execution) for execution in beyond]
        if not any(forgotten):
            return not beyond
    return True


def _plan(farm: Farm, execution: Execution, *, at_least_again: bool = False) -> None:
    """Note when it is to be looked at next by what its job says; `at_least_again`: there is something left to do."""
    now, ended_at = farm.clock.now(), execution.finished_at
    looks = [execution.spec.retention.next_look_at(ended_at, now) if ended_at is not None else None]
    if at_least_again:
        looks.append(now + LOOK_AGAIN_AFTER)
    look_at = min(filter(None, looks), default=None)
    if look_at != execution.prune_at:
        farm.store.executions.compare_and_set(execution.id, states=TERMINAL, claim=None, changes={"prune_at": look_at})
