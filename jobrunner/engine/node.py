"""This node: its executor, and the runs that are under way on it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from jobrunner.domain.executions import Drain, Execution
from jobrunner.domain.ports.executor import Container, Executor, OutputReader
from jobrunner.domain.resources import Resources
from jobrunner.domain.usage import ResourceUsage
from jobrunner.engine.capture import Capture
from jobrunner.engine.farm import Farm
from jobrunner.engine.reservations import Reservations

PAUSE = timedelta(seconds=10)


@dataclass
class Run:
    """One run of an execution on this node, from the claim to the close. Owned by the thread that runs it.

    Other threads read it, and set `stop_wished` (somebody asked), `kill_at` (the time keeper has sent SIGTERM), and
    `usage` and `sample_at` (the meter: what it has used up, and when to look again).
    `look_first`: an earlier run, or an earlier try, may have left a container. `started_at`: when this run knew that it
    has been started, so that a signal finds somebody. `saw_the_end`: it has read the output live to the exit.
    """

    execution_id: str
    detached: threading.Event
    stop_wished: threading.Event = field(default_factory=threading.Event)
    execution: Execution | None = None
    container: Container | None = None
    capture: Capture | None = None
    reader: OutputReader | None = None
    look_first: bool = False
    saw_the_end: bool = False
    started_at: datetime | None = None
    timed_out: bool = False
    drained: bool = False
    kill_at: datetime | None = None
    sample_at: datetime | None = None
    usage: ResourceUsage | None = None
    keep_until: datetime | None = None

    @property
    def held(self) -> Execution:
        """The execution as this run holds it; only after the claim."""
        assert self.execution is not None
        return self.execution

    @property
    def has_ended(self) -> bool:
        """Whether its container is known to have ended."""
        return self.container is not None and self.container.ended is not None

    def is_overdue(self, now: datetime) -> bool:
        """Whether its time is up."""
        deadline = self.held.deadline
        return deadline is not None and now >= deadline


class ThisNode:
    """The runs on this node, by execution id. Shared by the threads of a worker."""

    def __init__(self, farm: Farm, executor: Executor) -> None:
        self.farm = farm
        self.executor = executor
        self.name = farm.settings.node
        self.detached = threading.Event()
        self.drain: Drain | None = None
        self._paused_until: datetime | None = None
        self.reservations = Reservations(Resources(slots=farm.settings.slots))
        self._lock = threading.Lock()
        self._runs: dict[str, Run] = {}

    def begin(self, execution_id: str) -> Run | None:
        """A new run of the execution; None where one is under way here already (a message came twice)."""
        with self._lock:
            if execution_id in self._runs:
                return None
            run = self._runs[execution_id] = Run(execution_id, self.detached)
            return run

    def end(self, run: Run) -> None:
        """The run is over."""
        with self._lock:
            del self._runs[run.execution_id]

    def runs(self) -> list[Run]:
        """The runs that are under way."""
        with self._lock:
            return list(self._runs.values())

    def detach(self) -> None:
        """Let go of all containers: every run hands its execution back. They go on; the next worker adopts them."""
        self.detached.set()
        for run in self.runs():
            if run.reader is not None:
                run.reader.interrupt()

    def pause(self) -> None:
        """Take nothing new for a while: it would fail, and so would all that waits, one after the other."""
        self._paused_until = self.farm.clock.now() + PAUSE

    @property
    def takes_work(self) -> bool:
        """Whether anything new may run here, as far as the node knows."""
        paused_until = self._paused_until
        return self.drain is None and (paused_until is None or self.farm.clock.now() >= paused_until)

    @property
    def must_be_empty(self) -> bool:
        """Whether nothing may run here any more: it is drained, and the deadline of that has passed."""
        deadline = None if self.drain is None else self.drain.deadline
        return deadline is not None and self.farm.clock.now() >= deadline

    def wish_stop(self, execution_id: str) -> None:
        """Have a run stopped, if it is under way here."""
        with self._lock:
            run = self._runs.get(execution_id)
        if run is not None:
            run.stop_wished.set()
