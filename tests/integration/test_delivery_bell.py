"""The bell that wakes those who make deliveries, on a real Redis."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from redis import Redis

from jobrunner.errors import QueueUnavailable
from jobrunner.queueing import names
from jobrunner.queueing.delivery_bell import DeliveryBell
from tests.support.farm import free_port, wait_until

pytestmark = pytest.mark.services


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, socket_timeout=2) as connection:
        yield connection


@contextmanager
def listening(redis: Redis, farm_id: str) -> Iterator[threading.Event]:
    """What is set when the bell of a farm is heard; the listener must end when it is told to."""
    heard, stopping = threading.Event(), threading.Event()
    listener = threading.Thread(target=DeliveryBell(redis, farm_id).listen, args=(heard.set, stopping))
    listener.start()
    channel = names.delivery_channel(farm_id)
    wait_until(lambda: redis.pubsub_numsub(channel)[0][1], 30, "it listens")
    try:
        yield heard
    finally:
        stopping.set()
        listener.join(3)
    assert not listener.is_alive()


@pytest.mark.timed
def test_a_ring_is_heard_at_once(redis: Redis) -> None:
    farm_id = f"test-{uuid4().hex[:12]}"
    with listening(redis, farm_id) as heard:
        began = time.monotonic()
        DeliveryBell(redis, farm_id).ring()
        assert heard.wait(2)
        assert time.monotonic() - began < 0.5


def test_the_bell_of_another_farm_is_not_heard(redis: Redis) -> None:
    farm_id = f"test-{uuid4().hex[:12]}"
    with listening(redis, farm_id) as heard:
        DeliveryBell(redis, f"not-{farm_id}").ring()
        assert not heard.wait(0.3)


def test_without_redis_both_say_so() -> None:
    with Redis(port=free_port(), socket_connect_timeout=1) as connection:
        bell = DeliveryBell(connection, "a-farm")
        with pytest.raises(QueueUnavailable):
            bell.ring()
        with pytest.raises(QueueUnavailable):
            bell.listen(lambda: None, threading.Event())
