"""Facts that the engine announces. Who listens (logs, metrics) and in what words is their business."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jobrunner.domain.states import State


@dataclass(frozen=True)
class Event:
    """Something happened to an execution, or (with no execution id) to the farm."""

    execution_id: str | None = None


@dataclass(frozen=True)
class Moved(Event):
    """An execution went from one state to another."""

    origin: State = State.SCHEDULED
    target: State = State.SCHEDULED
    node: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class Adopted(Event):
    """A run took hold of an execution whose container an earlier run had left."""

    node: str = ""
    claim: int = 0


@dataclass(frozen=True)
class HandedBack(Event):
    """A worker that shuts down let go of an execution; its container goes on."""

    node: str = ""


@dataclass(frozen=True)
class OutputCut(Event):
    """An execution wrote more than the cap; what follows is not stored."""

    cap_bytes: int = 0


@dataclass(frozen=True)
class OutputEndLost(Event):
    """The Engine was away at about the end of a container; what that wrote last may be lost."""


@dataclass(frozen=True)
class Pruned(Event):
    """What was kept for long enough was deleted: `what` is the execution, or only its output."""

    what: str = ""


@dataclass(frozen=True)
class Repaired(Event):
    """A janitor put something right."""

    janitor: str = ""
    what: str = ""


@dataclass(frozen=True)
class Trouble(Event):
    """Something went wrong that will be tried again. `error` never holds a secret."""

    where: str = ""
    error: str = ""


@dataclass(frozen=True)
class Delivered(Event):
    """A webhook or an e-mail has reached its receiver."""

    delivery_id: str = ""
    host: str = ""


@dataclass(frozen=True)
class DeliveryFailed(Event):
    """A try to deliver a webhook or an e-mail has failed; `given_up`: it was the last one."""

    delivery_id: str = ""
    host: str = ""
    error: str = ""
    given_up: bool = False


@dataclass(frozen=True)
class Unaudited(Event):
    """The process ends, and MongoDB did not take this entry of the audit trail."""

    entry: str = ""


Announce = Callable[[Event], None]
