"""A client's connection, as a coroutine uses it: it bears neither a client that is stuck nor one that has gone."""

from __future__ import annotations

import array
import asyncio
import fcntl
import socket
import termios
from collections.abc import Coroutine
from typing import Any

from jobrunner.api.keep_alive import keep_alive

SEND_BUFFER_BYTES = 128 * 1024  # of the kernel, for one that reads slowly; Linux takes twice as much
WRITE_BUFFER_BYTES = 64 * 1024
RECEIVE_BYTES = 4 * 1024
LOOK_SECONDS = 5.0  # how often one who takes nothing is looked at


class ReaderIsStuck(ConnectionError):
    """The client has taken nothing for too long."""


class Connection:
    """Sends and receives bytes. A client that takes nothing for `patience_seconds` is dropped."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience_seconds: float) -> None:
        self._reader, self._writer, self._patience_seconds = reader, writer, patience_seconds
        self._socket = writer.get_extra_info("socket")

    @classmethod
    async def over(cls, client: socket.socket, patience_seconds: float) -> Connection:
        """A connection over this socket, which it owns from here on."""
        _tune(client)
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=RECEIVE_BYTES, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, client)
        transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        return cls(reader, asyncio.StreamWriter(transport, protocol, reader, loop), patience_seconds)

    async def send(self, content: bytes) -> None:
        """Send, as fast as the client reads. Raises ConnectionError: it has gone, or is stuck."""
        self._writer.write(content)
        look_seconds = min(LOOK_SECONDS, self._patience_seconds)
        least_bytes, silent_seconds = None, 0.0
        while True:
            try:
                async with asyncio.timeout(look_seconds):
                    return await self._writer.drain()
            except TimeoutError:
                unread_bytes = self._unread_bytes()
                takes_something = least_bytes is not None and unread_bytes < least_bytes
                least_bytes, silent_seconds = unread_bytes, 0.0 if takes_something else silent_seconds + look_seconds
                if silent_seconds >= self._patience_seconds:
                    raise ReaderIsStuck("the client has taken nothing for too long") from None

    def send_last(self, content: bytes) -> None:
        """Send this without waiting for the client; nothing is to follow."""
        if not self._writer.is_closing():
            self._writer.write(content)

    def send_if_idle(self, content: bytes) -> None:
        """Send this, unless something is on its way already: a sign of life."""
        if not self._writer.is_closing() and self._writer.transport.get_write_buffer_size() == 0:
            self._writer.write(content)

    async def receive(self) -> bytes:
        """The next bytes of the client; none: it has closed its side. Raises ConnectionError."""
        return await self._reader.read(RECEIVE_BYTES)

    async def until_gone(self) -> None:
        """Wait until the client has closed its side. What it still sends is thrown away."""
        while await self.receive():
            pass

    async def close(self) -> None:
        """Close, once all is sent that the client takes without delay."""
        try:
            self._writer.close()
            async with asyncio.timeout(1.0):
                await self._writer.wait_closed()
        except (TimeoutError, OSError):
            self._writer.transport.abort()

    def _unread_bytes(self) -> int:
        """What the client has not acknowledged: in our buffer and in the kernel's."""
        unsent = array.array("i", [0])
        try:
            fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, unsent)
        except OSError:  # closed meanwhile: drain() says so
            return 0
        return self._writer.transport.get_write_buffer_size() + unsent[0]


async def while_there(there: Coroutine[Any, Any, None], talk: Coroutine[Any, Any, None]) -> None:
    """Talk to a client until all is said, or until `there` ends, because the client has gone."""
    tasks = [asyncio.create_task(there), asyncio.create_task(talk)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        _, outcome = await asyncio.gather(*tasks, return_exceptions=True)
    if isinstance(outcome, Exception):
        raise outcome


def _tune(client: socket.socket) -> None:
    """Bound what the kernel holds for it, and have one that vanished noticed."""
    client.setblocking(False)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    keep_alive(client)
    if client.family != socket.AF_UNIX:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
