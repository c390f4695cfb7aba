"""A replica set of three mongods of a run's own: where the primary dies or hangs, another one takes its place."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from jobrunner.cli.local.embedded import HOST, mongodb_program
from jobrunner.store.replica_set import REPLICA_SET
from tests.support.farm import free_port, wait_until

MEMBERS = 3
DATA = "data"  # the folder of all members' data, in that of the run
START_SECONDS = 60
ELECTION_MS = 2000  # after how long without a primary another one is voted for; the default is five times that
TIMEOUTS = {"serverSelectionTimeoutMS": 2000, "socketTimeoutMS": 5000}


class OwnMongods:
    """Faults are done to the one that is the primary at that instant (the interface is that of OwnMongod)."""

    def __init__(self, folder: Path, *, election_ms: int = ELECTION_MS) -> None:
        self._folder, self._election_ms = folder, election_ms
        self._ports = [free_port() for _ in range(MEMBERS)]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._frozen: list[int] = []
        hosts = ",".join(f"{HOST}:{port}" for port in self._ports)
        self.url = f"mongodb://{hosts}/?replicaSet={REPLICA_SET}"

    def start(self) -> OwnMongods:
        """Start those that do not run, and wait until there is a primary."""
        is_new = not self._processes
        for port in self._ports:
            if port not in self._processes or self._processes[port].poll() is not None:
                self._spawn(port)
        if is_new:
            # Those who are not there yet would not be let in, and asked only once nobody would be.
            wait_until(
                lambda: all(self._ask(port, "ping") for port in self._ports), START_SECONDS, "all mongods answer"
            )
            members = [{"_id": number, "host": f"{HOST}:{port}"} for number, port in enumerate(self._ports)]
            settings = {"electionTimeoutMillis": self._election_ms}
            configuration = {"_id": REPLICA_SET, "members": members, "settings": settings}
            wait_until(lambda: self._begins_with(configuration), START_SECONDS, "they are a replica set")
        wait_until(lambda: self._primary() is not None, START_SECONDS, "there is a primary")
        return self

    def kill(self) -> None:
        """End the primary by SIGKILL."""
        port = self._primary()
        if port is not None:
            self._processes[port].kill()
            self._processes[port].wait(START_SECONDS)

    @property
    def has_ended(self) -> bool:
        """Whether one of them was started, and runs no more."""
        return any(process.poll() is not None for process in self._processes.values())

    def freeze(self) -> None:
        """Have the primary hang."""
        port = self._primary()
        if port is not None:
            self._processes[port].send_signal(signal.SIGSTOP)
            self._frozen.append(port)

    def thaw(self) -> None:
        """Have what hangs go on."""
        while self._frozen:
            self._processes[self._frozen.pop()].send_signal(signal.SIGCONT)

    def end(self) -> None:
        """End them all."""
        self.thaw()
        for process in self._processes.values():
            process.kill()
            process.wait(START_SECONDS)

    def _begins_with(self, configuration: Mapping[str, Any]) -> bool:
        """Whether they are a replica set: by this request, or by an earlier one whose answer came too late."""
        initiated = self._ask(self._ports[0], "replSetInitiate", configuration)
        return initiated is not None or self._primary() is not None

    def _spawn(self, port: int) -> None:
        program = mongodb_program(self._folder / DATA / f"mongod-{port}", port)
        with (self._folder / f"mongod-{port}.log").open("ab") as log:
            environment = {**os.environ, **program.environment}
            self._processes[port] = subprocess.Popen(program.command, env=environment, stdout=log, stderr=log)

    def _primary(self) -> int | None:
        return next((port for port, hello in self._hellos() if hello.get("isWritablePrimary")), None)

    def _hellos(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        for port in self._ports:
            if port not in self._frozen and (hello := self._ask(port, "hello")) is not None:
                yield port, hello

    def _ask(self, port: int, command: str, value: Any = 1) -> Mapping[str, Any] | None:
        try:
            with MongoClient[dict[str, Any]](HOST, port, directConnection=True, **TIMEOUTS) as client:
                return client.admin.command(command, value)
        except PyMongoError:
            return None
