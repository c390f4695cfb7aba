"""The executor and a real Engine with TLS and client certificates between them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobrunner.domain.ports.output_store import Stream
from jobrunner.errors import EngineUnavailable
from jobrunner.executors.docker.executor import DockerExecutor
from tests.contracts.executor_world import (
    DOCKER_HOST,
    PRINTS_EVERY_BYTE,
    PRINTS_TO_BOTH,
    SAYS_BYE_ON_SIGTERM,
    DockerWorld,
    assert_a_reader_that_is_interrupted_first_ends,
    assert_interrupt_ends_a_reader,
    docker_settings,
    execution_of,
    read,
    run,
)
from tests.support.tls_proxy import Certificates, make_certificates, tls_proxy

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(not DOCKER_HOST.startswith("unix://"), reason="the proxy needs the Engine's unix socket"),
]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def port(certificates: Certificates) -> Iterator[int]:
    with tls_proxy(DOCKER_HOST.removeprefix("unix://"), certificates) as port:
        yield port


@pytest.fixture
def world() -> Iterator[DockerWorld]:
    made = DockerWorld()
    yield made
    made.close()


@pytest.fixture
def executor(world: DockerWorld, port: int, certificates: Certificates) -> DockerExecutor:
    return over_tls(world, port, certificates)


def over_tls(world: DockerWorld, port: int, certificates: Certificates) -> DockerExecutor:
    return world.executor(
        docker_host=f"tcp://127.0.0.1:{port}",
        docker_tls_ca=certificates.ca,
        docker_tls_cert=certificates.client_cert,
        docker_tls_key=certificates.client_key,
    )


def test_an_execution_runs_over_tls(executor: DockerExecutor, port: int) -> None:
    content, container = run(executor, execution_of(PRINTS_TO_BOTH))
    assert content == {Stream.STDOUT: b"1\n3\n", Stream.STDERR: b"2\n"}
    assert container.ended is not None and container.ended.exit_code == 0
    assert (executor.host, executor.port) == ("127.0.0.1", port)


def test_bytes_are_exact_over_tls(executor: DockerExecutor) -> None:
    content, container = run(executor, execution_of(PRINTS_EVERY_BYTE))
    assert read(executor.replay(container)) == content


@pytest.mark.parametrize("connect", ["attach", "replay"])
def test_interrupt_ends_a_reader_over_tls(executor: DockerExecutor, connect: str) -> None:
    assert_interrupt_ends_a_reader(executor, connect)


@pytest.mark.parametrize("connect", ["attach", "replay"])
def test_a_reader_that_is_interrupted_before_it_begins_ends_over_tls(executor: DockerExecutor, connect: str) -> None:
    assert_a_reader_that_is_interrupted_first_ends(executor, connect)


def test_a_replay_whose_connection_breaks_is_told_apart_from_its_end(
    world: DockerWorld, certificates: Certificates
) -> None:
    with tls_proxy(DOCKER_HOST.removeprefix("unix://"), certificates) as port:
        executor = over_tls(world, port, certificates)
        container = executor.create(execution_of(SAYS_BYE_ON_SIGTERM))
        executor.start(container)
        fragments = iter(executor.replay(container))
        assert next(fragments).content == b"up\n"
    with pytest.raises(ConnectionError, match="broke off"):
        next(fragments)
    with pytest.raises(EngineUnavailable, match="does not answer"):
        executor.wait(container, 0.1)


def test_a_client_without_a_certificate_is_turned_away(port: int, certificates: Certificates) -> None:
    settings = docker_settings(docker_host=f"tcp://127.0.0.1:{port}", docker_tls_ca=certificates.ca)
    with pytest.raises(EngineUnavailable):
        DockerExecutor(settings, "stranger").check()


def test_an_engine_with_a_certificate_of_another_authority_is_not_trusted(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certificates: Certificates
) -> None:
    # The variable that makes requests trust another authority must not reach us.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.ca))
    settings = docker_settings(docker_host=f"tcp://127.0.0.1:{port}", docker_tls_ca=make_certificates(tmp_path).ca)
    with pytest.raises(EngineUnavailable, match="certificate verify failed") as caught:
        DockerExecutor(settings, "stranger").check()
    assert caught.value.is_refusal
