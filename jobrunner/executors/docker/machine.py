"""What the machine of an Engine has: cpus, memory, disk, gpus."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from jobrunner.domain.ports.executor import Machine
from jobrunner.domain.resources import MILLIS, Resources

NVIDIA_SMI = ("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
NVIDIA_SMI_SECONDS = 10.0
LIMITING_DRIVERS = frozenset({"btrfs", "zfs", "devicemapper", "windowsfilter"})

log = structlog.get_logger(__name__)


def machine_of(told: Mapping[str, Any], *, is_here: bool) -> Machine:
    """From the answer of GET /info. Disk and gpus are looked at only where the Engine runs on this very machine."""
    gpu_names = _gpu_names() if is_here else ()
    return Machine(
        total=Resources(
            cpu_millis=int(told["NCPU"]) * MILLIS,
            memory_bytes=int(told["MemTotal"]),
            gpus=len(gpu_names),
            storage_bytes=_disk_bytes(Path(told["DockerRootDir"])) if is_here else 0,
        ),
        gpu_names=gpu_names,
        limits_storage=_limits_storage(told),
    )


def _limits_storage(told: Mapping[str, Any]) -> bool:
    """Whether `--storage-opt size` can work. On xfs it also wants the mount option pquota, which nobody tells us."""
    driver, status = told["Driver"], dict(told.get("DriverStatus") or ())
    return driver in LIMITING_DRIVERS or (driver == "overlay2" and status.get("Backing Filesystem") == "xfs")


def _disk_bytes(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).total
    except OSError:  # the Engine's folder may be out of our sight, in another mount namespace
        return 0


def _gpu_names() -> tuple[str, ...]:
    if shutil.which(NVIDIA_SMI[0]) is None:
        return ()
    try:
        asked = subprocess.run(NVIDIA_SMI, capture_output=True, text=True, timeout=NVIDIA_SMI_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("gpus_cannot_be_counted", error=f"{type(error).__name__}: {error}")
        return ()
    return tuple(line.strip() for line in asked.stdout.splitlines() if line.strip())
