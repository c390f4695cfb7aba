"""The folder that keeps a farm on one machine: its databases, logs, ports, and who runs it now."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from pathlib import Path

from jobrunner.cli.local.process_records import ProcessRecords
from jobrunner.errors import SettingsError


class DataFolder:
    """One farm's folder. At most one `jobrunner up` holds it at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.redis = path / "redis"
        self.mongodb = path / "mongodb"
        self.logs = path / "logs"
        self.state = path / "state"
        self.processes = ProcessRecords(path / "processes.json")
        self._ports_file = path / "ports.json"

    def hold(self, url: str) -> None:
        """Make the folder where it is not there, and hold it until this process ends. `url`: where our API will be.

        Raises SettingsError where another process holds it, or where it cannot be written to.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.logs, self.state):
                folder.mkdir(exist_ok=True)
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise SettingsError(f"The data folder {self.path} cannot be used: {error.strerror}.") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(
                f"Another `jobrunner up` ({self._holder(lock)}) holds {self.path}: "
                "end that one first, or name another folder with --data."
            ) from None
        # The descriptor stays open on purpose: the kernel gives the lock back when this process ends, however it ends.
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n{url}\n".encode(), 0)

    @staticmethod
    def _holder(lock: int) -> str:
        pid, _, url = os.pread(lock, 1024, 0).decode("utf-8", "replace").partition("\n")
        return f"process {pid}, {url.strip()}" if url else "starting just now"

    def port(self, service: str, preferred: int) -> int:
        """The port of an embedded service: the one it had, else the preferred one, else any that is free."""
        known = self._ports().get(service, preferred)
        port = next((port for port in (known, preferred) if is_free("127.0.0.1", port)), None) or free_port()
        self._remember(service, port)
        return port

    def _ports(self) -> dict[str, int]:
        try:
            return dict(json.loads(self._ports_file.read_text()))
        except (FileNotFoundError, ValueError):  # torn by a power cut: any port will do
            return {}

    def _remember(self, service: str, port: int) -> None:
        fresh = self._ports_file.with_suffix(".new")
        fresh.write_text(json.dumps(self._ports() | {service: port}, indent=1) + "\n")
        fresh.replace(self._ports_file)


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port of the loopback address that nobody listens on at present."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
