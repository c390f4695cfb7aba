"""What follows from the end of an execution: those that wait for its job, or for its turn, start, or never will.

That this is to be done stands in the execution (`owes_follow_up`), written by the update that ended it; so the janitor
`follow_up` does what a crash prevented. An execution that starts to wait has the same mark, until the jobs that it
waits for have been looked at: one of them may have ended before. Each step can be done twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jobrunner.domain import outcomes
from jobrunner.domain.aftermath import satisfies
from jobrunner.domain.arrays import summarize
from jobrunner.domain.events import Trouble
from jobrunner.domain.executions import Execution
from jobrunner.domain.states import State
from jobrunner.engine.array import pass_turn
from jobrunner.engine.end import end
from jobrunner.engine.farm import Farm
from jobrunner.engine.move import move
from jobrunner.engine.send import send
from jobrunner.errors import StoreUnavailable

BATCH = 200
AT_ONCE = 100  # whoever ends an execution does so many at once; the janitor does the others
BEGUN = [state for state in State if state is not State.SCHEDULED]


def follow_up_if_possible(farm: Farm, execution: Execution) -> None:
    """Do what the execution owes to those that wait, up to AT_ONCE of them; the janitor does the rest."""
    try:
        follow_up(farm, execution, AT_ONCE)
    except StoreUnavailable as error:
        farm.announce(Trouble(execution.id, "follow up", str(error)))


def follow_up(farm: Farm, execution: Execution, most: int | None = None) -> None:
    """Do all of it, or for `most` executions that wait. That is passed on: what never starts has ended, too."""
    owing, done = [execution], 0
    while owing:
        one = owing.pop()
        for ended in _settle_all(farm, one):
            done += 1
            if ended is not None:
                owing.append(ended)
            if most is not None and done >= most:
                return
        farm.store.dependencies.settle_follow_up(one)


def _settle_all(farm: Farm, execution: Execution) -> Iterator[Execution | None]:
    """Settle each thing that follows; those that have ended by that."""
    if execution.state.is_terminal:
        pass_turn(farm, execution)
        yield from _settle_those_that_wait(farm, execution)
    elif execution.state is State.SCHEDULED:
        for job_id in execution.waits_for:
            last = end_of_job(farm, job_id)
            if last is not None:
                yield _settle(farm, execution.id, last)


def _settle_those_that_wait(farm: Farm, ended: Execution) -> Iterator[Execution | None]:
    after_id, last = "", None
    while batch := farm.store.dependencies.waiting_for(ended.job_id, after_id, BATCH):
        last = last or end_of_job(farm, ended.job_id)
        if last is None:
            return  # it was run again: the end of that counts
        for execution_id in batch:
            yield _settle(farm, execution_id, last)
        after_id = batch[-1]


@dataclass(frozen=True)
class EndOfJob:
    """That a job has ended, and how."""

    job_id: str
    task_id: str
    state: State


def end_of_job(farm: Farm, job_id: str) -> EndOfJob | None:
    """How a job has ended with its last run; None where that goes on, or is tried again. An array ends as a whole."""
    begun = farm.store.executions.page_of_job(job_id, 1, 1, BEGUN)
    last = begun[0] if begun else None
    if last is not None and last.spec.array is not None:
        return _end_of_array(farm, last, last.spec.array.size)
    while last is not None and last.retried_by:  # not by time: the clocks of two nodes differ
        last = farm.store.executions.get(last.retried_by)
    if last is None or not last.state.is_terminal or last.owes_retry or _was_defined_anew(farm, last):
        return None
    return EndOfJob(job_id, last.task_id, last.state)


def _was_defined_anew(farm: Farm, last: Execution) -> bool:
    """Then the end of what starts under the new definition counts."""
    job = farm.store.jobs.get(last.job_id)
    return job is not None and job.revision != last.revision


def _end_of_array(farm: Farm, one: Execution, size: int) -> EndOfJob | None:
    if farm.store.arrays.is_open(one.job_id):  # mostly: this costs less than to count
        return None
    summary = summarize(farm.store.arrays.counts(one.job_id))
    if summary.ended < size:  # one of them is about to be tried again
        return None
    return EndOfJob(one.job_id, one.task_id, State(summary.state.value))


def _settle(farm: Farm, execution_id: str, last: EndOfJob) -> Execution | None:
    """Have an execution wait no more for a job that has ended; the execution, if that has ended it.

    Several may do this at the same time, for the same job or for others. A list of jobs only gets shorter, and its
    last entry goes in the move that starts the execution.
    """
    job_id = last.job_id
    while True:
        waiting = farm.store.executions.get(execution_id)
        if waiting is None or waiting.state is not State.SCHEDULED or job_id not in waiting.waits_for:
            return None
        when = next(dependency.when for dependency in waiting.spec.after if dependency.job == job_id)
        if not satisfies(last.state, when):
            return end(farm, waiting, outcomes.dependency_failed(job_id, last.task_id, when, last.state))
        if len(waiting.waits_for) == 1:
            _start(farm, waiting)
            return None
        if farm.store.dependencies.wait_no_more(execution_id, job_id):
            return None


def _start(farm: Farm, waiting: Execution) -> None:
    started = move(farm, waiting, State.ENQUEUED, waits_for=None, owes_follow_up=None)
    if started is not None:
        send(farm, started)
