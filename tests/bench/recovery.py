"""How soon a farm, as it is set up by default, has recovered from failures: a table of its own. As root."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import requests

from jobrunner.settings import Settings
from tests.bench.failures import FAILURES, SHORT, Failure, Scene, World
from tests.chaos.network import Network, Proxies
from tests.chaos.own_engine import OwnEngine
from tests.chaos.own_mongods import OwnMongods
from tests.support.farm import Farm, wait_until
from tests.support.farm_leftovers import farm_id_of, remove_containers
from tests.support.images import ensure_test_image
from tests.support.own_mongod import OwnMongod
from tests.support.own_redis import OwnRedis
from tests.support.receiver import receiver
from tests.support.services import docker_host

AOF = ("--appendonly", "yes", "--appendfsync", "everysec")
STANDARD_ELECTION_MS = 10_000  # MongoDB's own
DUE_IN = "2s"  # while the failure lasts
LONGEST_SECONDS = 240.0
MEASURED = ("the job that it met is told to be", "a new job is done", "all that fell due is made")
LOOK_SECONDS = 0.1
ASK_SECONDS = 2.0
# What the farm of other tests has quicker than it is by default.
DEFAULTS = {
    name: Settings.model_fields[name].default
    for name in ("janitor_interval_seconds", "node_beat_seconds", "node_silent_seconds", "retry_first_delay_seconds")
}


def print_recovery(folder: Path, *, short: bool) -> None:
    """Do all failures, one after the other, and print the table as it comes."""
    _print_row("failure", "what becomes of the work", *MEASURED, "left to you")
    _print_row(*["---"] * (3 + len(MEASURED)))
    chosen = SHORT if short else FAILURES
    for world in World:
        failures = [failure for failure in chosen if failure.world is world]
        if failures:
            (folder / world.name).mkdir()
            with _scene(folder / world.name, world) as scene:
                for failure in failures:
                    _print_row(failure.name, failure.work, *_measure(scene, failure), failure.by_hand)


def _print_row(*columns: str) -> None:
    print(f"| {' | '.join(columns)} |", flush=True)


def _measure(scene: Scene, failure: Failure) -> tuple[str, str, str]:
    """The columns of MEASURED: from the end of the failure, or, where nothing ends it, from its beginning."""
    with failure.prepared(scene):
        owed = Owed(scene, failure.held_seconds)
        began = time.monotonic()
        failure.strike(scene, owed.node, failure.seconds)
        since = began if failure.lasts else time.monotonic()
        return owed.watch(since)


class Owed:
    """Work that a failure meets: a job that runs, one that waits for it, one that falls due, and a webhook."""

    def __init__(self, scene: Scene, held_seconds: float) -> None:
        self._farm, self._receiver, self._path = scene.farm, scene.receiver, f"/{uuid4().hex}"
        alone: Mapping[str, Any] = {"concurrency": {"group": "bench", "most": 1}}
        hooks = {"finishes": [{"url": self._receiver.url + self._path, "retries": 10}]}
        # To an instant, and not for a time: a second attempt has nothing more to do than what is left.
        script = f"while [ $(date +%s) -lt {int(time.time() + held_seconds)} ]; do sleep 0.1; done"
        self._held = scene.farm.post_job("sh", "-c", script, retries=1, webhooks=hooks, **alone)
        self.node = str(scene.farm.wait_for_status(self._held, "running", seconds=60)["node"])
        self._waiting = scene.farm.post_job("true", **alone)
        self._due = scene.farm.post_job("true", startIn=DUE_IN)
        self._new: dict[str, Any] | None = None

    def watch(self, since: float) -> tuple[str, str, str]:
        """Look until all of it is there, and tell what came when."""
        seen: dict[str, float] = {}
        ends: list[str] = []

        def look() -> bool:
            now = {"first": self._ends(), "new": self._new_is_done(), "due": self._due_is_made()}
            ends[:] = self._ends()
            now["last"] = bool(ends) and (ends[-1] == "done" or len(ends) == 2)
            for name, is_there in now.items():
                if is_there:
                    seen.setdefault(name, max(0.0, time.monotonic() - since))
            return len(seen) == len(now)

        deadline = time.monotonic() + LONGEST_SECONDS
        while not look() and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
        told = [f"`{end}` {_seconds(seen, at)}" for end, at in zip(ends, ("first", "last"), strict=False)]
        return ", ".join(told), _seconds(seen, "new"), _seconds(seen, "due")

    def _ends(self) -> list[str]:
        """How the attempts of the job ended that have ended, as the API tells it."""
        job = self._ask(self._held["jobUrl"])
        attempts = sorted(job["job"]["executions"], key=lambda e: e["attempt"]) if job else []
        return [str(e["status"]) for e in attempts if e["finishedAt"]]

    def _new_is_done(self) -> bool:
        if self._new is None:
            self._new = self._post()
        return self._new is not None and self._is_done(self._new)

    def _post(self) -> dict[str, Any] | None:
        body = {"image": self._farm.image, "command": "true"}
        try:
            answer = self._farm.http.post(f"{self._farm.url}/tasks/bench/", json=body, timeout=ASK_SECONDS)
        except requests.RequestException:
            return None
        return dict(answer.json()) if answer.ok else None

    def _due_is_made(self) -> bool:
        is_called = any(call.path == self._path and not call.mood for call in self._receiver.calls)
        return is_called and self._is_done(self._waiting) and self._is_done(self._due)

    def _is_done(self, accepted: Mapping[str, Any]) -> bool:
        job = self._ask(accepted["jobUrl"])
        return bool(job) and any(e["status"] == "done" for e in job["job"]["executions"])

    def _ask(self, url: str) -> Any:
        try:
            answer = self._farm.http.get(url, timeout=ASK_SECONDS)
        except requests.RequestException:
            return None
        return answer.json() if answer.ok else None


def _seconds(seen: Mapping[str, float], name: str) -> str:
    if name not in seen:
        return f"not within {LONGEST_SECONDS:g} s"
    return "at once" if seen[name] < 1 else f"after {seen[name]:.0f} s"


@contextmanager
def _scene(folder: Path, world: World) -> Iterator[Scene]:
    with ExitStack() as stack:
        redis = OwnRedis(folder, *AOF).start()
        stack.callback(redis.kill)
        mongod = _mongod(folder, world, stack)
        engine = _engine(folder, world, stack)
        host = engine.host if engine else docker_host()
        name = f"bench_{uuid4().hex[:12]}"
        settings = {**DEFAULTS, "farm_id": farm_id_of(name), "docker_host": host, "webhook_allow_loopback": "true"}
        farm = Farm(name, mongod.url, redis.url, folder, ensure_test_image(host), **settings)
        if engine is None:
            stack.callback(remove_containers, farm_id_of(name))
        stack.callback(farm.end_all)
        network, urls = Network(), {"redis_url": redis.url, "mongodb_url": mongod.url}
        through = (
            {} if world is World.REPLICAS else dict(_through(network, urls, stack))
        )  # replicas tell where they are
        scene = Scene(farm, farm_id_of(name), redis, mongod, stack.enter_context(receiver()), network, through, engine)
        farm.start_all()
        farm.start_worker("one", **through)
        wait_until(lambda: farm.wait_for_end(farm.post_job("true")), 60, "a job is done")
        yield scene


def _mongod(folder: Path, world: World, stack: ExitStack) -> OwnMongod | OwnMongods:
    if world is World.REPLICAS:
        mongods = OwnMongods(folder, election_ms=STANDARD_ELECTION_MS)
        stack.callback(mongods.end)
        return mongods.start()
    mongod = OwnMongod(folder)
    stack.callback(mongod.kill)
    return mongod.start()


def _engine(folder: Path, world: World, stack: ExitStack) -> OwnEngine | None:
    if world not in (World.ENGINE, World.LIVE_RESTORE):
        return None
    engine = OwnEngine(folder, live_restore=world is World.LIVE_RESTORE)
    stack.callback(engine.close)
    return engine.start()


def _through(network: Network, urls: Mapping[str, str], stack: ExitStack) -> Iterable[tuple[str, str]]:
    """The services as they are reached through a network that can be cut."""
    proxies = Proxies()
    stack.callback(proxies.close)
    for name, url in urls.items():
        port = urlsplit(url).port
        assert port is not None
        yield name, url.replace(f":{port}/", f":{proxies.add(network, port)}/")
