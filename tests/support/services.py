"""The real services that tests use: those that the environment names, else ones that are started here and ended after.

JOBRUNNER_TEST_MONGODB_URL, JOBRUNNER_TEST_REDIS_URL and DOCKER_HOST name them. What cannot be had is an error that
says so: a test that needs it fails.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from jobrunner.cli.local.data_folder import free_port
from jobrunner.cli.local.embedded import mongodb_program, mongodb_url, redis_program, redis_url
from jobrunner.cli.local.process_records import ProcessRecords
from jobrunner.cli.local.programs import Program
from jobrunner.cli.local.stop_requests import StopRequests
from jobrunner.cli.local.supervisor import Supervisor
from jobrunner.executors.docker.client import EngineClient
from jobrunner.settings import Settings

STANDARD_DOCKER_HOST = "unix:///var/run/docker.sock"
# A database of its own for each test is 80 files that mongod keeps open for ten minutes after it was dropped. A
# thousand tests in that time would be more files than a process may have open, and mongod would end.
FORGETS_FILES_SOON = (
    *("--syncdelay", "5"),
    *(
        "--wiredTigerEngineConfigString",
        "file_manager=(close_idle_time=5,close_scan_interval=2,close_handle_minimum=100)",
    ),
)


@contextmanager
def redis_service(folder: Path) -> Iterator[str]:
    """The URL of a Redis; one that is started here keeps its files in `folder`."""
    if named := os.environ.get("JOBRUNNER_TEST_REDIS_URL"):
        yield named
        return
    port = free_port()
    with running(redis_program(folder / "redis", port), folder):
        yield redis_url(port)


@contextmanager
def mongodb_service(folder: Path) -> Iterator[str]:
    """The URL of a MongoDB (a replica set); one that is started here keeps its files in `folder`."""
    if named := os.environ.get("JOBRUNNER_TEST_MONGODB_URL"):
        yield named
        return
    port = free_port()
    program = mongodb_program(folder / "mongodb", port)
    with running(replace(program, command=(*program.command, *FORGETS_FILES_SOON)), folder):
        yield mongodb_url(port)


def docker_host() -> str:
    """The address of a Docker Engine that answers. Raises EngineUnavailable."""
    address = os.environ.get("DOCKER_HOST", STANDARD_DOCKER_HOST)
    EngineClient(Settings(docker_host=address)).version()
    return address


@contextmanager
def running(program: Program, folder: Path) -> Iterator[None]:
    """Run a program until the end of the block; it is ready at its beginning. Raises StartFailed."""
    supervisor = Supervisor(folder, ProcessRecords(folder / "processes.json"), StopRequests(), say=lambda line: None)
    try:
        supervisor.start([program])
        yield
    finally:
        supervisor.stop([(program.name,)])
