"""A way to the machine's Docker Engine that may be shut at any time: to those who use it, that Engine has died.

python -m tests.support.engine_door SOCKET OF_THE_ENGINE
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from tests.support.farm import wait_until
from tests.support.own_process import OwnProcess
from tests.support.relay import relay
from tests.support.services import docker_host

START_SECONDS = 20


class EngineDoor(OwnProcess):
    """A process that forwards a unix socket of its own to the Engine's."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "docker.sock"
        self.host = f"unix://{self._socket}"

    def start(self) -> EngineDoor:
        """Open it."""
        self._socket.unlink(missing_ok=True)
        engine = docker_host().removeprefix("unix://")
        command = [sys.executable, "-m", "tests.support.engine_door", str(self._socket), engine]
        self._process = subprocess.Popen(command)
        wait_until(self._socket.exists, START_SECONDS, "the way to the Engine is open")
        return self


async def _serve(socket: str, engine: str) -> None:
    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await relay(reader, writer, *await asyncio.open_unix_connection(engine))

    server = await asyncio.start_unix_server(forward, socket)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
