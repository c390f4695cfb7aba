"""The system calls of Linux for namespaces and mounts, which Python 3.11 has not got. They raise OSError."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

CLONE_NEWNS, CLONE_NEWPID = 0x20000, 0x20000000  # sched.h
MS_REMOUNT, MS_REC, MS_PRIVATE = 0x20, 0x4000, 0x40000  # sys/mount.h
PR_SET_PDEATHSIG = 1  # sys/prctl.h

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Have new namespaces: see unshare(2)."""
    _check(_libc.unshare(flags), "unshare")


def die_with_parent(signum: int) -> None:
    """Have this process get a signal when the thread that forked it ends: see prctl(2)."""
    _check(_libc.prctl(PR_SET_PDEATHSIG, signum), "prctl")


def mount(source: str, target: Path, kind: str = "", flags: int = 0, options: str = "") -> None:
    """See mount(2)."""
    result = _libc.mount(source.encode(), bytes(target), kind.encode() or None, flags, options.encode() or None)
    _check(result, f"mount {target}")


def unmount(target: Path) -> None:
    """See umount(2)."""
    _check(_libc.umount2(bytes(target), 0), f"umount {target}")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
