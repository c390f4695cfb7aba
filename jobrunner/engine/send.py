"""Tell Redis of an execution that is stored. Best effort: what Redis does not take now, a janitor tells it later."""

from __future__ import annotations

from jobrunner.domain.events import Trouble
from jobrunner.domain.executions import Execution
from jobrunner.domain.states import State
from jobrunner.engine.demand import demand_of
from jobrunner.engine.farm import Farm
from jobrunner.errors import QueueUnavailable


def send(farm: Farm, execution: Execution) -> None:
    """Put a message for an enqueued execution where those of its demand wait."""
    demand, since = demand_of(farm.settings, execution), execution.times.get(State.ENQUEUED)
    try:
        farm.queue.push(execution.id, demand, waiting_since=since)
    except QueueUnavailable as error:
        farm.announce(Trouble(execution.id, "send", str(error)))


def set_alarm(farm: Farm, execution: Execution) -> None:
    """Have a scheduled execution fired at its time."""
    assert execution.due_at is not None
    try:
        farm.triggers.at(execution.id, execution.due_at)
    except QueueUnavailable as error:
        farm.announce(Trouble(execution.id, "set alarm", str(error)))
