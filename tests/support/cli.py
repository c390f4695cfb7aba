"""Run the `jobrunner` command as its users do: as a process, with pipes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

WAIT_SECONDS = 60.0


@contextmanager
def start_cli(
    *arguments: str,
    url: str,
    environ: Mapping[str, str] | None = None,
    shell: str = 'exec "$@"',
    stderr: int = subprocess.PIPE,
) -> Iterator[subprocess.Popen[bytes]]:
    """A `jobrunner` against an API, with nothing of our own JOBRUNNER_ variables; its outputs are pipes. Killed after.

    `shell` is a line of sh(1) that sets the stage and then executes "$@".
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("JOBRUNNER_")}
    with subprocess.Popen(
        ["sh", "-c", shell, "sh", sys.executable, "-m", "jobrunner", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        bufsize=0,  # communicate() would miss what a readline() before it has left in a buffer
        env={**inherited, "JOBRUNNER_URL": url, **(environ or {})},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run_cli(*arguments: str, url: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run `jobrunner` to its end; fails where that does not come within WAIT_SECONDS."""
    with start_cli(*arguments, url=url, environ=environ) as process:
        return finish_cli(process)


def finish_cli(process: subprocess.Popen[bytes]) -> subprocess.CompletedProcess[bytes]:
    """Wait for the end of a started command, and return what is left of its output."""
    stdout, stderr = process.communicate(timeout=WAIT_SECONDS)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def unused_url() -> str:
    """The address of a port of this machine where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"
