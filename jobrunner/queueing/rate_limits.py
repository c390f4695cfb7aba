"""Count requests in Redis, over all processes of a farm, by the library `limits`.

Fails open: where Redis does not answer, requests pass. Keys are still asked for (they are in MongoDB), and that jobs
can be looked at and stopped while Redis is down is worth more than a count; nothing new is taken in then anyway.
"""

from __future__ import annotations

import functools
import time

import structlog
from limits import RateLimitItem, parse
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis import Redis
from redis.exceptions import RedisError

PAUSE_SECONDS = 5.0  # after Redis has not answered: no request waits for it meanwhile

log = structlog.get_logger(__name__)


class RedisRateLimiter:
    """The RateLimiter port."""

    def __init__(self, redis: Redis, farm_id: str) -> None:
        self._redis, self._farm_id = redis, farm_id
        self._asked_again_at = 0.0

    def wait_seconds(self, rate: str, who: str) -> float:
        """Count one request; 0: it may pass, else how long to wait. It may pass where Redis does not answer."""
        if time.monotonic() < self._asked_again_at:
            return 0.0
        try:
            return self._count(_item(rate), who)
        except RedisError as error:
            self._asked_again_at = time.monotonic() + PAUSE_SECONDS
            log.warning("rate_limits_not_counted", error=type(error).__name__, for_seconds=PAUSE_SECONDS)
            return 0.0

    def _count(self, item: RateLimitItem, who: str) -> float:
        if self._limiter.hit(item, self._farm_id, who):
            return 0.0
        reset_at = self._limiter.get_window_stats(item, self._farm_id, who).reset_time
        return max(reset_at - time.time(), 0.1)

    @functools.cached_property
    def _limiter(self) -> SlidingWindowCounterRateLimiter:
        # Made at the first use: it loads its scripts into Redis.
        pool = self._redis.connection_pool
        storage = RedisStorage("redis://", connection_pool=pool, key_prefix="jobrunner:rates")
        return SlidingWindowCounterRateLimiter(storage)


_item = functools.lru_cache(maxsize=64)(parse)
