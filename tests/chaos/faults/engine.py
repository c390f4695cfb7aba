"""What is done to the Engines, to their images and to their containers."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from contextlib import closing

import docker.errors

from tests.chaos.farm import Need
from tests.chaos.faults.scene import Fault, Scene
from tests.chaos.plan import Pattern, Planned
from tests.chaos.records import Absence


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


class EngineFault(Fault):
    """One of the run's own Engines ends, and is started again."""

    takes_root = True

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
        scene.pause(planned.seconds)
        engine.start()
        scene.farm.absences.append(Absence(name, since, time.time()))
        return ""


class EngineDiskFull(Fault):
    """There is no room for anything new on the disk of one of the run's own Engines."""

    needs = frozenset({Need.DISKS})
    takes_root = True

    def targets(self, scene: Scene, drawn: random.Random) -> Sequence[str]:
        """One of those that are not spared."""
        return [drawn.choice(list(scene.farm.engines.own))]

    def act(self, scene: Scene, targets: Sequence[str], planned: Planned) -> str:
        """Take the room away, and give it back."""
        disk = scene.farm.engines.own[targets[0]].disk
        assert disk is not None
        disk.fill()
        scene.pause(planned.seconds)
        disk.make_room()
        return ""


class RemoveImage(Fault):
    """Somebody removes the image of the jobs by hand, and has it again later. (What runs of it goes on.)"""

    def targets(self, scene: Scene, drawn: random.Random) -> Sequence[str]:
        """One of the Engines."""
        return [drawn.choice(list(scene.farm.engines.hosts))]

    def act(self, scene: Scene, targets: Sequence[str], planned: Planned) -> str:
        """docker rmi -f; docker tag. (The image that the tests of this machine use stays: it has another name.)"""
        with closing(scene.farm.engines.client(targets[0])) as engine:
            engine.remove_image(scene.farm.image, force=True)
            scene.pause(planned.seconds)
            scene.farm.tag_image(engine)
        return ""
