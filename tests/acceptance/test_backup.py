"""A backup of a farm that works; its database and its Redis are lost; the farm goes on from the backup."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from redis import Redis

from tests.support.farm import Farm, wait_until
from tests.support.farm_leftovers import forget_in_redis, remove_containers
from tests.support.farm_maker import FarmMaker

pytestmark = pytest.mark.services


def command(farm: Farm, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jobrunner", *words],
        env={**farm.environment, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def lose_everything(farm: Farm, mongodb_url: str, redis_url: str) -> None:
    """The farm's database, its containers, and what it has in Redis: the messages of executions, all by its name."""
    farm_id = farm.environment["JOBRUNNER_FARM_ID"]
    remove_containers(farm_id)
    with MongoClient(mongodb_url) as client, Redis.from_url(redis_url) as redis:
        forget_in_redis(redis, farm_id)
        client.drop_database(farm.name)


def newest(farm: Farm, accepted: dict[str, Any]) -> dict[str, Any]:
    execution: dict[str, Any] = farm.http.get(accepted["jobUrl"], timeout=10).json()["job"]["executions"][0]
    return execution


def test_a_farm_goes_on_from_a_backup_made_while_it_worked(
    make_farm: FarmMaker, mongodb_url: str, redis_url: str, tmp_path: Path
) -> None:
    farm = make_farm(slots=2)
    farm.start_all("one")
    ended = farm.post_job("echo", "kept", envs={"DB_PASSWORD": "hunter2"})
    farm.wait_for_end(ended)
    uploaded = farm.http.post(f"{farm.url}/files/", data=bytes(3_000_000), timeout=20).json()
    inputs = [{"file": uploaded["fileId"], "path": "/in"}]
    with_files = farm.post_job("cp", "/in", "/out", inputs=inputs, outputs=["/out"])
    farm.wait_for_end(with_files)
    later = farm.post_job("echo", "later", startIn="2s")
    long = farm.post_job("sleep", "600", retries=1)
    farm.wait_for_status(long, "running")
    waiting = [farm.post_job("echo", str(number), retries=1) for number in range(10)]

    file = tmp_path / "farm.backup"
    made = command(farm, "backup", str(file))
    assert made.returncode == 0, made.stderr
    assert file.stat().st_mode & 0o077 == 0  # it holds the secrets of jobs
    farm.end_all()
    lose_everything(farm, mongodb_url, redis_url)

    restored = command(farm, "restore", str(file))
    assert restored.returncode == 0, restored.stderr
    farm.start_all("one")
    assert farm.output(ended, "stdout") == b"kept\n"
    for url in (uploaded["url"], f"{with_files['executionUrl']}/outputs/out"):
        assert farm.http.get(url, timeout=20).content == bytes(3_000_000)
    assert farm.wait_for_end(long)["status"] == "lost"  # its container is gone; it is tried again
    wait_until(lambda: newest(farm, long)["status"] == "running", 30, "the lost one is tried again")
    for number, accepted in enumerate(waiting):  # one of them may have been running, and so be lost
        wait_until(lambda: newest(farm, accepted)["status"] == "done", 30, "what had not ended is run")  # noqa: B023
        assert newest(farm, accepted)["log"] == f"{number}\n"
    wait_until(lambda: newest(farm, later)["status"] == "done", 30, "what was scheduled comes")


def test_a_restore_into_a_database_that_is_not_empty_is_refused(farm: Farm, tmp_path: Path) -> None:
    file = tmp_path / "farm.backup"
    assert command(farm, "backup", str(file)).returncode == 0
    refused = command(farm, "restore", str(file))
    assert refused.returncode == 1
    assert "not empty" in refused.stderr


def cut_short(file: Path) -> None:
    whole = gzip.decompress(file.read_bytes())
    file.write_bytes(gzip.compress(whole[: len(whole) // 2]))


def lose_the_end(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def be_something_else(file: Path) -> None:
    file.write_bytes(b"hello")


@pytest.mark.parametrize("damage", [cut_short, lose_the_end, be_something_else])
def test_a_damaged_backup_is_refused_in_words(
    farm: Farm, make_farm: FarmMaker, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    file = tmp_path / "farm.backup"
    assert command(farm, "backup", str(file)).returncode == 0
    damage(file)
    refused = command(make_farm(), "restore", str(file))
    assert refused.returncode == 1
    assert "cannot be restored" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_no_unfinished_backup_is_left_where_mongodb_does_not_answer(farm: Farm, tmp_path: Path) -> None:
    nowhere = {"JOBRUNNER_MONGODB_URL": "mongodb://127.0.0.1:9/", "JOBRUNNER_MONGODB_TIMEOUT_SECONDS": "0.5"}
    assert command(farm, "backup", str(tmp_path / "farm.backup"), **nowhere).returncode == 1
    assert list(tmp_path.iterdir()) == []
