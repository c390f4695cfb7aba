"""The scheduler process on a real MongoDB and Redis: it rings on time, and another one takes over when it is killed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from redis import Redis

from jobrunner.domain.executions import Execution
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State
from jobrunner.engine.farm import Farm as EngineFarm
from jobrunner.engine.submit import submit
from jobrunner.queueing import names
from jobrunner.queueing.rq_schedule import Leadership
from jobrunner.settings import load_settings
from jobrunner.store import connection
from jobrunner.wiring import Wiring
from tests.support.farm import Farm, wait_until

pytestmark = pytest.mark.services


@pytest.fixture
def processes(mongodb_url: str, redis_url: str, database: str, tmp_path: Path) -> Iterator[Farm]:
    """A farm of schedulers only."""
    name = database.replace("-", "_")
    farm = Farm(name, mongodb_url, redis_url, tmp_path, "busybox", farm_id=f"test-{uuid4().hex[:12]}")
    yield farm
    farm.end_all()


@pytest.fixture
def wiring(processes: Farm) -> Iterator[Wiring]:
    """The same farm, as a process of it sees it."""
    wired = Wiring(load_settings(environ=processes.environment))
    yield wired
    for key in wired.redis.scan_iter(match=f"*{wired.farm_id}*", count=1000):
        wired.redis.delete(key)
    connection.connect(wired.settings).drop_database(processes.name)
    connection.disconnect()


def start_scheduler(processes: Farm, name: str) -> None:
    process = processes.start(name, "scheduler")
    wait_until(lambda: process.poll() is None and "scheduler_ready" in processes.log(name), 15, "the scheduler is up")


def leader(redis: Redis, farm_id: str) -> str:
    return (redis.get(names.leader_key(farm_id)) or b"").decode()


def scheduled(farm: EngineFarm, start_in: str) -> Execution:
    return submit(farm, "task", JobSpec(image="busybox", start_in=start_in)).execution


def enqueued_at(farm: EngineFarm, execution: Execution, seconds: float) -> datetime:
    """When it was enqueued, once it is."""

    def look() -> datetime | None:
        found = farm.store.executions.get(execution.id)
        return found.times.get(State.ENQUEUED) if found else None

    return wait_until(look, seconds, "the execution is enqueued")


def test_what_is_due_is_enqueued_on_time_also_without_its_alarm(processes: Farm, wiring: Wiring) -> None:
    farm = wiring.farm
    start_scheduler(processes, "scheduler")
    ringing, silent = scheduled(farm, "1s"), scheduled(farm, "1s")
    farm.triggers.cancel(silent.id)
    assert ringing.due_at is not None
    late = enqueued_at(farm, ringing, 6) - ringing.due_at
    assert 0 <= late.total_seconds() < 1.5
    enqueued_at(farm, silent, 8)
    assert farm.queue.has_message([ringing.id, silent.id]) == {ringing.id: True, silent.id: True}


def test_one_of_two_schedulers_leads_and_the_other_takes_over_when_it_is_killed(
    processes: Farm, wiring: Wiring
) -> None:
    for name in ("first", "second"):
        start_scheduler(processes, name)
    leading = wait_until(lambda: leader(wiring.redis, wiring.farm_id), 5, "one leads")
    name = next(name for name, process in processes.processes.items() if leading.endswith(f"-{process.pid}"))
    killed_at = datetime.now(UTC)
    processes.end(name, signal.SIGKILL)
    execution = scheduled(wiring.farm, "1s")
    enqueued_at(wiring.farm, execution, Leadership.TTL_SECONDS + 5)
    assert leader(wiring.redis, wiring.farm_id) not in ("", leading)
    assert (datetime.now(UTC) - killed_at).total_seconds() < Leadership.TTL_SECONDS + 5


def test_a_scheduler_that_is_told_to_end_gives_up_its_lead_at_once(processes: Farm, wiring: Wiring) -> None:
    start_scheduler(processes, "scheduler")
    wait_until(lambda: leader(wiring.redis, wiring.farm_id), 5, "it leads")
    assert processes.end("scheduler") < 4
    assert leader(wiring.redis, wiring.farm_id) == ""
