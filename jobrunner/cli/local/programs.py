"""What the supervisor is to run: a program and what it needs, said once, before there is a process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


class NotReady(Exception):
    """The program does not serve yet; it may a moment later."""


@dataclass(frozen=True)
class Program:
    """A program of the farm.

    `ready` returns a line that says that it serves, or raises NotReady; None: it is taken as ready once it runs.
    `environment` is added to our own. A program that is not gone `stop_within_seconds` after SIGTERM gets SIGKILL.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    ready: Callable[[], str] | None = None
    start_within_seconds: float = 60.0
    stop_within_seconds: float = 3.0

    @property
    def file_name(self) -> str:
        """Its name as part of a file's name."""
        return self.name.lower().replace(" ", "-")
