"""What goes wrong is told in words: images, commands, containers killed or removed; and large output is whole."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from tests.support.containers import SAYS_BYE, container_ids, containers_of, counted_to, counts_to
from tests.support.farm import Farm, wait_until

pytestmark = pytest.mark.services

MIB = 1024 * 1024


def running(farm: Farm, *command: str, **spec: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A job, and its execution once it has printed something."""
    accepted = farm.post_job(*command, **spec)
    execution = farm.wait_for_status(accepted, "running")
    wait_until(lambda: farm.output(accepted, "stdout"), 30, "it has printed something")
    return accepted, execution


def test_a_command_that_fails_has_its_exit_code_and_its_output(farm: Farm) -> None:
    accepted = farm.post_job("sh", "-c", "echo out; echo err >&2; exit 7")
    ended = farm.wait_for_end(accepted)
    assert (ended["status"], ended["exitCode"], ended["cause"]) == ("failed", 7, "exit_code")
    assert (farm.output(accepted, "stdout"), farm.output(accepted, "stderr")) == (b"out\n", b"err\n")


def test_a_container_that_is_killed_from_outside_has_failed_and_says_so(farm: Farm) -> None:
    accepted, execution = running(farm, *SAYS_BYE)
    with containers_of(farm) as found:
        (container,) = [c for c in found if c.id == execution["metadata"]["container_id"]]
        container.kill()
    ended = farm.wait_for_end(accepted)
    assert (ended["status"], ended["exitCode"], ended["cause"]) == ("failed", 137, "killed")
    assert "killed from outside by SIGKILL" in ended["error"]
    assert farm.output(accepted, "stdout") == b"up\n"


def test_a_container_that_is_removed_by_hand_is_lost_and_says_so(farm: Farm) -> None:
    accepted, execution = running(farm, *SAYS_BYE)
    with containers_of(farm) as found:
        (container,) = [c for c in found if c.id == execution["metadata"]["container_id"]]
        container.remove(force=True)
    ended = farm.wait_for_end(accepted)
    assert (ended["status"], ended["cause"]) in (("lost", "container_vanished"), ("failed", "killed"))
    assert ended["error"]
    assert farm.output(accepted, "stdout") == b"up\n"


def test_a_container_that_dies_of_a_signal_of_its_own_names_it(farm: Farm) -> None:
    ended = farm.wait_for_end(farm.post_job("sh", "-c", "sh -c 'kill -SEGV $$'; exit $?"))
    assert (ended["status"], ended["exitCode"]) == ("failed", 139)
    assert "SIGSEGV" in ended["reason"]


def test_an_image_that_is_not_there_is_told(farm: Farm) -> None:
    ended = farm.wait_for_end(farm.post_job("true", image="jobrunner/no-such-image:1", pullPolicy="never"))
    assert (ended["status"], ended["cause"], ended["exitCode"]) == ("failed", "image_not_found", None)
    assert "jobrunner/no-such-image:1" in ended["error"]
    assert ended["metadata"]["container_id"] is None


def test_a_command_that_is_not_there_is_told(farm: Farm) -> None:
    ended = farm.wait_for_end(farm.post_job("no-such-command", "-x"))
    assert (ended["status"], ended["cause"], ended["exitCode"]) == ("failed", "command_not_found", 127)
    assert "no-such-command" in ended["error"]


def test_a_command_that_may_not_be_executed_is_told(farm: Farm) -> None:
    ended = farm.wait_for_end(farm.post_job("/etc"))
    assert (ended["status"], ended["cause"], ended["exitCode"]) == ("failed", "command_not_executable", 126)


def test_what_never_started_has_no_output(farm: Farm) -> None:
    accepted = farm.post_job("no-such-command")
    farm.wait_for_end(accepted)
    assert (farm.output(accepted, "stdout"), farm.output(accepted, "stderr")) == (b"", b"")


def test_twenty_mebibytes_of_output_are_stored_to_the_byte(farm: Farm) -> None:
    """Lines of all lengths on stdout, and bytes of all values on stderr, at the same time."""
    lines = "i=0; while [ $i -lt 40000 ]; do echo $i; i=$((i+1)); done"
    binary = f"head -c {20 * MIB} /dev/urandom | tee /dev/fd/2 2>&2 | md5sum"
    accepted = farm.post_job("sh", "-c", f"({lines}) & {binary}; wait")
    ended = farm.wait_for_end(accepted, seconds=60)
    assert ended["status"] == "done", ended
    printed = farm.output(accepted, "stdout").split(b"\n")
    (checksum,) = [line.split()[0] for line in printed if line.endswith(b"-")]
    stderr = farm.output(accepted, "stderr")
    assert len(stderr) == 20 * MIB
    assert hashlib.md5(stderr).hexdigest().encode() == checksum
    assert [int(line) for line in printed if line.isdigit()] == list(range(40_000))


def test_a_failed_execution_is_tried_again_and_the_attempts_are_linked(farm: Farm) -> None:
    accepted = farm.post_job("sh", "-c", "exit 3", retries=2)

    def attempts() -> list[dict[str, Any]]:
        job = farm.http.get(accepted["jobUrl"], timeout=10).json()["job"]
        return sorted(job["executions"], key=lambda execution: execution["attempt"])

    def all_over() -> list[dict[str, Any]] | None:
        found = attempts()
        return found if len(found) == 3 and all(e["status"] == "failed" for e in found) else None

    first, second, third = wait_until(all_over, 30, "three attempts have failed")
    assert [first["attempt"], second["attempt"], third["attempt"]] == [1, 2, 3]
    assert first["executionId"] == accepted["executionId"]
    assert first["retriedFrom"] is None
    assert second["retriedFrom"] == first["executionId"]
    assert third["retriedFrom"] == second["executionId"]
    assert len({e["metadata"]["container_id"] for e in (first, second, third)}) == 3


def test_many_at_once_end_right_and_leave_no_container(farm: Farm) -> None:
    jobs = [farm.post_job(*counts_to(number)) for number in range(1, 11)]
    for number, accepted in enumerate(jobs, 1):
        assert farm.wait_for_end(accepted, seconds=60)["status"] == "done"
        assert farm.output(accepted, "stdout") == counted_to(number)
        assert farm.output(accepted, "stderr") == counted_to(number)
    wait_until(lambda: not container_ids(farm), 30, "the containers are removed")
