"""`jobrunner up` as its users run it: a process in the foreground, with one folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from jobrunner.cli.client import ApiUnreachable, Client
from tests.support.farm import free_port

START_SECONDS = 60.0
STOP_SECONDS = 20.0


class LocalFarm:
    """One `jobrunner up`, in a folder. `settings` are environment variables without their JOBRUNNER_."""

    def __init__(self, folder: Path, docker_host: str, **settings: str) -> None:
        self.data = folder / "data"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = Client(self.url)
        self._output = folder / "up.log"
        mine = {name: value for name, value in os.environ.items() if not name.startswith("JOBRUNNER_")}
        chosen = {"DOCKER_HOST": docker_host, "NODE": f"up-{self.port}", "API_SERVICE_TIMEOUT_SECONDS": "10"} | settings
        self._environment = mine | {f"JOBRUNNER_{name}": value for name, value in chosen.items()}

    def start(self) -> subprocess.Popen[bytes]:
        """Start it; its terminal is a file."""
        command = [sys.executable, "-m", "jobrunner", "up", "--data", str(self.data), "--port", str(self.port)]
        with self._output.open("wb") as output:
            return subprocess.Popen(command, stdout=output, stderr=output, env=self._environment)

    def start_and_wait(self) -> subprocess.Popen[bytes]:
        """Start it, and return when it says that the farm is up."""
        process = self.start()
        deadline = time.monotonic() + START_SECONDS
        while "The farm is up" not in self.output:
            assert process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)
        return process

    def run_to_its_end(self) -> int:
        """Start it where it cannot stay; its exit code."""
        with self.start() as process:
            return process.wait(START_SECONDS)

    @staticmethod
    def interrupt(process: subprocess.Popen[bytes]) -> float:
        """Press Ctrl-C, and wait for the end; how many seconds it took."""
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.wait(STOP_SECONDS)
        return time.monotonic() - began

    @property
    def output(self) -> str:
        """What it has written to its terminal."""
        return self._output.read_text()

    @property
    def pids(self) -> dict[str, int]:
        """The processes that it has started, by name, whether they still run or not."""
        return {record["name"]: record["pid"] for record in json.loads((self.data / "processes.json").read_text())}

    def is_gone(self) -> bool:
        """Whether neither the API answers nor any of its processes runs."""
        try:
            list(self.client.nodes())
        except ApiUnreachable:
            return not any(Path(f"/proc/{pid}").exists() for pid in self.pids.values())
        return False
