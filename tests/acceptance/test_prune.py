"""`jobrunner prune` on a database with a history."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from mongoengine.connection import get_db

from jobrunner.domain.executions import Execution, Job
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.ports.output_store import Chunk, Fragment, Stream
from jobrunner.domain.ports.store import Store
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State
from jobrunner.settings import Settings
from jobrunner.store import connection
from jobrunner.wiring import mongo_store
from tests.support.farm import Farm, wait_until
from tests.support.farm_maker import FarmMaker

pytestmark = pytest.mark.services


@pytest.fixture
def farm(make_farm: FarmMaker) -> Farm:
    """One of which no process runs."""
    return make_farm(execution_retention_days=90, output_retention_days=30)


@pytest.fixture
def store(farm: Farm, mongodb_url: str) -> Iterator[Store]:
    connection.connect(Settings(mongodb_url=mongodb_url, mongodb_database=farm.name))
    connection.ensure_indexes()
    yield mongo_store()
    connection.disconnect()


def with_history(store: Store, ages_days: list[float]) -> None:
    """A job with an execution of each age, which have all ended; each has written a line."""
    job_id, now = new_id(), datetime.now(UTC)
    store.jobs.add(Job(job_id, "task", JobSpec(image="a"), now, now, executions_count=len(ages_days)))
    ended_at = [now - timedelta(days=days) for days in ages_days]
    executions = [
        Execution(new_id(), job_id, "task", JobSpec(image="a"), State.DONE, at, finished_at=at, times={State.DONE: at})
        for at in ended_at
    ]
    store.executions.add_all(executions)
    for execution in executions:
        cursor = {Stream.STDOUT: 3, Stream.STDERR: 0}
        store.output.append(Chunk(execution.id, 0, (Fragment(Stream.STDOUT, b"hi\n"),), cursor, "writer"))


def prune(farm: Farm, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "jobrunner", "prune", *options]
    return subprocess.run(command, env=dict(farm.environment), capture_output=True, text=True, timeout=60, check=False)


def said(farm: Farm, *options: str) -> str:
    done = prune(farm, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def kept(store: Store) -> tuple[int, int]:
    """Of how many executions there is something, and of how many the output."""
    assert store is not None
    return get_db()["executions"].count_documents({}), get_db()["log_chunks"].count_documents({})


def test_by_the_rules_what_is_shown_goes_and_no_more(farm: Farm, store: Store) -> None:
    with_history(store, [200, 100, 50, 40, 10, 1])
    assert said(farm, "--dry-run") == "Would delete 2 executions and 4 outputs"
    assert kept(store) == (6, 6)
    assert said(farm) == "Deleted 2 executions and 4 outputs"
    assert kept(store) == (4, 2)
    assert said(farm) == "Deleted 0 executions and 0 outputs"


def test_by_an_age_of_the_operators_own(farm: Farm, store: Store) -> None:
    with_history(store, [20, 10, 5, 1])
    assert said(farm, "--older-than", "7d", "--dry-run") == "Would delete 2 executions and 0 outputs"
    assert said(farm, "--older-than", "7d") == "Deleted 2 executions and 0 outputs"
    assert kept(store) == (2, 2)
    assert said(farm, "--older-than", "12h", "--output-only") == "Deleted 0 executions and 2 outputs"
    assert kept(store) == (2, 0)


def test_the_last_execution_of_a_job_stays_whatever_its_age(farm: Farm, store: Store) -> None:
    with_history(store, [20, 10])
    assert said(farm, "--older-than", "1d") == "Deleted 1 executions and 0 outputs"
    assert kept(store) == (1, 1)


@pytest.mark.parametrize(
    ("options", "reason"), [(["--older-than", "soon"], "duration"), (["--output-only"], "--older-than")]
)
def test_what_cannot_be_meant_is_refused(farm: Farm, options: list[str], reason: str) -> None:
    refused = prune(farm, *options)
    assert refused.returncode == 2
    assert reason in refused.stderr


def test_an_interrupt_ends_it_between_two_executions_and_it_says_how_far_it_came(farm: Farm, store: Store) -> None:
    with_history(store, [100 + n / 100 for n in range(3000)])
    running = farm.start("prune", "prune")
    wait_until(lambda: kept(store)[1] < 2990, 30, "it has begun")
    running.send_signal(signal.SIGINT)
    assert running.wait(20) == 130
    assert "interrupted, there may be more" in farm.log("prune")
    executions, outputs = kept(store)
    assert (executions, outputs > 0) == (3000, True)
    assert get_db()["executions"].count_documents({"output_deleted_at": {"$exists": True}}) == 3000 - outputs
