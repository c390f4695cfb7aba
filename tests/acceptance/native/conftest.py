"""A farm on which the examples of the native API's document run as they stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import docker
import pytest
from docker.errors import ImageNotFound

from tests.support.farm import Farm
from tests.support.farm_maker import FarmMaker
from tests.support.mail_server import Inbox, mail_server
from tests.support.native_api import call, document, example, job_path
from tests.support.receiver import Receiver, receiver

EXAMPLE_IMAGE = "task1:latest"
TRUSTED_PROXY = "127.0.0.2"
HARD_LIMIT_SECONDS = 3600


@pytest.fixture(scope="session")
def example_image(test_image: str) -> Iterator[str]:
    """The image that the document's examples name: the tests' own under that tag, while they run."""
    engine = docker.from_env(timeout=30)
    try:
        engine.images.get(EXAMPLE_IMAGE)
        is_ours = False
    except ImageNotFound:
        is_ours = engine.images.get(test_image).tag("task1", "latest")
    yield EXAMPLE_IMAGE
    if is_ours:
        engine.images.remove(EXAMPLE_IMAGE, noprune=True)
    engine.close()


@pytest.fixture(scope="session")
def inbox() -> Iterator[Inbox]:
    with mail_server() as found:
        yield found


@pytest.fixture(scope="session")
def hooks() -> Iterator[Receiver]:
    with receiver() as server:
        yield server


@pytest.fixture(scope="session")
def farm(make_lasting_farm: FarmMaker, example_image: str, inbox: Inbox) -> Farm:
    """The farm of this folder: it may call this machine, sends e-mail, trusts a proxy, and logs all that it can."""
    farm = make_lasting_farm(
        webhook_allow_loopback=True,
        delivery_first_delay_seconds=0.2,
        smtp_host="127.0.0.1",
        smtp_port=inbox.port,
        smtp_security="none",
        smtp_from="jobrunner@example.org",
        timeout_hard_limit_seconds=HARD_LIMIT_SECONDS,
        api_trusted_proxies=TRUSTED_PROXY,
        log_level="debug",
    )
    farm.start_all("one")
    return farm


@pytest.fixture(scope="module")
def new_farm(make_farm: FarmMaker) -> Farm:
    """A farm that has no task yet, and no node."""
    farm = make_farm()
    farm.start_api()
    return farm


@pytest.fixture(scope="session")
def documented(farm: Farm) -> dict[str, Any]:
    """What was answered to the job whose details the document shows; it has ended."""
    accepted = farm.post_job(task="test-wrkng", image="task1", command="ls -lah")
    farm.wait_for_status(accepted, "done")
    return accepted


def printing(farm: Farm, stdout: str, stderr: str) -> dict[str, Any]:
    """What was answered to a job that has written these examples to its streams, and failed."""
    accepted = farm.post_job(
        *("sh", "-c", 'printf %s "$OUT"; printf %s "$ERR" >&2; exit 3'),
        task="test-wrkng",
        envs={"OUT": example(stdout), "ERR": example(stderr)},
    )
    farm.wait_for_status(accepted, "failed")
    return accepted


@pytest.fixture(scope="session")
def printed_by_job(farm: Farm) -> dict[str, Any]:
    """A job whose last execution has written what the document shows."""
    return printing(farm, "job_stdout.txt", "job_stderr.txt")


@pytest.fixture(scope="session")
def printed(farm: Farm) -> dict[str, Any]:
    """An execution that has written what the document shows."""
    return printing(farm, "execution_stdout.txt", "execution_stderr.txt")


@pytest.fixture(scope="session")
def elsewhere(farm: Farm) -> dict[str, Any]:
    """A job of another task."""
    return farm.post_job("true", task="elsewhere")


@pytest.fixture
def post_recurring(farm: Farm) -> Iterator[Callable[..., dict[str, Any]]]:
    """Posts jobs that start every other second, until the test is over, however it ends."""
    posted: list[dict[str, Any]] = []

    def post(*command: str) -> dict[str, Any]:
        posted.append(farm.post_job(*command, cron="* * * * * */2", stopGrace=0))
        return posted[-1]

    yield post
    for one in posted:
        document(call(farm, "POST", job_path(one, "stop/")))


@pytest.fixture(scope="session")
def unstarted(farm: Farm) -> dict[str, Any]:
    """A job whose only execution waits for its time."""
    return farm.post_job("true", task="test-wrkng", startIn="1h")
