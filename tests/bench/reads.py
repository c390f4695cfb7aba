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
METRICS = "/metrics"
# So late that no janitor removes anything of it while it is read.
BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(days=20)
ENDS = (State.DONE, State.DONE, State.DONE, State.FAILED, State.LOST)


def reads(farm: Farm, other: Farm, short: bool, many: int) -> Row:
    """The same reads of a farm with `many` executions and of one with FEW, a tenth as many jobs, in turns.

    Of each read, the time that a quarter of its tries have kept: what else the machine does is not to be measured.
    """
    _store(other, FEW)
    _store(farm, many)
    lots, few = _urls(many), _urls(FEW)
    seconds: dict[tuple[str, int], list[float]] = {(name, stored): [] for name in few for stored in (FEW, many)}
    for _ in range(5 if short else ROUNDS):
        for name in few:
            seconds[name, FEW].append(_seconds(other, few[name]))
            seconds[name, many].append(_seconds(farm, lots[name]))
    kept = {key: statistics.quantiles(values, n=4)[0] for key, values in seconds.items()}
    ratios = {name: kept[name, many] / kept[name, FEW] for name in few}
    worst = max(ratios, key=lambda name: ratios[name])
    middle = statistics.median(ratios.values())
    measured = (
        f"{ratios[worst]:.2f} times at worst ({worst}: {1000 * kept[worst, many]:.1f} ms), {middle:.2f} in the middle"
    )
    return Row(f"reads at {many:,} executions, over {FEW:,}", measured, "<= 1.5 times", ratios[worst] <= 1.5)


def _seconds(farm: Farm, path: str) -> float:
    began = time.monotonic()
    answer = farm.http.get(farm.url + path, timeout=60)
    seconds = time.monotonic() - began
    assert answer.status_code == 200, (path, answer.text)
    assert (
        answer.headers["Content-Type"].startswith("text/plain") if path == METRICS else answer.json().get("items", True)
    ), path
    return seconds


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
        "metrics": METRICS,
    }


def _store(farm: Farm, many: int) -> None:
    """So many executions, and their jobs and tasks, as the farm would have stored them."""
    with MongoClient(farm.environment["JOBRUNNER_MONGODB_URL"]) as client:
        database = client[farm.name]
        _insert(database["executions"], map(_execution, range(many)))
        _insert(database["jobs"], map(_job, range(-(-many // EXECUTIONS_PER_JOB))))
        _insert(database["tasks"], map(_task, range(TASKS)))


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
        "counted": True,
        **_common(job, at),
    }


def _job(number: int) -> dict[str, Any]:
    at = _at(number * EXECUTIONS_PER_JOB)
    counts = {"executions_count": EXECUTIONS_PER_JOB, "revision": 0}
    return {"_id": _id(-number - 1), "modified_at": at, **counts, **_common(number, at)}


def _task(number: int) -> dict[str, Any]:
    words = ["task", str(number)]
    return {"_id": f"task-{number}", "words": words, "jobs_count": 1, "created_at": BEGIN, "modified_at": BEGIN}


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
