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

# Puts a message in a lane, and notes in it which list that was: the lane, and when that was begun. It has its place by
# how long its execution has waited, and not by when it comes: Redis may have lost it, and have others that came since.
# A lane stands in the order of its priority by the age of its head, or by a greater one: who takes corrects that when
# he comes to it.
# KEYS: the lane; the lanes; the message's hash; the order. ARGV: its id; RPUSH or LPUSH; two fields of the hash; the
# demand; the field that says since when its execution waits; the prefix of a message's hash.
_PUSH = """
local function waits_since(place)
  local id = redis.call('LINDEX', KEYS[1], place)
  return tonumber(redis.call('HGET', ARGV[7] .. id, ARGV[6]) or 0) -- what was withdrawn is about to go
end

-- How many are before it: those that have waited for as long, or longer.
local function place_by_age(since)
  local low, high = 0, redis.call('LLEN', KEYS[1])
  if high == 0 or waits_since(-1) <= since then return high end
  while low < high do
    local middle = math.floor((low + high) / 2)
    if waits_since(middle) <= since then low = middle + 1 else high = middle end
  end
  return low
end

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
local since = tonumber(redis.call('HGET', KEYS[3], ARGV[6]))
local follower = ARGV[2] == 'RPUSH' and redis.call('LINDEX', KEYS[1], place_by_age(since))
if follower then
  redis.call('LINSERT', KEYS[1], 'BEFORE', follower, ARGV[1])
else
  redis.call(ARGV[2], KEYS[1], ARGV[1])
end
local stands_at = redis.call('ZSCORE', KEYS[4], KEYS[1])
local is_head = redis.call('LINDEX', KEYS[1], 0) == ARGV[1]
if not stands_at or (is_head and tonumber(stands_at) > since) then
  redis.call('ZADD', KEYS[4], since, KEYS[1])
end
"""


class Lane(Queue):
    """RQ's queue of the farm, whose messages wait in the list of one lane. (The plain one is RQ's own list.)"""

    def __init__(self, farm_id: str, demand: Demand, connection: Redis) -> None:
        super().__init__(names.shared_queue(farm_id), connection=connection)
        self.lane_key = self.key if demand == PLAIN else f"{self.key}:{demand.pool}:{demand.priority}:{demand.digest}"
        self._lanes, self._demand = names.lanes_key(farm_id), demand
        self._order = names.order_keys(farm_id)[demand.priority]

    def push_job_id(self, job_id: str, pipeline: Pipeline | None = None, at_front: bool = False) -> None:
        """Put a message in the lane, and make the lane known to workers, and to RQ's tools as a queue.

        Its hash says already since when its execution waits.
        """
        assert pipeline is not None
        pipeline.sadd(Queue.redis_queues_keys, self.lane_key)
        keys = (self.lane_key, self._lanes, Job.key_for(job_id), self._order)
        push, fields = "LPUSH" if at_front else "RPUSH", (names.LANE, names.LANE_BEGUN)
        age = (names.WAITING_SINCE, Job.redis_job_namespace_prefix)
        pipeline.eval(_PUSH, len(keys), *keys, job_id, push, *fields, self._demand.to_json(), *age)


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
