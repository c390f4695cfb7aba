"""A mongod of a test's own, which may be killed and frozen. It keeps its data, so that it can come back."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

from jobrunner.cli.local.embedded import mongodb_program, mongodb_url
from jobrunner.cli.local.programs import NotReady
from tests.support.farm import free_port, wait_until
from tests.support.own_process import OwnProcess

START_SECONDS = 30


class OwnMongod(OwnProcess):
    """A replica set of one member, on a free port."""

    def __init__(self, folder: Path, *options: str, log: Path | None = None) -> None:
        self.log = log or folder / "mongod.log"
        port = free_port()
        program = mongodb_program(folder / "data", port)
        self._program = replace(program, command=(*program.command, *options))
        self.url = mongodb_url(port)

    def start(self) -> OwnMongod:
        """Start it, and wait until it takes writes."""
        self._spawn()
        wait_until(self._is_ready, START_SECONDS, "mongod takes writes")
        return self

    def start_again_if_it_has_ended(self) -> None:
        """What an init system does."""
        if self.has_ended:
            self._spawn()

    def _spawn(self) -> None:
        with self.log.open("ab") as log:
            environment = {**os.environ, **self._program.environment}
            self._process = subprocess.Popen(self._program.command, env=environment, stdout=log, stderr=log)

    def _is_ready(self) -> bool:
        assert self._program.ready is not None
        try:
            return bool(self._program.ready())
        except NotReady:
            return False
