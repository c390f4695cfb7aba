"""The load: clients that send jobs of all kinds at a steady pace, read them, and note each answer."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import requests

from tests.chaos.jobs import KINDS, Kind
from tests.chaos.records import Answer, SeenState, SentJob

TASK = "chaos"
SUBMIT_SECONDS = 15  # how long a client waits for an answer: longer than any time limit of the API
READ_PAUSE_SECONDS = 0.2
CLIENTS = 2


class Load:
    """Sends jobs to several APIs in turn until it is told to end."""

    def __init__(self, urls: list[str], image: str, hook_url: str, seed: int, jobs_per_second: float) -> None:
        self._urls, self._image, self._hook_url = urls, image, hook_url
        self._pause = CLIENTS / jobs_per_second
        self._drawn = random.Random(seed)
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self.sent: list[SentJob] = []
        self.seen: list[SeenState] = []

    @contextmanager
    def going(self, crons: int) -> Iterator[None]:
        """Send the crons; then others, and read, while the block runs. Last, the crons are stopped."""
        for _ in range(crons):
            self._send(KINDS["cron"])
        works = [self._submit] * CLIENTS + [self._read]
        threads = [threading.Thread(target=work, name=work.__name__, daemon=True) for work in works]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            for thread in threads:
                thread.join(2 * SUBMIT_SECONDS)

    # ---- writing

    def _submit(self) -> None:
        kinds = list(KINDS.values())
        weights = [kind.weight for kind in kinds]
        while not self._stopping.wait(self._pause):
            with self._lock:
                (kind,) = self._drawn.choices(kinds, weights)
            self._send(kind)

    def _send(self, kind: Kind) -> None:
        with self._lock:
            job_id, url = str(UUID(int=self._drawn.getrandbits(128), version=4)), self._drawn.choice(self._urls)
        spec = kind.spec(job_id, self._image, f"{self._hook_url}/{job_id}")
        sent_at = time.time()
        try:
            answer = _session().put(f"{url}/tasks/{TASK}/jobs/{job_id}/", json=spec, timeout=SUBMIT_SECONDS)
            judged, said = judge(answer)
        except requests.RequestException as error:
            judged, said = Answer.BROKEN, type(error).__name__
        execution_id = answer.json()["executionId"] if judged is Answer.ACCEPTED else None
        sent = SentJob(job_id, kind.name, sent_at, time.time() - sent_at, judged, said, execution_id)
        with self._lock:
            self.sent.append(sent)

    def stop_crons(self, seconds: float) -> None:
        """Stop every cron, for good. Raises AssertionError where no API answers so in time."""
        for number, sent in enumerate(self.sent):
            if KINDS[sent.kind].is_cron:
                self.sent[number] = replace(sent, stopped_at=time.time())
                self._stop(sent.id, time.monotonic() + seconds)

    def _stop(self, job_id: str, deadline: float) -> None:
        while time.monotonic() < deadline:
            for url in self._urls:
                try:
                    path = f"{url}/tasks/{TASK}/jobs/{job_id}/stop/"
                    if _session().post(path, timeout=SUBMIT_SECONDS).status_code in (200, 404):
                        return
                except requests.RequestException:
                    time.sleep(READ_PAUSE_SECONDS)
        raise AssertionError("no API stops a cron")

    # ---- reading

    def _read(self) -> None:
        """Look at the states of executions as a client does, the newest and others."""
        while not self._stopping.wait(READ_PAUSE_SECONDS):
            with self._lock:
                url = self._drawn.choice(self._urls)
            try:
                answer = _session().get(f"{url}/executions/", timeout=SUBMIT_SECONDS)
                items: list[dict[str, Any]] = answer.json()["items"] if answer.status_code == 200 else []
            except requests.RequestException:
                continue
            now = time.time()
            self.seen += [SeenState(now, item["executionId"], item["status"], "API") for item in items]


def judge(answer: requests.Response) -> tuple[Answer, str]:
    """What an answer to a job means to its client, and what it said if it was no acceptance."""
    if answer.ok:
        return Answer.ACCEPTED, ""
    said = f"{answer.status_code} {answer.text[:200]}"
    is_clear = answer.status_code == 503 and "Retry-After" in answer.headers
    return Answer.REFUSED if is_clear else Answer.WRONG, said


_OF_THREAD = threading.local()


def _session() -> requests.Session:
    if not hasattr(_OF_THREAD, "session"):
        _OF_THREAD.session = requests.Session()
        _OF_THREAD.session.trust_env = False
    session: requests.Session = _OF_THREAD.session
    return session
