"""What a webhook says: the execution as the native API shows it, without its output. Pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from jobrunner.domain.executions import Execution
from jobrunner.domain.ports.notifier import Dispatch
from jobrunner.domain.redaction import redact
from jobrunner.domain.states import State
from jobrunner.domain.usage import ResourceUsage
from jobrunner.notifiers.links import Links
from jobrunner.settings import Settings


def webhook_body(dispatch: Dispatch, settings: Settings) -> bytes:
    """The body of a call, in JSON: the same in every try."""
    execution, delivery = dispatch.execution, dispatch.delivery
    document = {
        "type": delivery.moment.event_type,
        "timestamp": _zulu(execution.times.get(execution.state, delivery.created_at)),
        "deliveryId": delivery.id,
        "data": execution_document(execution, settings),
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def execution_document(execution: Execution, settings: Settings) -> dict[str, Any]:
    """The execution under the keys of the native API; `metadata.custom` is what the caller gave to the job."""
    links = Links.of(execution, settings)
    return {
        "taskId": execution.task_id,
        "jobId": execution.job_id,
        "executionId": execution.id,
        "taskUrl": links.task,
        "jobUrl": links.job,
        "url": links.execution,
        "status": execution.state,
        "exitCode": execution.exit_code,
        "cause": execution.cause,
        "reason": execution.reason,
        "oomKilled": execution.oom_killed,
        "attempt": execution.attempt,
        "arrayIndex": execution.array_index,
        "labels": execution.spec.labels,
        "retriedFrom": execution.retried_from,
        "retriedBy": execution.retried_by,
        "node": execution.node,
        "image": execution.spec.image,
        "command": execution.spec.command,
        "envs": redact(execution.spec.envs, settings.redacted_names),
        "createdAt": _iso(execution.created_at),
        "tickAt": _iso(execution.tick_at),
        "dueAt": _iso(execution.due_at),
        "startedAt": _iso(execution.started_at),
        "finishedAt": _iso(execution.finished_at),
        "stopRequestedAt": _iso(execution.stop_requested_at),
        "requestIPAddress": execution.caller_address,
        "usage": _usage(execution.usage),
        "outputs": _outputs(execution, links.execution),
        "result": None if execution.result is None else json.loads(execution.result),
        "resultError": execution.result_error or None,
        "history": _history(execution),
        "metadata": {
            "container_id": execution.container_id,
            "docker_host": execution.engine_host,
            "docker_port": execution.engine_port,
            "custom": execution.spec.caller_metadata,
        },
    }


def _outputs(execution: Execution, url: str | None) -> dict[str, Any] | None:
    kept = execution.artifacts
    if kept is None:
        return None
    return {
        "count": kept.count,
        "size": kept.size_bytes,
        "complete": kept.is_whole,
        "url": url and f"{url}/outputs",
    }


def _usage(usage: ResourceUsage | None) -> dict[str, Any] | None:
    return None if usage is None else {**usage.figures(), "sampledAt": _iso(usage.sampled_at)}


def _history(execution: Execution) -> list[dict[str, Any]]:
    order = list(State)
    moves = sorted(execution.times.items(), key=lambda move: (move[1], order.index(move[0])))
    return [{"status": state, "at": _iso(at)} for state, at in moves]


def _iso(instant: datetime | None) -> str | None:
    """As the native API writes instants: in UTC, without a zone."""
    if instant is None:
        return None
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def _zulu(instant: datetime) -> str:
    """As Standard Webhooks writes them."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
