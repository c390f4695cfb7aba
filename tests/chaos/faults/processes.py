"""What is done to the farm's own processes."""

from __future__ import annotations

import queue
import random
import signal
from collections.abc import Sequence

from tests.chaos.farm import APIS, NODES, SCHEDULERS, Need
from tests.chaos.faults.scene import Fault, Scene
from tests.chaos.moments import Moment
from tests.chaos.plan import Pattern, Planned

MOMENT_SECONDS = 10.0  # how long a moment is waited for


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
    scene.pause(seconds)
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


class SetClock(Fault):
    """The clock of a process is set while it runs, and set right again."""

    needs = frozenset({Need.CLOCKS})

    def __init__(self, ahead_seconds: int, pattern: Pattern) -> None:
        super().__init__(pattern)
        self._ahead_seconds = ahead_seconds

    def targets(self, scene: Scene, drawn: random.Random) -> Sequence[str]:
        """Any process of the farm."""
        return [drawn.choice((*APIS, *SCHEDULERS, *NODES))]

    def act(self, scene: Scene, targets: Sequence[str], planned: Planned) -> str:
        """Set it, wait, set it right."""
        assert scene.farm.clocks is not None
        scene.farm.clocks.set(targets[0], self._ahead_seconds)
        scene.pause(planned.seconds)
        scene.farm.clocks.set(targets[0], 0)
        return ""
