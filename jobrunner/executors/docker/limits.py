"""The limits of a container, in the Engine's words: what its execution asked for, and no more."""

from __future__ import annotations

from typing import Any

from docker.types import DeviceRequest

from jobrunner.domain.executions import Execution

NANOS_OF_A_MILLI_CPU = 1_000_000


def resource_limits(execution: Execution) -> dict[str, Any]:
    """The arguments of HostConfig that hold an execution to its resources. What it did not ask for is not limited.

    Memory and swap together are limited to the same amount: so there is no swap, and over the limit is out of memory.
    The gpus are those that were reserved for it: by number alone the Engine would give the first ones to everybody.
    """
    needs = execution.spec.resources.needs
    limits: dict[str, Any] = {}
    if needs.cpu_millis:
        limits["nano_cpus"] = needs.cpu_millis * NANOS_OF_A_MILLI_CPU
    if needs.memory_bytes:
        limits["mem_limit"] = limits["memswap_limit"] = needs.memory_bytes
    if needs.gpus:
        limits["device_requests"] = [DeviceRequest(device_ids=list(execution.gpu_ids), capabilities=[["gpu"]])]
    if needs.storage_bytes:
        limits["storage_opt"] = {"size": str(needs.storage_bytes)}
    return limits
