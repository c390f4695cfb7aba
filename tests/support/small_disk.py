"""A disk of a test's own, so small that it can be filled. (Mounting it takes root, or sudo without a password.)"""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

AS_ROOT = () if os.geteuid() == 0 else ("sudo", "-n")
COMMAND_SECONDS = 30
PIECE_BYTES = 1024 * 1024


class SmallDisk:
    """A file system in memory. `path`: where it is mounted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def fill(self, leave_bytes: int = 0) -> None:
        """Leave only so many bytes free. (Others may be writing, too: they get what they can.)"""
        with self._ballast.open("ab", buffering=0) as ballast:
            while (too_much := self._free_bytes() - leave_bytes) > 0:
                try:
                    ballast.write(bytes(min(too_much, PIECE_BYTES)))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    return

    def _free_bytes(self) -> int:
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def make_room(self) -> None:
        """Take out what it was filled with."""
        self._ballast.unlink()


@contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mount one on this folder until the end of the block. (What is still open on it is kept until it is closed.)"""
    _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=1777", "tmpfs", str(path))
    try:
        yield SmallDisk(path)
    finally:
        _run("umount", "--lazy", str(path))


def _run(*command: str) -> None:
    subprocess.run([*AS_ROOT, *command], check=True, capture_output=True, timeout=COMMAND_SECONDS)
