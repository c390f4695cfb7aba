"""A run in namespaces of its own: however it ends, by kill -9 too, all that it has started and mounted ends with it.

The process that was started waits outside. Its child is the first process of a PID namespace: it is killed when its
parent goes, and when it goes, the kernel kills all others in there, whoever has started them. It does what an init
does, and its child is the run itself.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

CLONE_NEWNS, CLONE_NEWPID = 0x20000, 0x20000000  # sched.h
MS_REC, MS_PRIVATE = 0x4000, 0x40000  # sys/mount.h
PR_SET_PDEATHSIG = 1  # sys/prctl.h
SIGNALS = (signal.SIGTERM, signal.SIGINT)
BY_SIGNAL = 128  # what a shell adds to the number of the signal that ended a process

_libc = ctypes.CDLL(None, use_errno=True)


def enclosed(run: Callable[[], int]) -> int:
    """What `run` returns, in a process of its own in such namespaces; where only root may make them, in this one.

    SIGTERM and SIGINT are passed on to it: SystemExit is raised in it, once.
    """
    if os.geteuid() != 0:
        _let_signals_end_it()
        return run()
    _check(_libc.unshare(CLONE_NEWPID | CLONE_NEWNS))
    return _wait_for(_fork(lambda: _be_init(run)))


def _be_init(run: Callable[[], int]) -> int:
    _check(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
    _mount("none", "/", "", MS_REC | MS_PRIVATE)
    _mount("proc", "/proc", "proc")
    _mount("tmpfs", "/dev/shm", "tmpfs")

    def run_it() -> int:
        _let_signals_end_it()
        return run()

    return _wait_for(_fork(run_it))


def _fork(action: Callable[[], int]) -> int:
    """The id of a child that does this, and ends with what it returns. Signals wait until it can be told of them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        code = action()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # noqa: BLE001 - nothing may get out of here into what the parent was doing
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _wait_for(child: int) -> int:
    """The exit code of a child. Meanwhile signals are passed on to it, and whoever else ends is reaped."""
    for signum in SIGNALS:
        signal.signal(signum, lambda received, _frame: os.kill(child, received))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else BY_SIGNAL - code


def _let_signals_end_it() -> None:
    def end(signum: int, _frame: FrameType | None) -> NoReturn:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)  # what is ending is not to be broken off
        raise SystemExit(BY_SIGNAL + signum)

    for signum in SIGNALS:
        signal.signal(signum, end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _mount(source: str, target: str, kind: str, flags: int = 0) -> None:
    _check(_libc.mount(source.encode(), target.encode(), kind.encode() or None, flags, None))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"namespaces: {errno.errorcode.get(number)} {os.strerror(number)}")
