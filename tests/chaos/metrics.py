"""What the APIs tell by GET /metrics, during a run and after it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import requests

from tests.chaos.records import SeenMetrics
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
