"""What the APIs tell by GET /metrics, during a run and after it; and the rule that it agrees with all else."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise

import requests

from tests.chaos.records import Run, SeenMetrics
from tests.support.metrics import Scrape, read_metrics

PAUSE_SECONDS = 1.0
ANSWER_SECONDS = 15.0
OF_PROCESS = ("jobrunner_http_", "process_")  # these start anew with their process
ENDED = "jobrunner_executions_ended_total"
OPEN = "jobrunner_executions"
OWED = "jobrunner_deliveries"


class MetricsWatch:
    """Asks the APIs in turn until it is told to end, as Prometheus does. What it was told is in `seen`."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = urls
        self._http = requests.Session()
        self._http.trust_env = False
        self._stopping = threading.Event()
        self.seen: list[SeenMetrics] = []
        self.wrong: list[str] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Ask while the block runs."""
        thread = threading.Thread(target=self._ask_on, name="metrics", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            thread.join(2 * ANSWER_SECONDS)

    def _ask_on(self) -> None:
        while not self._stopping.is_set():
            for url in self._urls:
                self._ask(url)
                self._stopping.wait(PAUSE_SECONDS)

    def _ask(self, url: str) -> None:
        try:
            answer = self._http.get(f"{url}/metrics", timeout=ANSWER_SECONDS)
        except requests.RequestException:
            return  # the process is away, or dies
        if answer.status_code == 200:
            self.seen.append(seen_metrics(url, read_metrics(answer.text)))
        elif answer.status_code != 503:
            self.wrong.append(f"{url}/metrics was answered with {answer.status_code} {answer.text[:200]}")

    def last(self) -> list[SeenMetrics]:
        """What each API tells now. Raises AssertionError where one tells nothing."""
        told = []
        for url in self._urls:
            answer = self._http.get(f"{url}/metrics", timeout=ANSWER_SECONDS)
            assert answer.status_code == 200, answer.text
            told.append(seen_metrics(url, read_metrics(answer.text)))
        return told


def seen_metrics(api: str, scrape: Scrape) -> SeenMetrics:
    """What is judged of an answer: the farm's counters, and how many are open and owed."""
    counters = {
        f"{name}{dict(sorted(labels))}": scrape.samples[name, labels]
        for name, labels in scrape.counters
        if not name.startswith(OF_PROCESS)
    }
    ended = {
        f"{dict(labels)['state']} {dict(labels)['cause']}": count
        for (name, labels), count in scrape.samples.items()
        if name == ENDED and count
    }
    owed = scrape.value(OWED, state="owed")
    return SeenMetrics(time.time(), api, counters, ended, scrape.labelled(OPEN, "state"), owed)


def metrics_agree(run: Run) -> Iterator[tuple[str, str]]:
    """What was broken, and how: no counter of the farm ever goes down, whichever API tells it; all tell how it ended.

    Where MongoDB was away, they told nothing of the farm.
    """
    told = [seen for seen in run.metrics if seen.counters]
    for before, after in pairwise(told):
        for name in sorted(before.counters):
            if after.counters.get(name, 0) < before.counters[name]:
                change = f"{before.counters[name]:g} ({before.api}), then {after.counters.get(name)} ({after.api})"
                yield "metrics", f"the counter {name} was {change}"
    ended = Counter(f"{execution.status} {execution.cause}" for execution in run.executions)
    for seen in run.last_metrics:
        for what, count in _differences(ended, seen.ended):
            yield "metrics", f"{seen.api} tells {count:g} executions ended as {what}, and there are {ended[what]}"
        if any(seen.open.values()) or not seen.open or seen.owed != 0:
            yield "metrics", f"{seen.api} tells open executions {dict(seen.open)} and owed deliveries {seen.owed}"


def _differences(true: Mapping[str, int], told: Mapping[str, float]) -> list[tuple[str, float]]:
    return [(what, told.get(what, 0)) for what in sorted(true.keys() | told.keys()) if told.get(what, 0) != true[what]]
