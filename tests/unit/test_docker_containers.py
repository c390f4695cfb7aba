"""What the Docker executor asks for, and how it reads what the Engine says of containers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobrunner.domain.executions import Execution
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.ports.executor import ContainerStatus
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State
from jobrunner.executors.docker.containers import creation, from_inspection, instant
from jobrunner.executors.docker.limits import resource_limits
from jobrunner.settings import Settings

STARTED, FINISHED, NEVER = "2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:06.5Z", "0001-01-01T00:00:00Z"


def asked_for(**spec: Any) -> dict[str, Any]:
    execution = Execution(
        id=new_id(),
        job_id=new_id(),
        task_id="task",
        spec=JobSpec(**{"image": "image:1"} | spec),
        state=State.PULLING,
        created_at=datetime.now(UTC),
    )
    return creation(execution, Settings(node="n1", output_cap_bytes=1000), "farm")


def inspected(**state: Any) -> dict[str, Any]:
    shown = {"Status": "exited", "ExitCode": 0, "OOMKilled": False, "StartedAt": STARTED, "FinishedAt": FINISHED}
    return {"Id": "c1", "Config": {"Labels": {"jobrunner.execution": "e1"}}, "State": shown | state}


@pytest.mark.parametrize(
    ("command", "words"),
    [("echo 'a b'  c", ["echo", "a b", "c"]), (["echo", "a b", ""], ["echo", "a b", ""]), (None, None)],
)
def test_the_command_is_asked_for_as_words(command: object, words: list[str] | None) -> None:
    assert asked_for(command=command)["command"] == words


def test_the_log_file_of_the_engine_holds_the_cap_at_worst() -> None:
    log = asked_for()["host_config"]["LogConfig"]
    assert log["Type"] == "local"
    assert log["Config"]["max-file"] == "1" and log["Config"]["compress"] == "false"
    assert int(log["Config"]["max-size"]) >= 26 * 1000


def test_the_times_are_aware_and_cut_to_microseconds() -> None:
    assert instant(STARTED) == datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)
    assert instant("2026-01-02T05:04:05+02:00") == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_the_zero_time_means_never() -> None:
    assert instant(NEVER) is None


def test_an_exit_is_read_whole() -> None:
    container = from_inspection(inspected(ExitCode=137, OOMKilled=True))
    assert (container.id, container.execution_id, container.status) == ("c1", "e1", ContainerStatus.EXITED)
    assert container.ended is not None
    assert (container.ended.exit_code, container.ended.oom_killed) == (137, True)
    assert container.ended.started_at == container.started_at == instant(STARTED)
    assert container.ended.finished_at == instant(FINISHED)


def test_an_exit_is_never_before_its_start() -> None:
    ended = from_inspection(inspected(FinishedAt="2026-01-02T03:04:05.122Z")).ended
    assert ended is not None
    assert ended.finished_at == instant(STARTED)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("created", ContainerStatus.CREATED),
        ("running", ContainerStatus.RUNNING),
        ("paused", ContainerStatus.RUNNING),
        ("restarting", ContainerStatus.RUNNING),
    ],
)
def test_what_has_not_ended_has_no_exit(status: str, expected: ContainerStatus) -> None:
    container = from_inspection(inspected(Status=status))
    assert (container.status, container.ended) == (expected, None)


@pytest.mark.parametrize("status", ["exited", "dead", "removing"])
def test_what_is_on_its_way_out_has_ended(status: str) -> None:
    assert from_inspection(inspected(Status=status)).ended is not None


def test_a_container_that_is_removed_before_its_start_ended_now() -> None:
    ended = from_inspection(inspected(Status="removing", StartedAt=NEVER, FinishedAt=NEVER)).ended
    assert ended is not None and ended.started_at is None
    assert datetime.now(UTC) - ended.finished_at < timedelta(seconds=10)


def test_resources_are_the_limits_of_the_container() -> None:
    host = asked_for(resources={"cpu": 0.5, "memory": "64m", "gpu": 1, "storage": "1g"})["host_config"]
    assert (host["NanoCpus"], host["Memory"], host["MemorySwap"]) == (500_000_000, 2**26, 2**26)
    assert host["StorageOpt"] == {"size": str(2**30)}
    assert host["DeviceRequests"][0]["Capabilities"] == [["gpu"]]


def test_what_is_not_asked_for_is_not_limited() -> None:
    assert not {"NanoCpus", "Memory", "MemorySwap", "DeviceRequests", "StorageOpt"} & set(asked_for()["host_config"])


def test_the_gpus_are_those_that_were_reserved() -> None:
    spec = JobSpec(image="image:1", resources={"gpu": 2})
    claimed = Execution(new_id(), new_id(), "t", spec, State.PULLING, datetime.now(UTC), gpu_ids=("0", "3"))
    (request,) = resource_limits(claimed)["device_requests"]
    assert (request["DeviceIDs"], request["Count"]) == (["0", "3"], 0)
