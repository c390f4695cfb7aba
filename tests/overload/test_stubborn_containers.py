"""A container that does not heed SIGTERM is killed after its grace, whatever ends it."""

from __future__ import annotations

import signal
import subprocess
import time
from typing import Any

import pytest

from tests.support.containers import IGNORES_SIGTERM, container_ids
from tests.support.farm import Farm, wait_until

pytestmark = pytest.mark.services

GRACE_SECONDS = 1
HANDOVER_SECONDS = 10  # for a worker to end, with time to spare


def stubborn(farm: Farm, **spec: Any) -> dict[str, Any]:
    """A job whose container is up, and does not heed SIGTERM."""
    accepted = farm.post_job(*IGNORES_SIGTERM, stopGrace=GRACE_SECONDS, **spec)
    wait_until(lambda: farm.output(accepted, "stdout") == b"up\n", 30, "it is up")
    return accepted


def stop(farm: Farm, accepted: dict[str, Any]) -> None:
    answer = farm.http.post(f"{accepted['executionUrl']}/stop/", timeout=10)
    assert answer.status_code == 200, answer.text


def test_one_that_runs_too_long_is_killed_after_its_grace(farm: Farm) -> None:
    ended = farm.wait_for_end(stubborn(farm, timeout=3))
    assert (ended["status"], ended["cause"], ended["exitCode"]) == ("timedout", "timeout", 137)
    wait_until(lambda: not container_ids(farm), 30, "its container is removed")


def test_one_on_a_node_that_is_drained_is_killed_after_the_deadline_and_its_grace(farm: Farm) -> None:
    accepted = stubborn(farm)
    url = f"{farm.url}/nodes/one/drain/"
    assert farm.http.post(url, json={"deadlineSeconds": 1}, timeout=10).status_code == 200
    ended = farm.wait_for_end(accepted)
    assert farm.http.delete(url, timeout=10).status_code == 200
    assert (ended["status"], ended["cause"], ended["exitCode"]) == ("lost", "node_drained", 137)
    wait_until(lambda: not container_ids(farm), 30, "its container is removed")


def test_a_worker_that_is_told_to_end_does_not_wait_for_it_and_the_next_one_can_stop_it(farm: Farm) -> None:
    accepted = stubborn(farm)
    held = container_ids(farm)
    assert farm.end("one") < HANDOVER_SECONDS
    assert container_ids(farm) == held
    stop(farm, accepted)
    farm.start_worker("one")
    ended = farm.wait_for_end(accepted)
    assert (ended["status"], ended["exitCode"], ended["attempt"]) == ("stopped", 137, 1)
    wait_until(lambda: not container_ids(farm), 30, "its container is removed")


def test_a_worker_that_waits_for_its_containers_ends_once_the_last_one_is_stopped(farm: Farm) -> None:
    farm.end("one")
    worker = farm.start_worker("one", "--drain")
    accepted = stubborn(farm)
    worker.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        worker.wait(2)
    assert farm.execution(accepted)["status"] == "running"
    stop(farm, accepted)
    assert farm.wait_for_end(accepted)["exitCode"] == 137
    assert worker.wait(HANDOVER_SECONDS) == 0
    farm.processes.pop("one")


def test_a_worker_that_waits_and_is_told_again_leaves_it_to_the_next_one(farm: Farm) -> None:
    farm.end("one")
    worker = farm.start_worker("one", "--drain")
    accepted = stubborn(farm)
    worker.send_signal(signal.SIGTERM)
    time.sleep(0.5)  # two signals at once are one
    assert farm.end("one") < HANDOVER_SECONDS
    assert farm.execution(accepted)["status"] == "running"
    farm.start_worker("one")
    stop(farm, accepted)
    assert farm.wait_for_end(accepted)["exitCode"] == 137
