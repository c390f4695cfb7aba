"""`jobrunner api` as a process of its own, on a real MongoDB, without nodes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from redis import Redis
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from jobrunner.domain.states import State
from tests.support.api_farm import ApiFarm, api_farm
from tests.support.farm import Farm

PATIENCE_SECONDS = 20


@dataclass
class Server:
    """A running `jobrunner api`. `node` stands in for a node: it moves executions on, and writes their output."""

    farm: Farm
    node: ApiFarm

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.farm.url

    def running_job(self, **spec: Any) -> dict[str, Any]:
        """A new job whose execution runs: what the API answered when it was posted."""
        posted = self.farm.post_job(**spec)
        self.node.advance(posted["executionId"], State.PULLING, State.RUNNING)
        return posted

    def worker(self) -> psutil.Process:
        """The process that serves."""
        (worker,) = psutil.Process(self.farm.processes["api"].pid).children()
        return worker

    def connections(self) -> int:
        """How many connections of clients it holds."""
        return sum(one.laddr.port == self.farm.port and bool(one.raddr) for one in self.worker().net_connections("tcp"))


@contextmanager
def running_api(mongodb_url: str, redis_url: str, folder: Path, **settings: Any) -> Iterator[Server]:
    """An API with a database of its own; nothing of it is left behind."""
    with api_farm(mongodb_url) as node:
        name = node.farm.settings.mongodb_database
        farm = Farm(name, mongodb_url, redis_url, folder, image="a", farm_id=name, **settings)
        try:
            farm.start_api()
            yield Server(farm, node)
        finally:
            farm.end_all()
            _forget_messages(redis_url, name)


def _forget_messages(redis_url: str, farm_id: str) -> None:
    """Remove what the farm has in Redis."""
    with Redis.from_url(redis_url) as redis:
        for key in redis.scan_iter(match=f"*{farm_id}*"):
            redis.delete(key)


def web_socket(url: str, **query: object) -> ClientConnection:
    """Open the WebSocket beside this URL of a job or an execution."""
    parameters = "&".join(f"{name}={value}" for name, value in query.items())
    address = f"{url.replace('http', 'ws', 1)}/ws/?{parameters}"
    return connect(address, open_timeout=PATIENCE_SECONDS, max_size=None, proxy=None)


def all_frames(socket: ClientConnection) -> tuple[list[str | bytes], tuple[int, str]]:
    """All frames until the server closes, and what its close says."""
    frames: list[str | bytes] = []
    try:
        while True:
            frames.append(socket.recv(timeout=PATIENCE_SECONDS))
    except ConnectionClosed as closed:
        assert closed.rcvd is not None, "the connection broke"
        return frames, (closed.rcvd.code, closed.rcvd.reason)


def documents(frames: list[str | bytes]) -> list[dict[str, Any]]:
    """The JSON in frames."""
    return [json.loads(frame) for frame in frames]


def text_of(frames: list[dict[str, Any]], stream: str | None = None) -> str:
    """What the frames have of a stream, or of both."""
    return "".join(
        frame["text"] for frame in frames if frame.get("stream") in ((stream,) if stream else ("stdout", "stderr"))
    )
