"""A node makes itself known, so that the farm sees that it lives, and what it has room for."""

from __future__ import annotations

import os
import platform
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from jobrunner.domain.executions import Node
from jobrunner.engine.node import ThisNode
from jobrunner.errors import Conflict, EngineUnavailable


class Presence:
    """What this worker tells the farm about its node."""

    def __init__(self, node: ThisNode, incarnation: str) -> None:
        self._node, self.incarnation = node, incarnation
        self.engine_answers = False
        now = node.farm.clock.now()
        volumes = tuple(node.farm.settings.node_volumes or ())
        slots = node.farm.settings.slots
        self._known = Node(node.name, machine_id(), os.getpid(), slots, 0, now, now, volumes=volumes)

    def check_name(self) -> None:
        """Raise Conflict where a worker on another machine speaks for a node of this name, and lives."""
        other = self._node.farm.store.nodes.get(self._node.name)
        if other is None or other.machine == self._known.machine or other.stopped_at is not None:
            return
        silent_seconds = self._node.farm.settings.node_silent_seconds
        if self._node.farm.clock.now() - other.seen_at < timedelta(seconds=silent_seconds):
            raise Conflict("node", f"{other.name!r} is the name of a worker on another machine; give this one its own")

    def beat(self) -> None:
        """Tell that the node lives; only if its Engine answers: without it the node can do nothing, and is silent."""
        try:
            version = self._node.executor.check()
        except EngineUnavailable:
            self.engine_answers = False
            raise
        self.engine_answers = True
        now = self._node.farm.clock.now()
        self._known = replace(self._known, seen_at=now, running=len(self._node.runs()), engine_version=version)
        self._node.farm.store.nodes.beat(self._known)

    def sign_off(self) -> None:
        """Tell that the worker has ended on purpose. Its containers go on; the silence is counted from now."""
        now = self._node.farm.clock.now()
        self._node.farm.store.nodes.beat(replace(self._known, seen_at=now, stopped_at=now, running=0))


def machine_id() -> str:
    """What tells this machine from others: its name, and systemd's machine id where there is one (machine-id(5))."""
    path = Path("/etc/machine-id")
    known = path.read_text(encoding="ascii").strip() if path.is_file() else ""
    return f"{platform.node()} {known}".strip()
