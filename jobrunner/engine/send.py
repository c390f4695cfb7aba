"""Tell Redis of an execution that is stored. Best effort: what Redis does not take now, a janitor tells it later."""

from __future__ import annotations

from collections.abc import Sequence

from jobrunner.domain.events import Trouble
from jobrunner.domain.executions import Execution
from jobrunner.domain.placement import Waiting
from jobrunner.domain.states import State
from jobrunner.engine.demand import demand_of
from jobrunner.engine.farm import Farm
from jobrunner.errors import QueueUnavailable


def send(farm: Farm, execution: Execution) -> None:
    """Put a message for an enqueued execution where those of its demand wait."""
    try:
        send_now(farm, execution)
    except QueueUnavailable as error:
        farm.announce(Trouble(execution.id, "send", str(error)))


def send_now(farm: Farm, execution: Execution) -> None:
    """The same for who can come again. Raises QueueUnavailable."""
    waiting = _waiting(farm, execution)
    farm.queue.push(waiting.execution_id, waiting.demand, waiting_since=waiting.since)


def send_all(farm: Farm, executions: Sequence[Execution]) -> None:
    """The same for many, in one step."""
    try:
        farm.queue.push_all([_waiting(farm, execution) for execution in executions])
    except QueueUnavailable as error:
        farm.announce(Trouble(None, "send", str(error)))


def _waiting(farm: Farm, execution: Execution) -> Waiting:
    return Waiting(execution.id, demand_of(farm.settings, execution), execution.times.get(State.ENQUEUED))


def set_alarm(farm: Farm, execution: Execution) -> None:
    """Have a scheduled execution fired at its time."""
    assert execution.due_at is not None
    try:
        farm.triggers.at(execution.id, execution.due_at)
    except QueueUnavailable as error:
        farm.announce(Trouble(execution.id, "set alarm", str(error)))


def set_alarms(farm: Farm, executions: Sequence[Execution]) -> None:
    """The same for many, in one step."""
    try:
        farm.triggers.at_all({e.id: e.due_at for e in executions if e.due_at is not None})
    except QueueUnavailable as error:
        farm.announce(Trouble(None, "set alarm", str(error)))
