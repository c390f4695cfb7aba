"""How a container is set up, in the Engine's words: what its job said, and safe defaults where it said nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docker.types import Mount
from docker.types import Ulimit as EngineUlimit

from jobrunner.container_rules import HostFolder
from jobrunner.domain.commands import words_of
from jobrunner.domain.container_options import ContainerOptions, VolumeMount
from jobrunner.settings import Settings


def container_arguments(options: ContainerOptions) -> dict[str, Any]:
    """Arguments of APIClient.create_container."""
    return {
        # An empty list is not None: it drops the entrypoint of the image.
        "entrypoint": None if options.entrypoint is None else list(words_of(options.entrypoint)),
        "working_dir": options.working_directory,
        "user": options.user,
    }


def host_arguments(options: ContainerOptions, settings: Settings) -> dict[str, Any]:
    """Arguments of HostConfig. The rules of the farm have been applied before; a volume that is not there: KeyError."""
    pids_limit = settings.container_pids_limit
    return {
        # All are dropped and some added, so that it does not depend on what this Engine gives by default.
        "cap_drop": ["ALL"],
        "cap_add": sorted(options.capabilities),
        "security_opt": [] if options.allow_new_privileges else ["no-new-privileges"],
        "pids_limit": pids_limit if options.pids_limit is None else min(options.pids_limit, pids_limit),
        "network_mode": options.network_mode,
        "read_only": options.read_only_root,
        "tmpfs": {path: f"size={size_bytes},mode=1777" for path, size_bytes in options.tmpfs.items()},
        "shm_size": options.shm_size,
        "ulimits": [EngineUlimit(name=name, soft=it.soft, hard=it.hard) for name, it in options.ulimits.items()],
        "mounts": [_mount(volume, settings.node_volumes or {}) for volume in options.volumes],
        "init": options.init or None,  # None: as the Engine's own configuration says
    }


def _mount(volume: VolumeMount, folders: Mapping[str, HostFolder]) -> Mount:
    """A bind mount, which unlike a bind in the old form does not make a folder that is missing on the node."""
    folder = folders[volume.name]
    return Mount(volume.target, folder.path, type="bind", read_only=folder.read_only or bool(volume.read_only))
