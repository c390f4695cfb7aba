"""Containers that print far more, or far faster, than anybody reads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.overload.answers import LATE_SECONDS, ask
from tests.overload.memory import watching_memory
from tests.overload.size import size
from tests.support.farm import Farm

pytestmark = pytest.mark.services

MB = 1_000_000
PRINTED_BYTES = size(100 * MB, 4000 * MB)
CAP_BYTES = size(20 * MB, 1000 * MB)
MOST_GROWTH_BYTES = 60 * MB
FAST_SECONDS = size(2, 60)  # how long lines come, at 10,000 a second
END_SECONDS = size(90, 1200)
HEALTH_SECONDS = 0.5


@pytest.fixture(autouse=True)
def warm(farm: Farm) -> None:
    """What a worker needs once, it has."""
    farm.wait_for_status(farm.post_job("echo", "warm"), "done")


@contextmanager
def healthy(farm: Farm) -> Iterator[None]:
    """Meanwhile the API is healthy, and answers soon."""
    over, seconds = threading.Event(), []

    def look() -> None:
        while not over.wait(HEALTH_SECONDS):
            health = ask(farm, "GET", "/healthcheck/")
            assert health.status == 200, health.document
            seconds.append(health.seconds)

    with ThreadPoolExecutor(1) as threads:
        looking = threads.submit(look)
        try:
            yield
        finally:
            over.set()
        looking.result()
    assert max(seconds, default=0.0) < LATE_SECONDS


def test_a_very_long_output_is_cut_where_it_says_so_and_holds_up_nobody(farm: Farm) -> None:
    script = f"yes 'a line of output, of a length that is usual' | head -c {PRINTED_BYTES}; echo over >&2; exit 3"
    with watching_memory(farm.processes["one"].pid) as memory, healthy(farm):
        large = farm.post_job("sh", "-c", script, outputCapBytes=CAP_BYTES)
        farm.wait_for_status(large, "running")
        for number in range(3):
            other = farm.post_job("echo", str(number))
            assert farm.wait_for_end(other)["status"] == "done"
            assert farm.output(other, "stdout") == b"%d\n" % number
        ended = farm.wait_for_end(large, seconds=END_SECONDS)
    assert (ended["status"], ended["exitCode"], ended["outputCut"]) == ("failed", 3, True)
    assert ended["outputBytes"] == {"stdout": CAP_BYTES, "stderr": 0}
    last = ask_text(farm, f"{large['executionUrl']}/stdout/?tail=1")
    assert last == f"[jobrunner: output cut here, at the cap of {CAP_BYTES} bytes]\n"
    assert memory.growth < MOST_GROWTH_BYTES


def ask_text(farm: Farm, url: str) -> str:
    return str(farm.http.get(url, timeout=30).text)


@pytest.mark.parametrize("containers", [1, 8])
def test_every_one_of_many_tiny_lines_is_there_and_in_order(farm: Farm, containers: int) -> None:
    lines = FAST_SECONDS * 10_000
    hundred = "end=$((i+100)); while [ $i -lt $end ]; do i=$((i+1)); echo $i; done"
    script = f"i=0; while [ $i -lt {lines} ]; do {hundred}; usleep 8000; done"
    with watching_memory(farm.processes["one"].pid) as memory, healthy(farm):
        jobs = [farm.post_job("sh", "-c", script) for _ in range(containers)]
        for job in jobs:
            assert farm.wait_for_end(job, seconds=END_SECONDS)["status"] == "done"
    expected = b"".join(b"%d\n" % number for number in range(1, lines + 1))
    for job in jobs:
        assert farm.output(job, "stdout") == expected
    assert memory.growth < MOST_GROWTH_BYTES
