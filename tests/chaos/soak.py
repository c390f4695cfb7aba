"""What a farm uses while nothing happens to it: memory, threads, files, keys, data; and whether any of it grows."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import mean
from typing import Any

import psutil
from pymongo import MongoClient

from tests.chaos.farm import ChaosFarm

PARTS = 60  # samples in a run
MIB = 1024 * 1024
Sample = dict[str, float]  # what -> how much


class Soak:
    """Takes samples of a farm, evenly over so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._pause = seconds / PARTS
        self._stopping = threading.Event()
        self.samples: list[Sample] = []

    @contextmanager
    def sampling(self, farm: ChaosFarm) -> Iterator[None]:
        """Take samples while the block runs."""
        thread = threading.Thread(target=self._take_all, args=(farm,), name="soak", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            thread.join()

    def _take_all(self, farm: ChaosFarm) -> None:
        while not self._stopping.wait(self._pause):
            self.samples.append(sample(farm))


def sample(farm: ChaosFarm) -> Sample:
    """What it uses now."""
    taken: Sample = {}
    for name, process in sorted(farm.farm.processes.items()):
        parent = psutil.Process(process.pid)
        family = [parent, *parent.children(recursive=True)]
        taken[f"{name}: memory, MiB"] = sum(member.memory_info().rss for member in family) / MIB
        taken[f"{name}: threads"] = sum(member.num_threads() for member in family)
        taken[f"{name}: open files"] = sum(member.num_fds() for member in family)
    with farm.redis.client() as redis, MongoClient[dict[str, Any]](farm.mongod.url) as client:
        taken["Redis: keys"] = redis.dbsize()
        taken["Redis: memory, MiB"] = redis.info("memory")["used_memory"] / MIB
        taken["Redis: clients"] = redis.info("clients")["connected_clients"]
        taken["MongoDB: connections"] = client.admin.command("serverStatus")["connections"]["current"]
        executions = client[farm.name]["executions"].estimated_document_count()
        taken["MongoDB: executions"] = executions
        data_size = client[farm.name].command("dbStats")["dataSize"]
        taken["MongoDB: KiB per execution"] = data_size / 1024 / max(1, executions)
    return taken


def trends(samples: Sequence[Sample]) -> str:
    """A table of the second, third and last quarter: the first one is that of the start."""
    quarter = max(1, len(samples) // 4)
    parts = [samples[quarter * number : quarter * (number + 1)] for number in (1, 2, 3)]
    lines = ["| what | second quarter | third | last |", "| --- | --- | --- | --- |"]
    for what in samples[-1]:
        means = [mean(taken[what] for taken in part if what in taken) for part in parts]
        lines.append(f"| {what} | {' | '.join(f'{value:.1f}' for value in means)} |")
    return "\n".join(lines)
