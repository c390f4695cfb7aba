"""From the farm's status to the document of the native API. Pure. fastlane's keys come first in each; ours follow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from jobrunner import __version__
from jobrunner.api.native.times import iso
from jobrunner.api.native.translate import Document
from jobrunner.api.native.translate_usage import usage_document
from jobrunner.api.native.urls import Urls
from jobrunner.domain.engine_circuit import Circuit
from jobrunner.domain.executions import Execution, Node
from jobrunner.domain.node_states import NodeState, node_state
from jobrunner.domain.placement import Priority
from jobrunner.engine.blacklist import shown_host
from jobrunner.engine.status import FarmStatus


def status_document(status: FarmStatus, silent_seconds: float, urls: Urls) -> Document:
    """The farm at one moment."""
    next_due = status.scheduled[0].due_at if status.scheduled else None
    return {
        "hosts": [_host(node, status, silent_seconds) for node in status.nodes],
        "containers": {
            "running": [_running(execution, urls) for execution in status.running],
            "hasMore": status.has_more_running,
        },
        "queues": {
            "jobs": _queue(status.queue_lengths),
            "scheduled": {"length": status.scheduled_count, "nextScheduledAt": iso(next_due)},
        },
        "tasks": {"count": status.tasks_count},
        "jobs": {
            "count": status.jobs_count,
            "scheduled": [_scheduled(execution, urls) for execution in _earliest_of_each_job(status.scheduled)],
            "hasMore": status.scheduled_count > len(status.scheduled),
        },
        "fastlane": {"version": __version__},
        "version": __version__,
        "errors": [{"field": fault.field, "reason": fault.reason} for fault in status.faults],
    }


def _queue(lengths: Mapping[tuple[str, Priority], int] | None) -> Document:
    if lengths is None:
        return {"length": None, "waiting": []}
    order = list(Priority)
    lines = sorted(lengths.items(), key=lambda line: (line[0][0], order.index(line[0][1])))
    waiting = [{"pool": pool, "priority": priority, "length": length} for (pool, priority), length in lines]
    return {"length": sum(lengths.values()), "waiting": waiting}


def _host(node: Node, status: FarmStatus, silent_seconds: float) -> Document:
    state = node_state(node, status.at, silent_seconds)
    troubles = {"silent": f"not heard of since {iso(node.seen_at)}", "stopped": f"stopped at {iso(node.stopped_at)}"}
    is_blacklisted = node.name in status.blacklisted
    takes_work = node.drain is None and not is_blacklisted
    return {
        "host": shown_host(node),
        "available": state is NodeState.UP and node.circuit == Circuit.CLOSED and takes_work,
        "blacklisted": is_blacklisted,
        "draining": node.drain is not None,
        "circuit": node.circuit,
        "error": node.engine_error or troubles.get(state),
        "node": node.name,
        "state": state,
        "slots": node.slots,
        "running": node.running,
        "engineVersion": node.engine_version,
    }


def _running(execution: Execution, urls: Urls) -> Document:
    return {
        "executionId": execution.id,
        "taskId": execution.task_id,
        "jobId": execution.job_id,
        "image": execution.spec.image,
        "node": execution.node,
        "startedAt": iso(execution.started_at),
        "containerId": execution.container_id,
        "usage": usage_document(execution.usage),
        "url": urls.execution(execution.task_id, execution.job_id, execution.id),
    }


def _earliest_of_each_job(executions: Iterable[Execution]) -> Iterable[Execution]:
    """Of executions in the order of their time, the first of each job: a cron's next tick, or a retry before it."""
    earliest: dict[str, Execution] = {}
    for execution in executions:
        earliest.setdefault(execution.job_id, execution)
    return earliest.values()


def _scheduled(execution: Execution, urls: Urls) -> Document:
    url = urls.job(execution.task_id, execution.job_id)
    return {
        "id": execution.job_id,
        "task": execution.task_id,
        "url": url,
        "nextScheduledAt": iso(execution.due_at),
        "stopUrl": f"{url}/stop/",
    }
