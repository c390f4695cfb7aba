"""After a run: wait until all is over, then read what the API tells of it, and what is left on Engine and in Redis."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any

import requests
from pymongo import MongoClient

from tests.chaos.checks.resources import grown
from tests.chaos.farm import ChaosFarm
from tests.chaos.load import TASK
from tests.chaos.records import EVENTS, SeenExecution, SeenState, SentJob, instant
from tests.chaos.soak import Sample, sample

OVER = ("done", "failed", "timedout", "stopped", "expired", "lost")
LOOK_SECONDS = 0.5
KEYS = ("rq:job:*", "rq:queue:*", "rq:scheduler:jobrunner*", "rq:execution:*", "rq:executions:*")
NEVER = -1  # the time to live of a key that has none
LEFT_OVER_SECONDS = 20.0  # containers go, and registries are cleared, a little after the last execution has ended


def wait_until_settled(farm: ChaosFarm, seconds: float) -> float | None:
    """When every execution was over and nothing was owed any more; None: not in time."""
    deadline = time.time() + seconds
    with MongoClient[dict[str, Any]](farm.mongod.url) as client:
        while time.time() < deadline:
            if not _open(client[farm.name]):
                return time.time()
            time.sleep(LOOK_SECONDS)
    return None


def _open(database: Any) -> bool:
    owing = [{"state": {"$nin": OVER}}, {"owes_retry": True}, {"owed_deliveries.id": {"$exists": True}}]
    is_open = database["executions"].find_one({"$or": owing}) or database["deliveries"].find_one({"state": "owed"})
    return is_open is not None


def used_when_over(farm: ChaosFarm, at_first: Sample) -> Sample:
    """What the farm uses; looked at until it is not too much, in bounds: connections are closed a little later."""
    deadline = time.monotonic() + LEFT_OVER_SECONDS
    while any(grown(at_first, used := sample(farm))) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    return used


# ------------------------------------------------------------------------------------------------ what the API tells


class Reader:
    """Reads from one API that works: the faults are over."""

    def __init__(self, url: str) -> None:
        self._http, self._url = requests.Session(), url
        self._http.trust_env = False

    def executions(self, sent: Iterable[SentJob]) -> Iterator[SeenExecution]:
        """All executions of these jobs. (Of a job that is not there, there are none.)"""
        for job in sent:
            url: str | None = f"{self._url}/tasks/{TASK}/jobs/{job.id}/executions/"
            while url is not None:
                answer = self._get(url)
                page = {"items": [], "nextUrl": None} if answer.status_code == 404 else answer.json()
                for item in page["items"]:
                    yield self._execution(job.id, item["url"].rstrip("/"))
                url = page["nextUrl"]

    def nodes(self) -> list[dict[str, Any]]:
        """The nodes, as the API lists them."""
        items: list[dict[str, Any]] = self._get(f"{self._url}/nodes/").json()["items"]
        return items

    def place(self) -> str:
        """Where the farm's events go on from now."""
        url: str = self._get(f"{self._url}/events/?format=json").json()["nextUrl"]
        return url

    def told_from(self, place: str) -> Iterator[SeenState]:
        """The states that the farm's events tell from a place on, up to now."""
        has_next = True
        while has_next:
            page = self._get(place).json()
            for event in page["items"]:
                if event["type"] == "execution":
                    yield SeenState(instant(event["at"]) or 0.0, event["executionId"], event["to"], EVENTS)
            has_next, place = page["hasNext"], page["nextUrl"]

    def _get(self, url: str) -> requests.Response:
        answer = self._http.get(url, timeout=30)
        assert answer.status_code in (200, 404), answer.text
        return answer

    def _execution(self, job_id: str, url: str) -> SeenExecution:
        shown = self._get(f"{url}/").json()["execution"]
        deliveries = self._get(f"{url}/deliveries/").json()["items"]
        return SeenExecution(
            id=shown["executionId"],
            job_id=job_id,
            attempt=shown["attempt"],
            status=shown["status"],
            cause=shown["cause"],
            reason=shown["reason"],
            exit_code=shown["exitCode"],
            node=shown["node"],
            container_id=shown["metadata"]["container_id"],
            tick_at=instant(shown["tickAt"]),
            due_at=instant(shown["dueAt"]),
            created_at=instant(shown["createdAt"]) or 0.0,
            finished_at=instant(shown["finishedAt"]),
            started_at=instant(shown["startedAt"]),
            times={move["status"]: instant(move["at"]) or 0.0 for move in shown["history"]},
            retried_by=shown["retriedBy"],
            stdout=self._get(f"{url}/stdout/").content,
            stderr=self._get(f"{url}/stderr/").content,
            deliveries={delivery["event"]: delivery["state"] for delivery in deliveries},
        )


# --------------------------------------------------------------------------------------------------- what is left


def left_over(farm: ChaosFarm) -> list[str]:
    """Containers of the farm, what is in Redis for executions, and what is counted and reserved for them.

    Looked for until there is none, in bounds.
    """
    deadline = time.monotonic() + LEFT_OVER_SECONDS
    while (found := [look for looks in LOOKS for look in looks(farm)]) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    return found


def _containers(farm: ChaosFarm) -> list[str]:
    found = []
    for name in farm.engines.hosts:
        with closing(farm.engines.client(name)) as engine:
            found += engine.containers(all=True, filters=farm.labelled())
    return [f"container {container['Names'][0]} ({container['Status']})" for container in found]


def _in_redis(farm: ChaosFarm) -> list[str]:
    """Messages, lists in which they wait or are taken, and alarms, but for what will go by itself.

    That is what expires, and messages of which RQ believes that they run: workers forget those that nobody runs.
    """
    with farm.redis.client() as redis:
        believed = {member.split(b":")[0] for key in redis.scan_iter("rq:wip:*") for member in redis.zrange(key, 0, -1)}
        keys = [key for pattern in KEYS for key in redis.scan_iter(pattern) if redis.ttl(key) == NEVER]
        return [f"{key.decode()} in Redis" for key in keys if key.rsplit(b":", 1)[-1] not in believed]


def _lanes(farm: ChaosFarm) -> list[str]:
    with farm.redis.client() as redis:
        known = redis.hkeys(f"jobrunner:{farm.farm_id}:lanes")
        return [f"lane {lane.decode()} in Redis" for lane in known if redis.exists(lane)]


def _counted(farm: ChaosFarm) -> list[str]:
    """Executions that are still counted under a limit."""
    with MongoClient[dict[str, Any]](farm.mongod.url) as client:
        found = client[farm.name]["limits"].find({"holders.0": {"$exists": True}})
        return [f"{limit['holders']} counted under the limit {limit['_id']}" for limit in found]


def _reserved(farm: ChaosFarm) -> list[str]:
    """What of a node is reserved, or runs, though all has ended."""
    nodes = Reader(farm.urls[0]).nodes()
    return [
        f"{node['running']} running and {node['reserved']} reserved on node {node['name']}"
        for node in nodes
        if node["running"] or any(node["reserved"].values())
    ]


LOOKS = (_containers, _in_redis, _lanes, _counted, _reserved)
