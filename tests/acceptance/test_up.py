"""`jobrunner up`: a whole farm on one machine, by one command."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import docker
import pytest

from jobrunner.cli.answers import Execution, ExecutionRef
from jobrunner.cli.client import ApiUnavailable, ApiUnreachable
from jobrunner.domain.states import State
from tests.support.farm import wait_until
from tests.support.local_farm import STOP_SECONDS, LocalFarm

pytestmark = pytest.mark.services
JOB_SECONDS = 60.0
NO_ENGINE = "unix:///var/run/there-is-no-engine.sock"
COUNT_TO_SIX = ["sh", "-c", "for n in 1 2 3 4 5 6; do echo $n; sleep 1; done"]


@pytest.fixture
def farm(tmp_path: Path, engine_socket: str) -> Iterator[LocalFarm]:
    farm = LocalFarm(tmp_path, engine_socket)
    yield farm
    with closing(docker.DockerClient(engine_socket)) as engine:
        for container in engine.containers.list(all=True, filters={"label": f"jobrunner.node=up-{farm.port}"}):
            container.remove(force=True)


@pytest.fixture
def running(farm: LocalFarm) -> Iterator[subprocess.Popen[bytes]]:
    """The process of `jobrunner up`, with the farm up."""
    with farm.start_and_wait() as process:
        yield process
        if process.poll() is None:
            farm.interrupt(process)


def end_of(farm: LocalFarm, ref: ExecutionRef) -> Execution:
    """The execution, once it has ended."""

    def ended() -> Execution | None:
        execution = farm.client.execution(ref)
        return execution if execution.status.is_terminal else None

    return wait_until(ended, JOB_SECONDS, "the execution has ended")


def output_of(farm: LocalFarm, ref: ExecutionRef) -> bytes:
    return b"".join(farm.client.output(ref, "stdout"))


def post_and_wait_until_it_writes(farm: LocalFarm, image: str, command: list[str]) -> ExecutionRef:
    ref = farm.client.submit("test", {"image": image, "command": command})
    wait_until(lambda: output_of(farm, ref), JOB_SECONDS, "the execution writes")
    return ref


def test_a_job_runs_on_a_farm_of_one_command(
    farm: LocalFarm, running: subprocess.Popen[bytes], test_image: str
) -> None:
    ref = farm.client.submit("test", {"image": test_image, "command": "echo hi"})

    assert end_of(farm, ref).status is State.DONE
    assert output_of(farm, ref) == b"hi\n"
    for line in ("Docker Engine ", "Redis ", "MongoDB ", f"API ready on {farm.url}", "Worker started", "Ctrl-C"):
        assert line in farm.output


def test_ctrl_c_ends_everything_in_order(farm: LocalFarm, running: subprocess.Popen[bytes]) -> None:
    seconds = farm.interrupt(running)

    assert running.returncode == 0
    assert seconds < 15
    assert farm.is_gone()
    stopped = [line.removesuffix(" stopped") for line in farm.output.splitlines() if line.endswith(" stopped")]
    assert (set(stopped[:3]), set(stopped[3:])) == ({"API", "Scheduler", "Worker"}, {"Redis", "MongoDB"})


def test_a_running_job_outlives_ctrl_c_and_is_taken_over_by_the_next_farm_of_the_folder(
    farm: LocalFarm, running: subprocess.Popen[bytes], test_image: str
) -> None:
    ref = post_and_wait_until_it_writes(farm, test_image, COUNT_TO_SIX)
    container = farm.client.execution(ref).document["metadata"]["container_id"]
    farm.interrupt(running)
    with farm.start_and_wait() as again:
        execution = end_of(farm, ref)
        output = output_of(farm, ref)
        farm.interrupt(again)

    assert (execution.status, execution.exit_code) == (State.DONE, 0)
    assert output == b"1\n2\n3\n4\n5\n6\n"
    assert execution.document["metadata"]["container_id"] == container


def test_a_farm_whose_supervisor_was_killed_starts_again_and_goes_on(
    farm: LocalFarm, running: subprocess.Popen[bytes], test_image: str
) -> None:
    ref = post_and_wait_until_it_writes(farm, test_image, COUNT_TO_SIX)
    running.kill()
    running.wait(STOP_SECONDS)
    with farm.start_and_wait() as again:
        assert end_of(farm, ref).status is State.DONE
        assert output_of(farm, ref) == b"1\n2\n3\n4\n5\n6\n"
        farm.interrupt(again)


def test_nothing_of_a_farm_is_left_when_its_supervisor_was_killed(
    farm: LocalFarm, running: subprocess.Popen[bytes]
) -> None:
    running.kill()
    running.wait(STOP_SECONDS)

    wait_until(farm.is_gone, STOP_SECONDS, "all processes have ended")


def test_a_part_that_dies_is_started_again_and_the_farm_works_on(
    farm: LocalFarm, running: subprocess.Popen[bytes], test_image: str
) -> None:
    for name in ("API", "Worker", "Scheduler", "Redis", "MongoDB"):
        os.kill(farm.pids[name], signal.SIGKILL)
        wait_until(lambda name=name: f"{name} started again" in farm.output, JOB_SECONDS, f"{name} has started again")
        wait_until(lambda: submit_if_healthy(farm, test_image), JOB_SECONDS, f"a job is done after the end of {name}")

        assert f"{name} was ended by SIGKILL; starting it again in " in farm.output
    assert "ended with exit code" not in farm.output, "the others wait for what was away"


def submit_if_healthy(farm: LocalFarm, image: str) -> bool:
    try:
        ref = farm.client.submit("test", {"image": image, "command": "true"})
        return end_of(farm, ref).status is State.DONE
    except (ApiUnreachable, ApiUnavailable):
        return False


def test_a_second_farm_of_a_folder_is_refused_and_told_who_holds_it(
    farm: LocalFarm, running: subprocess.Popen[bytes], tmp_path: Path, engine_socket: str
) -> None:
    (tmp_path / "second").mkdir()
    second = LocalFarm(tmp_path / "second", engine_socket)
    second.data = farm.data

    assert second.run_to_its_end() == 2
    assert f"Another `jobrunner up` (process {running.pid}, {farm.url}) holds {farm.data}" in second.output


def test_two_farms_of_two_folders_run_side_by_side(
    farm: LocalFarm, running: subprocess.Popen[bytes], tmp_path: Path, engine_socket: str, test_image: str
) -> None:
    (tmp_path / "second").mkdir()
    second = LocalFarm(tmp_path / "second", engine_socket, NODE=f"up-{farm.port}")
    with second.start_and_wait() as process:
        for each in (farm, second):
            assert end_of(each, each.client.submit("test", {"image": test_image, "command": "true"})).exit_code == 0
        second.interrupt(process)


def test_without_an_engine_nothing_is_started_and_the_remedy_is_told(tmp_path: Path) -> None:
    farm = LocalFarm(tmp_path, NO_ENGINE)

    assert farm.run_to_its_end() == 2
    assert "There is no Docker Engine" in farm.output
    assert "systemctl start docker" in farm.output
    assert not any(farm.data.glob("logs/*"))


def test_a_configured_mongodb_that_does_not_answer_is_named_without_its_password(
    tmp_path: Path, engine_socket: str
) -> None:
    farm = LocalFarm(
        tmp_path, engine_socket, MONGODB_URL="mongodb://me:hush@127.0.0.1:1/", MONGODB_TIMEOUT_SECONDS="0.5"
    )

    assert farm.run_to_its_end() == 2
    assert "The MongoDB that mongodb_url names does not answer" in farm.output
    assert "hush" not in farm.output


def test_a_configured_redis_that_does_not_answer_is_named(tmp_path: Path, engine_socket: str) -> None:
    farm = LocalFarm(tmp_path, engine_socket, REDIS_URL="redis://:hush@127.0.0.1:1/0")

    assert farm.run_to_its_end() == 2
    assert "The Redis that redis_url names does not answer" in farm.output
    assert "hush" not in farm.output


def test_configured_services_are_used_in_place_of_embedded_ones(
    tmp_path: Path, engine_socket: str, mongodb_url: str, redis_url: str, database: str, test_image: str
) -> None:
    farm = LocalFarm(tmp_path, engine_socket, MONGODB_URL=mongodb_url, MONGODB_DATABASE=database, REDIS_URL=redis_url)
    with farm.start_and_wait() as process:
        ref = farm.client.submit("test", {"image": test_image, "command": "true"})
        assert end_of(farm, ref).status is State.DONE
        assert set(farm.pids) == {"API", "Scheduler", "Worker"}
        farm.interrupt(process)


def test_a_port_that_is_taken_is_named(tmp_path: Path, engine_socket: str) -> None:
    farm = LocalFarm(tmp_path, engine_socket)
    with socket.create_server(("127.0.0.1", farm.port)):
        assert farm.run_to_its_end() == 2

    assert f"The API cannot listen on 127.0.0.1:{farm.port}" in farm.output
