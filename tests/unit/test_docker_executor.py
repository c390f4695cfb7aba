"""What the Docker executor makes of answers that a healthy Engine seldom gives."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
import requests
from docker import APIClient
from docker.errors import APIError, NotFound
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from jobrunner.domain.executions import Execution
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.ports.executor import Container, ContainerStatus
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State
from jobrunner.errors import ContainerRejected, EngineUnavailable
from jobrunner.executors.docker.executor import DockerExecutor
from jobrunner.settings import Settings

STATE = {"Status": "running", "StartedAt": "2026-01-02T03:04:05Z"}
INSPECTED = {"Id": "c1", "Config": {"Labels": {"jobrunner.execution": "e1"}, "Image": "i:1"}, "State": STATE}
CONTAINER = Container("c1", "e1", ContainerStatus.RUNNING)


def answer(status: int, text: str, kind: type[APIError] = APIError) -> APIError:
    response = requests.Response()
    response.status_code = status
    return kind("message", response=response, explanation=text)


def always(error: Exception) -> object:
    def call(*_: object, **__: object) -> None:
        raise error

    return call


@pytest.fixture
def executor(monkeypatch: pytest.MonkeyPatch) -> DockerExecutor:
    monkeypatch.setattr(APIClient, "inspect_container", lambda *_: INSPECTED)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    return DockerExecutor(Settings(docker_host="unix:///nowhere"), "farm")


@pytest.fixture
def execution() -> Execution:
    spec = JobSpec(image="i:1")
    return Execution(new_id(), new_id(), "task", spec, State.PULLING, datetime.now(UTC))


@pytest.mark.parametrize(
    "error",
    [requests.ReadTimeout(), requests.ConnectionError(ReadTimeoutError(None, "/wait", "Read timed out."))],  # type: ignore[arg-type]
)
def test_a_time_limit_that_passes_is_no_failure(
    executor: DockerExecutor, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(APIClient, "wait", always(error))
    assert executor.wait(CONTAINER, 1).status is ContainerStatus.RUNNING


@pytest.mark.parametrize(("limit_bytes", "is_told"), [(2**24, True), (0, False)])
def test_a_lack_of_memory_that_the_engine_notes_after_the_end_is_told(
    executor: DockerExecutor, monkeypatch: pytest.MonkeyPatch, limit_bytes: int, is_told: bool
) -> None:
    killed = STATE | {"Status": "exited", "ExitCode": 137, "FinishedAt": "2026-01-02T03:04:06Z"}
    answers = iter([killed | {"OOMKilled": False}, killed | {"OOMKilled": True}])
    rest = INSPECTED | {"HostConfig": {"Memory": limit_bytes}}
    monkeypatch.setattr(APIClient, "wait", lambda *_, **__: None)
    monkeypatch.setattr(APIClient, "inspect_container", lambda *_: rest | {"State": next(answers)})
    ended = executor.wait(CONTAINER, 1).ended
    assert ended is not None and ended.oom_killed is is_told


def test_a_wait_that_is_cut_off_does_not_look_like_its_time_limit(
    executor: DockerExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(APIClient, "wait", always(requests.ConnectionError(ProtocolError("broken"))))
    with pytest.raises(EngineUnavailable, match="broken"):
        executor.wait(CONTAINER, 1)


def test_a_name_that_is_taken_by_a_container_nobody_sees_is_tried_again_later(
    executor: DockerExecutor, monkeypatch: pytest.MonkeyPatch, execution: Execution
) -> None:
    monkeypatch.setattr(APIClient, "create_container", always(answer(409, "Conflict. The name is in use")))
    monkeypatch.setattr(APIClient, "inspect_container", always(answer(404, "No such container", NotFound)))
    with pytest.raises(EngineUnavailable, match="does not show it"):
        executor.create(execution)


@pytest.mark.parametrize("call", ["create", "start"])
def test_an_engine_that_is_unwell_does_not_end_the_execution(
    executor: DockerExecutor, monkeypatch: pytest.MonkeyPatch, execution: Execution, call: str
) -> None:
    unwell = answer(500, "dial unix /run/containerd/containerd.sock: connect: connection refused")
    monkeypatch.setattr(APIClient, "create_container", always(unwell))
    monkeypatch.setattr(APIClient, "start", always(unwell))
    with pytest.raises(EngineUnavailable, match=r"containerd\.sock"):
        executor.create(execution) if call == "create" else executor.start(CONTAINER)


def test_a_refusal_ends_the_execution_in_the_words_of_the_engine(
    executor: DockerExecutor, monkeypatch: pytest.MonkeyPatch, execution: Execution
) -> None:
    monkeypatch.setattr(APIClient, "create_container", always(answer(400, "invalid reference format")))
    with pytest.raises(ContainerRejected, match="refused to create the container: invalid reference format"):
        executor.create(execution)
