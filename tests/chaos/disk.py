"""A disk of a run's own, in memory, that can be made full: by taking away all its room, not by writing to it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

TRIES = 50  # somebody may write between the look and the change


class Disk:
    """A file system on a folder. It takes root to mount it, and it is gone with the mount namespace of the run."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self.folder, self._size_bytes = folder, size_bytes
        folder.mkdir(parents=True, exist_ok=True)
        _mount(folder, f"size={size_bytes}")

    def fill(self) -> None:
        """Leave no room for anything more."""
        for _ in range(TRIES):
            try:
                _mount(self.folder, f"remount,size={self._used_bytes()}")
                return
            except subprocess.CalledProcessError as error:
                failure = error
        raise failure

    def make_room(self) -> None:
        """Give it the room back that it had."""
        _mount(self.folder, f"remount,size={self._size_bytes}")

    def close(self) -> None:
        """Unmount it, with all that is on it. Nobody may use it any more."""
        subprocess.run(["umount", self.folder], check=True, timeout=30)

    def _used_bytes(self) -> int:
        found = os.statvfs(self.folder)
        return (found.f_blocks - found.f_bfree) * found.f_frsize


def _mount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True, timeout=30)
