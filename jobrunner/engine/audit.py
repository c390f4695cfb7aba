"""The audit trail: entries are taken at once, and written by a thread of its own, in batches."""

from __future__ import annotations

import queue
import threading
from datetime import timedelta

from jobrunner.domain.audit import AuditEntry, AuditQuery
from jobrunner.domain.events import Trouble, Unaudited
from jobrunner.engine.farm import Farm
from jobrunner.errors import StoreUnavailable

MOST_WAITING = 10_000
MOST_AT_ONCE = 500
GATHER_SECONDS = 0.1
LOOK_SECONDS = 0.5  # so often the writer looks whether the trail closes
RETRY_SECONDS = 1.0


def audit_page(farm: Farm, query: AuditQuery) -> tuple[list[AuditEntry], bool]:
    """A page of entries, the newest first, and whether there are older ones."""
    per_page = farm.settings.page_size
    found = farm.store.audit.page(query, per_page + 1)
    return found[:per_page], len(found) > per_page


class AuditTrail:
    """Takes entries. One in a process.

    An entry that was taken is stored, unless the process dies in the tenths of a second until then. While MongoDB does
    not answer, entries wait; where too many do, whoever brings the next one waits for it to be stored, and fails if it
    cannot be. What is left when the process ends without MongoDB is announced, so that it is in the log.
    """

    def __init__(self, farm: Farm) -> None:
        self._farm = farm
        self._forget_after = timedelta(days=farm.settings.audit_retention_days)
        self._waiting: queue.Queue[AuditEntry] = queue.Queue(MOST_WAITING)
        self._closing = threading.Event()
        self._start = threading.Lock()
        self._writer: threading.Thread | None = None
        self._in_hand: list[AuditEntry] = []

    def record(self, entry: AuditEntry) -> None:
        """Take an entry. Raises StoreUnavailable where too many wait already, and it cannot be stored."""
        self._see_to_writer()
        try:
            self._waiting.put_nowait(entry)
        except queue.Full:
            self._farm.store.audit.add([entry], self._forget_after)

    def close(self, timeout_seconds: float) -> None:
        """Store what waits, and end. What cannot be stored within the time is announced."""
        self._closing.set()
        if self._writer is not None:
            self._writer.join(timeout_seconds)
        self._give_up([*self._in_hand, *self._take_all(MOST_WAITING)])

    def _see_to_writer(self) -> None:
        # At the first entry, and so in the process that serves, after gunicorn has forked.
        with self._start:
            if self._writer is None:
                self._writer = threading.Thread(target=self._write_all, name="audit", daemon=True)
                self._writer.start()

    def _write_all(self) -> None:
        while not self._closing.is_set() or not self._waiting.empty():
            self._in_hand = self._gather()
            if self._in_hand:
                self._write(self._in_hand)
                self._in_hand = []

    def _gather(self) -> list[AuditEntry]:
        try:
            first = self._waiting.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            return []
        self._closing.wait(GATHER_SECONDS)
        return [first, *self._take_all(MOST_AT_ONCE)]

    def _take_all(self, most: int) -> list[AuditEntry]:
        taken: list[AuditEntry] = []
        while len(taken) < most:
            try:
                taken.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return taken

    def _write(self, batch: list[AuditEntry]) -> None:
        """Store the batch, trying until it is, or the trail closes."""
        while not self._try_to_write(batch):
            if self._closing.wait(RETRY_SECONDS):
                self._give_up(batch)
                return

    def _try_to_write(self, batch: list[AuditEntry]) -> bool:
        """Whether no other try is needed."""
        try:
            self._farm.store.audit.add(batch, self._forget_after)
        except StoreUnavailable:
            return False
        except Exception as error:  # noqa: BLE001 - a fault in one batch must not end the trail
            self._farm.announce(Trouble(where="audit", error=f"{type(error).__name__}: {error}"))
            self._give_up(batch)
        return True

    def _give_up(self, entries: list[AuditEntry]) -> None:
        for entry in entries:
            self._farm.announce(Unaudited(execution_id=entry.execution_id, entry=str(entry)))
