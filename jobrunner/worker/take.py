"""Take the next message for a node, in one atomic step in Redis.

RQ pops from several queues with BLPOP, which has no intermediate queue: a kill after the pop loses the message. The
script (take.lua) moves it to RQ's intermediate queue itself, and stamps it with who took it. It takes the first message
that fits what the node has free: of the heads of all lanes (jobrunner.queueing.lanes) that are open to the node, in the
order of their priority and their age. A message that has not fitted for long has one node hold room for it.

Redis does nothing else while a script runs. So one run looks at a bounded number of lanes, and the next one goes on
from there: thousands of lanes from which nothing may go now hold up nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from redis import Redis
from redis.commands.core import Script
from rq import Queue
from rq.intermediate_queue import IntermediateQueue
from rq.job import Job

from jobrunner.domain.ports.clock import Clock
from jobrunner.domain.resources import ONE_SLOT, Resources
from jobrunner.queueing import names
from jobrunner.queueing.lanes import LIMIT_SECONDS

MOST_LOOKS = 500  # at lanes, in one run of the script: about 5 ms
ROOM_SECONDS = 10  # a node that is told to take nothing more, or dies, holds room no longer than this


class Taker:
    """Takes messages for one incarnation of a worker. `described`: its node (jobrunner.queueing.lanes).

    `clock`: by which it is told for how long a message has waited.
    """

    def __init__(
        self, connection: Redis, farm_id: str, node: str, incarnation: str, described: str, clock: Clock
    ) -> None:
        self._script: Script = connection.register_script(files(__package__).joinpath("take.lua").read_text())
        self._own_key, shared_key = (
            Queue(name, connection=connection).key
            for name in (names.node_queue(farm_id, node), names.shared_queue(farm_id))
        )
        self._shared_key = shared_key
        self._keys = [
            self._own_key,
            IntermediateQueue.get_intermediate_queue_key(self._own_key),
            IntermediateQueue.get_intermediate_queue_key(shared_key),
            names.lanes_key(farm_id),
            Queue.redis_queues_keys,
            *names.order_keys(farm_id).values(),
        ]
        fields = [names.TAKEN_BY, names.TAKEN_AT, names.NEEDS, names.WAITING_SINCE]
        prefixes = [names.limit_prefix(farm_id), names.room_prefix(farm_id)]
        self._clock = clock
        self._arguments = [Job.key_for(""), *fields, incarnation, *prefixes, described]

    def take(self, free: Resources, capacity: Resources, *, is_open: bool = True) -> tuple[str, Resources] | None:
        """A message's id, and what its execution needs; None where nothing waits that fits. Raises RedisError.

        Messages for this very node are taken whatever is free: it holds their executions. Not `is_open`: only those.
        """
        room: str | bytes = free.to_text()
        places: Sequence[int] = (0, 0, 0)
        is_held = 0
        now_ms = int(1000 * self._clock.now().timestamp())
        asked = [capacity.to_text(), int(is_open), ROOM_SECONDS, LIMIT_SECONDS, MOST_LOOKS]
        while True:
            found = self._script(keys=self._keys, args=[*self._arguments, room, *asked, *places, is_held, now_ms])
            if not found:
                return None
            if found[0]:
                message_id, needs = (part.decode() for part in found)
                return message_id, Resources.from_text(needs) if needs else ONE_SLOT
            _, *places, is_held, room = found
