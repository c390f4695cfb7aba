"""A node makes itself known, so that the farm sees that it lives, and what it has room for."""

from __future__ import annotations

import os
import platform
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from jobrunner.domain.executions import Node
from jobrunner.domain.ports.executor import Executor, Machine
from jobrunner.domain.resources import MILLIS, Resources
from jobrunner.engine.node import ThisNode
from jobrunner.errors import Conflict, EngineUnavailable
from jobrunner.settings import Settings


class Presence:
    """What this worker tells the farm about its node."""

    def __init__(self, node: ThisNode, incarnation: str) -> None:
        self._node, self.incarnation = node, incarnation
        self.engine_answers = False
        self._telling = threading.Lock()
        self._has_signed_off = False
        now, settings = node.farm.clock.now(), node.farm.settings
        self._known = Node(
            node.name,
            machine_id(),
            os.getpid(),
            settings.slots,
            running=0,
            seen_at=now,
            started_at=now,
            engine_address=_engine_address(node.executor),
            address=settings.node_address or (node.executor.host if node.executor.port else platform.node()),
            pools=settings.node_pools,
            labels=settings.node_labels or {},
            volumes=tuple(settings.node_volumes or ()),
        )

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
            if version != self._known.engine_version:
                self._look_at_machine()
        except EngineUnavailable as error:
            self.engine_answers = False
            self._tell_trouble(str(error))
            raise
        self.engine_answers = True
        now = self._node.farm.clock.now()
        self._known = replace(
            self._known,
            seen_at=now,
            running=len(self._node.runs()),
            engine_version=version,
            circuit=self._node.executor.circuit,
            engine_error="",
            reserved=self._node.reservations.reserved(),
        )
        self._tell()

    def _tell_trouble(self, error: str) -> None:
        """Tell why the node is silent, without being heard: `seen_at` stays. Nothing where it was never heard."""
        if self._known.engine_version:
            self._known = replace(self._known, circuit=self._node.executor.circuit, engine_error=error)
            self._tell()

    def _tell(self) -> None:
        """Store what is known, unless the worker has ended: a beat that was under way would undo that."""
        with self._telling:
            if not self._has_signed_off:
                self._node.farm.store.nodes.beat(self._known)

    def _look_at_machine(self) -> None:
        """Learn what the Engine's machine has: at the first beat, and when another Engine answers than before."""
        machine = self._node.executor.machine()
        capacity = capacity_of(machine, self._node.farm.settings)
        self._node.reservations.set_capacity(capacity)
        self._known = replace(
            self._known,
            total=machine.total,
            capacity=capacity,
            gpu_names=machine.gpu_names,
            limits_storage=machine.limits_storage,
        )

    def sign_off(self) -> None:
        """Tell that the worker has ended on purpose. Its containers go on; the silence is counted from now.

        Nothing where it was never heard.
        """
        if not self._known.engine_version:
            return
        now = self._node.farm.clock.now()
        with self._telling:
            self._has_signed_off = True
            self._node.farm.store.nodes.beat(replace(self._known, seen_at=now, stopped_at=now, running=0))


def _engine_address(executor: Executor) -> str:
    if executor.port is None:
        return ""
    return f"[{executor.host}]:{executor.port}" if ":" in executor.host else f"{executor.host}:{executor.port}"


def capacity_of(machine: Machine, settings: Settings) -> Resources:
    """What jobs may use of a machine: what the settings say, else all of it."""
    cpus, memory_bytes = settings.node_cpus, settings.node_memory_bytes
    gpus, storage_bytes = settings.node_gpus, settings.node_storage_bytes
    if not machine.limits_storage:
        storage_bytes = 0
    return Resources(
        slots=settings.slots,
        cpu_millis=machine.total.cpu_millis if cpus is None else round(cpus * MILLIS),
        memory_bytes=machine.total.memory_bytes if memory_bytes is None else memory_bytes,
        gpus=machine.total.gpus if gpus is None else gpus,
        storage_bytes=machine.total.storage_bytes if storage_bytes is None else storage_bytes,
    )


def machine_id() -> str:
    """What tells this machine from others: its name, and systemd's machine id where there is one (machine-id(5))."""
    path = Path("/etc/machine-id")
    known = path.read_text(encoding="ascii").strip() if path.is_file() else ""
    return f"{platform.node()} {known}".strip()
