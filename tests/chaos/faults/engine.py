"""What is done to the Engine, to its images and to its containers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import closing

import docker.errors

from tests.chaos.farm import Need
from tests.chaos.faults.scene import Fault, Scene
from tests.chaos.plan import Pattern, Planned


class RemoveContainer(Fault):
    """Somebody removes a running container of the farm by hand."""

    def targets(self, scene: Scene, drawn: random.Random) -> Sequence[str]:
        """The Engine, whichever container it is."""
        return ["engine"]

    def act(self, scene: Scene, targets: Sequence[str], planned: Planned) -> str:
        """docker rm -f."""
        engine = scene.farm.engine()
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
    """The Engine of the run's own ends, and is started again."""

    takes_root = True

    def __init__(self, signum: int, pattern: Pattern) -> None:
        super().__init__(pattern)
        self._signum = signum

    def targets(self, scene: Scene, drawn: random.Random) -> Sequence[str]:
        """The Engine."""
        return ["engine"]

    def act(self, scene: Scene, targets: Sequence[str], planned: Planned) -> str:
        """Signal, wait, start."""
        engine = scene.farm.own_engine
        if engine is None:
            return "the machine's Engine is spared"
        engine.end(self._signum)
        scene.pause(planned.seconds)
        engine.start()
        return ""


class EngineDiskFull(Fault):
    """There is no room for anything new on the disk of the run's own Engine."""

    needs = frozenset({Need.DISKS})
    takes_root = True

    def targets(self, scene: Scene, drawn: random.Random) -> Sequence[str]:
        """The Engine."""
        return ["engine"]

    def act(self, scene: Scene, targets: Sequence[str], planned: Planned) -> str:
        """Take the room away, and give it back."""
        engine = scene.farm.own_engine
        if engine is None or engine.disk is None:
            return "the machine's Engine is spared"
        engine.disk.fill()
        scene.pause(planned.seconds)
        engine.disk.make_room()
        return ""


class RemoveImage(Fault):
    """Somebody removes the image of the jobs by hand, and has it again later. (What runs of it goes on.)"""

    def targets(self, scene: Scene, drawn: random.Random) -> Sequence[str]:
        """The Engine."""
        return ["engine"]

    def act(self, scene: Scene, targets: Sequence[str], planned: Planned) -> str:
        """docker rmi -f; docker tag. (The image that the tests of this machine use stays: it has another name.)"""
        with closing(scene.farm.engine()) as engine:
            engine.remove_image(scene.farm.image, force=True)
        scene.pause(planned.seconds)
        scene.farm.tag_image()
        return ""
