"""A mongod of a test's own, which may be killed and frozen. It keeps its data, so that it can come back."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import psutil

from jobrunner.cli.local.embedded import mongodb_program, mongodb_url
from jobrunner.cli.local.programs import NotReady
from tests.support.farm import free_port, wait_until

START_SECONDS = 30


class OwnMongod:
    """A replica set of one member, on a free port."""

    def __init__(self, folder: Path, *options: str, log: Path | None = None) -> None:
        self.log = log or folder / "mongod.log"
        port = free_port()
        program = mongodb_program(folder / "data", port)
        self._program = replace(program, command=(*program.command, *options))
        self.url = mongodb_url(port)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> OwnMongod:
        """Start it, and wait until it takes writes."""
        self._spawn()
        wait_until(self._is_ready, START_SECONDS, "mongod takes writes")
        return self

    @property
    def pid(self) -> int:
        """Of the process that runs, or ran last."""
        assert self._process is not None
        return self._process.pid

    def start_again_if_it_has_ended(self) -> None:
        """What an init system does."""
        assert self._process is not None
        if self._process.poll() is not None:
            self._spawn()

    def _spawn(self) -> None:
        with self.log.open("ab") as log:
            environment = {**os.environ, **self._program.environment}
            self._process = subprocess.Popen(self._program.command, env=environment, stdout=log, stderr=log)

    def kill(self) -> None:
        """End it by SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(START_SECONDS)

    @property
    def has_ended(self) -> bool:
        """Whether it was started, and runs no more."""
        return self._process is not None and self._process.poll() is not None

    def freeze(self) -> None:
        """Have it hang."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        frozen = psutil.Process(self._process.pid)
        wait_until(lambda: frozen.status() == psutil.STATUS_STOPPED, 5, "it has stopped")

    def thaw(self) -> None:
        """Have it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _is_ready(self) -> bool:
        assert self._program.ready is not None
        try:
            return bool(self._program.ready())
        except NotReady:
            return False
