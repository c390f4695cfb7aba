"""What the machine of an Engine has, from what the Engine and nvidia-smi tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobrunner.domain.ports.executor import Machine
from jobrunner.domain.resources import Resources
from jobrunner.executors.docker.machine import machine_of


@pytest.fixture
def told(tmp_path: Path) -> dict[str, Any]:
    return {"NCPU": 4, "MemTotal": 2**34, "DockerRootDir": str(tmp_path), "Driver": "overlay2", "DriverStatus": None}


def put_nvidia_smi(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_gpus_are_counted_and_named_by_nvidia_smi(
    told: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_nvidia_smi(tmp_path, monkeypatch, "echo 'NVIDIA A100'; echo 'NVIDIA L4'")
    machine = machine_of(told, is_here=True)
    assert (machine.total.gpus, machine.gpu_names) == (2, ("NVIDIA A100", "NVIDIA L4"))
    assert machine.total.storage_bytes > 0


def test_a_machine_whose_nvidia_smi_fails_has_no_gpus(
    told: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_nvidia_smi(tmp_path, monkeypatch, "exit 9")
    assert machine_of(told, is_here=True).gpu_names == ()


def test_of_another_machine_only_what_its_engine_tells_is_known(
    told: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_nvidia_smi(tmp_path, monkeypatch, "echo ours")
    assert machine_of(told, is_here=False) == Machine(Resources(cpu_millis=4000, memory_bytes=2**34))


@pytest.mark.parametrize(
    ("driver", "filesystem", "limits"),
    [("overlay2", "extfs", False), ("overlay2", "xfs", True), ("btrfs", "btrfs", True), ("vfs", "extfs", False)],
)
def test_only_some_engines_can_limit_storage(told: dict[str, Any], driver: str, filesystem: str, limits: bool) -> None:
    told |= {"Driver": driver, "DriverStatus": [["Backing Filesystem", filesystem]]}
    assert machine_of(told, is_here=False).limits_storage is limits
