"""What a job says of its container holds: in what the real Engine shows of it, and as it is seen from inside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import docker
import pytest

from jobrunner.container_rules import KEPT_CAPABILITIES, HostFolder
from jobrunner.domain.executions import Execution
from jobrunner.domain.ports.executor import ContainerStatus
from jobrunner.domain.ports.output_store import Stream
from jobrunner.errors import ContainerRejected
from tests.contracts.executor_world import (
    DOCKER_HOST,
    IMAGE,
    LONG_SECONDS,
    DockerWorld,
    execution_of,
    exit_code,
    run,
    started,
)

pytestmark = pytest.mark.services

KEPT_MASK = 0x800405FB  # the eleven that are kept, as bits of capabilities(7)
NET_RAW_MASK, NET_BIND_MASK = 1 << 13, 1 << 10
MIB = 1024 * 1024


@pytest.fixture
def world() -> Iterator[DockerWorld]:
    made = DockerWorld()
    yield made
    made.close()


@pytest.fixture(scope="module")
def engine() -> docker.APIClient:
    return docker.APIClient(DOCKER_HOST, version="1.41")


@pytest.fixture
def network(engine: docker.APIClient) -> Iterator[str]:
    name = f"jobrunner-test-{uuid4().hex[:8]}"
    engine.create_network(name)
    yield name
    engine.remove_network(name)


def shell(line: str, **container: Any) -> Execution:
    return execution_of(("sh", "-c", line), container=container)


def inside(world: DockerWorld, line: str, settings: Any = None, **container: Any) -> list[str]:
    """What a line of shell prints in a container that is set up like this, on both streams."""
    output, ended = run(world.executor(**settings or {}), shell(line, **container))
    assert exit_code(ended) == 0, output
    return (output[Stream.STDOUT] + output[Stream.STDERR]).decode().splitlines()


def shown(world: DockerWorld, engine: docker.APIClient, settings: Any = None, **container: Any) -> dict[str, Any]:
    """What the Engine says of such a container."""
    inspected: dict[str, Any] = engine.inspect_container(
        world.executor(**settings or {}).create(shell("true", **container)).id
    )
    return inspected


def process_status(lines: list[str]) -> dict[str, str]:
    return dict(line.split(":\t") for line in lines)


# ------------------------------------------------------------------------------------------------------ defaults


def test_by_default_a_container_has_few_capabilities_and_gains_no_privileges(world: DockerWorld) -> None:
    status = process_status(inside(world, "grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status"))
    for kind in ("CapEff", "CapPrm", "CapBnd"):
        assert int(status[kind], 16) == KEPT_MASK
    assert int(status["CapAmb"], 16) == 0
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


def test_the_engine_shows_the_defaults(world: DockerWorld, engine: docker.APIClient) -> None:
    host = shown(world, engine, {"container_pids_limit": 321})["HostConfig"]
    assert (host["Privileged"], host["PidMode"], host["IpcMode"], host["UsernsMode"]) == (False, "", "private", "")
    assert host["CapDrop"] == ["ALL"]
    assert set(host["CapAdd"]) == {str(capability) for capability in KEPT_CAPABILITIES}
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert (host["PidsLimit"], host["NetworkMode"], host["ReadonlyRootfs"]) == (321, "bridge", False)
    assert not host["Binds"] and not host.get("Mounts") and not host["Devices"] and not host.get("Init")


def test_what_ordinary_images_do_as_root_works(world: DockerWorld) -> None:
    line = "touch /f; chown 7:7 /f; chmod 4755 /f; stat -c %u:%g:%a /f; chroot / echo ok"
    assert inside(world, line) == ["7:7:4755", "ok"]


# ------------------------------------------------------------------------------------------------- what is started


@pytest.mark.parametrize(
    ("container", "command", "printed"),
    [
        ({"entrypoint": ["echo", "a b"]}, ("c",), "a b c"),
        ({"entrypoint": "echo 'a b'"}, ("c",), "a b c"),
        ({"entrypoint": []}, ("echo", "x"), "x"),
        ({"workingDirectory": "/new/folder"}, ("pwd",), "/new/folder"),
        ({"user": "1234:4321"}, ("sh", "-c", "echo $(id -u):$(id -g)"), "1234:4321"),
        ({"user": 1234}, ("id", "-u"), "1234"),
    ],
)
def test_the_command_runs_where_and_as_whom_the_job_says(
    world: DockerWorld, container: Any, command: tuple[str, ...], printed: str
) -> None:
    output, ended = run(world.executor(), execution_of(command, container=container))
    assert (output[Stream.STDOUT].decode().strip(), exit_code(ended)) == (printed, 0)


def test_an_entrypoint_of_the_image_is_replaced_or_dropped(world: DockerWorld, engine: docker.APIClient) -> None:
    image = f"jobrunner/test-entrypoint:{uuid4().hex[:8]}"
    base = engine.create_container(IMAGE, entrypoint=["echo", "of the image"])["Id"]
    name, _, tag = image.partition(":")
    engine.commit(base, name, tag)
    engine.remove_container(base)
    try:
        for container, printed in [
            ({}, "of the image echo x"),
            ({"entrypoint": []}, "x"),
            ({"entrypoint": "echo y"}, "y echo x"),
        ]:
            output, _ = run(world.executor(), execution_of(("echo", "x"), image=image, container=container))
            assert output[Stream.STDOUT].decode().strip() == printed
    finally:
        world.close()
        engine.remove_image(image, force=True)


def test_a_user_other_than_root_has_no_capabilities(world: DockerWorld) -> None:
    status = process_status(inside(world, "grep -E '^Cap(Eff|Prm|Amb)' /proc/self/status", user="1234"))
    assert {int(mask, 16) for mask in status.values()} == {0}


def test_a_user_that_the_image_does_not_have_is_told(world: DockerWorld) -> None:
    with pytest.raises(ContainerRejected, match="unable to find user nobody-here"):
        run(world.executor(), shell("true", user="nobody-here"))


# --------------------------------------------------------------------------------------------------------- init


def test_with_init_a_command_that_ignores_sigterm_as_the_first_process_ends_on_it(world: DockerWorld) -> None:
    """The kernel lets no signal without a handler through to process 1: see pid_namespaces(7)."""
    for container, ends in [({"init": True}, True), ({}, False)]:
        executor = world.executor()
        made = executor.create(execution_of(("sleep", "1000"), container=container))
        executor.start(made)
        began = monotonic()
        executor.signal(made.execution_id, "SIGTERM")
        ended = executor.wait(made, LONG_SECONDS if ends else 2)
        assert (ended.status is ContainerStatus.EXITED) == ends
        if ends:
            assert exit_code(ended) == 143
            assert monotonic() - began < 10


def test_with_init_the_command_is_not_the_first_process_and_its_exit_code_is_kept(world: DockerWorld) -> None:
    output, ended = run(world.executor(), shell("echo $$; exit 7", init=True))
    assert output[Stream.STDOUT] != b"1\n"
    assert exit_code(ended) == 7


# -------------------------------------------------------------------------------------------------- capabilities


@pytest.mark.parametrize(
    ("container", "mask"),
    [
        ({"capDrop": ["ALL"]}, 0),
        ({"capDrop": ["ALL"], "capAdd": ["NET_BIND_SERVICE"]}, NET_BIND_MASK),
        ({"capDrop": ["NET_BIND_SERVICE"]}, KEPT_MASK & ~NET_BIND_MASK),
        ({"capAdd": ["NET_RAW"]}, KEPT_MASK | NET_RAW_MASK),
    ],
)
def test_capabilities_are_those_that_were_asked_for(world: DockerWorld, container: Any, mask: int) -> None:
    status = process_status(inside(world, "grep -E '^Cap(Eff|Bnd)' /proc/self/status", **container))
    assert {int(found, 16) for found in status.values()} == {mask}


def test_new_privileges_are_possible_where_they_were_asked_for(world: DockerWorld) -> None:
    assert inside(world, "grep NoNewPrivs /proc/self/status", allowNewPrivileges=True) == ["NoNewPrivs:\t0"]


# ---------------------------------------------------------------------------------------------- root, memory, limits


def test_a_read_only_root_cannot_be_written_but_a_tmpfs_in_it_can_up_to_its_size(world: DockerWorld) -> None:
    line = (
        "touch /x 2>&1; echo $?; touch /scratch/x; echo $?; df -k /scratch | tail -1 | awk '{print $2}'; "
        "head -c 3000000 /dev/zero > /scratch/big 2>/dev/null; echo $?; stat -c %a /scratch"
    )
    printed = inside(world, line, readOnlyRoot=True, tmpfs={"/scratch": "2m"})
    assert printed == ["touch: /x: Read-only file system", "1", "0", "2048", "1", "1777"]


def test_a_tmpfs_holds_no_devices_and_no_setuid_programs(world: DockerWorld) -> None:
    (options,) = inside(world, "grep ' /scratch ' /proc/mounts", tmpfs={"/scratch": MIB})
    assert {"rw", "nosuid", "nodev", "noexec", "size=1024k"} <= set(options.split()[3].split(","))


def test_shared_memory_has_the_size_that_was_asked_for(world: DockerWorld) -> None:
    assert inside(world, "df -k /dev/shm | tail -1 | awk '{print $2}'", shmSize="3m") == ["3072"]


def test_ulimits_are_soft_and_hard(world: DockerWorld) -> None:
    line = "ulimit -n; ulimit -Hn; ulimit -c; ulimit -Hc"
    assert inside(world, line, ulimits={"nofile": {"soft": 100, "hard": 200}, "core": 0}) == ["100", "200", "0", "0"]


def test_a_limit_that_the_kernel_does_not_give_is_told(world: DockerWorld) -> None:
    with pytest.raises(ContainerRejected, match="rlimit"):
        run(world.executor(), shell("true", ulimits={"nofile": 2**62}))


def test_a_container_has_no_more_processes_than_its_limit(world: DockerWorld) -> None:
    output, _ = run(world.executor(), shell("for i in $(seq 30); do sleep 5 & done; wait", pidsLimit=10))
    assert b"can't fork" in output[Stream.STDERR]


# -------------------------------------------------------------------------------------------------------- volumes


def test_a_volume_is_there_and_is_written_where_node_and_job_allow_it(world: DockerWorld, tmp_path: Path) -> None:
    (tmp_path / "hello").write_text("from the node\n")
    settings = {"node_volumes": {"ro": HostFolder(str(tmp_path), read_only=True), "rw": HostFolder(str(tmp_path))}}
    volumes = [
        {"name": "ro", "target": "/a"},
        {"name": "rw", "target": "/b", "readOnly": True},
        {"name": "rw", "target": "/c/d"},
    ]
    line = "cat /a/hello; for p in /a /b /c/d; do touch $p/made 2>/dev/null; echo $?; done; echo written > /c/d/made"
    assert inside(world, line, settings, volumes=volumes) == ["from the node", "1", "1", "0"]
    assert (tmp_path / "made").read_text() == "written\n"


def test_a_volume_leads_nowhere_else(world: DockerWorld, tmp_path: Path) -> None:
    """A link that a job leaves in a volume is followed in the container of the next one, and not on the node."""
    (tmp_path / "volume").mkdir()
    (tmp_path / "secret").write_text("of the node")
    settings = {"node_volumes": {"v": HostFolder(str(tmp_path / "volume"))}}
    mounts = [{"name": "v", "target": "/v"}]
    inside(world, f"ln -s {tmp_path}/secret /v/link; ln -s ../secret /v/up", settings, volumes=mounts)
    assert inside(world, "cat /v/link /v/up /v/../secret 2>/dev/null || true", settings, volumes=mounts) == []


def test_a_folder_that_is_missing_on_the_node_is_told_and_not_made(world: DockerWorld, tmp_path: Path) -> None:
    executor = world.executor(node_volumes={"v": HostFolder(str(tmp_path / "missing"))})
    with pytest.raises(ContainerRejected, match="the folder of a volume is not there on the node"):
        executor.create(shell("true", volumes=[{"name": "v", "target": "/v"}]))
    assert not (tmp_path / "missing").exists()


def test_the_removal_of_a_container_leaves_its_volumes(world: DockerWorld, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("")
    executor = world.executor(node_volumes={"v": HostFolder(str(tmp_path))})
    execution = shell("true", volumes=[{"name": "v", "target": "/v"}])
    run(executor, execution)
    executor.remove(execution.id)
    assert (tmp_path / "kept").exists()


# ------------------------------------------------------------------------------------------------- network, labels


def test_without_a_network_there_is_only_the_loopback(world: DockerWorld) -> None:
    assert inside(world, "ls /sys/class/net", networkMode="none") == ["lo"]


def test_by_default_a_container_has_a_network_of_its_own(world: DockerWorld) -> None:
    assert set(inside(world, "ls /sys/class/net")) >= {"lo", "eth0"}
    assert inside(world, "readlink /proc/self/ns/net") != [str(Path("/proc/self/ns/net").readlink())]


def test_the_network_of_the_host_is_that_of_the_host(world: DockerWorld, engine: docker.APIClient) -> None:
    assert shown(world, engine, networkMode="host")["HostConfig"]["NetworkMode"] == "host"
    assert "docker0" in inside(world, "ls /sys/class/net", networkMode="host")


def test_a_named_network_is_joined(world: DockerWorld, engine: docker.APIClient, network: str) -> None:
    executor = world.executor()
    container = started(executor, shell("echo up; sleep 1000", networkMode=network))
    assert list(engine.inspect_container(container.id)["NetworkSettings"]["Networks"]) == [network]
    executor.remove(container.execution_id)


def test_a_network_that_the_node_does_not_have_is_told(world: DockerWorld) -> None:
    with pytest.raises(ContainerRejected, match=r'container\.networkMode: the node has no network "not-here"'):
        run(world.executor(), shell("true", networkMode="not-here"))


@pytest.mark.parametrize("mode", ["none", "host", "bridge"])
def test_dns_entries_reach_the_container_on_every_network(world: DockerWorld, mode: str) -> None:
    execution = execution_of(
        ("cat", "/etc/hosts"), additionalDNSEntries={"db.example": "10.1.2.3"}, container={"networkMode": mode}
    )
    output, _ = run(world.executor(), execution)
    assert "10.1.2.3\tdb.example" in output[Stream.STDOUT].decode().splitlines()


def test_labels_are_on_the_container_beside_ours(world: DockerWorld, engine: docker.APIClient) -> None:
    labels = shown(world, engine, labels={"team": "render", "a.b/c": "x=y"})["Config"]["Labels"]
    assert (labels["team"], labels["a.b/c"]) == ("render", "x=y")
    assert labels["jobrunner.farm"] == f"{world.name}-a"


def test_a_container_of_its_own_options_is_found_and_listed_like_any_other(world: DockerWorld) -> None:
    executor = world.executor()
    made = executor.create(shell("true", readOnlyRoot=True, networkMode="none", init=True, labels={"x": "y"}))
    assert executor.find(made.execution_id) == made
    assert [container.id for container in executor.containers()] == [made.id]
