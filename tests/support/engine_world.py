"""The engine without services: real verbs and the real store code on mongomock, a scripted Engine, a moved clock."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import mongoengine
import mongomock

from jobrunner.domain.events import Event
from jobrunner.domain.executions import Execution
from jobrunner.domain.ports.output_store import Fragment, Stream
from jobrunner.domain.ports.store import Store
from jobrunner.domain.specs import JobSpec
from jobrunner.engine.farm import Farm
from jobrunner.engine.fire import fire
from jobrunner.engine.janitors.due import fire_overdue
from jobrunner.engine.node import ThisNode
from jobrunner.engine.run import run_execution
from jobrunner.engine.run_end import RunEnd
from jobrunner.engine.stored_output import read
from jobrunner.engine.submit import submit
from jobrunner.executors.fake import FakeEngine, FakeExecutor, Script
from jobrunner.settings import Settings
from jobrunner.wiring import mongo_store
from tests.support.farm import PATIENT, wait_until
from tests.support.list_queue import DictTriggers, ListQueue
from tests.support.port_faults import Trouble

IMAGE = "busybox:test"
TASK = "some-task"


def out(content: bytes) -> Fragment:
    """Something on standard output."""
    return Fragment(Stream.STDOUT, content)


def err(content: bytes) -> Fragment:
    """Something on standard error."""
    return Fragment(Stream.STDERR, content)


SPEAKS = Script((out(b"one\n"), err(b"two\n"), out(b"three\n")))
FAILS = Script((out(b"oh\n"),), exit_code=7)
RUNS_ON = Script((out(b"up\n"),), runs_on=True, last_words=(out(b"bye\n"),), exit_code=0)
IGNORES_SIGTERM = Script((out(b"up\n"),), runs_on=True, ignores_sigterm=True)


@contextmanager
def mongomock_store() -> Iterator[Store]:
    """The store on a MongoDB in memory."""
    mongoengine.connect(
        "jobrunner", mongo_client_class=mongomock.MongoClient, tz_aware=True, uuidRepresentation="standard"
    )
    yield mongo_store()
    mongoengine.disconnect()


class MovedClock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC).replace(microsecond=0)

    def now(self) -> datetime:
        """The instant that the test has got to."""
        return self._now

    def move(self, seconds: float) -> datetime:
        """Let time pass."""
        self._now += timedelta(seconds=seconds)
        return self._now

    def move_to(self, instant: datetime) -> None:
        """Let time pass until then."""
        assert instant >= self._now
        self._now = instant


@dataclass
class World:
    """A farm, the Engine of its nodes, and what was announced. `farm` may be called for with other settings."""

    store: Store
    engine: FakeEngine = field(default_factory=FakeEngine)
    queue: ListQueue = field(default_factory=ListQueue)
    triggers: DictTriggers = field(default_factory=DictTriggers)
    clock: MovedClock = field(default_factory=MovedClock)
    events: list[Event] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    nodes: list[ThisNode] = field(default_factory=list)
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(8))

    def __post_init__(self) -> None:
        self.engine.now = self.clock.now  # the Engine of a node tells the node's own time
        self.engine.images.add(IMAGE)
        for name, script in {"speak": SPEAKS, "fail": FAILS, "run-on": RUNS_ON, "ignore": IGNORES_SIGTERM}.items():
            self.engine.scripts[(name,)] = script

    def farm(self, **settings: Any) -> Farm:
        """The farm as one process sees it."""
        chosen = Settings(**{"node": "one", **PATIENT, **self.settings, **settings})
        return Farm(chosen, self.store, self.queue, self.triggers, self.events.append, self.clock)

    def node(self, **settings: Any) -> ThisNode:
        """A worker's node, as after its start."""
        self.nodes.append(ThisNode(self.farm(**settings), FakeExecutor(self.engine)))
        return self.nodes[-1]

    def fire_overdue(self) -> None:
        """Have all alarms lost, and the janitor fire what is overdue."""
        self.triggers.alarms.clear()
        fire_overdue(self.farm())

    def ring_all(self) -> None:
        """Fire what is due until nothing is."""
        while due := [i for i, at in self.triggers.alarms.items() if at <= self.clock.now()]:
            for execution_id in due:
                again_at = fire(self.farm(), execution_id)
                del self.triggers.alarms[execution_id]
                if again_at is not None:
                    self.triggers.alarms[execution_id] = again_at

    def by_time(self, execution: Execution) -> list[Execution]:
        """All executions of the same job by the time when they are due."""
        found = self.store.executions.page_of_job(execution.job_id, 1, 2000)
        return sorted(found, key=lambda e: (e.due_at or e.created_at, e.attempt))

    def troubled_farm(self, trouble: Trouble, **settings: Any) -> Farm:
        """The farm as a process sees it that is in trouble at one call of a port."""
        return trouble.around_farm(self.farm(**settings))

    def troubled_node(self, trouble: Trouble, **settings: Any) -> ThisNode:
        """A worker's node in trouble at one call of a port."""
        executor = trouble.around_executor(FakeExecutor(self.engine))
        self.nodes.append(ThisNode(self.troubled_farm(trouble, **settings), executor))
        return self.nodes[-1]

    def submit(self, command: str = "speak", **spec: Any) -> Execution:
        """Take in a job; its first execution."""
        return submit(self.farm(), TASK, JobSpec(image=IMAGE, command=(command,), **spec)).execution

    def run_in_background(self, node: ThisNode, execution_id: str) -> Future[RunEnd]:
        """Run an execution in a thread of its own."""
        return self.threads.submit(run_execution, node, execution_id)

    def running(self, command: str = "run-on", **spec: Any) -> tuple[Execution, ThisNode, Future[RunEnd]]:
        """A job whose container runs: its execution, the node, and the run."""
        execution, node = self.submit(command, **spec), self.node()
        run = self.run_in_background(node, execution.id)
        wait_until(lambda: self.engine.starts[execution.id], 30, "its container is started")
        wait_until(lambda: node.runs()[0].started_at, 30, "it is known to run")
        return self.get(execution), node, run

    def get(self, execution: Execution | str) -> Execution:
        """The execution as it is stored now."""
        found = self.store.executions.get(execution if isinstance(execution, str) else execution.id)
        assert found is not None
        return found

    def attempts(self, execution: Execution) -> list[Execution]:
        """All executions of the same job, the first attempt first."""
        return sorted(self.store.executions.page_of_job(execution.job_id, 1, 100), key=lambda e: e.attempt)

    def output(self, execution: Execution, stream: Stream = Stream.STDOUT) -> bytes:
        """What is stored of a stream."""
        return b"".join(read(self.store.output, execution.id, stream))

    def announced(self, kind: type[Event]) -> list[Any]:
        """The events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def close(self) -> None:
        """End what still runs."""
        for node in self.nodes:
            node.detach()
        with self.engine.changed:
            self.engine.changed.notify_all()
        self.threads.shutdown(wait=True)
