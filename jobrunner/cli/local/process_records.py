"""Which processes a farm has started, on disk: so that the next start finds those that outlived a killed supervisor."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
START_TIME_FIELD = 22  # of /proc/PID/stat, see proc(5)


@dataclass(frozen=True)
class ProcessRecord:
    """A process and when it started (clock ticks after the boot of this id): a process id alone gets used again."""

    name: str
    pid: int
    started: str

    @classmethod
    def of(cls, name: str, pid: int) -> ProcessRecord | None:
        """The record of a process that is there; None where it is gone, or has ended and only waits to be reaped."""
        try:
            # The second field is the program's name in brackets and may hold anything: count from its end.
            fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        if fields[0] == "Z":
            return None
        return cls(name, pid, f"{BOOT_ID.read_text().strip()}/{fields[START_TIME_FIELD - 3]}")

    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        return ProcessRecord.of(self.name, self.pid) == self

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if self.is_alive():
            os.kill(self.pid, number)


class ProcessRecords:
    """The records of one farm, in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, name: str, pid: int) -> None:
        """Record the process that now has this name."""
        record = ProcessRecord.of(name, pid)
        others = [other for other in self._read() if other.name != name]
        self._write([*others, record] if record else others)

    def alive(self) -> list[ProcessRecord]:
        """Those that still run."""
        return [record for record in self._read() if record.is_alive()]

    def _read(self) -> list[ProcessRecord]:
        try:
            return [ProcessRecord(**entry) for entry in json.loads(self._path.read_text())]
        except (FileNotFoundError, ValueError):  # torn by a power cut, which no process outlives
            return []

    def _write(self, records: list[ProcessRecord]) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps([asdict(record) for record in records], indent=1) + "\n")
        fresh.replace(self._path)
