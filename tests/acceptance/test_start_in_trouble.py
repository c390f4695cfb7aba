"""A part of the farm whose services are away when it starts, or go while it does: it waits for them, and says so."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from tests.support.engine_door import EngineDoor
from tests.support.farm import END_SECONDS, Farm, wait_until
from tests.support.farm_leftovers import farm_id_of, remove_containers
from tests.support.own_mongod import OwnMongod
from tests.support.own_redis import OwnRedis

pytestmark = pytest.mark.services

COMMANDS = {"api": ("api",), "scheduler": ("scheduler",), "one": ("worker", "--node", "one")}
READY = {"scheduler": "scheduler_ready", "one": "worker_ready"}
PROMPT_SECONDS = 3.0
PATIENCE_SECONDS = 60.0
SECRET = "hunter2"


class Scene:
    """A farm, none of whose parts runs yet, and the services that it needs, by the names that logs have for them."""

    def __init__(self, folder: Path, image: str) -> None:
        self.services = {"mongo": OwnMongod(folder), "redis": OwnRedis(folder), "docker": EngineDoor(folder)}
        mongod, redis, engine = self.services.values()
        name = f"test_{uuid4().hex[:12]}"
        settings = {"farm_id": farm_id_of(name), "docker_host": engine.host, "mongodb_timeout_seconds": 1}
        self.farm = Farm(name, mongod.url, redis.url, folder, image, **settings)

    def start_all_services(self) -> None:
        for service in self.services.values():
            service.start()

    def end(self) -> None:
        for service in self.services.values():
            service.kill()
        remove_containers(farm_id_of(self.farm.name))

    def start_part(self, name: str) -> None:
        (self.farm.folder / f"{name}.log").unlink(missing_ok=True)
        self.farm.start(name, *COMMANDS[name])

    def start_part_in_which_dies(self, name: str, service: str, step: str) -> None:
        """Start a part; the service is killed right before this step of its start."""
        module, pid = "tests.support.service_dies_at_start", str(self.services[service].pid)
        command = [sys.executable, "-m", module, step, pid, *COMMANDS[name]]
        with (self.farm.folder / f"{name}.log").open("wb") as log:
            self.farm.processes[name] = subprocess.Popen(
                command, env=self.farm.environment, stdout=log, stderr=log, start_new_session=True
            )

    def says_that_it_waits(self, name: str, service: str) -> bool:
        assert self.farm.processes[name].poll() is None, self.farm.log(name)
        return any(
            "waiting_for_service" in line and f'"service": "{service}"' in line
            for line in self.farm.log(name).splitlines()
        )

    def wait_until_it_says_so(self, name: str, service: str) -> None:
        wait_until(
            lambda: self.says_that_it_waits(name, service), PATIENCE_SECONDS, f"{name} says that it waits for {service}"
        )

    def is_ready(self, name: str) -> bool:
        assert self.farm.processes[name].poll() is None, self.farm.log(name)
        return self.farm._is_healthy() if name == "api" else READY[name] in self.farm.log(name)

    def wait_until_ready(self, name: str) -> None:
        wait_until(lambda: self.is_ready(name), PATIENCE_SECONDS, f"{name} is ready")

    def end_promptly(self, *names: str) -> None:
        """Signal them all, and see that each ends well and soon, whatever it was doing."""
        processes = [self.farm.processes.pop(name) for name in names]
        for process in processes:
            process.send_signal(signal.SIGTERM)
        since = time.monotonic()
        assert [process.wait(END_SECONDS) for process in processes] == [0] * len(names)
        assert time.monotonic() - since < PROMPT_SECONDS


@pytest.fixture(scope="module")
def made(test_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    scene = Scene(tmp_path_factory.mktemp("start"), test_image)
    scene.start_all_services()
    yield scene
    scene.end()


@pytest.fixture
def scene(made: Scene) -> Iterator[Scene]:
    yield made
    for name in list(made.farm.processes):
        made.farm.end(name, signal.SIGKILL)
    for service in made.services.values():
        if not is_alive(service.pid):  # a test has failed
            service.kill()
            service.start()


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


NEEDED_BY = {"mongo": ("api", "scheduler", "one"), "redis": ("api", "scheduler", "one"), "docker": ("one",)}


@pytest.mark.parametrize("service", NEEDED_BY)
def test_what_is_started_while_a_service_is_away_waits_for_it_and_can_be_ended_meanwhile(
    scene: Scene, service: str
) -> None:
    scene.services[service].kill()
    for end in (True, False):
        for name in NEEDED_BY[service]:
            scene.start_part(name)
        for name in NEEDED_BY[service]:
            scene.wait_until_it_says_so(name, service)
        if end:
            scene.end_promptly(*NEEDED_BY[service])
    scene.services[service].start()
    for name in NEEDED_BY[service]:
        scene.wait_until_ready(name)
        assert scene.farm.log(name).count("waiting_for_service") == 1, "not at every try"
        assert "service_answers" in scene.farm.log(name)


STEPS = [
    ("api", "mongo", "jobrunner.cli.api.Server.load"),  # in gunicorn's worker process
    ("scheduler", "redis", "jobrunner.queueing.rq_queue.RqQueue.check"),
    ("one", "mongo", "jobrunner.worker.service.read_drain"),
    ("one", "redis", "jobrunner.worker.service.clear_up"),
    ("one", "docker", "jobrunner.worker.service.reap"),
]


@pytest.mark.parametrize(("name", "service", "step"), STEPS)
def test_a_service_that_dies_during_a_start_is_waited_for(scene: Scene, name: str, service: str, step: str) -> None:
    scene.start_part_in_which_dies(name, service, step)
    scene.wait_until_it_says_so(name, service)
    scene.services[service].kill()
    scene.services[service].start()
    scene.wait_until_ready(name)


@pytest.mark.parametrize(
    ("setting", "url", "told"),
    [
        ("mongodb_url", "mongodb://me:{secret}@127.0.0.1:{port}/", "MongoDB refuses the user or the password"),
        ("redis_url", "redis://me:{secret}@127.0.0.1:{port}/0", "Redis refuses the user or the password"),
    ],
)
def test_credentials_that_are_refused_end_a_start_at_once(scene: Scene, setting: str, url: str, told: str) -> None:
    service = scene.services["mongo" if setting == "mongodb_url" else "redis"]
    port = service.url.split(":")[2].split("/")[0]
    environment = {**scene.farm.environment, f"JOBRUNNER_{setting.upper()}": url.format(secret=SECRET, port=port)}
    for name, command in COMMANDS.items():
        with (scene.farm.folder / f"{name}.log").open("wb") as log:
            scene.farm.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "jobrunner", *command],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
    for name in COMMANDS:
        assert scene.farm.processes.pop(name).wait(END_SECONDS) == 2
        assert told in scene.farm.log(name)
        assert SECRET not in scene.farm.log(name)
