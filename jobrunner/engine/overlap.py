"""Ticks of jobs that may not overlap: one is let in only when no other execution of its job is open.

Two schedulers may fire two ticks of a job at the same time, and both see that nothing is open. So the ticks of a job
take turns: `Job.turn` names the tick that was let in last, and is passed on by compare-and-set. It is read before the
look at what is open, so whoever passes it on knows that no tick was let in since that look. A tick that has the turn
and is still scheduled is about to start (or its scheduler has died, and it is fired again): it counts as open.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from jobrunner.domain import outcomes
from jobrunner.domain.executions import Execution
from jobrunner.domain.specs import Overlap
from jobrunner.domain.states import WAITING, State
from jobrunner.engine.cancel import stop_alone
from jobrunner.engine.farm import Farm
from jobrunner.engine.finish import close

LOOK_AGAIN = timedelta(seconds=0.5)
BATCH = 500


def let_in(farm: Farm, tick: Execution, start: Callable[[Farm, Execution], datetime | None]) -> datetime | None:
    """Start a tick, or leave it out, by the overlap policy of its job; when it is to be fired again, if it waits."""
    if tick.spec.overlap is Overlap.REPLACE:
        _leave_out_those_before(farm, tick)
    in_the_way = _in_the_way(farm, tick)
    if not in_the_way:
        return start(farm, tick)
    later = [other for other in in_the_way if _is_later(other, tick)]
    if tick.spec.overlap is Overlap.SKIP or later:
        close(farm, tick, outcomes.overlapped((later or in_the_way)[0].id))
        return None
    return _replace(farm, tick, in_the_way)


def _in_the_way(farm: Farm, tick: Execution) -> list[Execution]:
    """What keeps the tick from starting; nothing: it has the turn."""
    while True:
        job = farm.store.jobs.get(tick.job_id)
        turn = job.turn if job is not None else None
        holder = farm.store.executions.get(turn) if turn not in (None, tick.id) else None
        found = farm.store.executions.in_the_way(tick.job_id, BATCH)
        if holder is not None and holder.state is State.SCHEDULED:
            found.append(holder)
        if found or turn == tick.id or farm.store.jobs.take_turn(tick.job_id, turn, tick.id):
            return found


def _is_later(other: Execution, tick: Execution) -> bool:
    return other.tick_at is not None and tick.tick_at is not None and other.tick_at > tick.tick_at


def _replace(farm: Farm, tick: Execution, in_the_way: list[Execution]) -> datetime:
    """Stop what is in the way; the tick waits until that is over, and is not late for that."""
    for execution in in_the_way:
        if execution.state in WAITING or (execution.stop_requested_at is None and not execution.state.is_terminal):
            stop_alone(farm, execution)
    now = farm.clock.now()
    if tick.fired_at is None:
        farm.store.executions.compare_and_set(
            tick.id, states=[State.SCHEDULED], claim=tick.claim, changes={"fired_at": now}
        )
    stays = any(execution.node is not None for execution in in_the_way)
    return now + LOOK_AGAIN if stays else now


def _leave_out_those_before(farm: Farm, tick: Execution) -> None:
    """Ticks before this one that still wait for what they were to replace: this one does it in their place."""
    for waiting in farm.store.executions.scheduled_of_job(tick.job_id, BATCH):
        if waiting.is_tick and waiting.fired_at is not None and _is_later(tick, waiting):
            close(farm, waiting, outcomes.overlapped(tick.id))
