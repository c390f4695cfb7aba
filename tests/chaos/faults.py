"""The faults, a small class each: how it is done to a farm, and undone."""

from __future__ import annotations

import queue
import random
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import docker.errors

from tests.chaos.farm import APIS, NODES, SCHEDULERS, SETTINGS, ChaosFarm
from tests.chaos.moments import Moment, Moments
from tests.chaos.plan import Pattern, Planned
from tests.chaos.records import ENGINE, Absence, FaultDone
from tests.support.receiver import Receiver

MOMENT_SECONDS = 10.0  # how long a moment is waited for
TOO_LITTLE_BYTES = 1
DELAY_SECONDS = 0.15  # of every piece that is sent, each way


@dataclass
class Scene:
    """What faults are done to. `done` has those that were."""

    farm: ChaosFarm
    moments: Moments
    receiver: Receiver
    done: list[FaultDone] = field(default_factory=list)


class Fault(ABC):
    """One kind of fault."""

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern

    def do(self, scene: Scene, planned: Planned) -> None:
        """Do it as planned, and note it. Nobody else does anything to the same target meanwhile."""
        targets = self.targets(scene, random.Random(planned.draw))
        with ExitStack() as stack:
            for target in sorted(targets):
                stack.enter_context(scene.farm.locks[target])
            began_at = time.time()
            remark, container_id = self.act(scene, targets, planned), ""
            if remark.startswith("container "):
                container_id = remark.removeprefix("container ")
            name = ", ".join(targets) or "-"
            scene.done.append(FaultDone(planned.kind, name, began_at, time.time(), remark, container_id))

    @abstractmethod
    def targets(self, scene: Scene, drawn: random.Random) -> Sequence[str]:
        """What it is done to."""

    @abstractmethod
    def act(self, scene: Scene, targets: Sequence[str], planned: Planned) -> str:
        """Do it, and undo it after planned.seconds; a remark."""


class EndProcess(Fault):
    """End one process of some, and start it again later."""

    def __init__(self, names: Sequence[str], signum: int, pattern: Pattern) -> None:
        super().__init__(pattern)
        self._names, self._signum = names, signum

    def targets(self, scene: Scene, drawn: random.Random) -> Sequence[str]:
        """One of the processes."""
        return [drawn.choice(self._names)]

    def act(self, scene: Scene, targets: Sequence[str], planned: Planned) -> str:
        """Signal, wait, start."""
        return end_and_start(scene, targets, self._signum, planned.seconds)


def end_and_start(scene: Scene, names: Sequence[str], signum: int, seconds: float) -> str:
    """End processes, and start them again after so many seconds."""
    for name in names:
        scene.farm.end_process(name, signum)
    time.sleep(seconds)
    for name in names:
        scene.farm.start_process(name)
    return ""


class KillAt(Fault):
    """Kill -9 in the moment that something happens: the worker of the node that it happens on, else all of `names`."""

    def __init__(self, moment: Moment, names: Sequence[str], pattern: Pattern) -> None:
        super().__init__(pattern)
        self._moment, self._names = moment, names

    def targets(self, scene: Scene, drawn: random.Random) -> Sequence[str]:
        """Known when the moment comes. (Of what is restarted just then there is nothing to kill.)"""
        try:
            node = scene.moments.next(self._moment, MOMENT_SECONDS)
        except queue.Empty:
            return []
        if self._names is not NODES:
            return self._names
        return [node or drawn.choice(NODES)]

    def act(self, scene: Scene, targets: Sequence[str], planned: Planned) -> str:
        """Kill, wait, start."""
        return end_and_start(scene, targets, signal.SIGKILL, planned.seconds) if targets else "the moment did not come"


class ServiceFault(Fault):
    """Something that happens to a service: to "redis", or to "mongod"."""

    def __init__(self, service: str, pattern: Pattern) -> None:
        super().__init__(pattern)
        self._service = service

    def targets(self, scene: Scene, drawn: random.Random) -> Sequence[str]:
        """The service."""
        return [self._service]


class ServiceRestart(ServiceFault):
    """It is killed, and comes back with what it has on disk."""

    def act(self, scene: Scene, targets: Sequence[str], planned: Planned) -> str:
        """Kill, wait, start."""
        service = getattr(scene.farm, self._service)
        service.kill()
        time.sleep(planned.seconds)
        service.start()
        return ""


class ServiceHangs(ServiceFault):
    """It takes connections, and answers nothing."""

    def act(self, scene: Scene, targets: Sequence[str], planned: Planned) -> str:
        """SIGSTOP, SIGCONT."""
        service = getattr(scene.farm, self._service)
        service.freeze()
        time.sleep(planned.seconds)
        service.thaw()
        return ""


class RedisFlush(ServiceFault):
    """It loses all that it held."""

    def act(self, scene: Scene, targets: Sequence[str], planned: Planned) -> str:
        """FLUSHALL."""
        with scene.farm.redis.client() as client:
            client.flushall()
        return ""


class RedisFull(ServiceFault):
    """It has no memory for anything new (maxmemory with noeviction)."""

    def act(self, scene: Scene, targets: Sequence[str], planned: Planned) -> str:
        """Take its memory away, and give it back."""
        with scene.farm.redis.client() as client:
            client.config_set("maxmemory", TOO_LITTLE_BYTES)
            time.sleep(planned.seconds)
            client.config_set("maxmemory", 0)
        return ""


class RemoveContainer(Fault):
    """Somebody removes a running container of the farm by hand."""

    def targets(self, scene: Scene, drawn: random.Random) -> Sequence[str]:
        """One of the Engines, whichever container it is."""
        return [drawn.choice(list(scene.farm.engines.hosts))]

    def act(self, scene: Scene, targets: Sequence[str], planned: Planned) -> str:
        """docker rm -f."""
        engine = scene.farm.engines.client(targets[0])
        try:
            found = engine.containers(filters={**scene.farm.labelled(), "status": ["running"]})
            if not found:
                return "none was running"
            chosen: str = random.Random(planned.draw).choice(found)["Id"]
            engine.remove_container(chosen, force=True)
            return f"container {chosen}"
        except docker.errors.NotFound:
            return "it ended just then"
        finally:
            engine.close()


class NetworkFault(Fault):
    """The network between one worker and its services is slow, or cut. (It goes on to reach its Engine.)"""

    def __init__(self, changes: Mapping[str, Any], pattern: Pattern) -> None:
        super().__init__(pattern)
        self._changes = changes

    def targets(self, scene: Scene, drawn: random.Random) -> Sequence[str]:
        """The network of one worker."""
        return [f"network of {drawn.choice(NODES)}"]

    def act(self, scene: Scene, targets: Sequence[str], planned: Planned) -> str:
        """Change it, and change it back. A worker that is cut off is away."""
        node = targets[0].removeprefix("network of ")
        network, since = scene.farm.networks[node], time.time()
        whole = replace(network)
        for name, value in self._changes.items():
            setattr(network, name, value)
        time.sleep(planned.seconds)
        network.delay, network.is_cut = whole.delay, whole.is_cut
        if "is_cut" in self._changes:
            scene.farm.absences.append(Absence(node, since, time.time()))
        return ""


class EngineFault(Fault):
    """One of the run's own Engines ends, and is started again."""

    def __init__(self, signum: int, pattern: Pattern) -> None:
        super().__init__(pattern)
        self._signum = signum

    def targets(self, scene: Scene, drawn: random.Random) -> Sequence[str]:
        """One of those that are not spared."""
        return [drawn.choice(list(scene.farm.engines.own))]

    def act(self, scene: Scene, targets: Sequence[str], planned: Planned) -> str:
        """Signal, wait, start."""
        (name,), since = targets, time.time()
        engine = scene.farm.engines.own[name]
        engine.end(self._signum)
        time.sleep(planned.seconds)
        engine.start()
        scene.farm.absences.append(Absence(name, since, time.time()))
        return ""


class ReceiverFails(Fault):
    """The receiver of webhooks fails, hangs or hangs up for a while."""

    def __init__(self, mood: str, pattern: Pattern) -> None:
        super().__init__(pattern)
        self._mood = mood

    def targets(self, scene: Scene, drawn: random.Random) -> Sequence[str]:
        """The receiver."""
        return ["receiver"]

    def act(self, scene: Scene, targets: Sequence[str], planned: Planned) -> str:
        """Change its mood."""
        scene.receiver.statuses[:] = [500] * 1000
        scene.receiver.mood = self._mood
        time.sleep(planned.seconds)
        scene.receiver.mood = ""
        return ""


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
    ServiceRestart("redis", Pattern("Redis: restart", 0.5, 4)),
    RedisFlush("redis", Pattern("Redis: FLUSHALL")),
    RedisFull("redis", Pattern("Redis: out of memory", 2, 8)),
    ServiceHangs("redis", Pattern("Redis: hangs", 2, 8)),
    ServiceRestart("mongod", Pattern("mongod: restart", 1, 20)),
    ServiceHangs("mongod", Pattern("mongod: hangs", 2, 20)),
    RemoveContainer(Pattern("container removed by hand", times=2)),
    NetworkFault({"delay": DELAY_SECONDS}, Pattern("worker: slow network", 5, 15)),
    NetworkFault({"is_cut": True}, Pattern("worker: cut off for a while", 1, 6)),
    NetworkFault({"is_cut": True}, Pattern("worker: cut off until it is given up", AWAY_SECONDS, AWAY_SECONDS + 5)),
    EngineFault(signal.SIGKILL, Pattern(ENGINE + "kill -9", 1, 8)),
    EngineFault(signal.SIGTERM, Pattern(ENGINE + "restart", 0.5, 5)),
    ReceiverFails("flaky", Pattern("receiver: answers 500", 1, 6)),
    ReceiverFails("hang", Pattern("receiver: hangs", 1, 6)),
    ReceiverFails("reset", Pattern("receiver: hangs up", 1, 6)),
)
FAULTS = {fault.pattern.kind: fault for fault in _ALL}


def patterns(*, own_engines: bool) -> list[Pattern]:
    """Those of all faults that can be done; the machine's Engine is spared."""
    return [fault.pattern for fault in FAULTS.values() if own_engines or not isinstance(fault, EngineFault)]
