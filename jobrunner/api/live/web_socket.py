"""The WebSocket of an output. What its close says:

    1000 done     the execution is over, and all of its output was sent
    1000 retry    ... and the job has another attempt coming, which is found at the same address
    1012 retry    the API ends; another one will be there
    1013 retry    the store does not answer

"retry" is: come back, with the position of the last frame.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from websockets.exceptions import InvalidState
from websockets.frames import CloseCode
from websockets.protocol import State
from websockets.server import ServerProtocol

from jobrunner.api.live.connection import Connection, while_there
from jobrunner.api.live.frames import TextFrames
from jobrunner.domain.executions import Execution
from jobrunner.domain.output_position import OutputPosition
from jobrunner.domain.ports.output_store import Stream
from jobrunner.engine.output_follower import Item, Over, Written, follow
from jobrunner.engine.output_hub import OutputHub
from jobrunner.errors import Ending, JobrunnerError

PING_SECONDS = 20.0
GOODBYE_SECONDS = 2.0  # how long to wait for the client's half of the closing handshake
LONGEST_MESSAGE_BYTES = 4 * 1024  # of the client's, which has nothing to say


class Format(StrEnum):
    """What is in a frame: text as it comes, a JSON document (frames.py), or the bytes as they are."""

    TEXT = "text"
    JSON = "json"
    BINARY = "binary"


@dataclass(frozen=True)
class WebSocketTalk:
    """Sends the output from `start` on. `is_of_job`: who follows a job is told to come back for another attempt."""

    execution: Execution
    start: OutputPosition
    streams: frozenset[Stream]
    format: Format
    is_of_job: bool

    async def __call__(self, hub: OutputHub, connection: Connection) -> None:
        """Talk to one client."""
        socket = _Socket(connection)
        await while_there(socket.listen(), self._send(hub, socket))

    async def _send(self, hub: OutputHub, socket: _Socket) -> None:
        code, reason = CloseCode.NORMAL_CLOSURE, "done"
        try:
            with hub.feed(self.execution) as feed:
                frames = TextFrames(self.start, self.streams)
                async for item in follow(feed, self.start):
                    for frame in self._frames(frames, item):
                        await socket.send(frame)
                    if isinstance(item, Over) and self.is_of_job and item.next_attempt_id:
                        reason = "retry"
        except JobrunnerError as error:
            code, reason = CloseCode.TRY_AGAIN_LATER, "retry"
            if isinstance(error, Ending):
                code = CloseCode.SERVICE_RESTART
        await socket.close(code, reason)

    def _frames(self, frames: TextFrames, item: Item) -> Iterator[str | bytes]:
        match self.format, item:
            case Format.BINARY, Written(stream=stream, content=content):
                if stream in self.streams:
                    yield content
            case Format.JSON, _:
                yield from (json.dumps(document, ensure_ascii=False) for document in frames.of(item))
            case Format.TEXT, _:
                yield from (document["text"] for document in frames.of(item) if "text" in document)


class _Socket:
    """An open WebSocket. Nothing that the client sends means anything, but its pings and its goodbye."""

    def __init__(self, connection: Connection) -> None:
        self._protocol = ServerProtocol(state=State.OPEN, max_size=LONGEST_MESSAGE_BYTES)
        self._connection = connection
        self._said_goodbye = asyncio.Event()

    async def listen(self) -> None:
        """Take in what the client sends until it closes, and ask it now and then whether it is alive."""
        listening = asyncio.create_task(self._listen())
        try:
            while not (await asyncio.wait([listening], timeout=PING_SECONDS))[0]:
                self._tell(lambda: self._protocol.send_ping(b""))
        finally:
            listening.cancel()

    async def send(self, frame: str | bytes) -> None:
        """Send one frame. Raises ConnectionError."""
        if isinstance(frame, str):
            self._say(lambda: self._protocol.send_text(frame.encode()))
        else:
            self._say(lambda: self._protocol.send_binary(frame))
        await self._connection.send(b"".join(self._protocol.data_to_send()))

    async def close(self, code: CloseCode, reason: str) -> None:
        """Say goodbye, and wait a little for the client to do so."""
        self._say(lambda: self._protocol.send_close(code, reason))
        await self._connection.send(b"".join(self._protocol.data_to_send()))
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._said_goodbye.wait()
        except TimeoutError:
            return

    async def _listen(self) -> None:
        while content := await self._connection.receive():
            self._protocol.receive_data(content)
            self._protocol.events_received()
            answer = b"".join(self._protocol.data_to_send())
            if self._protocol.state is not State.OPEN:
                self._said_goodbye.set()
                self._connection.send_last(answer)
                return
            self._connection.send_if_idle(answer)  # one who pings without reading gets no pongs

    def _tell(self, say: Callable[[], None]) -> None:
        self._say(say)
        self._connection.send_if_idle(b"".join(self._protocol.data_to_send()))

    def _say(self, say: Callable[[], None]) -> None:
        try:
            say()
        except InvalidState:
            raise ConnectionResetError("the client has closed the WebSocket") from None
