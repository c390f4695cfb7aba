"""The body of an answer whose length nobody knows: in chunks, so that its end can be told from a broken connection."""

from __future__ import annotations

from jobrunner.api.live.connection import Connection


class Body:
    """A body on its way. To a client that speaks HTTP/1.0 and knows no chunks, its end is the connection's."""

    def __init__(self, connection: Connection, *, is_chunked: bool) -> None:
        self._connection, self._is_chunked = connection, is_chunked

    async def send(self, content: bytes) -> None:
        """Send, as fast as the client reads. Raises ConnectionError."""
        if content:  # an empty chunk is the end
            await self._connection.send(self._framed(content))

    def send_if_idle(self, content: bytes) -> None:
        """Send this, unless something is on its way."""
        self._connection.send_if_idle(self._framed(content))

    async def end(self) -> None:
        """Say that this was all."""
        await self._connection.send(self._framed(b""))

    def _framed(self, content: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(content), content) if self._is_chunked else content
