"""Trouble at one call of a port: the process dies, or the service does not answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import Any, TypeVar, cast

from jobrunner.domain.ports.store import Store
from jobrunner.engine.farm import Farm
from jobrunner.errors import EngineUnavailable, QueueUnavailable, ServiceUnavailable, StoreUnavailable

P = TypeVar("P")


class Crash(BaseException):
    """The process ends here, as by kill -9: no code of ours may handle it."""


class Kind(Enum):
    """What happens at the call."""

    CRASH_BEFORE = "the process dies before it"
    CRASH_AFTER = "the process dies right after it"
    REFUSED = "the service does not take it"
    UNANSWERED = "the service does it, and its answer is lost"


@dataclass
class Trouble:
    """Counts the calls of all ports that it is wrapped around; at call number `at`, trouble of a kind comes.

    A process that has crashed makes no more calls: whatever it tries then fails in the same way.
    """

    at: int = 0
    kind: Kind = Kind.REFUSED
    calls: list[str] = field(default_factory=list)
    has_crashed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def around(self, port: P, error: type[ServiceUnavailable]) -> P:
        """The port, with its calls counted."""
        return cast(P, _Wrapped(port, self, error))

    def around_store(self, store: Store) -> Store:
        """All collections."""
        return Store(**{part.name: self.around(getattr(store, part.name), StoreUnavailable) for part in fields(store)})

    def around_queue(self, queue: P) -> P:
        """A queue, or triggers."""
        return self.around(queue, QueueUnavailable)

    def begin(self, at: int) -> None:
        """Count from the start again, as in a new process, up to call number `at`."""
        self.at, self.calls, self.has_crashed = at, [], False

    def around_farm(self, farm: Farm) -> Farm:
        """The farm as a process sees it that is in this trouble. (The audit trail has a thread of its own.)"""
        store, queue = self.around_store(farm.store), self.around_queue(farm.queue)
        store = replace(store, audit=farm.store.audit)
        return replace(farm, store=store, queue=queue, triggers=self.around_queue(farm.triggers))

    def around_executor(self, executor: P) -> P:
        """An executor."""
        return self.around(executor, EngineUnavailable)

    def call(self, name: str, error: type[ServiceUnavailable], function: Callable[[], Any]) -> Any:
        """Make a call, or not."""
        with self._lock:
            if self.has_crashed:
                raise Crash
            self.calls.append(name)
            is_it = len(self.calls) == self.at
        if not is_it:
            return function()
        if self.kind in (Kind.CRASH_AFTER, Kind.UNANSWERED):
            function()
        if self.kind in (Kind.REFUSED, Kind.UNANSWERED):
            raise error(f"{name}: {self.kind.value}")
        self.has_crashed = True
        raise Crash(name)


class _Wrapped:
    def __init__(self, port: Any, trouble: Trouble, error: type[ServiceUnavailable]) -> None:
        self._port, self._trouble, self._error = port, trouble, error

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._port, name)
        if not callable(value):
            return value
        label = f"{type(self._port).__name__}.{name}"
        return lambda *args, **kwargs: self._trouble.call(label, self._error, lambda: value(*args, **kwargs))
