"""An executor without containers: what they print and how they end is scripted. For tests of the engine.

It blocks where the real one blocks, and wakes when the real one wakes. Several executors (nodes, or a worker before
and after its restart) can share one FakeEngine, as real ones share a Docker Engine.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import monotonic

from jobrunner.domain.engine_circuit import Circuit
from jobrunner.domain.executions import Execution
from jobrunner.domain.images import ImageReference
from jobrunner.domain.outcomes import ContainerExit
from jobrunner.domain.ports.executor import Container, ContainerStatus, Machine
from jobrunner.domain.ports.file_stores import FileToPut, PathEntry
from jobrunner.domain.ports.output_store import Fragment
from jobrunner.domain.resources import Resources
from jobrunner.domain.usage import ResourceUsage
from jobrunner.errors import (
    CommandNotFound,
    ContainerError,
    ContainerVanished,
    EngineUnavailable,
    ImageNotFound,
)
from jobrunner.executors.fake_files import FakeFiles

CHECKPOINT_SECONDS = 0.02
EXIT_CODES = {"SIGTERM": 143, "SIGKILL": 137}


@dataclass(frozen=True)
class Script:
    """What a container does: prints `output`, then exits, unless it `runs_on` until it is signalled.

    `files` is what it leaves in its file system, by path: bytes, or the path that a symbolic link points to.
    With `last_words` it handles SIGTERM: it prints them and exits with `exit_code`.
    """

    output: tuple[Fragment, ...] = ()
    exit_code: int = 0
    oom_killed: bool = False
    runs_on: bool = False
    last_words: tuple[Fragment, ...] = ()
    ignores_sigterm: bool = False
    start_error: ContainerError | None = None
    files: Mapping[str, bytes | str] = field(default_factory=dict)


@dataclass
class _FakeContainer:
    shown: Container
    farm_id: str
    script: Script
    log: list[Fragment] = field(default_factory=list)
    cuts: int = 0
    files: FakeFiles = field(default_factory=FakeFiles)

    @property
    def is_running(self) -> bool:
        return self.shown.status is ContainerStatus.RUNNING


class FakeEngine:
    """The state that executors share, the scripts, and counts for assertions. `now`: the clock of its machine."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.now = now
        self.changed = threading.Condition()
        self.containers: dict[tuple[str, str], _FakeContainer] = {}
        self.scripts: dict[tuple[str, ...] | None, Script] = {}
        self.images: set[str] = set()
        self.pull_errors: dict[str, ContainerError] = {}
        self.endless_pulls: set[str] = set()
        self.usages: dict[str, ResourceUsage] = {}
        self.creates: Counter[str] = Counter()
        self.starts: Counter[str] = Counter()
        self.lost_ends: set[str] = set()
        self.is_down = False

    def check(self) -> None:
        """Raise EngineUnavailable while the Engine is down."""
        if self.is_down:
            raise EngineUnavailable("the Docker Engine at fake:// does not answer: it is down")

    def run_on(self, execution_id: str, *output: Fragment) -> None:
        """Let a running container print something more."""
        with self.changed:
            self._of(execution_id).log.extend(output)
            self.changed.notify_all()

    def exit(self, execution_id: str, exit_code: int, oom_killed: bool = False) -> None:
        """End a running container."""
        with self.changed:
            container = self._of(execution_id)
            ended = ContainerExit(exit_code, oom_killed, container.shown.started_at, self.now())
            container.shown = replace(container.shown, status=ContainerStatus.EXITED, ended=ended)
            self.changed.notify_all()

    def cut_connections(self, execution_id: str) -> None:
        """Break the connections of all present readers of a container."""
        with self.changed:
            self._of(execution_id).cuts += 1
            self.changed.notify_all()

    def _of(self, execution_id: str) -> _FakeContainer:
        return next(container for (_, known), container in self.containers.items() if known == execution_id)


class FakeExecutor:
    """The port `Executor` on a FakeEngine."""

    host: str = "localhost"
    port: int | None = None

    def __init__(self, engine: FakeEngine, farm_id: str = "test") -> None:
        self._engine = engine
        self._farm_id = farm_id

    @property
    def circuit(self) -> Circuit:
        """Open while the Engine is down."""
        return Circuit.OPEN if self._engine.is_down else Circuit.CLOSED

    def pull(self, image: ImageReference, checkpoint: Callable[[], None]) -> None:
        """Fetch any image but those in `pull_errors`; those in `endless_pulls` only until `checkpoint` raises."""
        self._engine.check()
        with self._engine.changed:
            while str(image) in self._engine.endless_pulls:
                checkpoint()
                self._engine.changed.wait(CHECKPOINT_SECONDS)
        checkpoint()
        if str(image) in self._engine.pull_errors:
            raise self._engine.pull_errors[str(image)]
        self._engine.images.add(str(image))

    def create(self, execution: Execution) -> Container:
        """Create the container, or return the one that is there."""
        self._engine.check()
        with self._engine.changed:
            there = self.find(execution.id)
            if there:
                return there
            if execution.spec.image not in self._engine.images:
                raise ImageNotFound(f'the node does not have the image "{execution.spec.image}"')
            self._engine.creates[execution.id] += 1
            container_id = f"{self._engine.creates.total():064x}"
            shown = Container(container_id, execution.id, ContainerStatus.CREATED)
            container = _FakeContainer(shown, self._farm_id, self._script(execution))
            self._engine.containers[self._farm_id, execution.id] = container
            return shown

    def _script(self, execution: Execution) -> Script:
        command = execution.spec.words
        missing = CommandNotFound(f'the image "{execution.spec.image}" has no command "{(command or ("?",))[0]}"')
        return self._engine.scripts.get(command, Script(start_error=missing))

    def find(self, execution_id: str) -> Container | None:
        """The container of an execution."""
        self._engine.check()
        container = self._engine.containers.get((self._farm_id, execution_id))
        return container.shown if container else None

    def attach(self, container: Container) -> FakeReader:
        """A reader of what is printed from now on."""
        return FakeReader(self._engine, self._existing(container), from_start=False)

    def replay(self, container: Container) -> FakeReader:
        """A reader of all that is printed."""
        return FakeReader(self._engine, self._existing(container), from_start=True)

    def put_files(self, container: Container, files: Iterable[FileToPut]) -> None:
        """Put files into a container."""
        self._existing(container).files.put(files)

    @contextmanager
    def read_path(self, container: Container, path: str) -> Iterator[Iterator[PathEntry]]:
        """What a container has at and below a path."""
        yield iter(self._existing(container).files.entries(path))

    def start(self, container: Container) -> None:
        """Start it, and print what its script says; like Docker, it starts one again that has exited."""
        with self._engine.changed:
            fake = self._existing(container)
            if fake.is_running:
                return
            if fake.script.start_error:
                raise fake.script.start_error
            self._engine.starts[container.execution_id] += 1
            fake.shown = Container(
                container.id, container.execution_id, ContainerStatus.RUNNING, started_at=self._engine.now()
            )
            fake.files.write(fake.script.files)
            self._engine.run_on(container.execution_id, *fake.script.output)
            if not fake.script.runs_on:
                self._engine.exit(container.execution_id, fake.script.exit_code, fake.script.oom_killed)

    def wait(self, container: Container, seconds: float) -> Container:
        """The container as soon as it does not run, or as it is after `seconds`."""
        until = monotonic() + seconds
        with self._engine.changed:
            while self._existing(container).is_running and monotonic() < until:
                self._engine.changed.wait(until - monotonic())
            return self._existing(container).shown

    def may_have_lost_the_end(self, container: Container) -> bool:
        """Whether a test says so."""
        self._engine.check()
        return container.execution_id in self._engine.lost_ends

    def signal(self, execution_id: str, name: str) -> None:
        """End it as its script says."""
        self._engine.check()
        with self._engine.changed:
            fake = self._engine.containers.get((self._farm_id, execution_id))
            if fake is None or not fake.is_running or (name == "SIGTERM" and fake.script.ignores_sigterm):
                return
            handled = name == "SIGTERM" and bool(fake.script.last_words)
            self._engine.run_on(execution_id, *(fake.script.last_words if handled else ()))
            self._engine.exit(execution_id, fake.script.exit_code if handled else EXIT_CODES[name])

    def remove(self, execution_id: str) -> None:
        """Remove the container, running or not; its readers come to their end."""
        self._engine.check()
        with self._engine.changed:
            if (self._farm_id, execution_id) in self._engine.containers:
                self._engine.exit(execution_id, EXIT_CODES["SIGKILL"])
                del self._engine.containers[self._farm_id, execution_id]

    def usage(self, containers: Sequence[Container]) -> Mapping[str, ResourceUsage]:
        """What a test says that they use up, by execution; nothing else."""
        self._engine.check()
        return {
            container.id: self._engine.usages.get(container.execution_id, ResourceUsage(datetime.now(UTC), 0.0))
            for container in containers
            if (shown := self.find(container.execution_id)) and shown.status is ContainerStatus.RUNNING
        }

    def containers(self) -> list[Container]:
        """All containers of this farm."""
        self._engine.check()
        return [fake.shown for fake in list(self._engine.containers.values()) if fake.farm_id == self._farm_id]

    def machine(self) -> Machine:
        """A machine of 8 cpus and 16 GiB."""
        self._engine.check()
        return Machine(Resources(cpu_millis=8000, memory_bytes=16 * 1024**3))

    def check(self) -> str:
        """The version of the fake Engine."""
        self._engine.check()
        return "fake"

    def _existing(self, container: Container) -> _FakeContainer:
        self._engine.check()
        fake = self._engine.containers.get((self._farm_id, container.execution_id))
        if fake is None or fake.shown.id != container.id:
            raise ContainerVanished("its container vanished from the Engine")
        return fake


class FakeReader:
    """The port `OutputReader`: follows the log of a fake container until it does not run any more.

    As with the Engine, a replay that follows loses what it has not read when the container exits.
    """

    def __init__(self, engine: FakeEngine, container: _FakeContainer, from_start: bool) -> None:
        self._engine = engine
        self._container = container
        self._waits_for_start = not from_start
        self._position = 0 if from_start else len(container.log)
        self._cuts = container.cuts
        self._loses_the_end = from_start and container.is_running
        self._interrupted = False

    def __iter__(self) -> Iterator[Fragment]:
        while fragment := self._next():
            yield fragment

    def _next(self) -> Fragment | None:
        with self._engine.changed:
            while True:
                if self._interrupted:
                    return None
                if self._container.cuts > self._cuts:
                    raise ConnectionError("the output of the container broke off: the test cut it")
                if self._loses_the_end and self._is_over():
                    return None
                if self._position < len(self._container.log):
                    self._position += 1
                    return self._container.log[self._position - 1]
                if self._is_over():
                    return None
                self._engine.changed.wait()

    def _is_over(self) -> bool:
        status = self._container.shown.status
        return status is ContainerStatus.EXITED or (status is ContainerStatus.CREATED and not self._waits_for_start)

    def interrupt(self) -> None:
        """End the iteration, from another thread."""
        with self._engine.changed:
            self._interrupted = True
            self._engine.changed.notify_all()

    def close(self) -> None:
        """End the iteration."""
        self.interrupt()
