"""What the configuration of a farm allows containers beyond what every job may have, and the words for it.

The settings are read with it, and jobs are judged by it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any


class Capability(StrEnum):
    """What Linux lets root do, in parts (capabilities(7)), without their CAP_."""

    AUDIT_CONTROL = "AUDIT_CONTROL"
    AUDIT_READ = "AUDIT_READ"
    AUDIT_WRITE = "AUDIT_WRITE"
    BLOCK_SUSPEND = "BLOCK_SUSPEND"
    BPF = "BPF"
    CHECKPOINT_RESTORE = "CHECKPOINT_RESTORE"
    CHOWN = "CHOWN"
    DAC_OVERRIDE = "DAC_OVERRIDE"
    DAC_READ_SEARCH = "DAC_READ_SEARCH"
    FOWNER = "FOWNER"
    FSETID = "FSETID"
    IPC_LOCK = "IPC_LOCK"
    IPC_OWNER = "IPC_OWNER"
    KILL = "KILL"
    LEASE = "LEASE"
    LINUX_IMMUTABLE = "LINUX_IMMUTABLE"
    MAC_ADMIN = "MAC_ADMIN"
    MAC_OVERRIDE = "MAC_OVERRIDE"
    MKNOD = "MKNOD"
    NET_ADMIN = "NET_ADMIN"
    NET_BIND_SERVICE = "NET_BIND_SERVICE"
    NET_BROADCAST = "NET_BROADCAST"
    NET_RAW = "NET_RAW"
    PERFMON = "PERFMON"
    SETFCAP = "SETFCAP"
    SETGID = "SETGID"
    SETPCAP = "SETPCAP"
    SETUID = "SETUID"
    SYS_ADMIN = "SYS_ADMIN"
    SYS_BOOT = "SYS_BOOT"
    SYS_CHROOT = "SYS_CHROOT"
    SYS_MODULE = "SYS_MODULE"
    SYS_NICE = "SYS_NICE"
    SYS_PACCT = "SYS_PACCT"
    SYS_PTRACE = "SYS_PTRACE"
    SYS_RAWIO = "SYS_RAWIO"
    SYS_RESOURCE = "SYS_RESOURCE"
    SYS_TIME = "SYS_TIME"
    SYS_TTY_CONFIG = "SYS_TTY_CONFIG"
    SYSLOG = "SYSLOG"
    WAKE_ALARM = "WAKE_ALARM"


# What a container has where its job does not say: the set of Podman, which images of all kinds have been run under.
# The Docker Engine's own also has AUDIT_WRITE, MKNOD and NET_RAW, which forges packets of its neighbours on the bridge.
KEPT_CAPABILITIES = frozenset(
    {
        Capability.CHOWN,
        Capability.DAC_OVERRIDE,
        Capability.FOWNER,
        Capability.FSETID,
        Capability.KILL,
        Capability.NET_BIND_SERVICE,
        Capability.SETFCAP,
        Capability.SETGID,
        Capability.SETPCAP,
        Capability.SETUID,
        Capability.SYS_CHROOT,
    }
)
BRIDGE, NO_NETWORK = "bridge", "none"  # the networks that every job may have
NETWORK_NAME = r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}"
VOLUME_NAME = r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}"
_VOLUME = re.compile(rf"(?P<name>{VOLUME_NAME})=/+(?P<path>[^:,]*)(?P<mode>:r[ow])?")


@dataclass(frozen=True)
class HostFolder:
    """A file or folder of the Engine's machine that jobs may mount, by a name."""

    path: str
    read_only: bool = False


@dataclass(frozen=True)
class ContainerRules:
    """What jobs may ask for in this farm, because its configuration says so."""

    networks: frozenset[str] = frozenset()
    capabilities: frozenset[Capability] = frozenset()
    new_privileges: bool = False


def capability_name(value: Any) -> Any:
    """A capability without CAP_, in capital letters."""
    return value.upper().removeprefix("CAP_") if isinstance(value, str) else value


def volumes_from_text(value: Any) -> Any:
    """Take `name=/path, other=/path:ro`, as a line of a file or an environment variable has it. Raises ValueError."""
    if not isinstance(value, str):
        return value
    volumes: dict[str, HostFolder] = {}
    for part in filter(None, map(str.strip, value.split(","))):
        name, folder = _volume(part)
        if name in volumes:
            raise ValueError(f"{name!r} is there twice")
        volumes[name] = folder
    _check_places(volumes)
    return volumes


def _check_places(volumes: Mapping[str, HostFolder]) -> None:
    """A job could put a symbolic link in the place of a folder inside one that it may write; the Engine follows it."""
    for name, folder in volumes.items():
        for other, outer in volumes.items():
            if not outer.read_only and PurePosixPath(outer.path) in PurePosixPath(folder.path).parents:
                raise ValueError(f"{name!r} must not lie in {other!r}, which jobs may write")


def _volume(text: str) -> tuple[str, HostFolder]:
    match = _VOLUME.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not like name=/path or name=/path:ro")
    path = PurePosixPath("/", match["path"])
    if ".." in path.parts or path == PurePosixPath("/"):
        raise ValueError(f"{text!r} must not have the root as its path, or '..' in it")
    return match["name"], HostFolder(str(path), read_only=match["mode"] == ":ro")
