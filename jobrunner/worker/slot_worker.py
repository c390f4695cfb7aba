"""An RQ worker that runs many messages at once: one process, a thread a slot.

RQ's own bookkeeping (registries, status of a message, the stop command) is kept, so that RQ's tools tell the truth
while all is well. It is advisory: MongoDB decides. What RQ does to repair its registries is therefore left out; the
janitors of jobrunner.engine do it from MongoDB.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import timedelta
from types import FrameType
from typing import Any

import structlog
from redis import Redis
from redis.client import PubSub, PubSubWorkerThread
from redis.exceptions import RedisError
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.executions import Execution as Delivery
from rq.job import Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry
from rq.suspension import is_suspended
from rq.timeouts import BaseDeathPenalty
from rq.utils import as_text, now
from rq.worker import SimpleWorker

from jobrunner.domain.ports.clock import Clock
from jobrunner.engine.reservations import Reservations
from jobrunner.engine.run_end import RunEnd
from jobrunner.errors import Ending, QueueUnavailable
from jobrunner.patience import once_answered
from jobrunner.queueing import names
from jobrunner.queueing.connection import translating_errors
from jobrunner.worker.take import Taker

POLL_SECONDS = 1.0  # backs up the wake-up by PUBLISH, which Redis delivers at most once
MAINTENANCE_INTERVAL = timedelta(seconds=60)
TTL_SECONDS = 60
SUBSCRIPTION_SECONDS = 1.0  # for its thread to end
MOST_FORGOTTEN = 1000  # in one round of maintenance
STUCK_EXIT_CODE = 75  # EX_TEMPFAIL of sysexits.h: run me again

log = structlog.get_logger(__name__)


class NoDeathPenalty(BaseDeathPenalty):
    """RQ's time limit uses SIGALRM, which cannot work in threads. Executions have deadlines of their own."""

    def setup_death_penalty(self) -> None:
        """Nothing."""

    def cancel_death_penalty(self) -> None:
        """Nothing."""


class SlotWorker(SimpleWorker):
    """Runs up to `slots` messages at once; where it takes nothing new, those of the node's own queue only.

    SIGTERM: `let_go()` has the runs return; they are waited for, in bounds.
    """

    death_penalty_class = NoDeathPenalty
    log_result_lifespan = False

    def __init__(
        self,
        connection: Redis,
        *,
        farm_id: str,
        node: str,
        incarnation: str,
        slots: int,
        described: str,
        reservations: Reservations,
        clock: Clock,
        ready: Callable[[], bool],
        stop_run: Callable[[str], None],
        hand_back: Callable[[str], None],
        forget: Callable[[str], bool],
        let_go: Callable[[], None],
        handover_seconds: float,
        drain: bool = False,
        is_open: Callable[[], bool] = lambda: True,
    ) -> None:
        queue_names = [names.node_queue(farm_id, node), names.shared_queue(farm_id)]
        super().__init__(
            queue_names,
            name=names.worker(farm_id, node),
            connection=connection,
            worker_ttl=TTL_SECONDS,
            log_job_description=False,
        )
        self._slots, self._ready, self._stop_run = slots, ready, stop_run
        self._hand_back, self._forget, self._let_go = hand_back, forget, let_go
        self._handover_seconds, self._drain = handover_seconds, drain
        self._wake_channel = names.wake_channel(farm_id)
        self._taker = Taker(connection, farm_id, node, incarnation, described, clock)
        self._reservations, self._is_open = reservations, is_open
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix="slot")
        self._busy: set[Any] = set()
        self._busy_lock = threading.Lock()
        # SimpleQueue.put is safe in a signal handler; Event.set is not.
        self._wakes: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._signals = 0

    # ---- life

    def _set_connection(self, connection: Redis) -> Redis:
        """Left as it is. RQ makes its time limit longer than that of BLPOP, which is not used here."""
        return connection

    def bootstrap(self, *arguments: Any, **options: Any) -> None:
        """RQ's own, again and again until Redis has answered all of it, or a signal has come. (RQ's would end.)"""

        def bootstrap_once() -> None:
            try:
                with translating_errors():
                    super(SlotWorker, self).bootstrap(*arguments, **options)
            except QueueUnavailable:
                self.unsubscribe()
                raise

        with suppress(Ending):
            once_answered(bootstrap_once, self.pause)

    def pause(self, seconds: float) -> None:
        """Wait for so long, in a process that starts. Raises Ending where a signal has come, also before."""
        if not self._stop_requested:
            with suppress(queue.Empty):
                self._wakes.get(timeout=seconds)
        if self._stop_requested:
            raise Ending("the worker was told to end")

    def register_birth(self) -> None:
        """Whatever the name still holds in Redis is a dead predecessor's; `takeover` has dealt with it."""
        self.connection.delete(self.key, self.executions_key)
        super().register_birth()

    def subscribe(self) -> None:
        """Listen for commands and for the wake-up that comes with each new message."""
        self.pubsub = self.connection.pubsub()
        self.pubsub.subscribe(
            **{self.pubsub_channel_name: self.handle_payload, self._wake_channel: lambda message: self._wakes.put(None)}
        )
        self.pubsub_thread = self.pubsub.run_in_thread(
            sleep_time=POLL_SECONDS, daemon=True, exception_handler=self._pubsub_exception_handler
        )

    def _pubsub_exception_handler(self, exc: Exception, pubsub: PubSub, pubsub_thread: PubSubWorkerThread) -> None:
        """Listen on, whatever it is: a worker that hears nothing is slow. redis-py connects and subscribes again."""
        log.warning("worker_cannot_hear", error=f"{type(exc).__name__}: {exc}")
        time.sleep(POLL_SECONDS)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """First signal: take nothing more. Second one: do not wait for runs to end, either."""
        self._signals += 1
        self._shutdown_requested_date = now()
        self._stop_requested = True
        if self._signals > 1:
            self._drain = False
        self._wakes.put(None)

    def heed_signals(self) -> None:
        """Have SIGINT and SIGTERM end `work()`, also before it was called: then it ends as soon as it is."""
        self._install_signal_handlers()

    def _install_signal_handlers(self) -> None:
        signal.signal(signal.SIGINT, self.request_stop)
        signal.signal(signal.SIGTERM, self.request_stop)

    def teardown(self) -> None:
        """Wait for the runs to end (drain), or have them hand their executions back; then sign off."""
        while self._drain and self._runs():
            wait(self._runs(), timeout=POLL_SECONDS)
        self._let_go()
        _, stuck = wait(self._runs(), timeout=self._handover_seconds)
        try:
            super().teardown()
        except RedisError as error:
            log.warning("worker_could_not_sign_off", error=type(error).__name__)
        if stuck:
            # A thread hangs in a call to the Engine. MongoDB knows what it holds; the next worker goes on from there.
            log.error("worker_exits_with_stuck_runs", runs=len(stuck))
            os._exit(STUCK_EXIT_CODE)
        self._threads.shutdown()

    def unsubscribe(self) -> None:
        """Have the thread end that hears RQ's commands; it closes the subscription as it ends.

        RQ closes it a second time, perhaps at the same moment, and redis-py's close() is for one thread only.
        """
        if self.pubsub_thread:
            self.pubsub_thread.stop()
            self.pubsub_thread.join(timeout=SUBSCRIPTION_SECONDS)

    def check_for_suspension(self, burst: bool) -> None:
        """Nothing: `_take` looks, where it can wait for a Redis that does not answer. RQ's loop would end."""

    @property
    def should_run_maintenance_tasks(self) -> bool:
        """Never in RQ's loop, for the same reason."""
        return False

    def run_maintenance_tasks(self) -> None:
        """Forget messages that are done with. Repairs are made from MongoDB, not from RQ's registries."""
        if self.last_cleaned_at is not None and now() - self.last_cleaned_at < MAINTENANCE_INTERVAL:
            return
        for rq_queue in self.queues:
            for registry_class in (FinishedJobRegistry, FailedJobRegistry):
                registry_class(queue=rq_queue).cleanup()
            self._forget_abandoned(rq_queue.started_job_registry.key)
        self.last_cleaned_at = now()

    def _forget_abandoned(self, started_key: str) -> None:
        """Take what nobody beats for out of RQ's books. Its message would stay for ever: only an end lets it expire."""
        abandoned = self.connection.zrangebyscore(started_key, 0, now().timestamp(), 0, MOST_FORGOTTEN)
        for member in abandoned:
            if not self._forget(as_text(member).split(":")[0]):
                return
            self.connection.zrem(started_key, member)

    # ---- taking

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """The next message, once there is one and a free slot; None when the worker is to stop."""
        while not self._stop_requested:
            try:
                taken = self._take()
                if taken is not None:
                    return taken
            except RedisError as error:
                log.warning("redis_does_not_answer", error=type(error).__name__)
            self._wait_for_wake()
        return None

    def _take(self) -> tuple[Job, Queue] | None:
        self.run_maintenance_tasks()
        while len(self._runs()) < self._slots and self._ready() and not is_suspended(self.connection, self):
            free, capacity = self._reservations.free(), self._reservations.capacity
            taken = self._taker.take(free, capacity, is_open=self._is_open())
            if taken is None:
                return None
            self._reservations.reserve(*taken)
            fetched = self._fetch(taken[0])
            if fetched is not None:
                return fetched
            self._reservations.release(taken[0])
        return None

    def _fetch(self, message_id: str) -> tuple[Job, Queue] | None:
        """The message, and the queue that RQ keeps its books for; None where it has been withdrawn."""
        try:
            job = self.job_class.fetch(message_id, connection=self.connection, serializer=self.serializer)
        except NoSuchJobError:
            return None
        except Exception:
            self._reservations.release(message_id)
            raise
        job.redis_server_version = self.get_redis_server_version()
        return job, Queue(job.origin, connection=self.connection)

    def _wait_for_wake(self) -> None:
        try:
            self._wakes.get(timeout=POLL_SECONDS)
            while True:
                self._wakes.get_nowait()
        except queue.Empty:
            pass

    # ---- running

    def execute_job(self, job: Job, rq_queue: Queue) -> None:
        """Run the message in a slot's thread."""
        future = self._threads.submit(self._run, job, rq_queue)
        with self._busy_lock:
            self._busy.add(future)
        future.add_done_callback(self._ran)

    def _run(self, job: Job, rq_queue: Queue) -> None:
        try:
            self.perform_job(job, rq_queue, self.prepare_execution(job))
        except Exception:  # Redis, mostly. What was not run gets another message from a janitor.
            log.exception("message_could_not_be_finished", execution_id=job.id)
        finally:
            self._reservations.release(job.id)
            for delivery in list(self.executions.values()):
                if delivery.job_id == job.id:
                    self.executions.pop(delivery.id, None)

    def _finalize_success(self, job: Job, queue: Queue, execution: Delivery, return_value: Any) -> None:
        """Close RQ's books on the message; then, where its run was broken off, hand it back as a new message."""
        super()._finalize_success(job, queue, execution, return_value)
        if return_value in (RunEnd.HANDED_BACK, RunEnd.HAS_TO_WAIT):
            self._hand_back(job.id)

    def _ran(self, future: Any) -> None:
        with self._busy_lock:
            self._busy.discard(future)
        self._wakes.put(None)

    def _runs(self) -> set[Any]:
        with self._busy_lock:
            return set(self._busy)

    def prepare_job_execution(self, job: Job, remove_from_intermediate_queue: bool = False) -> None:
        """Every message came through an intermediate queue, not only where there is one queue, as RQ assumes."""
        super().prepare_job_execution(job, remove_from_intermediate_queue=True)

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Only in RQ's own pipelines: the beat thread calls `beat_all`; the main loop needs no beat of its own."""
        if pipeline is not None:
            super().heartbeat(timeout, pipeline)

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """How long (seconds) RQ believes that a message lives without a beat."""
        return TTL_SECONDS

    def beat_all(self) -> None:
        """Tell RQ that the worker and all its messages live. Raises RedisError.

        Not before the worker is registered: RQ would take its key for that of another worker of the same name.
        """
        if self.birth_date is None:
            return
        super().heartbeat(TTL_SECONDS)
        for delivery in list(self.executions.values()):
            self.maintain_heartbeats(delivery.job, delivery)

    # ---- commands, in the pub/sub thread

    def handle_payload(self, message: dict[str, Any]) -> None:
        """RQ's stop-job command, for any of the messages that run here; RQ itself would find only the first."""
        payload = json.loads(message["data"])
        if payload["command"] == "stop-job":
            self._stop_run(payload["job_id"])
        else:
            super().handle_payload(message)
