"""The composition root: the only module that picks concrete classes."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cached_property

from redis import Redis

from jobrunner.domain.deliveries import DeliveryKind
from jobrunner.domain.events import Event
from jobrunner.domain.ports.executor import Executor
from jobrunner.domain.ports.notifier import Notifier
from jobrunner.domain.ports.store import Store
from jobrunner.engine.duty import Duty
from jobrunner.engine.farm import Farm
from jobrunner.engine.farm_clock import COMPARE_SECONDS, FarmClock
from jobrunner.executors.docker.executor import DockerExecutor
from jobrunner.notifiers.email import EmailNotifier
from jobrunner.notifiers.webhook import WebhookNotifier
from jobrunner.queueing import connection as redis_connection
from jobrunner.queueing.delivery_bell import DeliveryBell
from jobrunner.queueing.rate_limits import RedisRateLimiter
from jobrunner.queueing.rq_queue import RqQueue
from jobrunner.queueing.rq_schedule import RqTriggers
from jobrunner.settings import Settings
from jobrunner.store import connection as mongo_connection
from jobrunner.store.api_keys import MongoApiKeys
from jobrunner.store.arrays import MongoArrays
from jobrunner.store.artifacts import MongoArtifacts
from jobrunner.store.audit import MongoAudit
from jobrunner.store.blacklist import MongoBlacklist
from jobrunner.store.contents import MongoContents
from jobrunner.store.deliveries import MongoDeliveries
from jobrunner.store.dependencies import MongoDependencies
from jobrunner.store.events import MongoEvents
from jobrunner.store.executions import MongoExecutions
from jobrunner.store.farm import farm_id
from jobrunner.store.files import MongoFiles
from jobrunner.store.jobs import MongoJobs
from jobrunner.store.limits import MongoLimits
from jobrunner.store.measures import MongoMeasures
from jobrunner.store.nodes import MongoNodes
from jobrunner.store.output import MongoOutput
from jobrunner.store.repeats import MongoKeyedRequests
from jobrunner.store.schema import bring_up_to_date
from jobrunner.store.submissions import MongoSubmissions
from jobrunner.store.tasks import MongoTasks
from jobrunner.store.templates import MongoTemplates
from jobrunner.telemetry.activity import ActivityCounter
from jobrunner.telemetry.logs import log_event


class Wiring:
    """The parts of one process, put together from the settings. MongoDB must answer while it is made.

    `operation_seconds`: how long one operation of MongoDB may take, once it is made; None: what the settings say.
    """

    def __init__(self, settings: Settings, operation_seconds: float | None = None) -> None:
        """Connect. Raises SettingsError, StoreUnavailable."""
        mongo_connection.connect(settings)
        mongo_connection.check_deployment()
        bring_up_to_date()
        mongo_connection.ensure_indexes()
        if operation_seconds is not None:  # an index may take longer
            mongo_connection.disconnect()
            mongo_connection.connect(settings, operation_seconds)
        self.farm_id = settings.farm_id or farm_id()
        self.settings = settings
        self.redis: Redis = redis_connection.connect(settings)
        self.clock = FarmClock(mongo_connection.server_time)
        self.triggers = RqTriggers(self.redis, self.farm_id, self.clock)
        self.delivery_bell = DeliveryBell(self.redis, self.farm_id)
        self._closing = threading.Event()
        self._keep_clock = Duty(
            "clock", COMPARE_SECONDS, self.clock.compare, stopping=self._closing, announce=log_event
        )
        self._keep_clock.start()
        self.activity = ActivityCounter()

    @cached_property
    def farm(self) -> Farm:
        """The farm, for the engine's verbs."""
        return Farm(
            settings=self.settings,
            store=mongo_store(),
            queue=RqQueue(self.redis, self.farm_id),
            triggers=self.triggers,
            announce=self._announce,
            clock=self.clock,
            wake_deliverers=self.delivery_bell.ring,
            rate_limiter=RedisRateLimiter(self.redis, self.farm_id),
        )

    def _announce(self, event: Event) -> None:
        log_event(event)
        self.activity.hear(event)

    def close(self) -> None:
        """Close the connections of this process."""
        self._closing.set()
        self._keep_clock.join()
        self.redis.close()
        mongo_connection.disconnect()

    def notifiers(self) -> Mapping[DeliveryKind, Notifier]:
        """Who makes deliveries, by kind. Raises SettingsError where a secret or a certificate cannot be used."""
        return {
            DeliveryKind.WEBHOOK: WebhookNotifier(self.settings),
            DeliveryKind.EMAIL: EmailNotifier(self.settings),
        }

    def executor(self) -> Executor:
        """The container engine of this node; it is not asked anything yet."""
        return DockerExecutor(self.settings, self.farm_id)


def mongo_store() -> Store:
    """All collections, on the connection of this process."""
    return Store(
        tasks=MongoTasks(),
        jobs=MongoJobs(),
        executions=MongoExecutions(),
        output=MongoOutput(),
        nodes=MongoNodes(),
        deliveries=MongoDeliveries(),
        api_keys=MongoApiKeys(),
        audit=MongoAudit(),
        events=MongoEvents(),
        blacklist=MongoBlacklist(),
        limits=MongoLimits(),
        keyed_requests=MongoKeyedRequests(),
        dependencies=MongoDependencies(),
        submissions=MongoSubmissions(),
        arrays=MongoArrays(),
        templates=MongoTemplates(),
        health=mongo_connection.MongoHealth(),
        files=MongoFiles(),
        artifacts=MongoArtifacts(),
        contents=MongoContents(),
        measures=MongoMeasures(),
    )
