"""Make the deliveries that are due: webhooks and e-mail, a thread each, with a bound on all and on each host.

Every scheduler process does this. A claim (a lease in the store) keeps them apart, and ends by itself if its holder
dies: then the delivery is made again, under the same id.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from jobrunner.domain.deliveries import Delivery, DeliveryAttempt, DeliveryKind, DeliveryState
from jobrunner.domain.events import Delivered, DeliveryFailed, Trouble
from jobrunner.domain.executions import Execution
from jobrunner.domain.hooks import Moment
from jobrunner.domain.ports.notifier import Dispatch, Notifier, Receipt
from jobrunner.domain.retry import BackOff
from jobrunner.domain.states import State
from jobrunner.engine.farm import Farm
from jobrunner.engine.queries import output_tail
from jobrunner.errors import JobrunnerError

POLL_SECONDS = 1.0
LEASE_MARGIN_SECONDS = 20.0  # a claim outlives the longest try by this much
TAIL_BYTES = 16 * 1024
JITTER = 0.2


class Deliverer:
    """Sends what is due. `jitter()` is a random number from 0 to 1, that spreads the tries of many deliveries."""

    def __init__(
        self, farm: Farm, notifiers: Mapping[DeliveryKind, Notifier], jitter: Callable[[], float] = random.random
    ) -> None:
        self._farm, self._notifiers, self._jitter = farm, notifiers, jitter
        settings = farm.settings
        self._back_off = BackOff(
            settings.delivery_first_delay_seconds,
            settings.delivery_factor,
            settings.delivery_longest_delay_seconds,
            JITTER,
        )
        longest_try_seconds = max(settings.webhook_timeout_seconds, settings.smtp_timeout_seconds)
        self._lease = timedelta(seconds=longest_try_seconds + LEASE_MARGIN_SECONDS)
        self._under_way: Counter[str] = Counter()  # by host
        self._changed = threading.Condition()
        self._woken = threading.Event()

    def wake(self) -> None:
        """Something may be due: look now."""
        self._woken.set()

    def wait_and_deliver(self) -> None:
        """Wait until woken, or for POLL_SECONDS, and start what is due then. Raises StoreUnavailable."""
        self._woken.wait(POLL_SECONDS)
        self._woken.clear()
        self.start_due()

    def start_due(self) -> None:
        """Start all that is due and finds a free place; it goes on in threads. Raises StoreUnavailable."""
        while not self._farm.stopping.is_set() and (free := self._free_places()):
            due = self._farm.store.deliveries.due(self._farm.clock.now(), free, self._full_hosts())
            started = [delivery.id for delivery in due if self._start(delivery)]
            if not started:
                return

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait until nothing is under way, for so long at most; whether that came."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._under_way.total(), seconds)

    # ---- places

    def _free_places(self) -> int:
        with self._changed:
            return self._farm.settings.delivery_threads - self._under_way.total()

    def _full_hosts(self) -> list[str]:
        with self._changed:
            return [host for host, count in self._under_way.items() if count >= self._most_for_a_host]

    @property
    def _most_for_a_host(self) -> int:
        return self._farm.settings.delivery_threads_per_host

    def _take_place(self, host: str) -> bool:
        with self._changed:
            if self._under_way[host] >= self._most_for_a_host:
                return False
            self._under_way[host] += 1
            return True

    def _leave_place(self, host: str) -> None:
        with self._changed:
            self._under_way[host] -= 1
            if not self._under_way[host]:
                del self._under_way[host]
            self._changed.notify_all()

    # ---- one delivery

    def _start(self, delivery: Delivery) -> bool:
        """Claim it and send it in a thread; False where its host has no place, or another scheduler was faster."""
        if not self._take_place(delivery.host):
            return False
        claimed = None
        try:
            now = self._farm.clock.now()
            claimed = self._farm.store.deliveries.claim(delivery.id, now, now + self._lease)
        finally:
            if claimed is None:
                self._leave_place(delivery.host)
        if claimed is None:
            return False
        # A daemon: a process that is to end leaves a try alone; its claim runs out, and it is made again.
        threading.Thread(target=self._deliver, args=(claimed,), name=f"delivery {claimed.id}", daemon=True).start()
        return True

    def _deliver(self, claimed: Delivery) -> None:
        try:
            self._send_and_record(claimed)
        except JobrunnerError as error:  # the claim runs out, and it is made again
            self._farm.announce(Trouble(claimed.execution_id, "deliver", str(error)))
        finally:
            self._leave_place(claimed.host)
            self.wake()

    def _send_and_record(self, claimed: Delivery) -> None:
        sent_at, began = self._farm.clock.now(), time.monotonic()
        receipt = self._send(claimed, sent_at)
        attempt = DeliveryAttempt(sent_at, round(time.monotonic() - began, 3), receipt.status_code, receipt.error)
        state = self._state_after(claimed, receipt)
        recorded = self._farm.store.deliveries.record(claimed, attempt, state, self._next_attempt_at(claimed))
        if recorded:
            self._tell(claimed, receipt, state)

    def _send(self, claimed: Delivery, sent_at: datetime) -> Receipt:
        execution = self._farm.store.executions.get(claimed.execution_id)
        if execution is None:
            return Receipt(error="its execution is not there any more", is_final=True)
        dispatch = Dispatch(claimed, as_of(claimed.moment, execution), sent_at)
        if claimed.kind is DeliveryKind.EMAIL:
            tail = output_tail(self._farm, execution, TAIL_BYTES)
            dispatch = replace(dispatch, stdout=tail.stdout, stderr=tail.stderr)
        try:
            return self._notifiers[claimed.kind].send(dispatch)
        except Exception as error:  # noqa: BLE001 - a fault of ours: noted, and tried again no more often than others
            return Receipt(error=f"it could not be sent: {type(error).__name__}")

    @staticmethod
    def _state_after(claimed: Delivery, receipt: Receipt) -> DeliveryState:
        if not receipt.error:
            return DeliveryState.DELIVERED
        is_last = receipt.is_final or claimed.attempts_count + 1 >= claimed.most_attempts
        return DeliveryState.GIVEN_UP if is_last else DeliveryState.OWED

    def _next_attempt_at(self, claimed: Delivery) -> datetime:
        return self._farm.clock.now() + self._back_off.delay(claimed.attempts_count + 1, self._jitter())

    def _tell(self, claimed: Delivery, receipt: Receipt, state: DeliveryState) -> None:
        if state is DeliveryState.DELIVERED:
            self._farm.announce(Delivered(claimed.execution_id, claimed.id, claimed.host))
        else:
            given_up = state is DeliveryState.GIVEN_UP
            self._farm.announce(DeliveryFailed(claimed.execution_id, claimed.id, claimed.host, receipt.error, given_up))


def as_of(moment: Moment, execution: Execution) -> Execution:
    """The execution as it was when it started, where that is what is told; an ended one does not change any more.

    So every try of a delivery says the same, however late it comes.
    """
    if moment is not Moment.STARTS:
        return execution
    times = {state: at for state, at in execution.times.items() if not state.is_terminal}
    return replace(
        execution,
        state=State.RUNNING,
        times=times,
        started_at=times.get(State.RUNNING, execution.started_at),
        finished_at=None,
        cause=None,
        reason="",
        exit_code=None,
        oom_killed=False,
        stop_requested_at=None,
        usage=None,
        retried_by=None,
    )
