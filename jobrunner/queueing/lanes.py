"""Lanes: where the messages of a farm wait, one list for each demand.

All executions in a lane need the same, may run on the same nodes, and have the same limits. So only the head of each
lane must be looked at to find what a node may take next, and what has to wait keeps nothing from going that has not.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

from redis import Redis
from redis.client import Pipeline
from rq import Queue
from rq.job import Job

from jobrunner.domain.placement import PLAIN, Demand, Priority
from jobrunner.queueing import names

# What is noted of a limit holds for so long, unless it is noted again: what was counted and not claimed, since a worker
# died in between, is forgotten, and blocks nobody for good. That a limit is kept nevertheless is up to the store.
LIMIT_SECONDS = 60

# Puts a message in a lane, and notes in it which list that was: the lane, and when that was begun.
# KEYS: the lane; the lanes; the message's hash. ARGV: its id; RPUSH or LPUSH; two fields of the hash; the demand.
_PUSH = """
local known = redis.call('HGET', KEYS[2], KEYS[1])
if not known then
  redis.call('DEL', KEYS[1]) -- a list that nobody knows of: all that is in it is held for lost, and comes again
end
if not known or redis.call('EXISTS', KEYS[1]) == 0 then
  local time = redis.call('TIME')
  known = time[1] .. '.' .. time[2] .. ' ' .. ARGV[5]
  redis.call('HSET', KEYS[2], KEYS[1], known)
end
redis.call('HSET', KEYS[3], ARGV[3], KEYS[1], ARGV[4], string.match(known, '^%S+'))
redis.call(ARGV[2], KEYS[1], ARGV[1])
"""


class Lane(Queue):
    """RQ's queue of the farm, whose messages wait in the list of one lane. (The plain one is RQ's own list.)"""

    def __init__(self, farm_id: str, demand: Demand, connection: Redis) -> None:
        super().__init__(names.shared_queue(farm_id), connection=connection)
        self.lane_key = self.key if demand == PLAIN else f"{self.key}:{demand.pool}:{demand.priority}:{demand.digest}"
        self._lanes, self._demand = names.lanes_key(farm_id), demand

    def push_job_id(self, job_id: str, pipeline: Pipeline | None = None, at_front: bool = False) -> None:
        """Put a message in the lane, and make the lane known to workers, and to RQ's tools as a queue."""
        assert pipeline is not None
        pipeline.sadd(Queue.redis_queues_keys, self.lane_key)
        keys = (self.lane_key, self._lanes, Job.key_for(job_id))
        push, fields = "LPUSH" if at_front else "RPUSH", (names.LANE, names.LANE_BEGUN)
        pipeline.eval(_PUSH, len(keys), *keys, job_id, push, *fields, self._demand.to_json())


def open_plain_lane(connection: Redis, farm_id: str) -> None:
    """Make the plain lane known: what waits in RQ's own list, from before there were lanes, is taken too."""
    plain = Lane(farm_id, PLAIN, connection)
    connection.hsetnx(names.lanes_key(farm_id), plain.lane_key, f"0 {PLAIN.to_json()}")


class KnownLane(NamedTuple):
    """A lane in which something waits, or waited a moment ago."""

    key: str
    pool: str
    priority: Priority


def known_lanes(connection: Redis, farm_id: str) -> list[KnownLane]:
    """All of them."""
    found: Any = connection.hgetall(names.lanes_key(farm_id))
    demands = {key.decode(): json.loads(known.split(b" ", 1)[1]) for key, known in found.items()}
    return [KnownLane(key, demand["pool"], Priority(demand["priority"])) for key, demand in demands.items()]


def oldest_waiting(connection: Redis, farm_id: str) -> dict[tuple[str, Priority], datetime]:
    """Since when the first message of each pool and priority waits, of the messages at the heads of the lanes."""
    lanes = known_lanes(connection, farm_id)
    with connection.pipeline(transaction=False) as pipeline:
        for lane in lanes:
            pipeline.lindex(lane.key, 0)
        waiting = [(lane, head.decode()) for lane, head in zip(lanes, pipeline.execute(), strict=True) if head]
        for _, head in waiting:
            pipeline.hget(Job.key_for(head), names.WAITING_SINCE)
        stamps = pipeline.execute()
    oldest: dict[tuple[str, Priority], datetime] = {}
    for (lane, _), stamp in zip(waiting, stamps, strict=True):
        if stamp is not None:
            since = datetime.fromtimestamp(int(stamp) / 1000, UTC)
            oldest[lane.pool, lane.priority] = min(since, oldest.get((lane.pool, lane.priority), since))
    return oldest


def describe_node(
    *,
    name: str,
    pools: tuple[str, ...],
    labels: dict[str, str],
    step_seconds: float,
    room_wait_seconds: float,
    volumes: tuple[str, ...] = (),
) -> str:
    """What the script that takes messages has to know of a node."""
    return json.dumps(
        {
            "name": name,
            "pools": dict.fromkeys(pools, True),
            "labels": labels or {"": ""},  # an empty table of Lua could be a list
            "volumes": dict.fromkeys(volumes, True),
            "step_ms": step_seconds * 1000,
            "room_wait_ms": room_wait_seconds * 1000,
        }
    )
