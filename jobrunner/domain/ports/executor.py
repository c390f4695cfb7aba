"""The container engine of a node: its containers, its machine, and what it is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from jobrunner.domain.engine_circuit import Circuit
from jobrunner.domain.executions import Execution
from jobrunner.domain.images import ImageReference
from jobrunner.domain.outcomes import ContainerExit
from jobrunner.domain.ports.file_stores import FileToPut, PathEntry
from jobrunner.domain.ports.output_store import Fragment
from jobrunner.domain.resources import Resources
from jobrunner.domain.usage import ResourceUsage


class ContainerStatus(StrEnum):
    """As far as the engine cares."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"


@dataclass(frozen=True)
class Container:
    """A container of an execution, as the Engine has it now. `ended` is there once it has exited."""

    id: str
    execution_id: str
    status: ContainerStatus
    started_at: datetime | None = None
    ended: ContainerExit | None = None


@dataclass(frozen=True)
class Machine:
    """What the machine of a container engine has (its slots are the worker's business). 0: not known."""

    total: Resources
    gpu_names: tuple[str, ...] = ()
    limits_storage: bool = False


class OutputReader(Protocol):
    """A live connection to the output of one container."""

    def __iter__(self) -> Iterator[Fragment]:
        """The fragments as they come; ends at the end of the output, or when interrupted; OSError if it is cut."""

    def interrupt(self) -> None:
        """End the iteration, from another thread."""

    def close(self) -> None:
        """Give the connection back."""


class Executor(Protocol):
    """The container engine of one node. A container belongs to one execution: its name carries the execution's id."""

    host: str
    port: int | None

    @property
    def circuit(self) -> Circuit:
        """Whether calls reach the Engine at present, or fail at once."""

    def pull(self, image: ImageReference, checkpoint: Callable[[], None]) -> None:
        """Fetch the image. Calls `checkpoint` at least once a second meanwhile; it may raise to give up.

        Raises ImageNotFound, ImagePullFailed.
        """

    def create(self, execution: Execution) -> Container:
        """Create the container, or return the one that is there for this execution (the name is the lock).

        Raises ImageNotFound, ContainerRejected.
        """

    def find(self, execution_id: str) -> Container | None:
        """The container of an execution; None where there is none."""

    def attach(self, container: Container) -> OutputReader:
        """Connect to the output of a container that has not been started: every byte from the first on, live."""

    def replay(self, container: Container) -> OutputReader:
        """All output of a container from its first byte on, from the Engine's own log, following while it runs.

        Only of a container that had exited before is it sure to be whole: Engine 20.10 ends a reader that follows
        where the container exits, also if the reader was behind.
        """

    def put_files(self, container: Container, files: Iterable[FileToPut]) -> None:
        """Put files into a container that has not been started; doing it again leads to the same.

        Raises ContainerRejected, ContainerVanished, and what reading their contents raises.
        """

    def read_path(self, container: Container, path: str) -> AbstractContextManager[Iterator[PathEntry]]:
        """What a container that does not run has at and below a path, one after the other; no link is followed.

        Raises PathMissing, ContainerVanished. Close it soon: the Engine answers nothing else about the container.
        """

    def start(self, container: Container) -> None:
        """Start it. Raises CommandNotFound, CommandNotExecutable, ContainerRejected, ContainerVanished."""

    def wait(self, container: Container, seconds: float) -> Container:
        """The container once it has exited, or as it is after `seconds`. Raises ContainerVanished."""

    def may_have_lost_the_end(self, container: Container) -> bool:
        """Whether nobody has read what this container wrote last: the Engine has not seen it end, or has forgotten it.

        It forgets what it saw when it ends itself. False also where there was too much since for it to know.
        """

    def signal(self, execution_id: str, name: str) -> None:
        """Send SIGTERM or SIGKILL to the container; nothing if it does not run."""

    def remove(self, execution_id: str) -> None:
        """Remove the container, running or not; nothing if it is not there."""

    def usage(self, containers: Sequence[Container]) -> Mapping[str, ResourceUsage]:
        """What each of these has used up so far, by its id. Those that do not run, or are gone, are left out.

        It may take seconds, and its failures keep nothing else from being tried.
        """

    def containers(self) -> list[Container]:
        """All containers of this farm on this Engine, running or not; perhaps without times and exits.

        Never those of another farm.
        """

    def machine(self) -> Machine:
        """What the Engine's machine has."""

    def check(self) -> str:
        """The Engine's version; raises EngineUnavailable, within its timeout, if it does not answer."""
