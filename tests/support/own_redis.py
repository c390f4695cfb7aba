"""A redis-server of a test's own, which may be killed, frozen and flushed."""

from __future__ import annotations

import subprocess
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from jobrunner.cli.local.embedded import redis_binary
from tests.support.farm import free_port, wait_until
from tests.support.own_process import OwnProcess

START_SECONDS = 10
NO_FILES = ("--save", "", "--appendonly", "no", "--bind", "127.0.0.1")


class OwnRedis(OwnProcess):
    """A server on a free port that keeps nothing on disk: after a restart it is empty."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder, self._options = folder, options
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> OwnRedis:
        """Start it, and wait until it answers."""
        self._process = self._spawn(str(redis_binary()), "--port", str(self.port), *NO_FILES, *self._options)
        wait_until(self._answers, START_SECONDS, "the redis-server answers")
        return self

    def client(self) -> Redis:
        """A client without retries."""
        return Redis.from_url(self.url, socket_timeout=2, retry=None)

    def _spawn(self, *command: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"redis-{self.port}.log").open("ab") as log:
            return subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log)

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except RedisError:
            return False


class OwnSentinel(OwnRedis):
    """A Sentinel that watches a server under the name `farm`, and is quick to have another one take its place."""

    def __init__(self, folder: Path, watched: OwnRedis) -> None:
        super().__init__(folder)
        self._file = folder / f"sentinel-{self.port}.conf"
        self._file.write_text(
            f"port {self.port}\nbind 127.0.0.1\n"
            f"sentinel monitor farm 127.0.0.1 {watched.port} 1\n"
            "sentinel down-after-milliseconds farm 500\nsentinel failover-timeout farm 2000\n",
            encoding="ascii",
        )

    def start(self) -> OwnSentinel:
        """Start it, and wait until it answers."""
        self._process = self._spawn(str(redis_binary()), str(self._file), "--sentinel")
        wait_until(self._answers, START_SECONDS, "the Sentinel answers")
        return self
