"""What is done to the networks of the workers, and to the receiver of webhooks."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.chaos.farm import NODES
from tests.chaos.faults.scene import Fault, Scene
from tests.chaos.plan import Pattern, Planned
from tests.chaos.records import Absence


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
        scene.pause(planned.seconds)
        network.delay, network.is_cut = whole.delay, whole.is_cut
        if "is_cut" in self._changes:
            scene.farm.absences.append(Absence(node, since, time.time()))
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
        scene.pause(planned.seconds)
        scene.receiver.mood = ""
        return ""
