"""Far more jobs than the farm can run, posted as fast as they are taken in while no worker is up; then one is."""

from __future__ import annotations

import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from jobrunner.engine.janitors.requeue import SETTLE_SECONDS
from tests.overload.answers import ask
from tests.overload.conftest import START_FARM
from tests.overload.memory import memory_bytes
from tests.overload.size import size
from tests.support.farm import Farm, wait_until
from tests.support.own_redis import OwnRedis

pytestmark = pytest.mark.services

CLIENTS = 8
JOBS = size(400, 20_000)
# Which percentile is to stay: of a few hundred answers the slowest tell of other tests on the machine.
JUDGED = size(50, 99)
EARLY = JOBS // 10  # memory is compared from here on: what a process needs once, it has by then
RUN = size(8, 200)  # how many the worker is let run; of the rest it is seen that all can be stopped
SLOTS = 4
MOST_GROWTH_BYTES = 15_000_000
MOST_REDIS_BYTES_OF_A_JOB = 3000
END_SECONDS = size(120, 1800)
LOOK_SECONDS = 5.0  # for the farm to tell of itself, on a machine that is busy
ENDED = {"status": "done,failed,timedout,stopped,expired,lost"}
UNDER_WAY = {"status": "enqueued,pulling,running"}


@dataclass
class Flood:
    """What the clients have sent, and what came of it."""

    farm: Farm
    accepted: list[str] = field(default_factory=list)  # ids of executions, in the order in which they were answered
    seconds: list[float] = field(default_factory=list)  # of each answer 200
    refusals: int = 0
    early_memory: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def post(self, count: int) -> None:
        """One client: as fast as it is answered. One that is refused comes again when it was told to."""
        body = {"image": self.farm.image, "command": "true"}
        with requests.Session() as session:
            session.trust_env = False
            for _ in range(count):
                while not self._try(session, body):
                    pass

    def _try(self, session: requests.Session, body: dict[str, Any]) -> bool:
        began = time.monotonic()
        answer = session.post(f"{self.farm.url}/tasks/flood/", json=body, timeout=30)
        with self._lock:
            if answer.status_code == 200:
                self.seconds.append(time.monotonic() - began)
                self.accepted.append(answer.json()["executionId"])
                if len(self.accepted) == EARLY:
                    self.early_memory = api_memory(self.farm)
                return True
            self.refusals += 1
        assert answer.status_code == 503, answer.text
        time.sleep(int(answer.headers["Retry-After"]))
        return False

    def percentile(self, number: int, quarter: int) -> float:
        """Of the answers of a quarter of the flood, in seconds."""
        part = len(self.seconds) // 4
        return statistics.quantiles(self.seconds[quarter * part : (quarter + 1) * part], n=100)[number - 1]


def api_memory(farm: Farm) -> int:
    return memory_bytes(farm.processes["api"].pid)


def listed(farm: Farm, **chosen: str) -> list[dict[str, Any]]:
    """All executions of the flood, or those of some states, the newest first."""
    url, query = f"{farm.url}/executions/", {"task": "flood", **chosen}
    items: list[dict[str, Any]] = []
    while url:
        page = farm.http.get(url, params=query, timeout=60).json()
        items += page["items"]
        url, query = page["nextUrl"], {}
    return items


def stop(farm: Farm, execution: dict[str, Any]) -> None:
    answer = ask(farm, "POST", execution["url"].removeprefix(farm.url) + "/stop/")
    assert answer.status == 200, answer.document


def test_a_flood_is_taken_in_evenly_kept_and_run_in_order_of_age(start_farm: START_FARM, redis: OwnRedis) -> None:
    farm = start_farm(page_size=1000, slots=SLOTS)
    flood, redis_before = Flood(farm), used_memory(redis)
    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(flood.post, [JOBS // CLIENTS] * CLIENTS))
    growth = api_memory(farm) - flood.early_memory
    print(
        f"{JOBS} jobs: {JOBS / sum(flood.seconds) * CLIENTS:.0f}/s, {flood.refusals} refused; p99 "
        f"{[round(1000 * flood.percentile(99, quarter)) for quarter in range(4)]} ms by quarters; "
        f"the API grew by {growth / 1e6:.1f} MB"
    )
    assert growth < MOST_GROWTH_BYTES
    assert flood.percentile(JUDGED, 3) < 3 * flood.percentile(JUDGED, 0) + 0.1
    assert_kept_in_bounds(flood, redis, redis_before)
    runs_the_oldest_first(flood)
    assert_all_end(flood)


def used_memory(redis: OwnRedis) -> int:
    with redis.client() as client:
        return int(client.info("memory")["used_memory"])


def assert_kept_in_bounds(flood: Flood, redis: OwnRedis, redis_before: int) -> None:
    """All of them wait, once each, and the farm can tell of itself as soon as ever.

    What was refused may be there, too: a 503 promises nothing.
    """
    farm = flood.farm
    waiting = {item["executionId"] for item in listed(farm)}
    assert waiting >= set(flood.accepted)
    assert JOBS == len(set(flood.accepted)) <= len(waiting) <= JOBS + flood.refusals
    for path in ("/status/", "/executions/?task=flood", "/tasks/flood/", "/healthcheck/"):
        answer = ask(farm, "GET", path)
        assert (answer.status, answer.seconds < LOOK_SECONDS) == (200, True), (path, answer.seconds)
    queues = ask(farm, "GET", "/status/").document["queues"]
    assert sum(queue["length"] for queue in queues.values()) == len(waiting), queues
    assert (used_memory(redis) - redis_before) / JOBS < MOST_REDIS_BYTES_OF_A_JOB
    # No message was taken for lost, but of what was refused after it was stored, or was very slow to be sent.
    slow = sum(seconds > SETTLE_SECONDS / 2 for seconds in flood.seconds)
    assert farm.log("scheduler").count('"janitor": "requeue"') <= flood.refusals + slow


def runs_the_oldest_first(flood: Flood) -> None:
    """Start a worker, let it run some, and see that these were those that had waited for longest."""
    farm, began = flood.farm, time.monotonic()
    farm.start_worker("one")
    wait_until(lambda: len(listed(farm, **ENDED)) >= RUN, END_SECONDS, f"{RUN} have run")
    print(f"{RUN / (time.monotonic() - began):.1f} jobs/s of the backlog, from the start of the worker")
    place = {execution_id: number for number, execution_id in enumerate(flood.accepted)}
    taken = [item["executionId"] for item in listed(farm) if item["status"] != "enqueued"]
    # Those that were posted at the same moment may have been answered in another order.
    assert max(place.get(execution_id, 0) for execution_id in taken) < len(taken) + CLIENTS


def assert_all_end(flood: Flood) -> None:
    """Stop what is left, as many at once as they were posted."""
    farm = flood.farm
    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(lambda item: stop(farm, item), listed(farm, **UNDER_WAY)))
    wait_until(lambda: not listed(farm, **UNDER_WAY), END_SECONDS, "all are over")
    ended = {item["executionId"]: item["status"] for item in listed(farm)}
    assert ended.keys() >= set(flood.accepted)
    assert set(ended.values()) <= {"done", "stopped"}
    farm.wait_for_status(farm.post_job("true"), "done")
