"""What the API answers, and how soon: to one who asks, and to many at once."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import requests

from tests.overload.size import size
from tests.support.farm import Farm

PATIENCE_SECONDS = 30.0
# What is promised; and what the slowest of many may take. The short form runs while other tests have the machine.
REFUSED_WITHIN_SECONDS = size(3.0, 2.0)
LATE_SECONDS = size(8.0, 3.0)


@dataclass(frozen=True)
class Answer:
    """One answer, and how long it took."""

    status: int
    seconds: float
    headers: requests.structures.CaseInsensitiveDict[str]
    document: Any

    @property
    def faults(self) -> set[str]:
        """The fields that the errors of the answer name."""
        return {fault["field"] for fault in self.document.get("errors", ())}

    def is_clear_refusal(self, service: str) -> bool:
        """Whether it is a 503 that names the service, and says when to come again."""
        return (self.status, self.faults) == (503, {service}) and int(self.headers["Retry-After"]) > 0


def ask(farm: Farm, method: str, path: str, body: Any = None) -> Answer:
    """One request, on a connection of its own."""
    began = time.monotonic()
    with requests.Session() as session:
        session.trust_env = False
        answer = session.request(method, farm.url + path, json=body, timeout=PATIENCE_SECONDS)
    return Answer(answer.status_code, time.monotonic() - began, answer.headers, answer.json())


def post_job(farm: Farm, *command: str, task: str = "test", **spec: Any) -> Answer:
    """Post a job of the farm's image."""
    return ask(farm, "POST", f"/tasks/{task}/", {"image": farm.image, "command": list(command), **spec})


def ask_at_once(farm: Farm, requests_to_make: Iterable[tuple[str, str, Any]], clients: int) -> list[Answer]:
    """Many requests, (method, path, body) each, so many at a time."""
    with ThreadPoolExecutor(clients) as threads:
        return list(threads.map(lambda each: ask(farm, *each), requests_to_make))


def assert_soon(answers: Sequence[Answer]) -> None:
    """Half of them came within the time that is promised, and the slowest a little later at most."""
    seconds = sorted(answer.seconds for answer in answers)
    assert statistics.median(seconds) < REFUSED_WITHIN_SECONDS, seconds
    assert seconds[-1] < LATE_SECONDS, seconds
