"""The scheduler process on a real MongoDB and Redis: it rings on time, and another one takes over when it is killed."""

from __future__ import annotations

import ctypes
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import psutil
import pytest
from redis import Redis

from jobrunner.domain.executions import Execution
from jobrunner.domain.outcomes import Cause, Outcome
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State
from jobrunner.engine.cancel import stop_job
from jobrunner.engine.farm import Farm as EngineFarm
from jobrunner.engine.finish import close
from jobrunner.engine.move import move
from jobrunner.engine.submit import submit
from jobrunner.queueing import names
from jobrunner.queueing.rq_schedule import Leadership
from jobrunner.settings import load_settings
from jobrunner.store import connection
from jobrunner.wiring import Wiring
from tests.support.farm import END_SECONDS, Farm, wait_until
from tests.support.farm_leftovers import forget_in_redis
from tests.support.own_mongod import OwnMongod

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
    wired.close()
    connection.connect(wired.settings).drop_database(processes.name)
    connection.disconnect()


def start_scheduler(processes: Farm, name: str) -> None:
    process = processes.start(name, "scheduler")
    wait_until(lambda: process.poll() is None and "scheduler_ready" in processes.log(name), 30, "the scheduler is up")


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


@pytest.mark.timed
def test_what_is_due_is_enqueued_on_time_also_without_its_alarm(processes: Farm, wiring: Wiring) -> None:
    farm = wiring.farm
    start_scheduler(processes, "scheduler")
    ringing, silent = scheduled(farm, "1s"), scheduled(farm, "1s")
    farm.triggers.cancel(silent.id)
    assert ringing.due_at is not None
    late = enqueued_at(farm, ringing, 6) - ringing.due_at
    assert 0 <= late.total_seconds() < 1.5
    enqueued_at(farm, silent, 8)
    both = [ringing.id, silent.id]
    wait_until(lambda: all(farm.queue.has_message(both).values()), 30, "both have a message")


def test_one_of_two_schedulers_leads_and_the_other_takes_over_when_it_is_killed(
    processes: Farm, wiring: Wiring
) -> None:
    for name in ("first", "second"):
        start_scheduler(processes, name)
    leading = wait_until(lambda: leader(wiring.redis, wiring.farm_id), 30, "one leads")
    name = next(name for name, process in processes.processes.items() if leading.endswith(f"-{process.pid}"))
    killed_at = datetime.now(UTC)
    processes.end(name, signal.SIGKILL)
    execution = scheduled(wiring.farm, "1s")
    enqueued_at(wiring.farm, execution, Leadership.TTL_SECONDS + 5)
    assert leader(wiring.redis, wiring.farm_id) not in ("", leading)
    assert (datetime.now(UTC) - killed_at).total_seconds() < Leadership.TTL_SECONDS + 5


@pytest.mark.timed
def test_a_scheduler_that_is_told_to_end_gives_up_its_lead_at_once(processes: Farm, wiring: Wiring) -> None:
    start_scheduler(processes, "scheduler")
    wait_until(lambda: leader(wiring.redis, wiring.farm_id), 30, "it leads")
    assert processes.end("scheduler") < 4
    assert leader(wiring.redis, wiring.farm_id) == ""


def test_a_scheduler_ends_also_where_the_signal_comes_to_another_of_its_threads(processes: Farm) -> None:
    """The system may give a signal to any thread of a process, and does now and then."""
    start_scheduler(processes, "scheduler")
    process = processes.processes["scheduler"]
    another = next(thread.id for thread in psutil.Process(process.pid).threads() if thread.id != process.pid)
    assert ctypes.CDLL(None).tgkill(process.pid, another, signal.SIGTERM) == 0
    assert process.wait(END_SECONDS) == 0


@pytest.mark.timed
def test_a_scheduler_that_is_told_to_end_ends_in_time_also_while_mongodb_hangs(redis_url: str, tmp_path: Path) -> None:
    mongod = OwnMongod(tmp_path).start()
    farm_id = f"test-{uuid4().hex[:12]}"
    processes = Farm("hangs", mongod.url, redis_url, tmp_path, "busybox", farm_id=farm_id, handover_seconds=1)
    try:
        start_scheduler(processes, "scheduler")
        mongod.freeze()
        time.sleep(2)  # all that it does is asking MongoDB by now
        assert processes.end("scheduler") < 8  # and not a second for each of its twelve duties
    finally:
        mongod.kill()
        processes.end_all()
        with Redis.from_url(redis_url) as redis:
            forget_in_redis(redis, farm_id)


# ------------------------------------------------------------------------------------------------------------ crons


def cron(farm: EngineFarm, expression: str, **keys: object) -> str:
    """A cron job; its id."""
    return submit(farm, "task", JobSpec(image="busybox", cron=expression, **keys)).job.id


def enqueued(farm: EngineFarm, job_ids: list[str]) -> dict[str, list[datetime]]:
    """The instants of the ticks that were enqueued, of each job, the earliest first."""
    found: dict[str, list[datetime]] = defaultdict(list)
    for job_id in job_ids:
        for execution in farm.store.executions.page_of_job(job_id, 1, 1000):
            if execution.state is State.ENQUEUED and execution.tick_at is not None:
                found[job_id].append(execution.tick_at)
    return {job_id: sorted(instants) for job_id, instants in found.items()}


def messages(wiring: Wiring) -> Counter[bytes]:
    """How often each execution is on the queue."""
    return Counter(wiring.redis.lrange(f"rq:queue:{names.shared_queue(wiring.farm_id)}", 0, -1))


def wait_for_messages(wiring: Wiring, count: int) -> None:
    wait_until(lambda: len(messages(wiring)) >= count, 30, f"there are {count} messages")
    assert set(messages(wiring).values()) == {1}


def test_many_crons_of_one_instant_are_all_enqueued_once(processes: Farm, wiring: Wiring) -> None:
    farm, count = wiring.farm, 250
    start_scheduler(processes, "scheduler")
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=20)
    expression = f"{due.minute} {due.hour} * * * {due.second}"
    with ThreadPoolExecutor(8) as threads:
        job_ids = list(threads.map(lambda _: cron(farm, expression), range(count)))
    assert datetime.now(UTC) < due
    time.sleep((due - datetime.now(UTC)).total_seconds())
    wait_for_messages(wiring, count)
    assert enqueued(farm, job_ids) == {job_id: [due] for job_id in job_ids}
    assert farm.store.executions.count_scheduled() == count


def test_no_tick_is_lost_or_doubled_while_one_or_the_other_of_two_schedulers_is_killed(
    processes: Farm, wiring: Wiring
) -> None:
    farm, dice = wiring.farm, random.Random(7)
    for name in ("first", "second"):
        start_scheduler(processes, name)
    job_ids = [cron(farm, "* * * * * *") for _ in range(20)]
    for _ in range(4):
        time.sleep(dice.uniform(0.5, 3))
        name = dice.choice(["first", "second"])
        processes.end(name, signal.SIGKILL)
        time.sleep(dice.uniform(0, 1))
        start_scheduler(processes, name)
    last = datetime.now(UTC).replace(microsecond=0)
    for job_id in job_ids:
        wait_until(lambda job_id=job_id: enqueued(farm, [job_id]).get(job_id, [last])[-1] > last, 40, "they tick on")
    for job_id in job_ids:
        job = farm.store.jobs.get(job_id)
        assert job is not None
        farm.store.jobs.set_stopped(job_id, datetime.now(UTC))
    wait_until(lambda: farm.store.executions.count_scheduled() == 0, 30, "the crons have ended")
    found = enqueued(farm, job_ids)
    for instants in found.values():
        gaps = {b - a for a, b in zip(instants, instants[1:], strict=False)}  # noqa: RUF007
        assert gaps == {timedelta(seconds=1)}
    wait_for_messages(wiring, sum(map(len, found.values())))


def test_all_that_is_pending_comes_once_though_redis_has_lost_everything(processes: Farm, wiring: Wiring) -> None:
    farm = wiring.farm
    later = [
        scheduled(farm, "4s"),
        submit(farm, "task", JobSpec(image="busybox", start_at=time.time() + 4)).execution,
        waiting_retry(farm),
    ]
    job_id = cron(farm, "* * * * * */3")
    start_scheduler(processes, "scheduler")
    forget_in_redis(wiring.redis, wiring.farm_id)
    for execution in later:
        enqueued_at(farm, execution, 20)
    wait_until(lambda: len(enqueued(farm, [job_id]).get(job_id, [])) >= 3, 30, "the cron goes on")
    job = farm.store.jobs.get(job_id)
    assert job is not None
    farm.store.jobs.set_stopped(job_id, datetime.now(UTC))
    wait_until(lambda: farm.store.executions.count_scheduled() == 0, 30, "the cron has ended")
    instants = enqueued(farm, [job_id])[job_id]
    assert {b - a for a, b in zip(instants, instants[1:], strict=False)} == {timedelta(seconds=3)}  # noqa: RUF007
    wait_for_messages(wiring, len(instants) + len(later))


def waiting_retry(farm: EngineFarm) -> Execution:
    """The second attempt of a job whose first one has failed."""
    first = submit(farm, "task", JobSpec(image="busybox", retries=1)).execution
    farm.queue.withdraw(first.id)
    claimed = move(farm, first, State.PULLING)
    assert claimed is not None
    close(farm, claimed, Outcome(State.FAILED, Cause.EXIT_CODE, "exited with code 1", 1))
    (retry,) = [e for e in farm.store.executions.page_of_job(first.job_id, 1, 10) if e.attempt == 2]
    return retry


def test_a_stop_after_the_first_firing_ends_the_schedule(processes: Farm, wiring: Wiring) -> None:
    farm = wiring.farm
    start_scheduler(processes, "scheduler")
    job_id = cron(farm, "* * * * * *")
    wait_until(lambda: enqueued(farm, [job_id]), 30, "it has fired")
    job = farm.store.jobs.get(job_id)
    assert job is not None
    stop_job(farm, job)
    made = len(farm.store.executions.page_of_job(job_id, 1, 1000))
    time.sleep(3)  # three times its interval
    found = farm.store.executions.page_of_job(job_id, 1, 1000)
    assert {execution.state for execution in found} == {State.STOPPED}
    assert len(found) <= made + 1  # one that was being made is stopped, too


@pytest.mark.parametrize("overlap", ["skip", "replace"])
def test_ticks_that_may_not_overlap_never_do_though_schedulers_are_killed(
    processes: Farm, wiring: Wiring, overlap: str
) -> None:
    farm, dice = wiring.farm, random.Random(11)
    for name in ("first", "second"):
        start_scheduler(processes, name)
    job_ids = [cron(farm, "* * * * * *", overlap=overlap) for _ in range(5)]
    ended: Counter[str] = Counter()
    for _ in range(4):
        kill_at = time.monotonic() + dice.uniform(1, 2.5)
        while time.monotonic() < kill_at:
            run_as_a_node_does(farm, job_ids, ended)
        name = dice.choice(["first", "second"])
        processes.end(name, signal.SIGKILL)
        processes.start(name, "scheduler")
    deadline = time.monotonic() + 60
    before = ended.copy()
    while any(ended[job_id] < before[job_id] + 2 for job_id in job_ids):  # they tick on
        assert time.monotonic() < deadline
        run_as_a_node_does(farm, job_ids, ended)


def run_as_a_node_does(farm: EngineFarm, job_ids: list[str], ended: Counter[str]) -> None:
    """One step of a node that runs whatever is enqueued: what it finds enqueued begins, what has begun ends."""
    for job_id in job_ids:
        under_way = farm.store.executions.in_the_way(job_id, 10)
        assert len(under_way) <= 1
        for execution in under_way:
            if execution.state is State.ENQUEUED:
                move(farm, execution, State.PULLING, claim=execution.claim + 1, node="one")
            elif random.random() < 0.3 or execution.stop_requested_at is not None:
                ended[job_id] += close(farm, execution, Outcome(State.FAILED, Cause.EXIT_CODE)) is not None
