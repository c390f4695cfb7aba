"""The farm that faults are done to: processes as an init system keeps them, on a Redis and a mongod of its own."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from enum import StrEnum
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from docker import APIClient
from docker.errors import APIError

from tests.chaos.disk import Disk
from tests.chaos.engines import Engines
from tests.chaos.network import Network, Proxies
from tests.chaos.own_mongods import OwnMongods
from tests.chaos.records import Absence
from tests.chaos.shared_folder import SharedFolder
from tests.support.clocks import Clocks
from tests.support.farm import Farm, free_port, wait_until
from tests.support.farm_leftovers import farm_id_of
from tests.support.images import ensure_test_image
from tests.support.own_mongod import OwnMongod
from tests.support.own_redis import OwnRedis

MIB = 1024 * 1024
SERVICES = ("redis", "mongod")
DISK_BYTES = {"redis": 64 * MIB, "mongod": 2048 * MIB}  # far more than they use in a run
IMAGE_NAME = "jobrunner/chaos"
NODES = ("one", "two", "three")
SCHEDULERS = ("scheduler-1", "scheduler-2")
APIS = ("api-1", "api-2")
KEEP_SECONDS = 0.3
AOF = ("--appendonly", "yes", "--appendfsync", "everysec", "--notify-keyspace-events", "Kl")
SETTINGS = {
    "node_beat_seconds": 2,
    "node_silent_seconds": 15,
    "janitor_interval_seconds": 1,
    "retry_first_delay_seconds": 0.5,
    "misfire_window_seconds": 600,  # longer than anything is away, also where faults follow each other
    "mongodb_timeout_seconds": 3,
    "slots": 6,
    "webhook_allow_loopback": "true",
    "webhook_timeout_seconds": 3,
    "delivery_first_delay_seconds": 0.5,
    "delivery_factor": 1.5,
    "delivery_longest_delay_seconds": 3,
}


class Need(StrEnum):
    """What some faults need that are done to a farm, and others do not pay for."""

    CLOCKS = "clocks that can be set"
    DISKS = "disks that can be made full"


class ChaosFarm:
    """Two APIs, two schedulers, three workers. What ends by itself is noted, and started again.

    `replicas`: MongoDB is a replica set of three, and fails over. `shared`: where containers say what they do.
    `needs`: what there must be for the faults.
    """

    def __init__(
        self, folder: Path, engines: Engines, *, replicas: bool = False, needs: frozenset[Need] = frozenset()
    ) -> None:
        self.name = f"chaos_{uuid4().hex[:12]}"
        self.farm_id = farm_id_of(self.name)
        self.engines, self.shared = engines, SharedFolder(folder)
        (self._test_image,) = {ensure_test_image(host) for host in engines.hosts.values()}
        self.image = f"{IMAGE_NAME}:{self.name}"
        self.clocks = Clocks(folder) if Need.CLOCKS in needs else None
        folders = {"redis": folder / "redis", "mongod": folder / "data"}
        self.disks = {n: Disk(folders[n], size) for n, size in DISK_BYTES.items() if Need.DISKS in needs}
        folders["redis"].mkdir(exist_ok=True)
        self.redis = OwnRedis(folder, *AOF, "--dir", str(folders["redis"]))
        self.mongod: OwnMongod | OwnMongods = OwnMongods(folder) if replicas else OwnMongod(folder)
        settings = {"farm_id": self.farm_id, "node_volumes": self.shared.volume, **SETTINGS}
        self.farm = Farm(self.name, self.mongod.url, self.redis.url, folder, self.image, **settings)
        if self.clocks is not None:
            self.farm.environments = {name: self.clocks.environment(name) for name in (*APIS, *SCHEDULERS, *NODES)}
        self.networks = {node: Network() for node in NODES}
        self._proxies = Proxies()
        self._proxied: dict[str, dict[str, str]] = {}
        self.ports = {APIS[0]: self.farm.port, APIS[1]: free_port()}
        self.urls = [f"http://127.0.0.1:{port}" for port in self.ports.values()]
        self.absences: list[Absence] = []  # of what was cut off, and of Engines
        self.restarts: list[Absence] = []  # of processes; they take up their work some time after their start
        self.oddities: list[str] = []
        self.locks: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._gone_since: dict[str, float] = {}
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)

    # ---- all of it

    def start(self) -> None:
        """Start it all, and wait until jobs can run."""
        for name in self.engines.hosts:
            self.tag_image(name)
        self.redis.start()
        self.mongod.start()
        self.farm.start_api()  # it makes the indexes
        self.farm.end("api")
        for name in (*APIS, *SCHEDULERS):
            self.start_process(name)
        wait_until(self.farm._is_healthy, 60, "an API is healthy")
        for node in NODES:
            self.farm.start_worker(node, **self._services_of(node))
        self._keeper.start()

    def end(self) -> None:
        """End it all, and remove what it made."""
        self._stopping.set()
        if self._keeper.is_alive():
            self._keeper.join()
        for network in self.networks.values():
            network.is_cut, network.delay = False, 0.0
        self.mongod.thaw()
        self.redis.thaw()
        self.farm.end_all()
        self._remove_containers()
        self.redis.kill()
        if isinstance(self.mongod, OwnMongods):
            self.mongod.end()
        else:
            self.mongod.kill()
        self._proxies.close()
        for disk in self.disks.values():
            disk.close()

    # ---- its processes

    def _services_of(self, node: str) -> dict[str, str]:
        """The services as the worker of a node reaches them: through its network. (Replicas tell where they are.)"""
        if node not in self._proxied:
            urls = {"redis_url": self.redis.url}
            engine_host = self.engines.hosts[self.engines.of(node)]
            if isinstance(self.mongod, OwnMongod):
                urls["mongodb_url"] = self.mongod.url
            self._proxied[node] = {"docker_host": engine_host} | {
                name: url.replace(f":{port}/", f":{self._proxies.add(self.networks[node], port)}/")
                for name, url in urls.items()
                if (port := urlsplit(url).port) is not None
            }
        return self._proxied[node]

    def start_process(self, name: str) -> None:
        """Start one. It may wait for services that are away."""
        if name in APIS:
            self.farm.start(name, "api", api_port=self.ports[name])
        elif name in SCHEDULERS:
            self.farm.start(name, "scheduler")
        else:
            self.farm.start(name, "worker", "--node", name, **self._services_of(name))
        if name in self._gone_since:
            self.restarts.append(Absence(name, self._gone_since.pop(name), time.time()))

    def end_process(self, name: str, signum: int) -> None:
        """End one. One that does not go by SIGTERM in time is noted, and killed."""
        process, told_at = self.farm.processes[name], time.time()
        try:
            self.farm.end(name, signum)
        except subprocess.TimeoutExpired:
            self.oddities.append(f"{name} did not end within 15 s of SIGTERM")
            self.farm.processes[name] = process
            self.farm.end(name, signal.SIGKILL)
        self._gone_since[name] = told_at

    def _keep(self) -> None:
        while not self._stopping.wait(KEEP_SECONDS):
            for name in (*APIS, *SCHEDULERS, *NODES):
                self._unless_at_work_on(name, self._keep_one)
            for name in SERVICES:
                self._unless_at_work_on(name, self._keep_service)

    def _unless_at_work_on(self, name: str, action: Callable[[str], None]) -> None:
        """Do it, unless a fault is being done to it."""
        if self.locks[name].acquire(blocking=False):
            try:
                action(name)
            finally:
                self.locks[name].release()

    def _keep_service(self, name: str) -> None:
        """Start it again if it has ended: that is how some take it, a while later, if their disk has no room."""
        service: OwnRedis | OwnMongod | OwnMongods = getattr(self, name)
        if not service.has_ended:
            return
        if name not in self.disks:
            self.oddities.append(f"{name} ended by itself")
        service.start()

    def _keep_one(self, name: str) -> None:
        process = self.farm.processes.get(name)
        if process is None or process.poll() is None:
            return
        self.oddities.append(f"{name} ended by itself, with {process.returncode}")
        self._gone_since[name] = time.time()
        self.start_process(name)

    def node_of(self, incarnation: str) -> str | None:
        """The node of a worker process, by the name that it stamps messages with (it has its pid)."""
        pid = re.search(r"(\d+)-[0-9a-f]{8}$", incarnation)
        return next((n for n in NODES if pid and self._pid(n) == int(pid[1])), None)

    def _pid(self, name: str) -> int | None:
        process = self.farm.processes.get(name)
        return process.pid if process else None

    # ---- its containers

    def tag_image(self, engine_name: str) -> None:
        """Have the image of the jobs on an Engine: a name of this farm's own for the one that all tests use."""
        repository, _, tag = self.image.partition(":")
        with closing(self.engines.client(engine_name)) as engine:
            engine.tag(self._test_image, repository, tag=tag)

    def _remove_containers(self) -> None:
        for name in self.engines.hosts:
            with closing(self.engines.client(name)) as engine:
                wait_until(partial(self._none_is_left, engine), 60, "no container is left")
                if engine.images(self.image):
                    engine.remove_image(self.image)

    def _none_is_left(self, engine: APIClient) -> bool:
        """Remove all; whether there was none. The Engine may be at work yet on what a worker removed at its end."""
        found = engine.containers(all=True, filters=self.labelled())
        for container in found:
            try:
                engine.remove_container(container["Id"], force=True)
            except APIError as error:
                if error.status_code not in (404, 409):
                    raise
        return not found

    def labelled(self) -> dict[str, list[str]]:
        """The filter for what is the farm's."""
        return {"label": [f"jobrunner.farm={self.farm_id}"]}
