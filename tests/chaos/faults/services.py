"""What is done to the services: Redis and MongoDB."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tests.chaos.farm import Need
from tests.chaos.faults.scene import Fault, Scene
from tests.chaos.plan import Pattern, Planned

TOO_LITTLE_BYTES = 1


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
        scene.pause(planned.seconds)
        service.start()
        return ""


class ServiceHangs(ServiceFault):
    """It takes connections, and answers nothing."""

    def act(self, scene: Scene, targets: Sequence[str], planned: Planned) -> str:
        """SIGSTOP, SIGCONT."""
        service = getattr(scene.farm, self._service)
        service.freeze()
        scene.pause(planned.seconds)
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
            scene.pause(planned.seconds)
            client.config_set("maxmemory", 0)
        return ""


class DiskFull(ServiceFault):
    """There is no room for anything new on its disk. (Where it ends by that, the farm's keeper starts it again.)"""

    needs = frozenset({Need.DISKS})
    takes_root = True

    def act(self, scene: Scene, targets: Sequence[str], planned: Planned) -> str:
        """Take the room away, and give it back."""
        disk = scene.farm.disks[self._service]
        disk.fill()
        scene.pause(planned.seconds)
        disk.make_room()
        return ""
