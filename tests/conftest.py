"""The real services, as fixtures. They start when the first test needs them, and end with the session."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from pymongo import MongoClient

from tests.support.images import ensure_test_image
from tests.support.services import docker_host, mongodb_service, redis_service


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our own option."""
    parser.addoption("--no-skips", action="store_true", help="A run in which a test is skipped fails.")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With --no-skips, a skip is a failure of the whole run: what was skipped has tested nothing."""
    if _forbidden_skips(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say why such a run has failed."""
    if skips := _forbidden_skips(config):
        terminalreporter.write_line(f"FAILED: {skips} skipped, and --no-skips allows none", red=True)


def _forbidden_skips(config: pytest.Config) -> int:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return len(reporter.stats.get("skipped", ())) if config.getoption("--no-skips") else 0


@pytest.fixture(scope="session")
def mongodb_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real MongoDB, without a database."""
    with mongodb_service(tmp_path_factory.mktemp("mongodb")) as url:
        yield url


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real Redis. Its keys are shared by all tests of the session: use names of your own."""
    with redis_service(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def database(mongodb_url: str) -> Iterator[str]:
    """The name of a database of this test's own, dropped afterwards."""
    name = f"jobrunner-test-{uuid4().hex[:12]}"
    yield name
    with MongoClient(mongodb_url, serverSelectionTimeoutMS=5000) as client:
        client.drop_database(name)


@pytest.fixture(scope="session")
def engine_socket() -> str:
    """The address of a real Docker Engine, as the setting docker_host takes it."""
    return docker_host()


@pytest.fixture(scope="session")
def test_image(engine_socket: str) -> str:
    """The tag of a small image that the Engine has."""
    return ensure_test_image(engine_socket)


@pytest.fixture(autouse=True)
def image_of_service_tests(request: pytest.FixtureRequest) -> None:
    """See to it that every test marked `services` finds the image."""
    if request.node.get_closest_marker("services"):
        request.getfixturevalue("test_image")
