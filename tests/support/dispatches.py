"""Deliveries that are to be made now, for tests of those who make them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from jobrunner.domain.deliveries import Delivery, DeliveryKind, delivery_id
from jobrunner.domain.executions import Execution
from jobrunner.domain.hooks import Moment
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.ports.notifier import Dispatch
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State
from jobrunner.domain.usage import ResourceUsage
from jobrunner.settings import Settings

NOW = datetime(2026, 5, 1, 12, 0, 0, 123_000, tzinfo=UTC)


def webhook_settings(**settings: Any) -> Settings:
    """Calls may go to this machine."""
    return Settings(**{"webhook_allow_loopback": True, "webhook_timeout_seconds": 5, **settings})


def email_settings(port: int, **settings: Any) -> Settings:
    """A mail server on this machine."""
    chosen = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none", "smtp_timeout_seconds": 5}
    return Settings(**{"smtp_from": "jobrunner@example.org", **chosen, **settings})


def failed_execution(**spec: Any) -> Execution:
    """An execution that has failed, with exit code 7."""
    times = {State.ENQUEUED: NOW, State.RUNNING: NOW + timedelta(seconds=1), State.FAILED: NOW + timedelta(seconds=2)}
    return Execution(
        new_id(),
        new_id(),
        "some task",
        JobSpec.model_validate({"image": "busybox", "command": ["sh", "-c", "exit 7"], **spec}),
        State.FAILED,
        NOW,
        node="one",
        container_id="c0ffee",
        started_at=times[State.RUNNING],
        finished_at=times[State.FAILED],
        cause=Cause.EXIT_CODE,
        reason="exited with code 7",
        exit_code=7,
        usage=ResourceUsage(NOW, 1.5, 4096, 3, 4, None, 6),
        times=times,
    )


def dispatch_of(kind: DeliveryKind, receiver: str, hook: Any = None, stdout: bytes = b"", **spec: Any) -> Dispatch:
    """The failure of an execution, on its way to a URL (as this `hook` says beside) or to an address."""
    if kind is DeliveryKind.WEBHOOK:
        spec["webhooks"] = {"fails": [{"url": receiver, **(hook or {})}]}
    else:
        spec["notify"] = {"fails": [receiver]}
    execution = failed_execution(**spec)
    delivery = Delivery(
        id=delivery_id(execution.id, Moment.FAILS, kind, 0),
        execution_id=execution.id,
        job_id=execution.job_id,
        task_id=execution.task_id,
        moment=Moment.FAILS,
        kind=kind,
        index=0,
        target=receiver,
        host="a host",
        most_attempts=3,
        created_at=NOW,
        next_attempt_at=NOW,
        claimed_until=NOW,
    )
    return Dispatch(delivery, execution, NOW + timedelta(seconds=3), stdout=stdout)
