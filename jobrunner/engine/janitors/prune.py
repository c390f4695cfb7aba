"""Delete what was kept for long enough: executions that ended, or their output, by the farm's rules and by their jobs'.

The farm's ages hold for all. So all that has ended is gone through in the order in which it did, up to the age; what
has to stay (the last execution of a job) is looked at again once a day. What a job's own `retention` says stands in
its executions as the instant when to look at them (`prune_at`).

`jobrunner prune` does it by hand: the same, or with an age of its own, or as a rehearsal that deletes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from jobrunner.domain.executions import EndedExecution, Execution
from jobrunner.domain.retention import LOOK_AGAIN_AFTER, age
from jobrunner.engine.farm import Farm
from jobrunner.engine.removal import Removal

BATCH = 100
MOST_BATCHES = 20  # of one look at what the farm's ages are for: meanwhile nobody looks at what jobs want
PAUSE_SECONDS = 0.05  # between two batches: the database has other things to do


class Sweep:
    """Goes through all that has ended, the oldest first, a batch at a time; from the oldest one again once a day."""

    def __init__(self, look: Callable[[Farm, EndedExecution], None], most_batches: int) -> None:
        self._look, self._most_batches = look, most_batches
        self._began_at: datetime | None = None
        self._seen: EndedExecution | None = None

    def up_to(self, farm: Farm, least_age: timedelta) -> None:
        """Look at what ended so long ago and was not looked at in this sweep; the next call goes on after that."""
        now = farm.clock.now()
        if self._began_at is None or now - self._began_at >= LOOK_AGAIN_AFTER:
            self._began_at, self._seen = now, None
        for _ in range(self._most_batches):
            batch = farm.store.executions.ended(now - least_age, self._seen, BATCH)
            for ended in batch:
                if farm.stopping.is_set():
                    return
                self._seen = ended  # also if the look fails: it must not keep from the others for ever
                self._look(farm, ended)
            if len(batch) < BATCH:
                return
            farm.stopping.wait(PAUSE_SECONDS)


class Prune:
    """The duty, with how far it has got."""

    def __init__(self, removal: Removal | None = None, most_batches: int = MOST_BATCHES) -> None:
        self._removal = removal or Removal()
        self._outputs = Sweep(self._prune_output, most_batches)
        self._executions = Sweep(self._prune_execution, most_batches)

    def look(self, farm: Farm) -> None:
        """What jobs want first, then what the farm does."""
        self._as_jobs_want(farm)
        output_age = age(farm.settings.output_retention_days)
        if output_age is not None:
            self.prune_outputs(farm, output_age)
        execution_age = age(farm.settings.execution_retention_days)
        if execution_age is not None:
            self.prune_executions(farm, execution_age)

    def prune_outputs(self, farm: Farm, least_age: timedelta) -> None:
        """Delete the output of all that ended so long ago."""
        self._outputs.up_to(farm, least_age)

    def prune_executions(self, farm: Farm, least_age: timedelta) -> None:
        """Delete all that ended so long ago, but what has to stay."""
        self._executions.up_to(farm, least_age)

    def _prune_output(self, farm: Farm, ended: EndedExecution) -> None:
        if ended.output_deleted_at is not None:
            return
        execution = farm.store.executions.get(ended.id)
        if execution is not None and execution.state.is_terminal:
            self._plan(farm, self._removal.forget_output(farm, execution))

    def _prune_execution(self, farm: Farm, ended: EndedExecution) -> None:
        if not farm.store.executions.was_followed(ended):  # most that are old are the only ones of their jobs
            return
        execution = farm.store.executions.get(ended.id)
        if execution is not None:
            self._removal.forget(farm, execution)

    def _as_jobs_want(self, farm: Farm) -> None:
        """Look at all executions whose time has come."""
        for execution in farm.store.executions.to_prune(farm.clock.now()):
            if farm.stopping.is_set():
                return
            self._as_its_job_wants(farm, execution)

    def _as_its_job_wants(self, farm: Farm, execution: Execution) -> None:
        now, retention, ended_at = farm.clock.now(), execution.spec.retention, execution.finished_at
        assert ended_at is not None  # `prune_at` is set when it ends
        due_at, output_due_at = retention.due_at(ended_at), retention.output_due_at(ended_at)
        all_gone = self._forget_beyond(farm, execution.job_id, retention.keep_last)
        is_due = due_at is not None and due_at <= now
        if is_due and self._removal.forget(farm, execution):
            return
        if execution.output_deleted_at is not None or (output_due_at is not None and output_due_at <= now):
            execution = self._removal.forget_output(farm, execution)
        self._plan(farm, execution, at_least_again=is_due or not all_gone)

    def _forget_beyond(self, farm: Farm, job_id: str, keep_last: int | None) -> bool:
        """Delete the ended executions of a job but the newest ones; whether none of them had to stay."""
        if keep_last is None:
            return True
        stays = 0
        while beyond := farm.store.executions.ended_of_job(job_id, keep_last + stays, BATCH):
            forgotten = [self._removal.forget(farm, execution) for execution in beyond]
            if not any(forgotten) or farm.stopping.is_set():
                return False
            stays += self._removal.still_there(forgotten)
        return stays == 0

    def _plan(self, farm: Farm, execution: Execution, *, at_least_again: bool = False) -> None:
        """Note when it is to be looked at next, by what its job says; `at_least_again`: something is left to do."""
        now, ended_at = farm.clock.now(), execution.finished_at
        looks = [execution.spec.retention.next_look_at(ended_at, now) if ended_at is not None else None]
        if at_least_again:
            looks.append(now + LOOK_AGAIN_AFTER)
        look_at = min(filter(None, looks), default=None)
        if look_at != execution.prune_at:
            self._removal.look_again(farm, execution, look_at)
