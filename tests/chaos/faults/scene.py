"""What faults are done to, and what a fault is: a small class that says how it is done, and undone."""

from __future__ import annotations

import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from tests.chaos.farm import ChaosFarm, Need
from tests.chaos.moments import Moments
from tests.chaos.plan import Pattern, Planned
from tests.chaos.records import FaultDone
from tests.support.receiver import Receiver


@dataclass
class Scene:
    """What faults are done to. `done` has those that were."""

    farm: ChaosFarm
    moments: Moments
    receiver: Receiver
    done: list[FaultDone] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)

    def pause(self, seconds: float) -> None:
        """Wait for so long; no longer once the run is broken off: then every fault is undone at once."""
        self.ending.wait(seconds)


class Fault(ABC):
    """One kind of fault. `needs`: what the farm must have for it. `takes_root`: it is not for every machine."""

    needs: frozenset[Need] = frozenset()
    takes_root = False

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
