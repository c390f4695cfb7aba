"""The names that a farm uses in Redis. Each holds the farm's id, so that farms can share a Redis."""

from __future__ import annotations

from jobrunner.domain.placement import Priority

RUN_EXECUTION = "jobrunner.worker.entrypoints.run_execution"
TAKEN_BY = "taken_by"  # field of a message's hash: which incarnation of which worker took it
TAKEN_AT = "taken_at"  # ... and when, in Redis' own UNIX seconds

NEEDS = "needs"  # ... what its execution needs of a node
LANE = "lane"  # ... the list in which it waits
LANE_BEGUN = "lane_begun"  # ... when that list was begun: another one may have the same name later
WAITING_SINCE = "waiting_since"  # ... since when its execution waits, in UNIX milliseconds


def shared_queue(farm_id: str) -> str:
    """The queue that every node takes from."""
    return f"jobrunner.{farm_id}"


def lanes_key(farm_id: str) -> str:
    """The lanes in which messages wait; of each, when its list was begun, a space, and its demand in JSON."""
    return f"jobrunner:{farm_id}:lanes"


def order_keys(farm_id: str) -> dict[Priority, str]:
    """For each priority, its lanes, sorted by since when their first messages wait (UNIX milliseconds)."""
    return {priority: f"jobrunner:{farm_id}:lanes:{priority}" for priority in Priority}


def limit_prefix(farm_id: str) -> str:
    """What the keys begin with that have the executions which run under a limit; the limit's name follows."""
    return f"jobrunner:{farm_id}:limit:"


def room_prefix(farm_id: str) -> str:
    """What the keys begin with that say which node holds room for an execution; the execution's id follows."""
    return f"jobrunner:{farm_id}:room:"


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
