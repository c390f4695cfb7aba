"""What a move leads to, decided without I/O: what is owed to people (webhooks, e-mail).

So it can be written in the update that makes the move which it tells of. (Whether an ending leads to another attempt
is decided in jobrunner.domain.retry.)
"""

from __future__ import annotations

from jobrunner.domain.deliveries import DeliveryKind, OwedDelivery, delivery_id
from jobrunner.domain.executions import Execution
from jobrunner.domain.hooks import Moment
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.states import State

_MOMENTS: dict[State, tuple[Moment, ...]] = {
    State.RUNNING: (Moment.STARTS,),
    State.DONE: (Moment.SUCCEEDS, Moment.FINISHES),
    State.FAILED: (Moment.FAILS, Moment.FINISHES),
    State.TIMEDOUT: (Moment.FAILS, Moment.FINISHES),
    State.LOST: (Moment.FAILS, Moment.FINISHES),
    State.EXPIRED: (Moment.FAILS, Moment.FINISHES),
    State.STOPPED: (Moment.FINISHES,),
}

# Ticks that were left out because their job says so: by its misfire or overlap policy, or while it was paused.
LEFT_OUT = frozenset({Cause.MISFIRED, Cause.OVERLAPPED, Cause.PAUSED})


def satisfies(state: State, when: str) -> bool:
    """Whether a job that has ended in this state satisfies one that waits for it to succeed, fail or finish."""
    return when in _MOMENTS.get(state, ())


def deliveries_owed(
    execution: Execution, target: State, *, tried_again: bool = False, cause: Cause | None = None
) -> tuple[OwedDelivery, ...]:
    """What the execution owes to its job's webhooks and e-mail addresses once it has moved to `target`.

    A start is told of every attempt. An end is told once, of the last attempt: while another one follows
    (`tried_again`), nothing has failed yet. What failed, timed out, was lost or could not start before its expiration
    has failed; what was stopped has neither succeeded nor failed, but it has finished.

    Of a tick that was left out nothing is told: the job asked for that, nothing has failed, and after a night without
    a scheduler, or behind one slow execution of a cron of every second, it would be told thousands of times.
    """
    moments = () if tried_again or cause in LEFT_OUT else _MOMENTS.get(target, ())
    return tuple(
        OwedDelivery(delivery_id(execution.id, moment, kind, index), moment, kind, index)
        for moment in moments
        for kind, receivers in (
            (DeliveryKind.WEBHOOK, execution.spec.webhooks_for(moment)),
            (DeliveryKind.EMAIL, execution.spec.addresses_for(moment)),
        )
        for index in range(len(receivers))
    )
