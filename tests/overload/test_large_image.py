"""A large image: it comes once for all who wait for it, the worker does not grow, and a stop does not wait for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.overload.conftest import START_FARM
from tests.overload.memory import watching_memory
from tests.overload.size import size
from tests.support.farm import Farm
from tests.support.private_registry import PrivateRegistry, logins, private_registry

pytestmark = pytest.mark.services

MB = 1_000_000
IMAGE_BYTES = size(200 * MB, 2000 * MB)
MOST_GROWTH_BYTES = 40 * MB
PULL_SECONDS = size(300, 1200)
STOP_SECONDS = 60
WAITING = 4
WRITTEN = re.compile(r'http\.request\.method=GET .*http\.request\.uri="[^"]*/blobs/.*http\.response\.written=(\d+)')


@pytest.fixture(scope="module")
def registry(engine_socket: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRegistry]:
    with private_registry(tmp_path_factory.mktemp("registry"), docker.APIClient(engine_socket, timeout=600)) as made:
        yield made


@pytest.fixture(scope="module")
def image(registry: PrivateRegistry, test_image: str) -> str:
    """An image of random bytes, which is in the registry and not on the node."""
    engine, local, remote = registry.engine, f"{registry.host}/made:1", registry.image("large")
    script = f"head -c {IMAGE_BYTES} /dev/urandom > /bytes"
    container = engine.create_container(test_image, ["sh", "-c", script])
    try:
        engine.start(container)
        assert engine.wait(container)["StatusCode"] == 0
        engine.commit(container, *local.rsplit(":", 1))
    finally:
        engine.remove_container(container, force=True)
    registry.push(local, remote)
    registry.forget(local)
    return remote


@pytest.fixture(scope="module")
def farm(start_farm: START_FARM, registry: PrivateRegistry, tmp_path_factory: pytest.TempPathFactory) -> Farm:
    path: Path = logins(tmp_path_factory.mktemp("logins") / "config.json", registry.host)
    farm = start_farm("one", registry_credentials_file=path)
    farm.wait_for_status(farm.post_job("true"), "done")
    return farm


def sent_bytes(registry: PrivateRegistry) -> int:
    """How much of layers the registry has sent."""
    return sum(int(found[1]) for found in WRITTEN.finditer(registry.log.read_text(encoding="utf-8")))


def test_it_comes_once_for_all_who_wait_for_it_although_one_is_stopped_and_the_worker_does_not_grow(
    farm: Farm, registry: PrivateRegistry, image: str
) -> None:
    before = sent_bytes(registry)
    with watching_memory(farm.processes["one"].pid) as memory:
        stopped = farm.post_job("sleep", "600", image=image)
        waiting = [farm.post_job("sh", "-c", "wc -c < /bytes", image=image) for _ in range(WAITING)]
        for job in (stopped, *waiting):
            farm.wait_for_status(job, "pulling", "running", "done", seconds=STOP_SECONDS)
        assert farm.http.post(f"{stopped['executionUrl']}/stop/", timeout=10).status_code == 200
        assert farm.wait_for_end(stopped, seconds=STOP_SECONDS)["status"] == "stopped"
        for job in waiting:
            assert farm.wait_for_end(job, seconds=PULL_SECONDS)["status"] == "done"
            assert farm.output(job, "stdout") == b"%d\n" % IMAGE_BYTES
    registry.forget(image)
    assert IMAGE_BYTES <= sent_bytes(registry) - before < 1.5 * IMAGE_BYTES
    assert memory.growth < MOST_GROWTH_BYTES
