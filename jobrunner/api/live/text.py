"""?follow=1 of the text routes: the bytes as they are written, until the execution is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobrunner.api.live.body import Body
from jobrunner.api.live.connection import Connection, while_there
from jobrunner.domain.executions import Execution
from jobrunner.domain.output_position import OutputPosition
from jobrunner.domain.ports.output_store import Stream
from jobrunner.engine.output_follower import Written, follow
from jobrunner.engine.output_hub import Feed, OutputHub
from jobrunner.errors import JobrunnerError


@dataclass(frozen=True)
class StreamStart:
    """Where a stream is begun: `skip` bytes of it after the chunk of sequence number `after` (-1: its first byte)."""

    stream: Stream
    after: int
    skip: int


@dataclass(frozen=True)
class TextTalk:
    """Sends streams one after the other, each from its start on, with `between` between them."""

    execution: Execution
    starts: Sequence[StreamStart]
    is_chunked: bool
    between: bytes = b""

    async def __call__(self, hub: OutputHub, connection: Connection) -> None:
        """Talk to one client. Where it cannot be told all, the connection breaks, so that this is not taken for all."""
        await while_there(connection.until_gone(), self._send(hub, Body(connection, is_chunked=self.is_chunked)))

    async def _send(self, hub: OutputHub, body: Body) -> None:
        try:
            with hub.feed(self.execution) as feed:
                for number, start in enumerate(self.starts):
                    await body.send(self.between if number else b"")
                    await self._send_stream(feed, body, start)
        except JobrunnerError as error:
            raise ConnectionAbortedError(str(error)) from None
        await body.end()

    async def _send_stream(self, feed: Feed, body: Body, start: StreamStart) -> None:
        skip = start.skip
        async for item in follow(feed, OutputPosition(self.execution.id, start.after + 1)):
            if isinstance(item, Written) and item.stream is start.stream:
                await body.send(item.content[skip:])
                skip = max(0, skip - len(item.content))
