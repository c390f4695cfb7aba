"""Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html): the output as events.

retry: 1000                                     come back after a second where the connection breaks
event: state / output / done / retry            `retry`: at the end of an attempt that another one follows
id: <position>                                  of `output`, `done` and `retry`: goes on from there (Last-Event-ID)
data: {...}                                     as in frames.py
:                                               a comment, where nothing happens: the connection is alive
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

from jobrunner.api.live.body import Body
from jobrunner.api.live.connection import Connection, while_there
from jobrunner.api.live.frames import Document, TextFrames
from jobrunner.domain.executions import Execution
from jobrunner.domain.output_position import OutputPosition
from jobrunner.domain.ports.output_store import Stream
from jobrunner.engine.output_follower import follow
from jobrunner.engine.output_hub import OutputHub
from jobrunner.errors import JobrunnerError

RETRY_MILLISECONDS = 1000
HEARTBEAT_SECONDS = 15.0


@dataclass(frozen=True)
class EventTalk:
    """Sends the output from `start` on as events. `is_of_job`: who follows a job is told to come back for a retry."""

    execution: Execution
    start: OutputPosition
    streams: frozenset[Stream]
    is_of_job: bool
    is_chunked: bool

    async def __call__(self, hub: OutputHub, connection: Connection) -> None:
        """Talk to one client. Where it cannot be told all, the connection breaks: it comes back by itself."""
        body = Body(connection, is_chunked=self.is_chunked)
        await while_there(_beat_until_gone(connection, body), self._send(hub, body))

    async def _send(self, hub: OutputHub, body: Body) -> None:
        frames = TextFrames(self.start, self.streams)
        try:
            await body.send(b"retry: %d\n\n" % RETRY_MILLISECONDS)
            with hub.feed(self.execution) as feed:
                async for item in follow(feed, self.start):
                    for document in frames.of(item):
                        await body.send(event(self._name(document), document))
        except JobrunnerError as error:
            raise ConnectionAbortedError(str(error)) from None
        await body.end()

    def _name(self, document: Document) -> str:
        if "stream" in document:
            return "output"
        if not document.get("isOver"):
            return "state"
        return "retry" if self.is_of_job and document["nextExecutionId"] else "done"


def event(name: str, document: Document) -> bytes:
    """One event. JSON has no line breaks in it, so its data is one line."""
    identity = f"id: {document['position']}\n" if "position" in document else ""
    return f"{identity}event: {name}\ndata: {json.dumps(document, ensure_ascii=False)}\n\n".encode()


async def _beat_until_gone(connection: Connection, body: Body) -> None:
    gone = asyncio.create_task(connection.until_gone())
    try:
        while not (await asyncio.wait([gone], timeout=HEARTBEAT_SECONDS))[0]:
            body.send_if_idle(b":\n\n")
    finally:
        gone.cancel()
