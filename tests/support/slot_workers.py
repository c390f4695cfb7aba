"""Worker processes for the tests of RQ's part of the worker."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from redis import Redis
from rq import Queue
from rq.registry import StartedJobRegistry

from jobrunner.queueing import names
from tests.support.farm import wait_until
from tests.support.own_redis import OwnRedis

FARM = "worker-test"
END_SECONDS = 10


class Worker:
    """A worker process, seen from outside."""

    def __init__(self, server: OwnRedis, redis: Redis, folder: Path, node: str, slots: int, *options: str) -> None:
        self.log = folder / f"{node}.log"
        self._redis, self._name = redis, names.worker(FARM, node)
        module = "tests.support.slot_worker_process"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, server.url, FARM, node, str(slots), *options], stdout=log, stderr=log
            )

    def is_up(self) -> bool:
        """Whether it takes messages, and hears commands."""
        assert self.process.poll() is None, self.log.read_text()
        return self._redis.pubsub_numsub(f"rq:pubsub:{self._name}")[0][1] == 1

    def end(self, signum: int = signal.SIGTERM) -> int:
        """Signal it; its exit code."""
        self.process.send_signal(signum)
        return self.process.wait(END_SECONDS)


def noted(redis: Redis, what: str) -> list[str]:
    """What the workers noted in one of their lists."""
    return [text.decode() for text in redis.lrange(f"{FARM}:{what}", 0, -1)]


def wait_for(redis: Redis, what: str, count: int, seconds: float = 30) -> list[str]:
    """A list of what they noted, once it is so long."""
    return wait_until(lambda: (got := noted(redis, what)) and len(got) >= count and got, seconds, f"{count} {what}")


def release(redis: Redis, execution_id: str = "") -> None:
    """Let a message end, or all of them."""
    redis.set(f"{FARM}:release:{execution_id}" if execution_id else f"{FARM}:release", "")


def started_registry(redis: Redis) -> list[Any]:
    """What RQ believes to run."""
    shared = Queue(names.shared_queue(FARM), connection=redis)
    return redis.zrange(StartedJobRegistry(queue=shared).key, 0, -1)


def intermediate(redis: Redis) -> list[str]:
    """What was taken, and does not run yet."""
    shared = Queue(names.shared_queue(FARM), connection=redis)
    return [key.decode() for key in redis.lrange(shared.intermediate_queue_key, 0, -1)]
