"""What the containers of the load say for themselves: to files in a folder of this machine that each of them mounts.

It is the truth about how often each was started, also where the Engine has forgotten, or nobody watched.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.chaos.jobs import STARTS, VOLUME
from tests.chaos.records import ContainerStart, WrittenLine


class SharedFolder:
    """The folder, as this machine has it."""

    def __init__(self, parent: Path) -> None:
        self._path = parent / VOLUME
        self._path.mkdir()
        (self._path / STARTS).touch()

    @property
    def volume(self) -> str:
        """It as a volume of a node (setting node_volumes)."""
        return f"{VOLUME}={self._path}"

    def starts(self) -> list[ContainerStart]:
        """All starts of containers."""
        lines = (self._path / STARTS).read_text(encoding="ascii").splitlines()
        booted_at = _booted_at()
        return [
            ContainerStart(booted_at + float(uptime), job_id, container, word)
            for job_id, container, word, uptime in map(str.split, lines)
        ]

    def written(self) -> Mapping[str, Sequence[WrittenLine]]:
        """The lines that each container said that it had written."""
        return {path.name: _lines(path) for path in self._path.iterdir() if path.name != STARTS}


def _lines(path: Path) -> list[WrittenLine]:
    booted_at = _booted_at()
    noted = map(str.split, path.read_text(encoding="ascii").splitlines())
    return [WrittenLine(booted_at + float(uptime), int(number)) for number, uptime in noted]


def _booted_at() -> float:
    """When this machine, and so each of its containers, has started to count its uptime."""
    return time.time() - float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
