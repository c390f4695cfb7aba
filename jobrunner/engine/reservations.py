"""The account of a node: what it has, what its executions have reserved, and what is free.

The worker process of a node keeps it, alone. It takes executions one after the other, each only if it fits, so that
no more is given away than there is. After a restart the account follows from what the node holds in the store.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from jobrunner.domain.resources import Resources, total


@dataclass(frozen=True)
class Reservation:
    """What one execution has on this node. `gpu_ids`: which gpus. `times`: how many messages brought it here."""

    needs: Resources
    gpu_ids: tuple[str, ...] = ()
    times: int = 1


class Reservations:
    """The account. Shared by the threads of a worker."""

    def __init__(self, capacity: Resources) -> None:
        self._lock = threading.Lock()
        self._capacity = capacity
        self._taken: dict[str, Reservation] = {}
        self._held: dict[str, Reservation] = {}

    @property
    def capacity(self) -> Resources:
        """What jobs may use of the node in all."""
        with self._lock:
            return self._capacity

    def set_capacity(self, capacity: Resources) -> None:
        """Note what jobs may use. What is reserved stays, also where that is more."""
        with self._lock:
            self._capacity = capacity

    def reserve(self, execution_id: str, needs: Resources) -> None:
        """Note that an execution was taken. It may have been taken, or held, before: then it has what it had."""
        with self._lock:
            known = self._taken.get(execution_id)
            if known is not None:
                self._taken[execution_id] = replace(known, times=known.times + 1)
                return
            held = self._held.get(execution_id)
            self._taken[execution_id] = held or Reservation(needs, self._free_gpus(needs.gpus))

    def release(self, execution_id: str) -> None:
        """One message of an execution is done with; with the last one, what it had is free again."""
        with self._lock:
            known = self._taken.pop(execution_id, None)
            if known is not None and known.times > 1:
                self._taken[execution_id] = replace(known, times=known.times - 1)
            else:
                self._held.pop(execution_id, None)

    def hold(self, held: Mapping[str, Reservation]) -> None:
        """Note what the node holds but does not run, in place of what was noted before."""
        with self._lock:
            self._held = dict(held)

    def gpus_of(self, execution_id: str) -> tuple[str, ...]:
        """The gpus that an execution was given."""
        with self._lock:
            reservation = self._taken.get(execution_id) or self._held.get(execution_id)
            return reservation.gpu_ids if reservation else ()

    def reserved(self) -> Resources:
        """What is given away."""
        with self._lock:
            return total(reservation.needs for reservation in self._all())

    def free(self) -> Resources:
        """What is not; below 0 where the node holds more than it may give away now."""
        with self._lock:
            return self._capacity - total(reservation.needs for reservation in self._all())

    def _all(self) -> Iterable[Reservation]:
        return {**self._held, **self._taken}.values()

    def _free_gpus(self, count: int) -> tuple[str, ...]:
        used = {gpu_id for reservation in self._all() for gpu_id in reservation.gpu_ids}
        return tuple(gpu for gpu in map(str, range(self._capacity.gpus)) if gpu not in used)[:count]
