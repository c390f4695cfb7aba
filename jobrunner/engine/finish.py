"""Close an execution: once, with its outcome and all that it leads to in one update; then do what it leads to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jobrunner.domain.aftermath import deliveries_owed
from jobrunner.domain.executions import Execution, Job
from jobrunner.domain.identifiers import retry_id
from jobrunner.domain.outcomes import Outcome
from jobrunner.domain.retry import retry_due_at, wants_retry
from jobrunner.domain.states import State
from jobrunner.engine.farm import Farm
from jobrunner.engine.limits import free_limits
from jobrunner.engine.move import move
from jobrunner.engine.notify import and_owed, notify_if_possible
from jobrunner.engine.send import set_alarm


def close(farm: Farm, execution: Execution, outcome: Outcome) -> Execution | None:
    """Move the execution to its terminal state; None where it was closed, or claimed, by somebody else before.

    That it owes another attempt, or deliveries, is written in the same update, so that a crash right after it loses
    nothing: the janitors `owed` and `unsent` make what was not made here.
    """
    tried_again = wants_retry(execution, outcome)
    sampled = {"usage": outcome.usage} if outcome.usage is not None else {}
    finished_at = outcome.finished_at or farm.clock.now()
    look_at = execution.spec.retention.first_look_at(finished_at)
    closed = move(
        farm,
        execution,
        outcome.state,
        cause=outcome.cause,
        reason=outcome.reason,
        exit_code=outcome.exit_code,
        oom_killed=outcome.oom_killed,
        started_at=outcome.started_at or execution.started_at,
        finished_at=finished_at,
        owes_retry=tried_again,
        owed_deliveries=and_owed(
            execution, deliveries_owed(execution, outcome.state, tried_again=tried_again, cause=outcome.cause)
        ),
        **sampled,
        **_kept(outcome),
        **({"prune_at": look_at} if look_at else {}),
    )
    if closed is not None:
        free_limits(farm, closed)
        notify_if_possible(farm, closed)
    if closed is not None and closed.owes_retry:
        make_retry(farm, closed)
    return closed


def _kept(outcome: Outcome) -> dict[str, Any]:
    """What came of the files of its container, where its job wanted some of them."""
    kept = outcome.kept
    changes = {"artifacts": kept.artifacts, "result": kept.result, "result_error": kept.result_error}
    return {name: value for name, value in changes.items() if value}


def make_retry(farm: Farm, ended: Execution) -> None:
    """Make the attempt that an ended execution owes, unless it or its job was stopped, or the job was defined anew.

    Doing it twice makes one. Where it is not made, this attempt was the last one: then its end is told.
    """
    changes: dict[str, Any] = {"owes_retry": False}
    job = farm.store.jobs.get(ended.job_id)
    if job is not None and _is_tried_again(job, ended):
        retry = next_attempt(farm, ended)
        if farm.store.executions.add(retry):
            farm.store.jobs.count_execution(job.id, retry.created_at)
        set_alarm(farm, retry)
        changes["retried_by"] = retry.id
    else:
        changes["owed_deliveries"] = and_owed(ended, deliveries_owed(ended, ended.state))
    settled = farm.store.executions.compare_and_set(ended.id, states=[ended.state], claim=None, changes=changes)
    if settled is not None:
        notify_if_possible(farm, settled)


def _is_tried_again(job: Job, ended: Execution) -> bool:
    was_stopped = job.stopped_at is not None or ended.stop_requested_at is not None
    return not was_stopped and job.revision == ended.revision


def next_attempt(farm: Farm, ended: Execution) -> Execution:
    """The execution that tries again what `ended` did not achieve, due after the back-off; not stored yet."""
    now = farm.clock.now()
    fresh = Execution(
        id=retry_id(ended.id),
        job_id=ended.job_id,
        task_id=ended.task_id,
        spec=ended.spec,
        state=State.SCHEDULED,
        created_at=now,
        timeout_seconds=ended.timeout_seconds,
        stop_grace_seconds=ended.stop_grace_seconds,
        caller_address=ended.caller_address,
        api_key_id=ended.api_key_id,
        revision=ended.revision,
        tick_at=ended.tick_at,
        times={State.SCHEDULED: now},
    )
    ended_at = ended.finished_at or now
    return replace(
        fresh,
        attempt=ended.attempt + 1,
        retried_from=ended.id,
        due_at=retry_due_at(ended, ended_at, farm.back_off),
    )
