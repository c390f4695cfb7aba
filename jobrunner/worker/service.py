"""The worker process of a node, from its start to its end."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import IO, TypeVar
from uuid import uuid4

import structlog

from jobrunner.engine.duty import Duty
from jobrunner.engine.hand_back import forget_message, hand_back, return_unclaimed
from jobrunner.engine.janitors.reap import reap, reap_and_tell
from jobrunner.engine.janitors.resume import Resume
from jobrunner.engine.meter import sample_usage
from jobrunner.engine.node import ThisNode
from jobrunner.engine.presence import Presence
from jobrunner.engine.time_keeper import flush_output, keep_time, read_drain, read_stop_wishes
from jobrunner.errors import Conflict, Ending, ServiceUnavailable, SettingsError
from jobrunner.patience import ended_by_signals, once_answered
from jobrunner.queueing import names
from jobrunner.queueing.connection import translating_errors
from jobrunner.queueing.lanes import describe_node, open_plain_lane
from jobrunner.settings import Settings
from jobrunner.telemetry.activity import STORE_EVERY_SECONDS, STORE_WITHIN_SECONDS
from jobrunner.wiring import Wiring
from jobrunner.worker.entrypoints import serve
from jobrunner.worker.slot_worker import SlotWorker
from jobrunner.worker.takeover import clear_up, incarnation_prefix

FLUSH_SECONDS = 0.25
TIME_KEEPER_SECONDS = 0.25
WISHES_SECONDS = 1.0
METER_SECONDS = 0.5
REAP_SECONDS = 30.0

T = TypeVar("T")
log = structlog.get_logger(__name__)


class NodeService:
    """Everything that runs in a worker process beside the runs themselves."""

    def __init__(self, wiring: Wiring, drain: bool) -> None:
        self._wiring, self._farm, self._redis = wiring, wiring.farm, wiring.redis
        settings = wiring.settings
        self._node = ThisNode(self._farm, wiring.executor())
        incarnation = f"{incarnation_prefix(wiring.farm_id, settings.node)}{os.getpid()}-{uuid4().hex[:8]}"
        self._presence = Presence(self._node, incarnation)
        self._resume = Resume(self._node)
        self._worker = SlotWorker(
            self._redis,
            farm_id=wiring.farm_id,
            node=settings.node,
            incarnation=incarnation,
            slots=settings.slots,
            clock=wiring.farm.clock,
            described=describe_node(
                name=settings.node,
                pools=settings.node_pools,
                labels=dict(settings.node_labels or {}),
                step_seconds=settings.priority_step_seconds,
                room_wait_seconds=settings.room_wait_seconds,
                volumes=tuple(settings.node_volumes or ()),
            ),
            reservations=self._node.reservations,
            ready=lambda: self._presence.engine_answers,
            stop_run=self._node.wish_stop,
            hand_back=lambda execution_id: hand_back(self._node, execution_id),
            forget=lambda execution_id: forget_message(self._node, execution_id),
            let_go=self._node.detach,
            handover_seconds=settings.handover_seconds,
            drain=drain,
            is_open=self._is_open,
        )

    def run(self) -> None:
        """Take over what a predecessor left, then work until a signal ends it. Raises Conflict, SettingsError."""
        with ended_by_signals():  # nobody has been told of this worker yet
            once_answered(self._presence.check_name)
            once_answered(self._node.executor.check)
        self._worker.heed_signals()  # before the farm is told of this worker: it must be able to tell of its end, too
        try:
            with suppress(Ending):
                self._start()
                self._worker.work(logging_level="WARNING")
        finally:
            self._sign_off()

    def _start(self) -> None:
        """The steps of the start, each as soon as the services that it needs answer. Raises Ending on a signal."""
        self._once_answered(self._presence.beat)
        for duty in self._signs_of_life():  # what it held is not to be given up while it waits
            duty.start()
        self._once_answered(self._mark_alive)
        self._once_answered(lambda: read_drain(self._node))
        self._take_over()
        serve(self._node)
        for duty in self._duties():
            duty.start()
        log.info("worker_ready", node=self._node.name, slots=self._wiring.settings.slots)

    def _once_answered(self, action: Callable[[], T]) -> T:
        return once_answered(action, self._worker.pause)

    def _take_over(self) -> None:
        for execution_id in self._once_answered(self._clear_up):
            self._once_answered(partial(return_unclaimed, self._node, [execution_id]))
        # Before anything is taken: what runs here unowned takes room that was not reserved.
        self._once_answered(lambda: reap(self._node))
        resumed = self._once_answered(self._resume.at_start)
        if resumed:
            log.info("executions_resumed", node=self._node.name, count=resumed)

    def _clear_up(self) -> set[str]:
        with translating_errors():
            open_plain_lane(self._redis, self._wiring.farm_id)
            return clear_up(self._redis, self._wiring.farm_id, self._node.name)

    def _signs_of_life(self) -> list[Duty]:
        seconds = self._wiring.settings.node_beat_seconds
        return [self._duty("beat", seconds, self._presence.beat), self._duty("alive", seconds, self._mark_alive)]

    def _duties(self) -> list[Duty]:
        settings, node = self._wiring.settings, self._node
        actions = {
            "rq beat": (settings.node_beat_seconds, self._worker.beat_all),
            "flush": (FLUSH_SECONDS, lambda: flush_output(node)),
            "time keeper": (TIME_KEEPER_SECONDS, lambda: keep_time(node)),
            "usage": (METER_SECONDS, lambda: sample_usage(node)),
            "wishes": (WISHES_SECONDS, lambda: read_stop_wishes(node)),
            "drain": (WISHES_SECONDS, lambda: read_drain(node)),
            "resume": (settings.janitor_interval_seconds, self._counted("resume", self._resume.now_and_then)),
            "reap": (REAP_SECONDS, self._counted("reap", lambda: reap_and_tell(node))),
            "activity": (STORE_EVERY_SECONDS, self._store_activity),
        }
        return [self._duty(name, seconds, action) for name, (seconds, action) in actions.items()]

    def _duty(self, name: str, seconds: float, action: Callable[[], object]) -> Duty:
        return Duty(name, seconds, action, stopping=self._farm.stopping, announce=self._farm.announce)

    def _counted(self, name: str, action: Callable[[], object]) -> Callable[[], None]:
        return self._wiring.activity.counted(name, action, self._farm.clock.now)

    def _store_activity(self) -> None:
        with self._farm.store.health.within(STORE_WITHIN_SECONDS):
            self._wiring.activity.store(self._farm)

    def _is_open(self) -> bool:
        """Whether the node may take new work. Where nobody can say, it does not: it could not run anything, either."""
        if not self._node.takes_work:
            return False
        try:
            return not self._farm.store.blacklist.has(self._node.name)
        except ServiceUnavailable as error:
            log.warning("blacklist_not_read", error=str(error))
            return False

    def _mark_alive(self) -> None:
        ttl_seconds = int(3 * self._wiring.settings.node_beat_seconds) + 1
        with translating_errors():
            self._redis.set(names.alive_key(self._presence.incarnation), "", ex=ttl_seconds)

    def _mark_gone(self) -> None:
        with translating_errors():
            self._redis.delete(names.alive_key(self._presence.incarnation))

    def _sign_off(self) -> None:
        self._farm.stopping.set()
        for sign_off in (self._presence.sign_off, self._mark_gone, self._store_activity):
            try:
                sign_off()
            except ServiceUnavailable as error:
                log.warning("node_could_not_sign_off", error=str(error))
        log.info("worker_ended", node=self._node.name)


@contextmanager
def sole_worker(settings: Settings) -> Iterator[None]:
    """Hold the lock of a node's name on this machine. Raises Conflict where another worker has it.

    A file lock goes with its process, however that ends, so a worker that was killed can be restarted at once.
    """
    path = settings.state_dir / f"worker-{_file_name(settings)}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("a+", encoding="ascii")
    except OSError as error:
        raise SettingsError(f"state_dir: {settings.state_dir} cannot be written to ({error.strerror})") from None
    with lock:
        _lock(lock, settings.node)
        yield


def _lock(lock: IO[str], node: str) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Conflict("node", f"a worker for {node!r} runs on this machine already; give this one a name") from None


def _file_name(settings: Settings) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", f"{settings.mongodb_database}-{settings.node}")
