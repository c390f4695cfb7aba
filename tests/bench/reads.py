"""What reading costs on a farm with a long history, against the same farm with a short one."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from pymongo import MongoClient

from jobrunner.domain.labels import label_terms
from jobrunner.domain.listing import Position
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State
from tests.bench.measures import Row
from tests.support.farm import Farm

FEW = 1000
EXECUTIONS_PER_JOB = 10
TASKS, NODES, COLORS = 10, 10, 10  # so few that FEW executions fill a page of each
BATCH = 5000
SCATTER = 2654435761  # odd: no id comes twice; ids are as scattered as random ones
ROUNDS = 41
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
ENDS = (State.DONE, State.DONE, State.DONE, State.FAILED, State.LOST)


def reads(farm: Farm, short: bool, many: int) -> Row:
    """The same reads at FEW executions and at `many`, with a tenth as many jobs: the worst of the ratios.

    Of each read, the time that a quarter of its tries have kept: what else the machine does is not to be measured.
    """
    with MongoClient(farm.environment["JOBRUNNER_MONGODB_URL"]) as client:
        database = client[farm.name]
        _store(database, 0, FEW)
        few = _seconds(farm, FEW, short)
        _store(database, FEW, many)
        lots = _seconds(farm, many, short)
    ratios = {name: lots[name] / few[name] for name in few}
    worst = max(ratios, key=lambda name: ratios[name])
    middle = statistics.median(ratios.values())
    measured = f"{ratios[worst]:.2f} times at worst ({worst}: {1000 * lots[worst]:.1f} ms), {middle:.2f} in the middle"
    return Row(f"reads at {many:,} executions, over {FEW:,}", measured, "<= 1.5 times", ratios[worst] <= 1.5)


def _seconds(farm: Farm, stored: int, short: bool) -> dict[str, float]:
    urls = _urls(stored)
    seconds: dict[str, list[float]] = {name: [] for name in urls}
    for _ in range(5 if short else ROUNDS):
        for name, url in urls.items():
            began = time.monotonic()
            answer = farm.http.get(farm.url + url, timeout=60)
            seconds[name].append(time.monotonic() - began)
            assert answer.status_code == 200, (url, answer.text)
            assert answer.json().get("items", True), url
    return {name: statistics.quantiles(values, n=4)[0] for name, values in seconds.items()}


def _urls(stored: int) -> dict[str, str]:
    """The reads, each under what it is about. All find enough for a page."""
    middle, deep = _at(stored // 2), Position(_at(100), _id(100))
    since_until = f"since={_at(100).timestamp():.0f}&until={_at(400).timestamp():.0f}"
    job = f"/tasks/task-{5 % TASKS}/jobs/{_id(-5 - 1)}"
    return {
        "executions": "/executions/",
        "the last executions": f"/executions/?after={deep}",
        "by status": "/executions/?status=failed,lost",
        "by task": "/executions/?task=task-7",
        "by task and status": "/executions/?task=task-7&status=done,running",
        "by node": "/executions/?node=node-3",
        "by label": "/executions/?label=color=red-3",
        "by label, node and status": "/executions/?label=color&node=node-3&status=done",
        "by time": f"/executions/?{since_until}",
        "by task and time": f"/executions/?task=task-7&until={middle.timestamp():.0f}",
        "job": f"{job}/",
        "executions of a job": f"{job}/executions/",
        "execution": f"{job}/executions/{_id(5 * EXECUTIONS_PER_JOB)}/",
        "jobs": "/jobs/",
        "jobs by label": "/jobs/?label=color=red-3",
        "jobs by task": "/jobs/?task=task-7",
        "tasks": "/tasks/",
        "search": "/search/?query=task+7",
        "status": "/status/",
    }


def _store(database: Any, begin: int, end: int) -> None:
    """Executions `begin` to `end`, and their jobs and tasks, as the farm would have stored them."""
    jobs = range(-(-begin // EXECUTIONS_PER_JOB), -(-end // EXECUTIONS_PER_JOB))
    _insert(database["executions"], map(_execution, range(begin, end)))
    _insert(database["jobs"], map(_job, jobs))
    for number in range(TASKS if begin == 0 else 0):
        task = {"_id": f"task-{number}", "words": ["task", str(number)], "jobs_count": 1}
        database["tasks"].insert_one({**task, "created_at": BEGIN, "modified_at": BEGIN})


def _insert(collection: Any, documents: Iterator[dict[str, Any]]) -> None:
    while batch := list(islice(documents, BATCH)):
        collection.insert_many(batch, ordered=False)


def _execution(number: int) -> dict[str, Any]:
    job, at, state = number // EXECUTIONS_PER_JOB, _at(number), ENDS[number // 3 % len(ENDS)]
    moves = ("enqueued", "pulling", "running", state.value)
    return {
        "_id": _id(number),
        "job_id": _id(-job - 1),
        "state": state.value,
        "attempt": 1,
        "claim": 1,
        "node": f"node-{number % NODES}",
        "timeout_seconds": 60.0,
        "stop_grace_seconds": 10.0,
        "started_at": at,
        "finished_at": at,
        "cause": "success" if state is State.DONE else "exit_code",
        "reason": "",
        "exit_code": 0,
        "oom_killed": False,
        "owes_retry": False,
        "times": dict.fromkeys(moves, at),
        **_common(job, at),
    }


def _job(number: int) -> dict[str, Any]:
    at = _at(number * EXECUTIONS_PER_JOB)
    counts = {"executions_count": EXECUTIONS_PER_JOB, "revision": 0}
    return {"_id": _id(-number - 1), "modified_at": at, **counts, **_common(number, at)}


def _common(job: int, at: datetime) -> dict[str, Any]:
    spec, terms = SPECS[job // 7 % COLORS]
    return {"task_id": f"task-{job % TASKS}", "created_at": at, "spec": spec, "labels": terms}


def _spec(labels: dict[str, str]) -> tuple[str, list[str]]:
    """A specification as it is stored, and the terms of its labels."""
    return JobSpec(image="busybox:1", command=("echo", "hi"), labels=labels).to_json(), label_terms(labels)


SPECS = [_spec({"color": f"red-{number}"}) for number in range(COLORS)]


def _id(number: int) -> str:
    return str(UUID(int=(number * SCATTER % 2**32) << 96, version=4))


def _at(number: int) -> datetime:
    return BEGIN + timedelta(seconds=number)
