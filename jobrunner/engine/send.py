"""Tell Redis of an execution that is stored. Best effort: what Redis does not take now, a janitor tells it later."""

from __future__ import annotations

from collections.abc import Sequence

from jobrunner.domain.events import Trouble
from jobrunner.domain.executions import Execution
from jobrunner.engine.farm import Farm
from jobrunner.errors import QueueUnavailable


def send(farm: Farm, execution_id: str) -> None:
    """Put a message for an enqueued execution on the queue."""
    try:
        farm.queue.push(execution_id)
    except QueueUnavailable as error:
        farm.announce(Trouble(execution_id, "send", str(error)))


def send_all(farm: Farm, execution_ids: Sequence[str]) -> None:
    """The same for many, in one step."""
    try:
        farm.queue.push_all(execution_ids)
    except QueueUnavailable as error:
        farm.announce(Trouble(None, "send", str(error)))


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
