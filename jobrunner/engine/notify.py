"""Turn what an execution owes into deliveries, which `jobrunner.engine.deliver` then makes.

What is owed stands in the execution itself, written by the update that made the move. Here it becomes a document of
its own for each receiver, under an id that follows from the execution's: done twice, it is there once.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from urllib.parse import urlsplit

from jobrunner.domain.deliveries import Delivery, DeliveryKind, OwedDelivery
from jobrunner.domain.events import Trouble
from jobrunner.domain.executions import Execution
from jobrunner.domain.redaction import redact_url
from jobrunner.domain.specs import JobSpec
from jobrunner.engine.farm import Farm
from jobrunner.errors import Fault, InvalidRequest, QueueUnavailable, StoreUnavailable
from jobrunner.settings import Settings

DEFAULT_PORTS = {"http": 80, "https": 443}


def check_can_notify(settings: Settings, spec: JobSpec) -> None:
    """Raise InvalidRequest where a job wants e-mail sent, and this farm cannot send any."""
    if spec.notify and settings.smtp_host is None:
        raise InvalidRequest(Fault("notify", "this farm has no mail server (smtp_host), so it sends no e-mail"))


def and_owed(execution: Execution, more: Iterable[OwedDelivery]) -> tuple[OwedDelivery, ...]:
    """What the execution owed already, and what it owes more now; each once."""
    return tuple({owed.id: owed for owed in (*execution.owed_deliveries, *more)}.values())


def notify(farm: Farm, execution: Execution) -> None:
    """Make a delivery of everything that the execution owes, and wake those who send. Raises StoreUnavailable."""
    if not execution.owed_deliveries:
        return
    now = farm.clock.now()
    for owed in execution.owed_deliveries:
        farm.store.deliveries.add(_delivery(farm.settings, execution, owed, now))
    farm.store.executions.settle_deliveries(execution.id, [owed.id for owed in execution.owed_deliveries])
    wake_deliverers(farm, execution.id)


def notify_if_possible(farm: Farm, execution: Execution) -> None:
    """The same. If the store does not answer now, the janitor `unsent` does it later."""
    try:
        notify(farm, execution)
    except StoreUnavailable as error:
        farm.announce(Trouble(execution.id, "notify", str(error)))


def wake_deliverers(farm: Farm, execution_id: str) -> None:
    """Have what is due sent at once. If Redis does not answer now, it is sent a moment later."""
    try:
        farm.wake_deliverers()
    except QueueUnavailable as error:
        farm.announce(Trouble(execution_id, "wake deliverers", str(error)))


def _delivery(settings: Settings, execution: Execution, owed: OwedDelivery, now: datetime) -> Delivery:
    retries, target, host = _receiver(settings, execution.spec, owed)
    return Delivery(
        id=owed.id,
        execution_id=execution.id,
        job_id=execution.job_id,
        task_id=execution.task_id,
        moment=owed.moment,
        kind=owed.kind,
        index=owed.index,
        target=target,
        host=host,
        most_attempts=1 + (settings.delivery_retries if retries is None else retries),
        created_at=now,
        next_attempt_at=now,
        claimed_until=now,
    )


def _receiver(settings: Settings, spec: JobSpec, owed: OwedDelivery) -> tuple[int | None, str, str]:
    """How often to try again, who gets it (in words, without secrets), and the host that is asked to take it."""
    if owed.kind is DeliveryKind.EMAIL:
        return None, spec.addresses_for(owed.moment)[owed.index], "mail server"
    hook = spec.webhooks_for(owed.moment)[owed.index]
    parts = urlsplit(hook.url)
    host = f"{parts.hostname}:{parts.port or DEFAULT_PORTS[parts.scheme]}"
    return hook.retries, redact_url(hook.url, settings.redacted_names), host
