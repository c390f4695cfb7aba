"""From webhooks, e-mail addresses and deliveries to the documents of the native API. Pure; secrets are hidden."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jobrunner.api.native.times import iso
from jobrunner.domain.deliveries import Delivery, DeliveryAttempt, DeliveryState
from jobrunner.domain.hooks import Moment, Webhook
from jobrunner.domain.redaction import redact_headers, redact_url
from jobrunner.domain.specs import JobSpec

Document = dict[str, Any]

OF_FASTLANE = (Moment.FAILS, Moment.FINISHES, Moment.SUCCEEDS)  # always shown; `starts`, which is ours, if used


def webhooks_document(spec: JobSpec, redacted_names: Iterable[str]) -> Document:
    """The webhooks of a job, that of the short form among them."""
    names = tuple(redacted_names)
    hooks = {moment: [_webhook(hook, names) for hook in spec.webhooks_for(moment)] for moment in Moment}
    return _shown(hooks)


def notify_document(spec: JobSpec) -> Document:
    """The e-mail addresses of a job."""
    return _shown({moment: list(spec.addresses_for(moment)) for moment in Moment})


def _shown(receivers: dict[Moment, list[Any]]) -> Document:
    return {moment.value: found for moment, found in sorted(receivers.items()) if found or moment in OF_FASTLANE}


def _webhook(hook: Webhook, redacted_names: Iterable[str]) -> Document:
    return {
        "url": redact_url(hook.url, redacted_names),
        "method": hook.method,
        "headers": redact_headers(hook.headers, redacted_names),
        "retries": hook.retries,
    }


def delivery_list(deliveries: Iterable[Delivery], execution_url: str) -> Document:
    """All deliveries of an execution."""
    return {"items": [delivery_document(delivery, execution_url) for delivery in deliveries]}


def delivery_document(delivery: Delivery, execution_url: str) -> Document:
    """A delivery, with its newest attempts, the oldest of those first."""
    is_owed = delivery.state is DeliveryState.OWED
    return {
        "deliveryId": delivery.id,
        "event": delivery.moment.event_type,
        "kind": delivery.kind,
        "target": delivery.target,
        "state": delivery.state,
        "createdAt": iso(delivery.created_at),
        "nextAttemptAt": iso(delivery.next_attempt_at) if is_owed else None,
        "attemptCount": delivery.attempts_count,
        "maxAttempts": delivery.most_attempts,
        "attempts": [_attempt(attempt) for attempt in delivery.attempts],
        "redeliverUrl": f"{execution_url}/deliveries/{delivery.id}/redeliver",
    }


def _attempt(attempt: DeliveryAttempt) -> Document:
    return {
        "at": iso(attempt.at),
        "statusCode": attempt.status_code,
        "error": attempt.error,
        "durationSeconds": attempt.duration_seconds,
    }
