"""A process of a test's own, which may be killed and frozen, and started again."""

from __future__ import annotations

import signal
import subprocess
from abc import ABC, abstractmethod
from typing import Self

import psutil

from tests.support.farm import wait_until

END_SECONDS = 30


class OwnProcess(ABC):
    """As a context: it is started, and ended for good."""

    _process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def start(self) -> Self:
        """Start it, and wait until it can be used."""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """Of the process that runs, or ran last."""
        assert self._process is not None
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether it was started, and runs no more."""
        return self._process is not None and self._process.poll() is not None

    def kill(self) -> None:
        """End it by SIGKILL, also where it is frozen."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(END_SECONDS)

    def freeze(self) -> None:
        """Have it hang: connections are made, and nothing is answered. Nothing, where it has ended."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        wait_until(lambda: self.has_ended or self._has_stopped(), 30, "it has stopped")

    def _has_stopped(self) -> bool:
        try:
            return bool(psutil.Process(self.pid).status() == psutil.STATUS_STOPPED)
        except psutil.NoSuchProcess:  # it has ended since we looked
            return True

    def thaw(self) -> None:
        """Have it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
