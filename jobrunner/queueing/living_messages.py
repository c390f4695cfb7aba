"""Which messages are as good as there: each waits in a list that was not lost, or is in the hands of a living worker.

A message and its place in a lane are written together, and it is stamped in the step that takes it out. So a message
without a stamp is in the list of its lane, if that is still the list that it was put in: Redis may have lost the list
(a key that was evicted, or deleted) and kept the message, and a new list may have been begun since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from redis import Redis
from rq.job import Job

from jobrunner.queueing import names

CLAIM_SECONDS = 30  # far longer than it takes from a message to the claim of its execution


class Message(NamedTuple):
    """What of a message's hash tells where it is; None: the hash, or the field, is not there."""

    created_at: bytes | None
    taken_by: bytes | None
    taken_at: bytes | None
    lane: bytes | None
    lane_begun: bytes | None


_FIELDS = ("created_at", names.TAKEN_BY, names.TAKEN_AT, names.LANE, names.LANE_BEGUN)
Messages = Mapping[str, Message]


def living_messages(redis: Redis, farm_id: str, execution_ids: Iterable[str]) -> set[str]:
    """Those of the executions that have such a message."""
    messages, now = _read(redis, execution_ids)
    there = {execution_id: message for execution_id, message in messages.items() if message.created_at is not None}
    taken = {execution_id: message for execution_id, message in there.items() if message.taken_by is not None}
    waiting = {execution_id: message for execution_id, message in there.items() if message.taken_by is None}
    return _in_hand(redis, taken, now) | (waiting.keys() - _without_list(redis, farm_id, waiting))


def _read(redis: Redis, execution_ids: Iterable[str]) -> tuple[Messages, int]:
    """The messages, and the time on Redis' clock, in UNIX seconds."""
    ids = list(execution_ids)
    with redis.pipeline(transaction=False) as pipeline:
        for execution_id in ids:
            pipeline.hmget(Job.key_for(execution_id), _FIELDS)
        pipeline.time()
        *found, (now, _) = pipeline.execute()
    return {execution_id: Message(*fields) for execution_id, fields in zip(ids, found, strict=True)}, now


def _in_hand(redis: Redis, taken: Messages, now: int) -> set[str]:
    """Those that a living process took, and not so long ago that the answer to the taking must have been lost."""
    takers = sorted({message.taken_by for message in taken.values() if message.taken_by})
    with redis.pipeline(transaction=False) as pipeline:
        for taker in takers:
            pipeline.exists(names.alive_key(taker.decode()))
        living = {taker for taker, lives in zip(takers, pipeline.execute(), strict=True) if lives}
    return {
        execution_id
        for execution_id, message in taken.items()
        if message.taken_by in living and now - int(message.taken_at or 0) < CLAIM_SECONDS
    }


def _without_list(redis: Redis, farm_id: str, waiting: Messages) -> set[str]:
    """Those whose lane is not the list any more that they were put in. (What is on a node's own queue has no lane.)"""
    lanes = sorted({message.lane for message in waiting.values() if message.lane})
    with redis.pipeline(transaction=False) as pipeline:
        for lane in lanes:
            pipeline.exists(lane)
            pipeline.hget(names.lanes_key(farm_id), lane)
        answers = pipeline.execute()
    begun = {
        lane: known.split(b" ", 1)[0]
        for lane, is_there, known in zip(lanes, answers[::2], answers[1::2], strict=True)
        if is_there and known
    }
    suspects = [e for e, message in waiting.items() if message.lane and message.lane_begun != begun.get(message.lane)]
    if not suspects:
        return set()
    # A list ends with its last message. Only what was not taken out, or sent again, before that look is lost.
    again, _ = _read(redis, suspects)
    return {execution_id for execution_id in suspects if again[execution_id] == waiting[execution_id]}
