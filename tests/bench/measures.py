"""One function a row: it measures, and says how that compares with the budget."""

from __future__ import annotations

import signal
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
import requests

from tests.bench.raw import RawEngine
from tests.support.farm import Farm, wait_until
from tests.support.live_crowd import follow_together

LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Row:
    """What was measured, in words, and whether it keeps the budget (None: there is none)."""

    name: str
    measured: str
    budget: str
    kept: bool | None


def throughput(farm: Farm, slots: int, short: bool) -> Row:
    """Jobs a second, posted by 8 clients, against the raw Engine with as many threads; in turns, the median ratio."""
    count, rounds = (24, 1) if short else (60, 5)
    raw = RawEngine(farm.image, slots)
    ratios, rates = [], []
    for _ in range(rounds):
        raw_seconds = raw.run_many(count)
        seconds = _run_many(farm, count)
        ratios.append(raw_seconds / seconds)
        rates.append(count / seconds)
    ratio = statistics.median(ratios)
    measured = f"{ratio:.2f} of raw ({statistics.median(rates):.1f} jobs/s; {min(ratios):.2f} to {max(ratios):.2f})"
    return Row(f"`echo hi`, {slots} slots, {count} jobs by 8 clients", measured, ">= 0.95 of raw", ratio >= 0.95)


def idle_latency(farm: Farm, short: bool) -> Row:
    """From the POST of `echo hi` on an idle farm until the API says `done`."""
    seconds = statistics.median(_seconds_to_done(farm) for _ in range(5 if short else 20))
    return Row("idle farm: POST to `done`, median", f"{seconds:.2f} s", "< 0.8 s", seconds < 0.8)


def start_latency(farm: Farm, short: bool) -> Row:
    """From the POST until the container has started, over create and start by hand; medians, in turns."""
    raw = RawEngine(farm.image, 1)
    over = []
    for _ in range(5 if short else 20):
        raw_seconds = raw.seconds_to_start()
        posted = datetime.now(UTC)
        execution = farm.wait_for_end(farm.post_job("sleep", "0.3"))
        started = datetime.fromisoformat(execution["startedAt"]).replace(tzinfo=UTC)
        over.append((started - posted).total_seconds() - raw_seconds)
    milliseconds = 1000 * statistics.median(over)
    return Row("idle farm: POST to start, over raw", f"{milliseconds:.0f} ms", "<= 40 ms", milliseconds <= 40)


def end_latency(farm: Farm, short: bool) -> Row:
    """From the exit of the container, as the Engine dates it, until the state can be read as terminal.

    The Engine itself tells nobody of an exit before it has cleaned up (network, mounts): how long that takes is
    measured by a raw wait in the same run, and taken off.
    """
    raw = RawEngine(farm.image, 1)
    lags, raw_lags = [], []
    for _ in range(5 if short else 20):
        execution = farm.wait_for_end(farm.post_job("sleep", "0.3"))
        closed = next(move["at"] for move in execution["history"] if move["status"] == execution["status"])
        exited = datetime.fromisoformat(execution["finishedAt"])
        lags.append((datetime.fromisoformat(closed) - exited).total_seconds())
        raw_lags.append(raw.seconds_to_tell_of_exit())
    ours, engines = 1000 * statistics.median(lags), 1000 * statistics.median(raw_lags)
    measured = f"{ours:.0f} ms, of which the Engine {engines:.0f} ms"
    return Row("exit to terminal state, medians", measured, "<= 60 ms + the Engine's", ours - engines <= 60)


def cpu_per_job(farm: Farm, short: bool) -> Row:
    """Processor time of API, worker and scheduler per job; the Engine and the databases apart."""
    count = 24 if short else 100
    began = _cpu_seconds(farm)
    _run_many(farm, count)
    milliseconds = 1000 * (_cpu_seconds(farm) - began) / count
    return Row("cpu of API + worker + scheduler per job", f"{milliseconds:.0f} ms", "<= 40 ms", milliseconds <= 40)


def submit_rate(farm: Farm, short: bool) -> Row:
    """Submissions a second by 8 clients, and the 99th percentile of their answers. They are stopped afterwards."""
    count = 400 if short else 4000
    url, body = f"{farm.url}/tasks/bench-submit/", {"image": farm.image, "command": "true", "startIn": "10h"}
    seconds: list[float] = []

    def client(share: int) -> None:
        with requests.Session() as session:
            session.trust_env = False
            for _ in range(share):
                began = time.monotonic()
                assert session.post(url, json=body, timeout=10).status_code == 200
                seconds.append(time.monotonic() - began)

    began = time.monotonic()
    with ThreadPoolExecutor(8) as clients:
        list(clients.map(client, [count // 8] * 8))
    rate = count / (time.monotonic() - began)
    p99 = 1000 * statistics.quantiles(seconds, n=100)[98]
    kept = rate >= 200 and p99 <= 50
    return Row("submit rate, 8 clients", f"{rate:.0f}/s, p99 {p99:.0f} ms", ">= 200/s, p99 <= 50 ms", kept)


def memory_of_many(farm: Farm, short: bool) -> Row:
    """Memory of one worker with many running containers."""
    count = 10 if short else 50
    worker = farm.start_worker("many", slots=count)
    farm.end("one")
    jobs = [farm.post_job("sleep", "600") for _ in range(count)]
    for job in jobs:
        farm.wait_for_status(job, "running", seconds=120)
    megabytes = psutil.Process(worker.pid).memory_info().rss / 1e6
    for job in jobs:
        farm.http.post(f"{job['jobUrl']}/stop/", timeout=10)
    for job in jobs:
        farm.wait_for_end(job, seconds=120)
    farm.start_worker("one")
    farm.end("many")
    return Row(f"{count} running containers in one worker", f"{megabytes:.0f} MB", "<= 120 MB", megabytes <= 120)


def big_output(farm: Farm, short: bool) -> Row:
    """One container prints a lot: stored whole, how fast, and how much the worker grows meanwhile."""
    megabytes = 20 if short else 200
    worker = psutil.Process(farm.processes["one"].pid)
    farm.wait_for_end(farm.post_job("echo", "warm"))
    before = highest = worker.memory_info().rss
    command = f"yes 'a line of output, which is of a length that is usual' | head -c {megabytes}000000"
    job = farm.post_job("sh", "-c", command)

    def is_over() -> bool:
        nonlocal highest
        highest = max(highest, worker.memory_info().rss)
        return bool(farm.execution(job)["status"] == "done")

    wait_until(is_over, 180, "the output is stored")
    execution = farm.execution(job)
    began, ended = (datetime.fromisoformat(execution[key]) for key in ("startedAt", "finishedAt"))
    rate = megabytes / (ended - began).total_seconds()
    size = sum(map(len, farm.http.get(f"{job['executionUrl']}/stdout/", stream=True).iter_content(1 << 20)))
    growth = (highest - before) / 1e6
    kept = size == megabytes * 10**6 and growth <= 40 and rate >= 20
    measured = f"{size / 1e6:.0f} MB stored, {rate:.0f} MB/s, worker grows {growth:.0f} MB"
    return Row(f"{megabytes} MB printed by one container", measured, "whole, >= 20 MB/s, <= 40 MB", kept)


def adoption(farm: Farm, short: bool) -> Row:
    """kill -9 of a worker with 5 running containers: how soon its successor, once started, has all of them."""
    jobs = [farm.post_job("sh", "-c", "sleep 20; echo end") for _ in range(5)]
    for job in jobs:
        farm.wait_for_status(job, "running")
    farm.end("one", signal.SIGKILL)
    began = time.monotonic()
    farm.start("one", "worker", "--node", "one")
    wait_until(lambda: farm.log("one").count('"adopted"') >= 5, 30, "all are adopted")
    seconds = time.monotonic() - began
    for job in jobs:
        assert farm.wait_for_end(job, seconds=60)["status"] == "done"
        assert farm.output(job, "stdout") == b"end\n"
    return Row("kill -9 with 5 running: adopted after the restart", f"{seconds:.1f} s", "<= 5 s", seconds <= 5)


def _run_many(farm: Farm, count: int) -> float:
    began = time.monotonic()
    with ThreadPoolExecutor(8) as clients:
        jobs = list(clients.map(lambda _: farm.post_job("echo", "hi", task="bench"), range(count)))
    # One question for all, and not too often: what the API does for us is counted, too.
    while _is_busy(farm):
        time.sleep(LOOK_SECONDS)
    seconds = time.monotonic() - began
    for job in jobs:
        assert farm.execution(job)["status"] == "done"
    return seconds


def _is_busy(farm: Farm) -> bool:
    query = {"task": "bench", "status": "enqueued,pulling,running"}
    return bool(farm.http.get(f"{farm.url}/executions/", params=query, timeout=10).json()["items"])


def _seconds_to_done(farm: Farm) -> float:
    began = time.monotonic()
    assert farm.wait_for_end(farm.post_job("echo", "hi"))["status"] == "done"
    return time.monotonic() - began


def _cpu_seconds(farm: Farm) -> float:
    processes = [psutil.Process(process.pid) for process in farm.processes.values()]
    family = [member for process in processes for member in (process, *process.children(recursive=True))]
    return sum(times.user + times.system for times in (member.cpu_times() for member in family))


def follow_latency(farm: Farm, short: bool) -> Row:
    """From the moment a container writes a line until one who follows has it. (Both read the same clock.)"""
    count = 10 if short else 50
    script = f"n=0; while [ $n -lt {count} ]; do cut -d' ' -f1 /proc/uptime; n=$((n+1)); sleep 0.33; done"
    job = farm.post_job("sh", "-c", script)
    ages: list[float] = []
    with farm.http.get(f"{job['executionUrl']}/stdout/?follow=1", stream=True, timeout=60) as answer:
        for line in answer.iter_lines(chunk_size=None):
            now = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
            ages.append(now - float(line))
    median, longest = statistics.median(ages), max(ages)
    measured = f"{median:.2f} s, longest {longest:.2f} s"
    return Row("a line written to a follower having it, median", measured, "<= 0.5 s", median <= 0.5)


def followers(farm: Farm, short: bool) -> Row:
    """Many follow one container, by text, events and WebSockets in equal parts, and one more that never reads.

    Each must get every byte; the API must answer others meanwhile, and grow neither by threads nor by much memory.
    """
    count, seconds = (30, 3) if short else (200, 10)
    (api,) = psutil.Process(farm.processes["api"].pid).children()
    # They have some time to come, before it begins.
    script = f"sleep 15; i=0; while [ $i -lt {seconds * 10} ]; do seq 1 20; sleep 0.1; i=$((i+1)); done"
    job = farm.post_job("sh", "-c", script)
    farm.wait_for_status(job, "running")
    url = job["executionUrl"]
    crowd = follow_together(url, api, count, lambda: farm.wait_for_end(job, seconds=120) and None)
    expected = "".join(f"{number}\n" for number in range(1, 21)) * seconds * 10
    whole = sum(received == expected for received in crowd.received)
    p99 = 1000 * statistics.quantiles(crowd.health_seconds, n=100)[98]
    threads = crowd.most_threads - crowd.threads_before
    megabytes = (crowd.most_memory - crowd.memory_before) / 1e6
    measured = f"{whole} got all; healthcheck p99 {p99:.0f} ms; {threads} threads, {megabytes:.0f} MB more"
    kept = whole == count and p99 <= 250 and threads <= 16 and megabytes <= 100
    return Row(f"{count} followers of one execution", measured, "all; <= 250 ms; <= 16, <= 100 MB", kept)


MEASURES: dict[str, Callable[[Farm, bool], Row]] = {
    "idle": idle_latency,
    "start": start_latency,
    "end": end_latency,
    "cpu": cpu_per_job,
    "submit": submit_rate,
    "output": big_output,
    "adoption": adoption,
    "latency": follow_latency,
    "followers": followers,
    "memory": memory_of_many,
}
