"""Many who follow one execution at once, in every way there is, and what they do to the API meanwhile."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import psutil
import requests
from websockets.asyncio.client import connect

LOOK_SECONDS = 0.05
LIMIT_BYTES = 1024**2


@dataclass
class Crowd:
    """What each follower got of stdout, and what was measured while they were there."""

    received: list[str] = field(default_factory=list)
    health_seconds: list[float] = field(default_factory=list)
    threads_before: int = 0
    most_threads: int = 0
    memory_before: int = 0
    most_memory: int = 0


def follow_together(url: str, api: psutil.Process, count: int, when_all_are_there: Callable[[], None]) -> Crowd:
    """Have `count` followers, a third of them by each way, and one more that never reads, follow this execution.

    `when_all_are_there` is called in a thread; it should see to it that the execution ends.
    """
    crowd = Crowd(threads_before=api.num_threads(), memory_before=api.memory_info().rss)
    with _stuck_follower(url), _measuring(url, api, crowd):
        crowd.received = asyncio.run(_follow_all(url, count, when_all_are_there))
    return crowd


async def _follow_all(url: str, count: int, when_all_are_there: Callable[[], None]) -> list[str]:
    there = [asyncio.Event() for _ in range(count)]
    ways = (_by_text, _by_events, _by_web_socket)
    tasks = []
    for number, is_there in enumerate(there):
        tasks.append(asyncio.create_task(ways[number % 3](url, is_there)))
        # A server makes a thread for each that comes at the same time, and keeps it: that is not what is measured.
        await is_there.wait()
    await asyncio.to_thread(when_all_are_there)
    return await asyncio.gather(*tasks)


async def _by_text(url: str, is_there: asyncio.Event) -> str:
    return b"".join([piece async for piece in _body(f"{url}/stdout/?follow=1", is_there)]).decode()


async def _by_events(url: str, is_there: asyncio.Event) -> str:
    content = b"".join([piece async for piece in _body(f"{url}/sse/?stream=stdout", is_there)]).decode()
    documents = (json.loads(line.removeprefix("data: ")) for line in content.split("\n") if line.startswith("data: "))
    return "".join(document.get("text", "") for document in documents)


async def _by_web_socket(url: str, is_there: asyncio.Event) -> str:
    address = f"{url.replace('http', 'ws', 1)}/ws/?stream=stdout"
    async with connect(address, open_timeout=60, max_size=None, proxy=None) as connection:
        is_there.set()
        return "".join([str(frame) async for frame in connection])


async def _body(url: str, is_there: asyncio.Event) -> AsyncIterator[bytes]:
    """The chunks of an answer, up to the one that says that this was all."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=LIMIT_BYTES)
    try:
        writer.write(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        is_there.set()
        while size := int(await reader.readline(), 16):
            yield await reader.readexactly(size)
            await reader.readexactly(2)
    finally:
        writer.close()


@contextmanager
def _stuck_follower(url: str) -> Iterator[None]:
    """One that asks, and never reads."""
    parts = urlsplit(url)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((parts.hostname, parts.port))
        client.sendall(f"GET {parts.path}/stdout/?follow=1 HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        yield


@contextmanager
def _measuring(url: str, api: psutil.Process, crowd: Crowd) -> Iterator[None]:
    is_over = threading.Event()
    health_url = f"{url.partition('/tasks/')[0]}/healthcheck/"

    def measure() -> None:
        with requests.Session() as session:
            session.trust_env = False
            while not is_over.wait(LOOK_SECONDS):
                began = time.monotonic()
                assert session.get(health_url, timeout=60).status_code == 200
                crowd.health_seconds.append(time.monotonic() - began)
                crowd.most_threads = max(crowd.most_threads, api.num_threads())
                crowd.most_memory = max(crowd.most_memory, api.memory_info().rss)

    measuring = threading.Thread(target=measure)
    measuring.start()
    try:
        yield
    finally:
        is_over.set()
        measuring.join()
