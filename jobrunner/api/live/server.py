"""Serves all who follow something, in one thread: an event loop, with a coroutine for each of them.

A view checks the request, and answers what is wrong as any other view does. Then it hands the connection over
(handover.py), and the thread of gunicorn that served it is free again.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable

import structlog

from jobrunner.api.live.connection import Connection
from jobrunner.engine.farm import Farm
from jobrunner.engine.output_hub import OutputHub
from jobrunner.errors import Busy, Ending

LOOK_SECONDS = 0.1  # how soon it is noticed that the process is to end
LEAVE_SECONDS = 1.5  # how long those who follow may then take to hear of it

Talk = Callable[[OutputHub, Connection], Awaitable[None]]
log = structlog.get_logger(__name__)


class LiveServer:
    """The event loop of one process. It starts with the first connection, and ends when the farm is `stopping`."""

    def __init__(self, farm: Farm) -> None:
        self._farm = farm
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hub: OutputHub | None = None
        self._talks: set[asyncio.Task[None]] = set()

    @property
    def followers(self) -> int:
        """How many clients follow something."""
        return len(self._talks)

    def check_room(self) -> None:
        """Raise Ending or Busy where nobody can be taken in."""
        if self._farm.stopping.is_set():
            raise Ending("the API ends; come back")
        if len(self._talks) >= self._farm.settings.api_followers:
            raise Busy(f"{len(self._talks)} clients follow something already; try again later")

    def take(self, client: socket.socket, head: bytes, talk: Talk) -> None:
        """Serve this connection, ours from here on: send the head of the answer, then talk. For any thread."""
        try:
            self._started_loop().call_soon_threadsafe(self._begin, client, head, talk)
        except RuntimeError:  # the loop has ended
            client.close()

    def _started_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                # No daemon: when the process ends, those who follow are told so first.
                threading.Thread(target=self._run, args=(self._loop,), name="live").start()
            return self._loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        self._hub = OutputHub(self._farm)
        try:
            loop.run_until_complete(self._serve(self._hub))
        finally:
            self._hub.close()
            loop.close()

    async def _serve(self, hub: OutputHub) -> None:
        while not self._farm.stopping.is_set():
            await asyncio.sleep(LOOK_SECONDS)
        hub.let_go()
        if self._talks:
            await asyncio.wait(self._talks, timeout=LEAVE_SECONDS)
        talks = list(self._talks)
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)

    def _begin(self, client: socket.socket, head: bytes, talk: Talk) -> None:
        task = asyncio.create_task(self._talk(client, head, talk))
        self._talks.add(task)
        task.add_done_callback(self._talks.discard)

    async def _talk(self, client: socket.socket, head: bytes, talk: Talk) -> None:
        assert self._hub is not None
        try:
            connection = await Connection.over(client, self._farm.settings.api_stuck_seconds)
        except OSError:
            return client.close()
        try:
            await connection.send(head)
            await talk(self._hub, connection)
        except OSError as error:
            log.debug("follower_lost", reason=str(error))
        except Exception as error:
            log.error("follower_failed", exc_info=error)
        finally:
            await connection.close()
