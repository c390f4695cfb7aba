"""A way to the machine's Docker Engine that may be shut at any time: to those who use it, that Engine has died.

python -m tests.support.engine_door SOCKET OF_THE_ENGINE
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from tests.support.farm import wait_until
from tests.support.services import docker_host

PIECE_BYTES = 64 * 1024
START_SECONDS = 20


class EngineDoor:
    """A process that forwards a unix socket of its own to the Engine's (the interface is that of OwnMongod)."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "docker.sock"
        self.host = f"unix://{self._socket}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> EngineDoor:
        """Open it."""
        self._socket.unlink(missing_ok=True)
        engine = docker_host().removeprefix("unix://")
        command = [sys.executable, "-m", "tests.support.engine_door", str(self._socket), engine]
        self._process = subprocess.Popen(command)
        wait_until(self._socket.exists, START_SECONDS, "the way to the Engine is open")
        return self

    @property
    def pid(self) -> int:
        """Of the process that runs, or ran last."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """Shut it; connections break."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(START_SECONDS)


async def _serve(socket: str, engine: str) -> None:
    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(engine)
        pumps = [asyncio.create_task(_pump(reader, far_writer)), asyncio.create_task(_pump(far_reader, writer))]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        for each in (far_writer, writer):
            each.close()

    server = await asyncio.start_unix_server(forward, socket)
    await server.serve_forever()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(PIECE_BYTES):
            writer.write(piece)
            await writer.drain()
    except OSError:
        pass  # one side has gone: so does the other


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
