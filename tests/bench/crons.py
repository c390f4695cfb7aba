"""Many cron jobs that are due in the same minute: how soon the executions of all of them are on the queue."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import requests
from pymongo import MongoClient
from pymongo.collection import Collection

from tests.bench.measures import Row
from tests.support.farm import Farm, wait_until

CLIENTS = 8
POSTS_A_SECOND = 60  # at least: how long before the minute the posting begins


def cron_rush(farm: Farm, short: bool) -> Row:
    """From the minute in which all are due until the last execution is enqueued, on a farm without a worker."""
    count = 500 if short else 10_000
    due = _minute_after(timedelta(seconds=count / POSTS_A_SECOND))
    _post(farm, count, f"{due.minute} {due.hour} * * *")
    posted_in_time = datetime.now(UTC) < due
    with MongoClient(farm.environment["JOBRUNNER_MONGODB_URL"], tz_aware=True) as client:
        executions = client[farm.name]["executions"]
        time.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds()))
        wait_until(lambda: executions.count_documents({"state": "enqueued"}) >= count, 300, "all are enqueued")
        time.sleep(2)  # one that comes twice would be there by then
        seconds = (_last_enqueued(executions) - due).total_seconds()
        doubled = executions.count_documents({"state": "enqueued"}) - len(executions.distinct("job_id"))
    queued = farm.http.get(f"{farm.url}/status/", timeout=30).json()["queues"]["jobs"]["length"]
    kept = posted_in_time and seconds <= 60 and doubled == 0 and queued == count
    measured = f"all enqueued after {seconds:.1f} s, {doubled} twice"
    return Row(f"{count} crons due in one minute", measured, "<= 60 s, none twice", kept)


def _minute_after(least: timedelta) -> datetime:
    return (datetime.now(UTC) + least + timedelta(minutes=1)).replace(second=0, microsecond=0)


def _post(farm: Farm, count: int, cron: str) -> None:
    body = {"image": farm.image, "command": "true", "cron": cron}

    def client(share: int) -> None:
        with requests.Session() as session:
            session.trust_env = False
            for _ in range(share):
                assert session.post(f"{farm.url}/tasks/bench-crons/", json=body, timeout=30).status_code == 200

    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(client, [count // CLIENTS + (n < count % CLIENTS) for n in range(CLIENTS)]))


def _last_enqueued(executions: Collection) -> datetime:
    last = executions.find_one({"state": "enqueued"}, sort=[("times.enqueued", -1)])
    assert last is not None
    enqueued: datetime = last["times"]["enqueued"]
    return enqueued
