"""The disk of MongoDB, or that of an Engine, is full: it is told, nothing accepted is lost, and it goes on."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.chaos.own_engine import OwnEngine
from tests.overload.answers import Answer, ask, post_job
from tests.overload.conftest import START_FARM
from tests.support.farm import Farm, wait_until
from tests.support.images import ensure_test_image
from tests.support.own_mongod import OwnMongod
from tests.support.small_disk import SmallDisk, small_disk

pytestmark = pytest.mark.services

MB = 1_000_000
MONGOD_DISK_MB, ENGINE_DISK_MB = 500, 150
LEFT_BYTES = 2 * MB
MOST_POSTS = 400
# What no database can compress, and a program can still be given: one string has less than 128 KiB.
BULK = {f"BULK_{number}": base64.b64encode(os.urandom(90_000)).decode() for number in range(3)}
# What is written reaches the files of the data within a second, and the journal has no room of its own.
SOON_ON_DISK = ("--syncdelay", "1", "--wiredTigerEngineConfigString", "log=(file_max=1MB,prealloc=false)")
KEEP_SECONDS = 0.5
END_SECONDS = 60
NO_NETWORK = {"container": {"networkMode": "none"}}


@pytest.fixture
def disk_of_mongod(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path, MONGOD_DISK_MB) as disk:
        yield disk


@pytest.fixture
def mongod_of_disk(disk_of_mongod: SmallDisk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnMongod]:
    """It is started again whenever it ends, as by an init system."""
    log = tmp_path_factory.mktemp("log") / "mongod.log"
    mongod, over = OwnMongod(disk_of_mongod.path, *SOON_ON_DISK, log=log).start(), threading.Event()

    def keep() -> None:
        while not over.wait(KEEP_SECONDS):
            mongod.start_again_if_it_has_ended()

    keeper = threading.Thread(target=keep, name="keeper")
    keeper.start()
    yield mongod
    over.set()
    keeper.join()
    mongod.kill()


def post_until_refused(farm: Farm) -> list[dict[str, Any]]:
    """Jobs with a lot to store, until one is refused; those that were accepted."""
    accepted: list[dict[str, Any]] = []
    for _ in range(MOST_POSTS):
        answer = post_job(farm, "true", envs=BULK)
        if answer.status != 200:
            assert answer.is_clear_refusal("mongo"), answer.document
            return accepted
        accepted.append(answer.document)
    raise AssertionError("the disk was not full")


def test_what_was_accepted_outlives_a_full_disk_of_mongod(
    start_farm: START_FARM, disk_of_mongod: SmallDisk, mongod_of_disk: OwnMongod
) -> None:
    farm = start_farm("one", mongodb_url=mongod_of_disk.url)
    disk_of_mongod.fill(LEFT_BYTES)
    accepted = post_until_refused(farm)
    disk_of_mongod.fill()
    assert post_job(farm, "true", envs=BULK).is_clear_refusal("mongo")
    disk_of_mongod.make_room()
    for each in accepted:
        path = f"/executions/{each['executionId']}/"
        wait_until(lambda path=path: is_done(ask(farm, "GET", path)), END_SECONDS, f"{path} is done")
    farm.wait_for_status(farm.post_job("true"), "done")


def is_done(answer: Answer) -> bool:
    """Not yet, while MongoDB comes back; never, if it has lost the execution."""
    if answer.status == 200:
        return answer.document["execution"]["status"] == "done"
    assert answer.is_clear_refusal("mongo"), answer.document
    return False


@pytest.fixture
def disk_of_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    path = tmp_path_factory.mktemp("e")  # short: the names of its sockets have a longest length
    with small_disk(path, ENGINE_DISK_MB) as disk:
        yield disk


@pytest.fixture
def engine(disk_of_engine: SmallDisk) -> Iterator[OwnEngine]:
    engine = OwnEngine(disk_of_engine.path).start()
    yield engine
    engine.close()


def test_a_full_disk_of_an_engine_is_the_reason_that_is_told_and_leaves_nothing_behind(
    start_farm: START_FARM, disk_of_engine: SmallDisk, engine: OwnEngine
) -> None:
    ensure_test_image(engine.host)
    farm = start_farm("one", docker_host=engine.host)
    goes_on = farm.post_job("sh", "-c", "echo up; while [ ! -e /tmp/end ]; do sleep 0.2; done", **NO_NETWORK)
    wait_until(lambda: farm.output(goes_on, "stdout"), END_SECONDS, "its container runs")
    disk_of_engine.fill()
    failed = farm.wait_for_end(farm.post_job("true", **NO_NETWORK))
    assert (failed["status"], failed["cause"]) == ("failed", "engine_disk_full")
    assert failed["error"].startswith("the disk of the node's Engine is full")
    waiting = [farm.post_job("true", **NO_NETWORK) for _ in range(3)]
    assert farm.execution(goes_on)["status"] == "running"
    disk_of_engine.make_room()
    for job in waiting:  # they have not failed, too, one after the other
        assert farm.wait_for_end(job, seconds=END_SECONDS)["status"] == "done"
    stop = farm.http.post(f"{goes_on['executionUrl']}/stop/", timeout=10)
    assert stop.status_code == 200
    farm.wait_for_end(goes_on)
    farm.end("one")
    client = docker.DockerClient(engine.host, timeout=30)
    assert client.containers.list(all=True, ignore_removed=True) == []
    client.close()
