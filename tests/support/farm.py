"""A whole farm for tests: API, scheduler and workers as real processes, on real services."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import requests

# Other tests may keep the disk busy for longer than the API would wait by default.
PATIENT: Mapping[str, Any] = {"api_service_timeout_seconds": 10}
T = TypeVar("T")
START_SECONDS = 60  # of a farm among other tests, on a machine with two cores
END_SECONDS = 15
LONGEST_LOOK_SECONDS = 0.25  # between two: each may be a request, and other tests want the processor


def wait_until(condition: Callable[[], T | None], seconds: float, what: str) -> T:
    """The first truthy answer of `condition`; fails the test, in words, where there is none in time.

    Generous bounds cost nothing: other tests may have the machine. What has to be quick is a `timed` test.
    """
    began = time.monotonic()
    while (waited := time.monotonic() - began) < seconds:
        answer = condition()
        if answer:
            return answer
        time.sleep(min(0.02 + waited / 10, LONGEST_LOOK_SECONDS))
    raise AssertionError(f"not within {seconds} s: {what}")


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Farm:
    """Starts and ends the processes of one farm. `name` is its database; the farm's id is its own."""

    def __init__(
        self, name: str, mongodb_url: str, redis_url: str, folder: Path, image: str, **settings: object
    ) -> None:
        self.name, self.folder, self.image = name, folder, image
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = requests.Session()
        self.http.trust_env = False
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.environments: dict[str, Mapping[str, str]] = {}  # what a process is started with beside its settings
        chosen = {
            "mongodb_url": mongodb_url,
            "mongodb_database": name,
            "redis_url": redis_url,
            "api_port": self.port,
            **PATIENT,
            "state_dir": folder,
            "janitor_interval_seconds": 1,
            "node_beat_seconds": 1,
            "node_silent_seconds": 30,  # for a worker to start again on a machine that runs other tests
            "retry_first_delay_seconds": 0.5,
            "log_format": "json",
        }
        self._settings = {f"JOBRUNNER_{name.upper()}": str(value) for name, value in (chosen | settings).items()}

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of the farm's processes, and of commands that speak to it."""
        mine = {name: value for name, value in os.environ.items() if not name.startswith("JOBRUNNER_")}
        return mine | self._settings

    # ---- processes

    def start(self, name: str, *command: str, **settings: object) -> subprocess.Popen[bytes]:
        """Start `jobrunner <command>` under a name; its log is in the farm's folder."""
        extra = {f"JOBRUNNER_{key.upper()}": str(value) for key, value in settings.items()}
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "jobrunner", *command],
                env={**self.environment, **self.environments.get(name, {}), **extra},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes[name] = process
        return process

    def start_worker(self, node: str, *options: str, **settings: object) -> subprocess.Popen[bytes]:
        """Start the worker of a node, and wait until the farm knows it."""
        process = self.start(node, "worker", "--node", node, *options, **settings)
        self._wait_for(process, lambda: self._node_is_up(node, process.pid), f"worker {node} is up")
        return process

    def start_api(self) -> None:
        """Start the API, and wait until it is healthy."""
        process = self.start("api", "api")
        self._wait_for(process, self._is_healthy, "the API is healthy")

    def start_all(self, *nodes: str) -> None:
        """Start API, scheduler, and a worker for each node."""
        self.start("scheduler", "scheduler")
        self.start_api()
        for node in nodes:
            self.start_worker(node)

    def end(self, name: str, signum: int = signal.SIGTERM) -> float:
        """End a process; how many seconds that took."""
        process = self.processes.pop(name)
        began = time.monotonic()
        if signum == signal.SIGKILL:
            # All of it: else gunicorn's worker outlives its master for a moment, and answers in the place of the next.
            os.killpg(process.pid, signum)
        else:
            process.send_signal(signum)
        process.wait(END_SECONDS)
        return time.monotonic() - began

    def end_all(self) -> None:
        """End what still runs, side by side; what does not end in time is killed."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(END_SECONDS)
        self.processes.clear()

    def log(self, name: str) -> str:
        """What a process has logged."""
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def _wait_for(self, process: subprocess.Popen[bytes], condition: Callable[[], bool], what: str) -> None:
        def is_there() -> bool:
            if process.poll() is not None:
                raise AssertionError(f"ended with {process.returncode} before {what}; logs are in {self.folder}")
            return condition()

        wait_until(is_there, START_SECONDS, what)

    def _is_healthy(self) -> bool:
        try:
            return self.http.get(f"{self.url}/healthcheck/", timeout=5).status_code == 200
        except (requests.ConnectionError, requests.Timeout):  # it makes its indexes yet
            return False

    def _node_is_up(self, node: str, pid: int) -> bool:
        nodes = self.http.get(f"{self.url}/nodes/", timeout=5).json()["items"]
        return any(found["name"] == node and found["state"] == "up" and found["pid"] == pid for found in nodes)

    # ---- the API

    def post_job(self, *command: str, task: str = "test", **spec: Any) -> dict[str, Any]:
        """Post a job of the farm's image; the answer."""
        body = {"image": self.image, **({"command": list(command)} if command else {}), **spec}
        answer = self.http.post(f"{self.url}/tasks/{task}/", json=body, timeout=10)
        assert answer.status_code == 200, answer.text
        accepted: dict[str, Any] = answer.json()
        return accepted

    def execution(self, accepted: Mapping[str, Any]) -> dict[str, Any]:
        """The execution of an accepted job, as the API tells it."""
        answer = self.http.get(f"{self.url}/executions/{accepted['executionId']}/", timeout=10)
        assert answer.status_code == 200, answer.text
        execution: dict[str, Any] = answer.json()["execution"]
        return execution

    def wait_for_status(self, accepted: Mapping[str, Any], *statuses: str, seconds: float = 30) -> dict[str, Any]:
        """The execution once it has one of these statuses."""

        def has_status() -> dict[str, Any] | None:
            execution = self.execution(accepted)
            return execution if execution["status"] in statuses else None

        return wait_until(has_status, seconds, f"execution {accepted['executionId']} is {' or '.join(statuses)}")

    def wait_for_end(self, accepted: Mapping[str, Any], seconds: float = 30) -> dict[str, Any]:
        """The execution once it is over."""
        ends = ("done", "failed", "timedout", "stopped", "expired", "lost")
        return self.wait_for_status(accepted, *ends, seconds=seconds)

    def output(self, accepted: Mapping[str, Any], stream: str) -> bytes:
        """What the execution has written to `stdout` or `stderr` so far."""
        answer = self.http.get(f"{accepted['executionUrl'].rstrip('/')}/{stream}/", timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.content
