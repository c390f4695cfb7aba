"""Containers as jobs ask for them, on a whole farm: what they say holds inside, and what is not allowed is told."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.support.farm import Farm, wait_until
from tests.support.private_registry import PASSWORD, PROGRAM, USER, PrivateRegistry, logins, private_registry

pytestmark = pytest.mark.services

WRONG_PASSWORD = "not-the-password"
KEPT_CAPABILITIES = "00000000800405fb"
needs_registry = pytest.mark.skipif(PROGRAM is None, reason="there is no docker-registry here")


@pytest.fixture(scope="module")
def engine(engine_socket: str) -> docker.APIClient:
    return docker.APIClient(engine_socket, version="1.41")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the node has to mount."""
    made = tmp_path_factory.mktemp("volume")
    made.chmod(0o755)  # for jobs of other users than root
    (made / "hello").write_text("from the node\n")
    return made


@pytest.fixture(scope="module")
def strict_farm(make_farm: Any, folder: Path) -> Iterator[Farm]:
    """A farm with a volume for reading, and one for writing; it allows nothing beyond the defaults."""
    farm = make_farm(node_volumes=f"models={folder}:ro, scratch={folder}")
    farm.start_all("one")
    yield farm
    farm.end_all()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, engine: docker.APIClient) -> Iterator[PrivateRegistry]:
    with private_registry(tmp_path_factory.mktemp("registry"), engine) as made:
        yield made


@pytest.fixture(scope="module")
def logins_file(tmp_path_factory: pytest.TempPathFactory, registry: PrivateRegistry) -> Path:
    return logins(tmp_path_factory.mktemp("logins") / "registries.json", registry.host)


@pytest.fixture(scope="module")
def pulling_farm(make_farm: Any, logins_file: Path) -> Iterator[Farm]:
    """A farm with a login at the private registry."""
    farm = make_farm(registry_credentials_file=logins_file)
    farm.start_all("one")
    yield farm
    farm.end_all()


def printed(farm: Farm, *command: str, **spec: Any) -> list[str]:
    """What a job prints that ends well."""
    accepted = farm.post_job(*command, **spec)
    ended = farm.wait_for_end(accepted)
    assert ended["status"] == "done", ended
    return farm.output(accepted, "stdout").decode().splitlines()


def inside(farm: Farm, line: str, **container: Any) -> list[str]:
    return printed(farm, "sh", "-c", line, container=container)


def refused(farm: Farm, status: int, **container: Any) -> dict[str, str]:
    """The faults for which a job with such a container is refused."""
    body = {"image": farm.image, "command": "true", "container": container}
    answer = farm.http.post(f"{farm.url}/tasks/refused/", json=body, timeout=10)
    assert answer.status_code == status, answer.text
    return {error["field"]: error["reason"] for error in answer.json()["errors"]}


# -------------------------------------------------------------------------------------------------------- inside


def test_a_job_that_says_nothing_has_the_safe_defaults(strict_farm: Farm) -> None:
    status = dict(
        line.split(":\t") for line in inside(strict_farm, "grep -E '^(CapEff|CapBnd|NoNew)' /proc/self/status")
    )
    assert status == {"CapEff": KEPT_CAPABILITIES, "CapBnd": KEPT_CAPABILITIES, "NoNewPrivs": "1"}


def test_everything_that_a_job_says_holds_inside_and_is_shown(
    strict_farm: Farm, folder: Path, engine: docker.APIClient
) -> None:
    container = {
        "entrypoint": ["sh", "-c"],
        "workingDirectory": "/app",
        "user": "1234:4321",
        "init": True,
        "readOnlyRoot": True,
        "tmpfs": {"/scratch": "2m"},
        "shmSize": "3m",
        "volumes": [{"name": "models", "target": "/models"}],
        "networkMode": "none",
        "capDrop": ["ALL"],
        "ulimits": {"nofile": {"soft": 100, "hard": 200}},
        "pidsLimit": 50,
        "labels": {"team": "render"},
    }
    line = (
        "id -u; id -g; pwd; touch /x 2>/dev/null; echo $?; touch /scratch/x; echo $?; "
        "df -k /scratch /dev/shm | awk 'NR > 1 {print $2}'; ulimit -n; ulimit -Hn; cat /models/hello; "
        "ls /sys/class/net; grep CapBnd /proc/self/status; sleep 3"
    )
    accepted = strict_farm.post_job(line, container=container)
    running = strict_farm.wait_for_status(accepted, "running")
    inspected = engine.inspect_container(running["metadata"]["container_id"])
    assert inspected["Config"]["Labels"]["team"] == "render"
    assert (inspected["HostConfig"]["PidsLimit"], inspected["HostConfig"]["Init"]) == (50, True)
    assert strict_farm.wait_for_end(accepted)["status"] == "done"
    assert strict_farm.output(accepted, "stdout").decode().splitlines() == [
        *("1234", "4321", "/app", "1", "0", "2048", "3072", "100", "200", "from the node", "lo"),
        "CapBnd:\t0000000000000000",
    ]
    shown = strict_farm.http.get(accepted["jobUrl"], timeout=10).json()["job"]["metadata"]["container"]
    assert shown == container | {"tmpfs": {"/scratch": 2 * 1024**2}, "shmSize": 3 * 1024**2}


def test_a_job_that_says_nothing_shows_nothing(strict_farm: Farm) -> None:
    accepted = strict_farm.post_job("true")
    assert strict_farm.http.get(accepted["jobUrl"], timeout=10).json()["job"]["metadata"]["container"] == {}
    strict_farm.wait_for_end(accepted)


def test_what_one_job_writes_in_a_volume_another_one_reads(strict_farm: Farm) -> None:
    writable = {"volumes": [{"name": "scratch", "target": "/s"}]}
    inside(strict_farm, "echo kept > /s/result", **writable)
    assert inside(strict_farm, "cat /m/result", volumes=[{"name": "models", "target": "/m"}]) == ["kept"]


def test_with_init_a_stop_needs_no_kill(strict_farm: Farm) -> None:
    accepted = strict_farm.post_job("sleep", "1000", container={"init": True}, stopGrace=60)
    strict_farm.wait_for_status(accepted, "running")
    began = time.monotonic()
    strict_farm.http.post(f"{accepted['executionUrl']}/stop/", timeout=10)
    ended = strict_farm.wait_for_end(accepted)
    assert (ended["status"], ended["exitCode"]) == ("stopped", 143)
    assert time.monotonic() - began < 30


# -------------------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("container", "field", "reason"),
    [
        ({"privileged": True}, "container.privileged", "is not a known key"),
        ({"networkMode": "host"}, "container.networkMode", "is not allowed by this farm; it allows bridge, none"),
        ({"capAdd": ["SYS_ADMIN"]}, "container.capAdd.0", "SYS_ADMIN is not allowed by this farm"),
        ({"allowNewPrivileges": True}, "container.allowNewPrivileges", "is not allowed by this farm"),
        ({"labels": {"jobrunner.farm": "x"}}, "container.labels.jobrunner.farm", "which are not the job's"),
        (
            {"volumes": [{"name": "scratch", "target": "/s", "source": "/etc"}]},
            "container.volumes.0.source",
            "is not a known key; known keys are name, readOnly, target",
        ),
    ],
)
def test_what_is_not_allowed_is_refused_by_its_full_key(
    strict_farm: Farm, container: dict[str, Any], field: str, reason: str
) -> None:
    faults = refused(strict_farm, 400, **container)
    assert list(faults) == [field]
    assert reason in faults[field]


def test_a_volume_that_no_node_has_is_refused(strict_farm: Farm) -> None:
    faults = refused(strict_farm, 409, volumes=[{"name": "etc", "target": "/etc"}])
    assert faults == {"container.volumes.0.name": "no node that may run it has a volume 'etc'"}


def test_a_job_runs_on_the_node_that_has_its_volume(strict_farm: Farm, folder: Path) -> None:
    strict_farm.start_worker("two", node_volumes=f"local={folder}")
    mounts = {"volumes": [{"name": "local", "target": "/l"}]}
    ended = [strict_farm.wait_for_end(strict_farm.post_job("ls", "/l", container=mounts)) for _ in range(3)]
    strict_farm.end("two")
    assert [(end["status"], end["node"]) for end in ended] == [("done", "two")] * 3
    waiting = strict_farm.post_job("true", container=mounts)
    execution = strict_farm.execution(waiting)
    assert execution["waitingFor"] == "a node: none of the pool 'default' with the volumes local is up and takes work"
    strict_farm.http.post(f"{waiting['executionUrl']}/stop/", timeout=10)


def test_to_write_in_a_volume_that_can_only_be_read_fails_with_the_reason(strict_farm: Farm) -> None:
    volumes = [{"name": "models", "target": "/m", "readOnly": False}]
    ended = strict_farm.wait_for_end(strict_farm.post_job("true", container={"volumes": volumes}))
    assert (ended["status"], ended["cause"]) == ("failed", "container_rejected")
    assert ended["error"] == (
        "node 'one': container.volumes.0.readOnly: the volume 'models' of the node can only be read"
    )


def test_the_nodes_show_the_names_of_their_volumes_and_no_paths(strict_farm: Farm, folder: Path) -> None:
    answer = strict_farm.http.get(f"{strict_farm.url}/nodes/", timeout=10)
    assert answer.json()["items"][0]["volumes"] == ["models", "scratch"]
    assert str(folder) not in answer.text


# ------------------------------------------------------------------------------------------------------- registry


@needs_registry
def test_an_image_of_a_private_registry_runs_by_tag_and_by_digest(
    pulling_farm: Farm, registry: PrivateRegistry
) -> None:
    image = registry.image("team/tool", "1.0")
    digest = registry.push(pulling_farm.image, image)
    try:
        assert printed(pulling_farm, "echo", "hi", image=f"{image}@{digest}") == ["hi"]
        assert printed(pulling_farm, "echo", "hi", image=image) == ["hi"]
    finally:
        registry.forget(image)
        registry.forget(f"{image.rpartition(':')[0]}@{digest}")


@needs_registry
def test_each_pull_policy_does_what_it_says(
    pulling_farm: Farm, registry: PrivateRegistry, engine: docker.APIClient
) -> None:
    image = registry.image("team/moving")
    registry.push(pulling_farm.image, image)

    def says(policy: str) -> list[str]:
        return printed(pulling_farm, "sh", "-c", "echo ${VERSION:-first}", image=image, pullPolicy=policy)

    never = pulling_farm.wait_for_end(pulling_farm.post_job("true", image=image, pullPolicy="never"))
    assert (never["status"], never["cause"]) == ("failed", "image_not_found")
    assert registry.was_asked() > 0  # by the push
    try:
        assert says("missing") == ["first"]
        move_tag(engine, registry, pulling_farm.image, image)
        asked = registry.was_asked()
        assert says("missing") == says("never") == ["first"]
        assert registry.was_asked() == asked
        assert says("always") == ["second"]
        assert says("missing") == ["second"]
        asked = registry.was_asked()
        assert says("always") == ["second"]
        assert registry.was_asked() > asked
    finally:
        registry.forget(image)


def move_tag(engine: docker.APIClient, registry: PrivateRegistry, base: str, image: str) -> None:
    """Put another image under the same tag of the registry; the Engine goes on having the first."""
    before = engine.inspect_image(image)["Id"]
    container = engine.create_container(base)["Id"]
    second = engine.commit(container, changes=["ENV VERSION=second"])["Id"]
    engine.remove_container(container)
    registry.push(second, image)
    name, _, tag = image.rpartition(":")
    engine.tag(before, name, tag)
    assert engine.inspect_image(image)["Id"] == before


@needs_registry
def test_a_login_that_is_refused_ends_the_execution_at_once_and_is_shown_nowhere(
    make_farm: Any, registry: PrivateRegistry, tmp_path: Path
) -> None:
    wrong = logins(tmp_path / "registries.json", registry.host, WRONG_PASSWORD)
    farm = make_farm(registry_credentials_file=wrong, log_level="debug")
    farm.start_all("one")
    accepted = farm.post_job("true", image=registry.image("team/tool"), retries=3)
    ended = farm.wait_for_end(accepted)
    assert (ended["status"], ended["cause"]) == ("failed", "image_refused")
    assert f'the registry "{registry.host}"' in ended["error"] and "does not take this node's login" in ended["error"]
    assert ended["retriedBy"] is None
    job = farm.http.get(accepted["jobUrl"], timeout=10).text
    assert '"executionCount":1' in job.replace(" ", "")
    logs = "".join(farm.log(name) for name in ("api", "one", "scheduler"))
    assert accepted["executionId"] in logs
    pages = ("status/", "nodes/", "executions/", "events/?format=json", f"executions/{accepted['executionId']}/")
    for shown in (job, logs, *(farm.http.get(f"{farm.url}/{page}", timeout=10).text for page in pages)):
        assert shown and WRONG_PASSWORD not in shown and encoded_login(WRONG_PASSWORD) not in shown
    farm.end_all()


def encoded_login(password: str) -> str:
    """As HTTP and docker's config.json have it."""
    return base64.b64encode(f"{USER}:{password}".encode()).decode()


@needs_registry
def test_a_login_that_is_taken_is_shown_nowhere(
    pulling_farm: Farm, registry: PrivateRegistry, engine: docker.APIClient
) -> None:
    image = registry.image("team/shown")
    registry.push(pulling_farm.image, image)
    accepted = pulling_farm.post_job("sleep", "5", image=image)
    running = pulling_farm.wait_for_status(accepted, "running")
    inspected = json.dumps(engine.inspect_container(running["metadata"]["container_id"]))
    pulling_farm.wait_for_end(accepted)
    logs = "".join(pulling_farm.log(name) for name in ("api", "one", "scheduler"))
    for shown in (logs, inspected):
        assert shown and PASSWORD not in shown and encoded_login(PASSWORD) not in shown
    registry.forget(image)


def test_a_worker_whose_logins_others_may_read_does_not_start(make_farm: Any, tmp_path: Path) -> None:
    loose = logins(tmp_path / "registries.json", "registry.example")
    loose.chmod(0o644)
    farm = make_farm(registry_credentials_file=loose)
    worker = farm.start("one", "worker", "--node", "one")
    wait_until(lambda: worker.poll() is not None, 30, "the worker ends")
    assert worker.returncode not in (0, None)
    assert "others than its owner may read" in farm.log("one")
    assert "Traceback" not in farm.log("one") and PASSWORD not in farm.log("one")
