"""What an Engine that is killed does to its containers, and what the executor learns of it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from jobrunner.domain.ports.output_store import Stream
from jobrunner.executors.docker.executor import DockerExecutor
from tests.chaos.own_engine import OwnEngine
from tests.contracts.executor_world import docker_settings, execution_of, exit_code, read
from tests.support.farm import wait_until
from tests.support.images import ensure_test_image

pytestmark = pytest.mark.services

# It waits for the file `go`, which a test makes when the time has come, in a folder that both have.
WAITS = "echo before; until [ -e /shared/go-$0 ]; do sleep 0.05; done; echo after; echo >/shared/ended-$0; exit 3"


@pytest.fixture
def engine() -> Iterator[OwnEngine]:
    with TemporaryDirectory(prefix="engine-") as folder:  # its path is short, as those of sockets have to be
        made = OwnEngine(Path(folder), live_restore=True)
        try:
            yield made.start()
        finally:
            made.close()


def test_of_what_ends_while_the_engine_is_away_only_the_end_of_the_output_is_lost_and_that_is_known(
    engine: OwnEngine, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    image, volumes = ensure_test_image(engine.host), {"shared": {"path": str(shared)}}
    executor = DockerExecutor(docker_settings(docker_host=engine.host, node_volumes=volumes), "own")
    containers = {}
    for name in ("away", "back"):
        mount = {"volumes": [{"name": "shared", "target": "/shared"}]}
        execution = execution_of(("sh", "-c", WAITS, name), image=image, container=mount)
        containers[name] = executor.create(execution)
        reader = executor.attach(containers[name])
        executor.start(containers[name])
        assert next(iter(reader)).content == b"before\n"
        reader.close()
    engine.end(signal.SIGKILL)
    (shared / "go-away").touch()
    wait_until((shared / "ended-away").exists, 30, "it has ended while its Engine was away")
    engine.start()
    (shared / "go-back").touch()
    outputs = {"away": b"before\n", "back": b"before\nafter\n"}
    for name, container in containers.items():
        ended = executor.wait(container, 30)
        assert exit_code(ended) == 3
        assert read(executor.replay(ended))[Stream.STDOUT] == outputs[name]
        assert executor.may_have_lost_the_end(ended) == (name == "away")
        executor.remove(container.execution_id)
