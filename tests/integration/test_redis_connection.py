"""Connecting to Redis: the forms of its URL, time limits, and Sentinels."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobrunner.errors import QueueUnavailable, SettingsError
from jobrunner.queueing.connection import connect, translating_errors
from jobrunner.queueing.rq_queue import RqQueue
from jobrunner.settings import Settings
from tests.support.farm import wait_until
from tests.support.own_redis import OwnRedis, OwnSentinel

TIMEOUT_SECONDS = 0.5


def settings(url: str) -> Settings:
    return Settings(redis_url=url, redis_timeout_seconds=TIMEOUT_SECONDS)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OwnRedis]:
    server = OwnRedis(tmp_path).start()
    yield server
    server.kill()


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:6379",
        "http://127.0.0.1/",
        "redis://:hunter2/with-a-slash@127.0.0.1:6379/0",
        "redis://:hunter2@127.0.0.1:port/0",
        "redis+sentinel://:hunter2@127.0.0.1:26379",
        "redis+sentinel:///farm",
        "redis+sentinel://:hunter2@/farm",
        "redis+sentinel://:hunter2@127.0.0.1:26379/farm/first",
    ],
)
def test_a_url_that_cannot_be_used_is_a_setting_at_fault_and_no_secret_is_told(url: str) -> None:
    with pytest.raises(SettingsError, match="redis_url cannot be used") as caught:
        connect(settings(url))
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.services
def test_a_plain_url_with_a_database(server: OwnRedis) -> None:
    with connect(settings(server.url.replace("/0", "/3"))) as client:
        client.set("here", "x")
    with server.client() as other:
        assert other.get("here") is None
        other.select(3)
        assert other.get("here") == b"x"


@pytest.mark.services
@pytest.mark.timed
def test_a_server_that_hangs_is_unavailable_within_the_time_limit(server: OwnRedis) -> None:
    queue = RqQueue(connect(settings(server.url)), "f")
    queue.check()
    server.freeze()
    since = time.monotonic()
    with pytest.raises(QueueUnavailable):
        queue.check()
    assert time.monotonic() - since < 3 * TIMEOUT_SECONDS
    server.thaw()
    wait_until(lambda: queue.check() is None, 30, "it answers again")


@pytest.mark.services
def test_a_server_that_was_restarted_is_connected_to_again_without_a_failure(server: OwnRedis) -> None:
    with connect(settings(server.url)) as client:
        client.ping()
        server.kill()
        server.start()
        assert client.ping()


@pytest.mark.services
def test_a_password_that_is_wrong_is_unavailable_and_not_told(tmp_path: Path) -> None:
    server = OwnRedis(tmp_path).start()
    with server.client() as client:
        client.config_set("requirepass", "right")
    try:
        with connect(settings(f"redis://:right@127.0.0.1:{server.port}/0")) as client:
            assert client.ping()
        with (
            pytest.raises(QueueUnavailable) as caught,
            connect(settings(f"redis://:hunter2@127.0.0.1:{server.port}/0")) as client,
            translating_errors(),
        ):
            client.ping()
        assert "hunter2" not in str(caught.value)
        assert caught.value.is_refusal
    finally:
        server.kill()


@pytest.mark.services
def test_through_sentinels_the_present_master_is_used(tmp_path: Path) -> None:
    master = OwnRedis(tmp_path).start()
    replica = OwnRedis(tmp_path, "--replicaof", "127.0.0.1", str(master.port)).start()
    sentinel = OwnSentinel(tmp_path, master).start()
    try:
        url = f"redis+sentinel://127.0.0.1:9,127.0.0.1:{sentinel.port}/farm/2"  # the first one is not there
        client = connect(settings(url))
        client.set("here", "x")
        with master.client() as direct:
            direct.select(2)
            assert direct.get("here") == b"x"
        assert client.wait(1, 5000) == 1, "the replica has it"
        with sentinel.client() as asked:
            wait_until(lambda: asked.execute_command("SENTINEL", "replicas", "farm"), 30, "the replica is known")
        master.kill()
        queue = RqQueue(client, "f")
        wait_until(lambda: _answers(queue), 30, "the replica has taken its place")
        assert client.get("here") == b"x"
    finally:
        for server in (sentinel, replica, master):
            server.kill()


def _answers(queue: RqQueue) -> bool:
    try:
        queue.check()
        return queue.push("5a023792-1445-44e9-8a8b-cfe5ad05d1c6") != ""
    except QueueUnavailable:
        return False
