"""The clocks of the processes of a farm, each of which can be set while its process runs."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")
COMPILERS = ("cc", "gcc", "clang", "tcc")
COMPILE_SECONDS = 60


class Clocks:
    """A clock for each process that is started with `environment(its name)`. They are right until they are set."""

    def __init__(self, folder: Path) -> None:
        """Raises RuntimeError where there is no compiler."""
        self._folder, self._library = folder, folder / "clock.so"
        _compile(self._library)

    def environment(self, process: str) -> Mapping[str, str]:
        """What a process is to be started with that has this clock."""
        path = self._path(process)
        if not path.exists():
            path.write_bytes(_number(0))
        return {"LD_PRELOAD": str(self._library), "CHAOS_CLOCK": str(path)}

    def set(self, process: str, ahead_seconds: int) -> None:
        """Set the clock of a process so many seconds ahead of the machine's (less than 0: behind)."""
        with self._path(process).open("r+b", buffering=0) as file:  # in place: the process has it in its memory
            file.write(_number(ahead_seconds))

    def _path(self, process: str) -> Path:
        return self._folder / f"{process}.clock"


def _number(seconds: int) -> bytes:
    return struct.pack("=q", seconds)


def _compile(library: Path) -> None:
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise RuntimeError("There is no C compiler on this machine, which clocks need that are set: install tcc.")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, SOURCE], check=True, timeout=COMPILE_SECONDS)
