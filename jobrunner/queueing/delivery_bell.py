"""Say, and hear, that a delivery is due: a PUBLISH in Redis. Best effort: the deliverers look by themselves, too."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

from redis import Redis

from jobrunner.queueing import names
from jobrunner.queueing.connection import translating_errors

LISTEN_SECONDS = 1.0  # how long to wait for a ring before looking whether the process is to end


class DeliveryBell:
    """The bell of one farm."""

    def __init__(self, connection: Redis, farm_id: str) -> None:
        self._redis, self._channel = connection, names.delivery_channel(farm_id)

    def ring(self) -> None:
        """Wake every deliverer of the farm that listens. Raises QueueUnavailable."""
        with translating_errors():
            self._redis.publish(self._channel, "")

    def listen(self, heard: Callable[[], None], stopping: Event) -> None:
        """Call `heard` at each ring, until `stopping`. Raises QueueUnavailable; then listen again."""
        with translating_errors(), self._redis.pubsub(ignore_subscribe_messages=True) as subscription:
            subscription.subscribe(self._channel)
            while not stopping.is_set():
                if subscription.get_message(timeout=LISTEN_SECONDS) is not None:
                    heard()
