"""The names that a farm uses in Redis. Each holds the farm's id, so that farms can share a Redis."""

from __future__ import annotations

RUN_EXECUTION = "jobrunner.worker.entrypoints.run_execution"
TAKEN_BY = "taken_by"  # field of a message's hash: which incarnation of which worker took it
TAKEN_AT = "taken_at"  # ... and when, in Redis' own UNIX seconds


def shared_queue(farm_id: str) -> str:
    """The queue that every node takes from."""
    return f"jobrunner.{farm_id}"


def node_queue(farm_id: str, node: str) -> str:
    """The queue of one node: executions that it holds already."""
    return f"jobrunner.{farm_id}.node.{node}"


def worker(farm_id: str, node: str) -> str:
    """The RQ worker of a node. Stable, so that a restarted worker finds what it held."""
    return f"jobrunner.{farm_id}.{node}"


def wake_channel(farm_id: str) -> str:
    """Where a new message is announced, so that an idle worker takes it at once."""
    return f"jobrunner:{farm_id}:wake"


def delivery_channel(farm_id: str) -> str:
    """Where a delivery that is due is announced, so that it is sent at once."""
    return f"jobrunner:{farm_id}:deliveries"


def alive_key(incarnation: str) -> str:
    """There while one incarnation (one process) of a worker lives."""
    return f"jobrunner:alive:{incarnation}"


def alarms_key(farm_id: str) -> str:
    """rq-scheduler's sorted set of what is due when."""
    return f"rq:scheduler:jobrunner.{farm_id}"


def leader_key(farm_id: str) -> str:
    """Which scheduler leads."""
    return f"jobrunner:{farm_id}:leader"


def alarm(execution_id: str) -> str:
    """The id of the rq-scheduler job that fires an execution."""
    return f"alarm-{execution_id}"  # RQ takes no other signs in an id
