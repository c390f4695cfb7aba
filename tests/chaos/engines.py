"""The Docker Engines of a run: which node is on which of them, and which of them faults may be done to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from docker import APIClient

from tests.chaos.own_engine import OwnEngine
from tests.support.services import docker_host

ENGINES = ("engine-1", "engine-2")
NODES_OF_THE_SECOND = ("three",)
CALL_SECONDS = 30


@dataclass(frozen=True)
class Engines:
    """By name: the address of each, and those of them that are the run's own. The machine's Engine is spared."""

    hosts: Mapping[str, str]
    own: Mapping[str, OwnEngine] = field(default_factory=dict)

    def of(self, node: str) -> str:
        """The name of the Engine that a node is on."""
        return ENGINES[1] if node in NODES_OF_THE_SECOND and ENGINES[1] in self.hosts else ENGINES[0]

    def client(self, name: str = ENGINES[0]) -> APIClient:
        """A client of one of them."""
        return APIClient(self.hosts[name], version="auto", timeout=CALL_SECONDS)


@contextmanager
def machines_engine() -> Iterator[Engines]:
    """All nodes on the machine's Engine."""
    yield Engines({ENGINES[0]: docker_host()})


@contextmanager
def own_engines(folder: Path, seed: int, disk_bytes: int | None = None) -> Iterator[Engines]:
    """Two of the run's own. The containers of one outlive it, those of the other one end with it.

    Which one that is, is up to the seed: where it is odd, those of the first one go on. `disk_bytes`: see OwnEngine.
    """
    with ExitStack() as stack:
        own = {}
        for number, name in enumerate(ENGINES):
            own[name] = OwnEngine(folder, name, live_restore=bool((seed + number) % 2), disk_bytes=disk_bytes)
            stack.callback(own[name].close)
            own[name].start()
        yield Engines({name: engine.host for name, engine in own.items()}, own)
