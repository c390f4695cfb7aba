"""Take the next message off the queues, in one atomic step in Redis.

RQ pops from several queues with BLPOP, which has no intermediate queue: a kill after the pop loses the message. This
script moves it to RQ's intermediate queue itself, and stamps it with who took it.
"""

from __future__ import annotations

from redis import Redis
from redis.commands.core import Script
from rq.intermediate_queue import IntermediateQueue
from rq.job import Job

from jobrunner.queueing.names import TAKEN_AT, TAKEN_BY

# KEYS: queues in order of priority, each followed by its intermediate queue.
# ARGV: the prefix of a message's hash, how many entries without a hash to drop, the names of the stamps, the taker.
# An id without a hash is that of a message which was withdrawn.
TAKE = """
local drops = tonumber(ARGV[2])
for i = 1, #KEYS, 2 do
  while drops > 0 do
    local id = redis.call('LPOP', KEYS[i])
    if not id then break end
    local hash = ARGV[1] .. id
    if redis.call('EXISTS', hash) == 1 then
      redis.call('RPUSH', KEYS[i + 1], id)
      redis.call('HSET', hash, ARGV[3], ARGV[5], ARGV[4], redis.call('TIME')[1])
      return {KEYS[i], id}
    end
    drops = drops - 1
  end
end
return false
"""
MOST_DROPS = 1000


class Taker:
    """Takes messages for one incarnation of a worker."""

    def __init__(self, connection: Redis, queue_keys: list[str], incarnation: str) -> None:
        self._script: Script = connection.register_script(TAKE)
        self._keys = [
            key for queue in queue_keys for key in (queue, IntermediateQueue.get_intermediate_queue_key(queue))
        ]
        self._arguments = [Job.key_for(""), MOST_DROPS, TAKEN_BY, TAKEN_AT, incarnation]

    def take(self) -> tuple[str, str] | None:
        """The queue's key and the message's id; None where nothing waits. Raises RedisError."""
        taken = self._script(keys=self._keys, args=self._arguments)
        return (taken[0].decode(), taken[1].decode()) if taken else None
