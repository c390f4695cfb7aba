"""Containers, in the Engine's words: what to ask for, and what it says of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from docker.types import HostConfig, LogConfig

from jobrunner.domain.executions import Execution
from jobrunner.domain.outcomes import SIGKILL_EXIT_CODE, ContainerExit
from jobrunner.domain.ports.executor import Container, ContainerStatus
from jobrunner.executors.docker.container_options import container_arguments, host_arguments
from jobrunner.executors.docker.limits import resource_limits
from jobrunner.settings import Settings

FARM_LABEL = "jobrunner.farm"
NODE_LABEL = "jobrunner.node"
EXECUTION_LABEL = "jobrunner.execution"
ATTEMPT_LABEL = "jobrunner.attempt"
TASK_LABEL = "jobrunner.task"
JOB_LABEL = "jobrunner.job"

# The `local` driver keeps a line as an entry: its text, and 25 bytes around it. An empty line (a single "\n") is 1 byte
# of output and 26 of file, the worst there is (measured on Engine 20.10; lines of 100 bytes take 1.27).
MOST_FILE_BYTES_PER_OUTPUT_BYTE = 26
LOG_FILE_SLACK_BYTES = 1024 * 1024

STATUSES = {"created": ContainerStatus.CREATED, "exited": ContainerStatus.EXITED, "dead": ContainerStatus.EXITED}
STATUSES |= {"removing": ContainerStatus.EXITED}  # `running`, `paused` and `restarting` are all RUNNING to us


def container_name(farm_id: str, execution_id: str) -> str:
    """The name that is the lock: the Engine lets one container have it."""
    return f"jobrunner-{farm_id}-{execution_id}"


def creation(execution: Execution, settings: Settings, farm_id: str) -> dict[str, Any]:
    """The arguments of APIClient.create_container for an execution."""
    words = execution.spec.words
    return {
        "image": execution.spec.image,
        "command": None if words is None else list(words),
        "environment": dict(execution.envs),
        "name": container_name(farm_id, execution.id),
        "labels": {**execution.spec.container.labels, **_labels(execution, farm_id, settings.node)},
        **container_arguments(execution.spec.container),
        "host_config": HostConfig(
            version=settings.docker_api_version,
            log_config=_log_config(settings.output_cap_bytes),
            extra_hosts=dict(execution.spec.additional_dns_entries),
            **resource_limits(execution),
            **host_arguments(execution.spec.container, settings),
        ),
        "use_config_proxy": False,  # the proxies in the worker's ~/.docker/config.json are no business of the job
    }


def _labels(execution: Execution, farm_id: str, node: str) -> dict[str, str]:
    return {
        FARM_LABEL: farm_id,
        NODE_LABEL: node,
        EXECUTION_LABEL: execution.id,
        ATTEMPT_LABEL: str(execution.attempt),
        TASK_LABEL: execution.task_id,
        JOB_LABEL: execution.job_id,
    }


def _log_config(output_cap_bytes: int) -> LogConfig:
    """The Engine's own log of a container: binary-safe, and not rotated before it holds what we store at most.

    A rotation would lose the first bytes, and with them the count by which a replay finds where it stopped. The size
    is a limit, not an allocation; it also bounds what a container can write to the disk of the node this way.
    """
    max_bytes = output_cap_bytes * MOST_FILE_BYTES_PER_OUTPUT_BYTE + LOG_FILE_SLACK_BYTES
    return LogConfig(type="local", config={"max-file": "1", "compress": "false", "max-size": str(max_bytes)})


def from_inspection(inspected: Mapping[str, Any]) -> Container:
    """A container from the answer of GET /containers/{id}/json."""
    state = inspected["State"]
    status = STATUSES.get(state["Status"], ContainerStatus.RUNNING)
    return Container(
        id=inspected["Id"],
        execution_id=inspected["Config"]["Labels"][EXECUTION_LABEL],
        status=status,
        started_at=instant(state["StartedAt"]),
        ended=_exit(state) if status is ContainerStatus.EXITED else None,
    )


def _exit(state: Mapping[str, Any]) -> ContainerExit:
    started_at = instant(state["StartedAt"])
    finished_at = instant(state["FinishedAt"]) or datetime.now(UTC)  # one removed before its start has no such time
    if started_at:
        # The two come from different processes: a quick command can seem to finish half a millisecond before it starts.
        finished_at = max(started_at, finished_at)
    return ContainerExit(state["ExitCode"], state["OOMKilled"], started_at, finished_at)


def may_lack_memory(inspected: Mapping[str, Any]) -> bool:
    """Whether it was killed, has a limit of memory, and the Engine does not say (yet) that this was why."""
    state = inspected["State"]
    is_killed = state["Status"] == "exited" and state["ExitCode"] == SIGKILL_EXIT_CODE
    return is_killed and not state["OOMKilled"] and bool(inspected["HostConfig"]["Memory"])


def from_listing(listed: Mapping[str, Any]) -> Container:
    """A container from an item of GET /containers/json, which has no times and no exit code."""
    status = STATUSES.get(listed["State"], ContainerStatus.RUNNING)
    return Container(id=listed["Id"], execution_id=listed["Labels"][EXECUTION_LABEL], status=status)


def instant(text: str) -> datetime | None:
    """The Engine's RFC 3339 time, cut to microseconds; None for Go's zero time, which stands for `never`."""
    return None if text.startswith("0001-01-01") else datetime.fromisoformat(text).astimezone(UTC)
