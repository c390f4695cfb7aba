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
        """Have it hang: connections are made, and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        frozen = psutil.Process(self._process.pid)
        wait_until(lambda: frozen.status() == psutil.STATUS_STOPPED, 30, "it has stopped")

    def thaw(self) -> None:
        """Have it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
