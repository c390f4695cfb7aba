"""Put executions back on the queue that are enqueued in MongoDB but have no message that lives.

This covers a crash between the store and the queue, a Redis that lost what it held, and every hole of RQ.
"""

from __future__ import annotations

from datetime import timedelta

from jobrunner.domain.events import Repaired
from jobrunner.domain.states import State
from jobrunner.engine.farm import Farm
from jobrunner.engine.send import send_now

BATCH = 500
SETTLE_SECONDS = 2.0  # a submission needs this long at most between the store and the queue


def requeue(farm: Farm) -> None:
    """Look through all enqueued executions, a batch at a time, the oldest first: in that order they are to go.

    Raises QueueUnavailable: where Redis takes one no more, because it is full, it takes none.
    """
    before = farm.clock.now() - timedelta(seconds=SETTLE_SECONDS)
    after = None
    while batch := farm.store.executions.enqueued(before, after, BATCH):
        for execution_id, has_message in farm.queue.has_message([place.id for place in batch]).items():
            if not has_message:
                _send_again(farm, execution_id)
        after = batch[-1]
        if farm.stopping.is_set():
            return


def _send_again(farm: Farm, execution_id: str) -> None:
    execution = farm.store.executions.get(execution_id)
    if execution is not None and execution.state is State.ENQUEUED:
        send_now(farm, execution)
        farm.announce(Repaired(execution_id, janitor="requeue", what="it had no message"))
