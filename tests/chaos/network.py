"""The network between a worker and its services, which can be slow, or cut: TCP through proxies of the run's own."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from dataclasses import dataclass

START_SECONDS = 10
PIECE_BYTES = 64 * 1024
LOOK_SECONDS = 0.05


@dataclass
class Network:
    """One worker's. `delay`, in seconds, is that of every piece, each way. While it is cut, all is held back."""

    delay: float = 0.0
    is_cut: bool = False


class Proxies:
    """Forward ports of the loopback interface, each on behalf of one network, in a thread of their own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)
        self._thread.start()

    def add(self, network: Network, port: int) -> int:
        """A port that leads to `port`."""
        made = asyncio.run_coroutine_threadsafe(self._serve(network, port), self._loop).result(START_SECONDS)
        where: tuple[str, int] = made.sockets[0].getsockname()
        return where[1]

    def close(self) -> None:
        """End them. (What is held back goes with its connection.)"""
        asyncio.run_coroutine_threadsafe(_cancel_all(), self._loop).result(START_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _serve(self, network: Network, port: int) -> asyncio.Server:
        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:  # nobody is there: as if they had been asked without a proxy
                writer.close()
                return
            pumps = [_pump(network, reader, far_writer), _pump(network, far_reader, writer)]
            tasks = [asyncio.create_task(pump) for pump in pumps]
            with suppress(asyncio.CancelledError):  # all of them are closed
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            for each in (writer, far_writer):
                each.close()

        return await asyncio.start_server(forward, "127.0.0.1", 0)


async def _pump(network: Network, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(PIECE_BYTES):
            await asyncio.sleep(network.delay)
            while network.is_cut:
                await asyncio.sleep(LOOK_SECONDS)
            writer.write(piece)
            await writer.drain()
    except OSError:
        pass  # one side has gone: so does the other


async def _cancel_all() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
