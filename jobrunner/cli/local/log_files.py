"""The log file of one process: of bounded size, and readable from its end."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import IO

LIMIT_BYTES = 10 * 1024 * 1024
TAIL_BYTES = 16 * 1024


class LogFile:
    """`path`, and the log before it under the same name and `.1`. Together never much above twice the limit."""

    def __init__(self, path: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self.path = path
        self._older = path.with_name(path.name + ".1")
        self._limit_bytes = limit_bytes

    def rotate(self) -> None:
        """Put what is there aside, for a fresh start."""
        if self.path.exists():
            self.path.replace(self._older)

    def open(self) -> IO[bytes]:
        """Open it for a process to write to: at the end, wherever that is by then."""
        return self.path.open("ab")

    def keep_bounded(self) -> None:
        """Put what is there aside once it is too long; what is written in that very moment can be lost."""
        # The process keeps its file open and knows nothing of us: hence copied and cut, not renamed.
        if self.path.stat().st_size > self._limit_bytes:
            shutil.copyfile(self.path, self._older)
            os.truncate(self.path, 0)

    def tail(self, lines: int) -> list[str]:
        """Its last lines."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(max(0, self.path.stat().st_size - TAIL_BYTES))
            return file.read().decode("utf-8", "replace").splitlines()[-lines:]
