"""The Docker Engine without us: what a farm cannot be faster than on the same machine at the same time."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import docker


class RawEngine:
    """Runs `echo hi` through the Engine: create, start, wait, logs, remove."""

    def __init__(self, image: str, threads: int) -> None:
        self._image, self._threads = image, threads
        self._client = docker.APIClient(version="1.41", max_pool_size=threads + 2, timeout=60)

    def run_many(self, count: int) -> float:
        """Run `count` containers, `threads` at a time; seconds."""
        began = time.monotonic()
        with ThreadPoolExecutor(self._threads) as threads:
            list(threads.map(lambda _: self.run(), range(count)))
        return time.monotonic() - began

    def run(self, after_start: Callable[[], object] = lambda: None) -> None:
        """Run one container."""
        container = self._client.create_container(self._image, ["echo", "hi"])["Id"]
        self._client.start(container)
        after_start()
        self._client.wait(container)
        assert self._client.logs(container) == b"hi\n"
        self._client.remove_container(container)

    def seconds_to_tell_of_exit(self) -> float:
        """How long after the exit of a container, as it dates it, the Engine answers who waits for it."""
        container = self._client.create_container(self._image, ["sleep", "0.3"])["Id"]
        self._client.start(container)
        self._client.wait(container)
        told = datetime.now(UTC)
        finished = self._client.inspect_container(container)["State"]["FinishedAt"]
        self._client.remove_container(container)
        return (told - datetime.fromisoformat(finished[:26] + "+00:00")).total_seconds()

    def seconds_to_start(self) -> float:
        """How long create and start take."""
        began = time.monotonic()
        ended: list[float] = []
        self.run(after_start=lambda: ended.append(time.monotonic()))
        return ended[0] - began
