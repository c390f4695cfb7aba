"""Where the contract of executors is judged: a fake Engine and a real one, with programs that mean the same on both."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from queue import Queue
from typing import Any, Protocol
from uuid import uuid4

from jobrunner.domain.executions import Execution
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.ports.executor import Container, Executor, OutputReader
from jobrunner.domain.ports.output_store import Fragment, Stream
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State
from jobrunner.errors import CommandNotExecutable
from jobrunner.executors.docker.executor import DockerExecutor
from jobrunner.executors.fake import FakeEngine, FakeExecutor, Script
from jobrunner.settings import Settings

IMAGE = os.environ.get("JOBRUNNER_TEST_IMAGE", "jobrunner/busybox:local")
DOCKER_HOST = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
LONG_SECONDS = 30.0
EVERY_BYTE = bytes(range(256)) * 4
LONG_LINES = b"".join(b"x" * length + b"\n" for length in (16383, 16384, 20_000, 32_768, 3))


def out(content: bytes) -> Fragment:
    """Something on standard output."""
    return Fragment(Stream.STDOUT, content)


def err(content: bytes) -> Fragment:
    """Something on standard error."""
    return Fragment(Stream.STDERR, content)


@dataclass(frozen=True)
class Program:
    """A command for a real container, and what a fake one does in its place."""

    command: tuple[str, ...]
    script: Script


def _shell(line: str, script: Script) -> Program:
    return Program(("sh", "-c", line), script)


PRINTS_HI = Program(("echo", "hi"), Script((out(b"hi\n"),)))
PRINTS_TO_BOTH = _shell("echo 1; echo 2 >&2; echo 3", Script((out(b"1\n"), err(b"2\n"), out(b"3\n"))))
PRINTS_EVERY_BYTE = Program(
    ("printf", "".join(f"\\{byte:03o}" for byte in EVERY_BYTE)), Script(output=(out(EVERY_BYTE),))
)
PRINTS_LONG_LINES = _shell(
    'for n in 16383 16384 20000 32768 3; do head -c $n /dev/zero | tr "\\0" x; echo; done',
    Script(output=(out(LONG_LINES),)),
)
EXITS_WITH_7 = _shell("exit 7", Script(exit_code=7))
# The sleep is in the background, so that the shell handles the signal at once and not when the sleep is over.
SAYS_BYE_ON_SIGTERM = _shell(
    'trap "echo bye; exit 3" TERM; echo up; sleep 1000 & wait',
    Script((out(b"up\n"),), exit_code=3, runs_on=True, last_words=(out(b"bye\n"),)),
)
IGNORES_SIGTERM = _shell(
    'trap "" TERM; echo up; sleep 1000', Script((out(b"up\n"),), runs_on=True, ignores_sigterm=True)
)
LEAVES_FILES = _shell(
    "mkdir -p /left/sub; echo a >/left/a; echo b >/left/sub/b; ln -s /etc/passwd /left/link",
    Script(files={"/left/a": b"a\n", "/left/sub/b": b"b\n", "/left/link": "/etc/passwd"}),
)
NOT_IN_THE_IMAGE = Program(("no-such-program", "-x"), Script())  # the fake has no script for it: see FakeWorld
NOT_EXECUTABLE = Program(
    ("/bin",),
    Script(start_error=CommandNotExecutable(f'the command "/bin" of the image "{IMAGE}" may not be executed')),
)
SCRIPTED = (
    PRINTS_HI,
    PRINTS_TO_BOTH,
    PRINTS_EVERY_BYTE,
    PRINTS_LONG_LINES,
    EXITS_WITH_7,
    SAYS_BYE_ON_SIGTERM,
    IGNORES_SIGTERM,
    NOT_EXECUTABLE,
    LEAVES_FILES,
)


class World(Protocol):
    """An Engine for tests. All that executors of one world make is gone when it is closed."""

    def executor(self, farm: str = "a") -> Executor:
        """A new executor of a farm, as after a restart of its worker."""

    def close(self) -> None:
        """Remove what was made."""


@dataclass
class FakeWorld:
    """Executors on one fake Engine."""

    engine: FakeEngine = field(default_factory=FakeEngine)

    def __post_init__(self) -> None:
        self.engine.images.add(IMAGE)
        self.engine.scripts |= {program.command: program.script for program in SCRIPTED}

    def executor(self, farm: str = "a") -> FakeExecutor:
        """A new executor of a farm."""
        return FakeExecutor(self.engine, farm)

    def close(self) -> None:
        """Nothing is left of a fake."""


@dataclass
class DockerWorld:
    """Executors on the real Engine, in farms of this world only."""

    name: str = field(default_factory=lambda: f"contract-{uuid4().hex[:8]}")
    farms: set[str] = field(default_factory=set)

    def executor(self, farm: str = "a", **settings: Any) -> DockerExecutor:
        """A new executor of a farm."""
        self.farms.add(farm)
        return DockerExecutor(docker_settings(**settings), f"{self.name}-{farm}")

    def close(self) -> None:
        """Remove all containers of this world's farms."""
        for farm in self.farms:
            executor = self.executor(farm)
            for container in executor.containers():
                executor.remove(container.execution_id)


def docker_settings(**settings: Any) -> Settings:
    """Settings for the real Engine, with any of them replaced."""
    return Settings(**{"node": "contract", "slots": 4, "docker_host": DOCKER_HOST} | settings)


def execution_of(program: Program | tuple[str, ...], **spec: Any) -> Execution:
    """A new execution that runs a program."""
    command = program.command if isinstance(program, Program) else program
    return Execution(
        id=new_id(),
        job_id=new_id(),
        task_id="contract",
        spec=JobSpec(**{"image": IMAGE, "command": command} | spec),
        state=State.PULLING,
        created_at=datetime.now(UTC),
    )


def read(reader: Iterable[Fragment]) -> dict[Stream, bytes]:
    """All that a reader gives, to its end, per stream."""
    content = {stream: bytearray() for stream in Stream}
    for fragment in reader:
        content[fragment.stream] += fragment.content
    return {stream: bytes(text) for stream, text in content.items()}


def run(executor: Executor, execution: Execution) -> tuple[dict[Stream, bytes], Container]:
    """Create, attach, start, read to the end, wait; as the engine does."""
    container = executor.create(execution)
    reader = executor.attach(container)
    try:
        executor.start(container)
        return read(reader), executor.wait(container, LONG_SECONDS)
    finally:
        reader.close()


def started(executor: Executor, execution: Execution) -> Container:
    """A container that has printed its first line."""
    container = executor.create(execution)
    reader = executor.attach(container)
    executor.start(container)
    next(iter(reader))
    reader.close()
    return container


def exit_code(container: Container) -> int:
    """The exit code of a container that has ended."""
    assert container.ended is not None
    return container.ended.exit_code


def read_in_a_thread(reader: OutputReader) -> tuple[Queue[Fragment], Callable[[float], None]]:
    """Read in another thread: what arrives, and a call that returns at the end of the reading (or raises its error)."""
    arrived: Queue[Fragment] = Queue()

    def put_all() -> None:
        for fragment in reader:
            arrived.put(fragment)

    threads = ThreadPoolExecutor(1)
    reading = threads.submit(put_all)
    threads.shutdown(wait=False)
    return arrived, reading.result


def assert_interrupt_ends_a_reader(executor: Executor, connect: str) -> None:
    """That a reader (`connect`: attach or replay) which waits for more output ends once it is interrupted."""
    container = executor.create(execution_of(SAYS_BYE_ON_SIGTERM))
    reader = executor.attach(container)
    executor.start(container)
    if connect == "replay":
        reader.close()
        reader = executor.replay(container)
    arrived, end = read_in_a_thread(reader)
    assert arrived.get(timeout=LONG_SECONDS).content == b"up\n"
    reader.interrupt()
    end(LONG_SECONDS)
    reader.close()


def assert_a_reader_that_is_interrupted_first_ends(executor: Executor, connect: str) -> None:
    """That a reader ends at once which was interrupted before it began to read."""
    container = executor.create(execution_of(SAYS_BYE_ON_SIGTERM))
    attached = executor.attach(container)
    executor.start(container)
    next(iter(attached))
    reader = attached if connect == "attach" else executor.replay(container)
    reader.interrupt()
    assert list(reader) == []
    reader.close()
