"""The failures whose recovery is measured: how each is done, what becomes of the work, and what is left to a person."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from enum import Enum

from jobrunner.queueing import names
from tests.chaos.network import Network
from tests.chaos.own_engine import OwnEngine
from tests.chaos.own_mongods import OwnMongods
from tests.support.farm import Farm, wait_until
from tests.support.own_mongod import OwnMongod
from tests.support.own_redis import OwnRedis
from tests.support.receiver import Receiver

HELD_SECONDS = 4.0  # how long the job runs that the failure meets: it ends while the service is away


@dataclass
class Scene:
    """A farm with services of its own, which failures are done to. The worker `one` reaches them through `network`."""

    farm: Farm
    farm_id: str
    redis: OwnRedis
    mongod: OwnMongod | OwnMongods
    receiver: Receiver
    network: Network
    worker_settings: dict[str, str]
    engine: OwnEngine | None

    def start_worker(self, node: str) -> None:
        """Start the worker of a node, without a wait."""
        self.farm.start(node, "worker", "--node", node, **self.worker_settings)

    def leading_scheduler(self) -> str:
        """The name of the process that leads, once one does."""

        def leader() -> str | None:
            with self.redis.client() as client:
                owner = (client.get(names.leader_key(self.farm_id)) or b"").decode()
            running = self.farm.processes.items()
            return next((name for name, process in running if owner.endswith(f"-{process.pid}")), None)

        return wait_until(leader, 60, "a scheduler leads")


class World(Enum):
    """What a failure is done to."""

    PLAIN = "a mongod, and the machine's Engine"
    REPLICAS = "three mongods"
    LIVE_RESTORE = "an Engine of its own, whose containers outlive it"
    ENGINE = "an Engine of its own, whose containers do not"


Strike = Callable[[Scene, str, float], None]
Preparation = Callable[[Scene], AbstractContextManager[None]]


@dataclass(frozen=True)
class Failure:
    """One failure. `strike(scene, node that runs the job, seconds)` does it, and returns when its cause is gone.

    `lasts`: nothing ends it, and its recovery is counted from its beginning. `held_seconds`: after how long the job
    that it meets has nothing more to do. `prepared`: the farm as it has to be meanwhile.
    """

    name: str
    strike: Strike
    work: str
    by_hand: str = "nothing"
    world: World = World.PLAIN
    lasts: bool = False
    seconds: float = 5.0
    held_seconds: float = HELD_SECONDS
    prepared: Preparation = lambda scene: nullcontext()


def _kill_worker(scene: Scene, node: str, seconds: float) -> None:
    scene.farm.end(node, signal.SIGKILL)
    time.sleep(seconds)
    scene.start_worker(node)


def _kill_worker_for_good(scene: Scene, node: str, seconds: float) -> None:
    scene.farm.end(node, signal.SIGKILL)


@contextmanager
def _second_node(scene: Scene) -> Iterator[None]:
    scene.farm.start_worker("two", **scene.worker_settings)
    yield
    if "one" not in scene.farm.processes:
        scene.farm.start_worker("one", **scene.worker_settings)
    if "two" in scene.farm.processes:
        scene.farm.end("two")


def _kill_leader(scene: Scene, node: str, seconds: float) -> None:
    scene.farm.end(scene.leading_scheduler(), signal.SIGKILL)


@contextmanager
def _second_scheduler(scene: Scene) -> Iterator[None]:
    scene.leading_scheduler()
    scene.farm.start("scheduler-2", "scheduler")
    wait_until(lambda: "scheduler_ready" in scene.farm.log("scheduler-2"), 60, "it stands by")
    yield
    scene.farm.end("scheduler-2")
    scene.farm.start("scheduler", "scheduler")
    scene.leading_scheduler()


def _kill_scheduler(scene: Scene, node: str, seconds: float) -> None:
    scene.farm.end("scheduler", signal.SIGKILL)
    time.sleep(seconds)
    scene.farm.start("scheduler", "scheduler")


def _kill_api(scene: Scene, node: str, seconds: float) -> None:
    scene.farm.end("api", signal.SIGKILL)
    time.sleep(seconds)
    scene.farm.start("api", "api")


def _restart_redis(scene: Scene, node: str, seconds: float) -> None:
    scene.redis.kill()
    time.sleep(seconds)
    scene.redis.start()


def _flush_redis(scene: Scene, node: str, seconds: float) -> None:
    with scene.redis.client() as client:
        client.flushall()


def _restart_mongod(scene: Scene, node: str, seconds: float) -> None:
    scene.mongod.kill()
    time.sleep(seconds)
    scene.mongod.start()


def _hang_mongod(scene: Scene, node: str, seconds: float) -> None:
    scene.mongod.freeze()
    time.sleep(seconds)
    scene.mongod.thaw()


def _kill_primary(scene: Scene, node: str, seconds: float) -> None:
    scene.mongod.kill()


def _engine_ends(signum: int) -> Strike:
    def strike(scene: Scene, node: str, seconds: float) -> None:
        assert scene.engine is not None
        scene.engine.end(signum)
        time.sleep(seconds)
        scene.engine.start()

    return strike


def _receiver_down(scene: Scene, node: str, seconds: float) -> None:
    scene.receiver.mood = "reset"
    time.sleep(seconds)
    scene.receiver.mood = ""


def _cut_network(scene: Scene, node: str, seconds: float) -> None:
    scene.network.is_cut = True
    time.sleep(seconds)
    scene.network.is_cut = False


_GOES_ON = "what runs goes on, its output is caught up"
_INIT_SYSTEM = "an init system that starts it again"
FAILURES = (
    Failure(
        "worker killed, started again after 5 s",
        _kill_worker,
        f"{_GOES_ON}: the next worker adopts the containers; what waits goes to other nodes",
        _INIT_SYSTEM,
    ),
    Failure(
        "worker gone for good (another node is there)",
        _kill_worker_for_good,
        "what ran there is `lost` after `node_silent_seconds` (30); tried again elsewhere where its job has retries",
        "the machine; its containers are removed once its worker is back",
        lasts=True,
        held_seconds=40.0,
        prepared=_second_node,
    ),
    Failure(
        "leading scheduler killed, another stands by",
        _kill_leader,
        "what runs and waits is not touched; what falls due waits until the lead has run out (10 s)",
        lasts=True,
        prepared=_second_scheduler,
    ),
    Failure(
        "only scheduler killed, started again after 5 s",
        _kill_scheduler,
        "as above; deliveries wait, too",
        _INIT_SYSTEM,
    ),
    Failure(
        "API killed, started again after 5 s",
        _kill_api,
        "nothing but requests; what was accepted goes on",
        _INIT_SYSTEM,
    ),
    Failure(
        "Redis restarted, 5 s away",
        _restart_redis,
        f"{_GOES_ON}; submits get 503; what waits and falls due waits",
    ),
    Failure(
        "Redis loses all that it held (FLUSHALL)",
        _flush_redis,
        f"{_GOES_ON}; what waits is put on its queues again from MongoDB, in its order",
    ),
    Failure(
        "MongoDB restarted, 5 s away",
        _restart_mongod,
        f"{_GOES_ON}; requests get 503; nothing starts or is told meanwhile",
    ),
    Failure("MongoDB hangs for 10 s", _hang_mongod, "as above", seconds=10.0),
    Failure(
        "MongoDB of three: the primary dies",
        _kill_primary,
        "as where MongoDB is restarted, until another one is elected (MongoDB's own 10 s)",
        "the member that died",
        World.REPLICAS,
        lasts=True,
    ),
    Failure(
        "Docker Engine restarted, 5 s away, with live-restore",
        _engine_ends(signal.SIGTERM),
        "containers go on; the node takes nothing new meanwhile",
        world=World.LIVE_RESTORE,
    ),
    Failure(
        "Docker Engine killed, 5 s away, with live-restore",
        _engine_ends(signal.SIGKILL),
        "containers go on; of one that ends meanwhile nobody knows how: `lost`, tried again where it has retries",
        world=World.LIVE_RESTORE,
    ),
    Failure(
        "Docker Engine restarted, 5 s away, without live-restore",
        _engine_ends(signal.SIGTERM),
        "the Engine ends its containers: they have failed, and are tried again where their jobs have retries",
        "`live-restore` in the Engine's daemon.json",
        World.ENGINE,
        held_seconds=20.0,
    ),
    Failure(
        "receiver of webhooks away for 10 s",
        _receiver_down,
        "jobs are not touched; deliveries are tried again after 5, 15, 45 ... s",
        "a delivery that was given up: `POST .../deliveries/<id>/redeliver/`",
        seconds=10.0,
    ),
    Failure(
        "network between a worker and MongoDB and Redis cut for 10 s",
        _cut_network,
        f"{_GOES_ON}; the node takes nothing new; from `node_silent_seconds` on it is given up",
        seconds=10.0,
    ),
)
SHORT = (FAILURES[0], FAILURES[6])
