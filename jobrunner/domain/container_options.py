"""How the container of a job is set up: what the job says of it, and what a farm's rules say to that. Pure.

There is no privileged mode, and no way to name a path of the node: volumes are named, and each node has a list of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, Strict, StringConstraints, model_validator

from jobrunner.container_rules import (
    BRIDGE,
    KEPT_CAPABILITIES,
    NETWORK_NAME,
    NO_NETWORK,
    VOLUME_NAME,
    Capability,
    ContainerRules,
    HostFolder,
    capability_name,
)
from jobrunner.domain.commands import Entrypoint
from jobrunner.domain.sizes import ByteSize
from jobrunner.domain.specification import Specification, Text, WholeNumber
from jobrunner.errors import Fault

ALL = "ALL"
LARGEST_BYTES = 2**40
LARGEST_ID = 2**31 - 1  # of users and groups (runc)
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,63})?")
_KERNELS_OWN = tuple(map(PurePosixPath, ("/proc", "/sys", "/dev")))
_OTHERS_LABELS = ("jobrunner.", "com.docker.", "io.docker.", "org.dockerproject.")


class UlimitName(StrEnum):
    """The limits of setrlimit(2) that a job may set. Those which would raise its priority on the node are not here."""

    CORE = "core"
    CPU = "cpu"
    DATA = "data"
    FSIZE = "fsize"
    MEMLOCK = "memlock"
    NOFILE = "nofile"
    NPROC = "nproc"
    STACK = "stack"


def _user(value: Any) -> Any:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _USER.fullmatch(text):
        raise ValueError("must be a user, or user:group, by names or numbers, such as '1000:1000' or 'nobody'")
    if any(part.isdecimal() and int(part) > LARGEST_ID for part in text.split(":")):
        raise ValueError(f"must have numbers of at most {LARGEST_ID}")
    return text


def _path(value: str) -> str:
    path = PurePosixPath(value)
    if not value.startswith("/") or ".." in path.parts:
        raise ValueError("must be an absolute path without '..'")
    return "/" + str(path).lstrip("/")


def _place(value: str) -> str:
    path = PurePosixPath(_path(value))
    if path == PurePosixPath("/") or any(path.is_relative_to(own) for own in _KERNELS_OWN):
        raise ValueError("must not be the root, or in /proc, /sys or /dev")
    if "," in value or ":" in value:
        raise ValueError("must not contain ',' or ':'")
    return str(path)


def _network(value: str) -> str:
    if not re.fullmatch(NETWORK_NAME, value):
        raise ValueError("must be bridge, none, host, or the name of a network")
    return value


def _label(value: str) -> str:
    if not value or value.lower() == "jobrunner" or value.lower().startswith(_OTHERS_LABELS):
        raise ValueError(f"must not be empty, or begin with {', '.join(_OTHERS_LABELS)}, which are not the job's")
    return value


def _dropped(name: str) -> str:
    if name != ALL and name not in Capability.__members__:
        raise ValueError(f"must be {ALL}, or a capability such as 'NET_BIND_SERVICE' (capabilities(7))")
    return name


def _limit(value: Any) -> Any:
    """A number alone is the soft and the hard limit."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return {"soft": value, "hard": value} if is_number else value


Flag = Annotated[bool, Strict()]
PathInside = Annotated[Text, StringConstraints(max_length=4096), AfterValidator(_path)]
MountPlace = Annotated[Text, StringConstraints(max_length=4096), AfterValidator(_place)]
Added = Annotated[Capability, BeforeValidator(capability_name)]
Dropped = Annotated[str, BeforeValidator(capability_name), AfterValidator(_dropped)]
LimitValue = Annotated[WholeNumber, Field(ge=-1, le=2**62)]  # -1: none


class Ulimit(Specification):
    """A limit of the container's processes: a process may raise the soft one up to the hard one."""

    soft: LimitValue
    hard: LimitValue

    @model_validator(mode="after")
    def _in_order(self) -> Ulimit:
        if self.hard != -1 and (self.soft > self.hard or self.soft == -1):
            raise ValueError("soft must not be above hard (-1: no limit)")
        return self


class VolumeMount(Specification):
    """A volume of the node, by its name there, and where the container has it. `read_only`: None, as the node says."""

    name: Annotated[Text, StringConstraints(pattern=f"^{VOLUME_NAME}$")]
    target: MountPlace
    read_only: Flag | None = None


class ContainerOptions(Specification):
    """What a job may say of its container. Each default is the safe one."""

    entrypoint: Entrypoint | None = None
    working_directory: PathInside | None = None
    user: Annotated[str, BeforeValidator(_user, json_schema_input_type=str | int)] | None = None
    init: Flag = False
    read_only_root: Flag = False
    tmpfs: Annotated[dict[MountPlace, Annotated[ByteSize, Field(ge=4096, le=LARGEST_BYTES)]], Field(max_length=32)] = (
        Field(default_factory=dict)
    )
    shm_size: Annotated[ByteSize, Field(ge=4096, le=LARGEST_BYTES)] | None = None
    volumes: Annotated[tuple[VolumeMount, ...], Field(max_length=32)] = ()
    network_mode: Annotated[Text, AfterValidator(_network)] = BRIDGE
    cap_drop: Annotated[tuple[Dropped, ...], Field(max_length=64)] = ()
    cap_add: Annotated[tuple[Added, ...], Field(max_length=64)] = ()
    allow_new_privileges: Flag = False
    ulimits: dict[UlimitName, Annotated[Ulimit, BeforeValidator(_limit, json_schema_input_type=Ulimit | int)]] = Field(
        default_factory=dict
    )
    pids_limit: Annotated[WholeNumber, Field(ge=1, le=2**22)] | None = None
    labels: Annotated[
        dict[
            Annotated[Text, StringConstraints(max_length=256), AfterValidator(_label)],
            Annotated[Text, StringConstraints(max_length=4096)],
        ],
        Field(max_length=64),
    ] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_mount_a_place(self) -> ContainerOptions:
        places = [*self.tmpfs, *(volume.target for volume in self.volumes)]
        twice = {place for place in places if places.count(place) > 1}
        if twice:
            raise ValueError(f"something is mounted twice at {', '.join(sorted(twice))} (tmpfs, volumes)")
        return self

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What the container's root may do: what is dropped goes first, what is added comes after it."""
        kept = frozenset() if ALL in self.cap_drop else KEPT_CAPABILITIES - frozenset(self.cap_drop)
        return kept | frozenset(self.cap_add)

    def faults(self, rules: ContainerRules) -> Iterator[Fault]:
        """What it says that the rules of a farm do not allow."""
        if self.network_mode not in {BRIDGE, NO_NETWORK, *rules.networks}:
            allowed = ", ".join([BRIDGE, NO_NETWORK, *sorted(rules.networks)])
            yield Fault("container.networkMode", f"is not allowed by this farm; it allows {allowed}")
        for position, capability in enumerate(self.cap_add):
            if capability not in KEPT_CAPABILITIES | rules.capabilities:
                yield Fault(f"container.capAdd.{position}", f"{capability} is not allowed by this farm")
        if self.allow_new_privileges and not rules.new_privileges:
            yield Fault("container.allowNewPrivileges", "is not allowed by this farm")

    def volume_faults(self, volumes: Mapping[str, HostFolder]) -> Iterator[Fault]:
        """What it mounts that a node with these volumes does not have, or not like that."""
        for position, mount in enumerate(self.volumes):
            folder = volumes.get(mount.name)
            if folder is None:
                yield Fault(f"container.volumes.{position}.name", f"the node has no volume {mount.name!r}")
            elif folder.read_only and mount.read_only is False:
                reason = f"the volume {mount.name!r} of the node can only be read"
                yield Fault(f"container.volumes.{position}.readOnly", reason)
