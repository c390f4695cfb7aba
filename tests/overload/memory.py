"""The memory of a process and of those that it has started, watched while something happens."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

LOOK_SECONDS = 0.1


def memory_bytes(pid: int) -> int:
    """The resident memory of a process and its children."""
    process = psutil.Process(pid)
    total = 0
    for one in (process, *process.children(recursive=True)):
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:
            continue  # it has ended since it was listed
    return total


class Watched:
    """What was seen: how much there was at first, and the most."""

    def __init__(self, first: int) -> None:
        self.first = self.most = first

    @property
    def growth(self) -> int:
        """By how many bytes it had grown at most."""
        return self.most - self.first


@contextmanager
def watching_memory(pid: int) -> Iterator[Watched]:
    """Look at it again and again until the end of the block."""
    watched, over = Watched(memory_bytes(pid)), threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_SECONDS):
            watched.most = max(watched.most, memory_bytes(pid))

    thread = threading.Thread(target=watch, name="memory")
    thread.start()
    try:
        yield watched
    finally:
        over.set()
        thread.join()
