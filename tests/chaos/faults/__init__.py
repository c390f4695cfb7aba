"""The faults: every kind that a plan can have."""

from __future__ import annotations

import signal
from collections.abc import Iterable

from tests.chaos.farm import APIS, NODES, SCHEDULERS, SETTINGS, Need
from tests.chaos.faults.engine import EngineDiskFull, EngineFault, RemoveContainer, RemoveImage
from tests.chaos.faults.network import NetworkFault, ReceiverFails
from tests.chaos.faults.processes import EndProcess, KillAt, SetClock
from tests.chaos.faults.scene import Fault, Scene
from tests.chaos.faults.services import DiskFull, RedisFlush, RedisFull, ServiceHangs, ServiceRestart
from tests.chaos.moments import Moment
from tests.chaos.plan import Pattern
from tests.chaos.records import DISK_OF_ENGINE, ENGINE, IMAGE

__all__ = ["FAULTS", "Scene", "needs_of", "patterns"]

DELAY_SECONDS = 0.15  # of every piece that is sent, each way
AWAY_SECONDS = SETTINGS["node_silent_seconds"] + 5  # type: ignore[operator]

_ALL: tuple[Fault, ...] = (
    EndProcess(NODES, signal.SIGKILL, Pattern("worker: kill -9", times=2)),
    EndProcess(NODES, signal.SIGTERM, Pattern("worker: SIGTERM")),
    EndProcess(NODES, signal.SIGKILL, Pattern("worker: stays away", AWAY_SECONDS, AWAY_SECONDS + 5)),
    EndProcess(SCHEDULERS, signal.SIGKILL, Pattern("scheduler: kill -9")),
    EndProcess(SCHEDULERS, signal.SIGTERM, Pattern("scheduler: SIGTERM")),
    EndProcess(APIS, signal.SIGKILL, Pattern("API: kill -9")),
    EndProcess(APIS, signal.SIGTERM, Pattern("API: SIGTERM")),
    KillAt(Moment.ACCEPTED, APIS, Pattern("APIs: kill -9 between store and queue")),
    KillAt(Moment.TAKEN, NODES, Pattern("worker: kill -9 after the pop")),
    KillAt(Moment.PULLING, NODES, Pattern("worker: kill -9 after the claim")),
    KillAt(Moment.CREATED, NODES, Pattern("worker: kill -9 between create and start")),
    KillAt(Moment.STARTED, NODES, Pattern("worker: kill -9 after the start")),
    KillAt(Moment.EXITED, NODES, Pattern("worker: kill -9 between exit and close")),
    KillAt(Moment.CLOSED, (*SCHEDULERS, *NODES), Pattern("all: kill -9 between close and delivery")),
    KillAt(Moment.FIRED, SCHEDULERS, Pattern("schedulers: kill -9 while they enqueue")),
    KillAt(Moment.CALLED, SCHEDULERS, Pattern("schedulers: kill -9 while they deliver")),
    SetClock(90, Pattern("clock of a process: 90 s ahead", 2, AWAY_SECONDS + 5)),
    SetClock(-90, Pattern("clock of a process: 90 s behind", 2, AWAY_SECONDS + 5)),
    SetClock(3600, Pattern("clock of a process: an hour ahead", 2, AWAY_SECONDS + 5)),
    ServiceRestart("redis", Pattern("Redis: restart", 0.5, 4)),
    RedisFlush("redis", Pattern("Redis: FLUSHALL")),
    RedisFull("redis", Pattern("Redis: out of memory", 2, 8)),
    ServiceHangs("redis", Pattern("Redis: hangs", 2, 8)),
    ServiceRestart("mongod", Pattern("mongod: restart", 1, 20)),
    ServiceHangs("mongod", Pattern("mongod: hangs", 2, 20)),
    DiskFull("redis", Pattern("Redis: disk full", 2, 8)),
    DiskFull("mongod", Pattern("mongod: disk full", 2, 20)),
    RemoveContainer(Pattern("container removed by hand", times=2)),
    RemoveImage(Pattern(IMAGE, 1, 6)),
    NetworkFault({"delay": DELAY_SECONDS}, Pattern("worker: slow network", 5, 15)),
    NetworkFault({"is_cut": True}, Pattern("worker: cut off for a while", 1, 6)),
    NetworkFault({"is_cut": True}, Pattern("worker: cut off until it is given up", AWAY_SECONDS, AWAY_SECONDS + 5)),
    EngineFault(signal.SIGKILL, Pattern(ENGINE + "kill -9", 1, 8)),
    EngineFault(signal.SIGTERM, Pattern(ENGINE + "restart", 0.5, 5)),
    EngineDiskFull(Pattern(DISK_OF_ENGINE, 2, 10)),
    ReceiverFails("flaky", Pattern("receiver: answers 500", 1, 6)),
    ReceiverFails("hang", Pattern("receiver: hangs", 1, 6)),
    ReceiverFails("reset", Pattern("receiver: hangs up", 1, 6)),
)
FAULTS = {fault.pattern.kind: fault for fault in _ALL}


def patterns(*, own_engines: bool) -> list[Pattern]:
    """Those of all faults that can be done; with `own_engines`, those too that spoil an Engine or need root."""
    return [fault.pattern for fault in FAULTS.values() if own_engines or not fault.takes_root]


def needs_of(kinds: Iterable[str]) -> frozenset[Need]:
    """What a farm must have for these faults."""
    return frozenset().union(*(FAULTS[kind].needs for kind in kinds))
