"""A disk of a run's own, in memory, that can be made full: by taking away all its room, not by writing to it."""

from __future__ import annotations

import os
from pathlib import Path

from tests.chaos.linux import MS_REMOUNT, mount, unmount

TRIES = 1000  # somebody may write between the look and the change
LEAST_BYTES = 4096


class Disk:
    """A file system on a folder. It takes root to mount it, and it is gone with the mount namespace of the run."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self.folder, self._size_bytes = folder, size_bytes
        folder.mkdir(parents=True, exist_ok=True)
        self._mount(size_bytes)

    def fill(self) -> None:
        """Leave no room for anything more."""
        for _ in range(TRIES):
            try:
                self._mount(max(LEAST_BYTES, self._used_bytes()), MS_REMOUNT)
                return
            except OSError as error:
                failure = error
        raise failure

    def make_room(self) -> None:
        """Give it the room back that it had."""
        self._mount(self._size_bytes, MS_REMOUNT)

    def close(self) -> None:
        """Unmount it, with all that is on it. Nobody may use it any more."""
        unmount(self.folder)

    def _mount(self, size_bytes: int, flags: int = 0) -> None:
        mount("tmpfs", self.folder, "tmpfs", flags, f"size={size_bytes}")

    def _used_bytes(self) -> int:
        found = os.statvfs(self.folder)
        return (found.f_blocks - found.f_bfree) * found.f_frsize
