"""Usage of an execution, on a whole farm: the figures are right, they come while it runs, and outlive its worker."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.farm import Farm, wait_until

pytestmark = pytest.mark.services

KEYS = {
    "cpuSeconds",
    "peakMemoryBytes",
    "networkReceivedBytes",
    "networkSentBytes",
    "blockReadBytes",
    "blockWrittenBytes",
    "sampledAt",
}
# The limit is of processor time, so it is used up to the same figure on a busy machine.
BURNS_2_SECONDS = "(ulimit -t 2; while :; do :; done)"
HOLDS_50_MB = "x=$(head -c 50000000 /dev/zero | tr '\\0' x)"


@pytest.fixture
def small_farm(make_farm: Any) -> Iterator[Farm]:
    """A farm whose worker may be killed."""
    farm = make_farm(usage_interval_seconds=1)
    farm.start_all("one")
    yield farm
    farm.end_all()


def shell(farm: Farm, line: str, **spec: Any) -> dict[str, Any]:
    return farm.post_job("sh", "-c", line, **spec)


def usage_once(farm: Farm, accepted: dict[str, Any], peak_bytes: int) -> dict[str, Any]:
    """The usage of an execution once its peak is so high."""

    def has_peak() -> dict[str, Any] | None:
        usage = farm.execution(accepted)["usage"]
        return usage if usage and usage["peakMemoryBytes"] >= peak_bytes else None

    return wait_until(has_peak, 30, f"its peak is {peak_bytes} bytes")


def usage_after(farm: Farm, accepted: dict[str, Any]) -> dict[str, Any]:
    """The usage of an execution that has come to its end after a sample which is newer than its output."""
    wait_until(lambda: farm.output(accepted, "stdout") == b"done\n", 60, "it has done its work")
    done_at = datetime.now(UTC).replace(tzinfo=None).isoformat()
    wait_until(lambda: (farm.execution(accepted)["usage"] or {}).get("sampledAt", "") > done_at, 30, "a sample comes")
    farm.http.post(f"{accepted['executionUrl']}/stop/", timeout=10)
    usage: dict[str, Any] = farm.wait_for_end(accepted)["usage"]
    return usage


def test_processor_time_and_memory_are_what_was_used(farm: Farm) -> None:
    burning = shell(farm, f"{BURNS_2_SECONDS}; echo done; sleep 100", stopGrace=0)
    holding = shell(farm, f"{HOLDS_50_MB}; echo done; sleep 100", stopGrace=0)
    burnt, held = (usage_after(farm, accepted) for accepted in (burning, holding))
    assert set(burnt) == KEYS
    assert burnt["cpuSeconds"] == pytest.approx(2, abs=0.5)
    assert 0 < held["cpuSeconds"] < burnt["cpuSeconds"]
    assert burnt["peakMemoryBytes"] < 30_000_000
    assert 50_000_000 < held["peakMemoryBytes"] < 300_000_000
    for usage in (burnt, held):
        assert usage["networkSentBytes"] < 5000


def test_usage_is_shown_while_it_runs(farm: Farm) -> None:
    accepted = shell(farm, f"{BURNS_2_SECONDS}; sleep 100", stopGrace=0)
    usage = wait_until(lambda: farm.execution(accepted)["usage"], 30, "there is a sample")
    running = farm.http.get(f"{farm.url}/status/", timeout=10).json()["containers"]["running"]
    (shown,) = [entry["usage"] for entry in running if entry["executionId"] == accepted["executionId"]]
    assert shown["sampledAt"] >= usage["sampledAt"]
    farm.http.post(f"{accepted['executionUrl']}/stop/", timeout=10)
    ended = farm.wait_for_end(accepted)
    assert ended["usage"]["sampledAt"] >= shown["sampledAt"]
    assert ended["startedAt"] < ended["usage"]["sampledAt"] <= ended["finishedAt"]


def test_what_ends_at_once_has_no_usage_and_says_null(farm: Farm) -> None:
    ended = farm.wait_for_end(farm.post_job("true"))
    assert ended["usage"] is None


def test_usage_goes_on_when_the_worker_was_killed_and_the_container_adopted(small_farm: Farm) -> None:
    accepted = shell(small_farm, f"{HOLDS_50_MB}; x=; {BURNS_2_SECONDS}; sleep 100", stopGrace=0)
    before = usage_once(small_farm, accepted, 50_000_000)
    small_farm.end("one", signal.SIGKILL)
    assert small_farm.execution(accepted)["usage"]["peakMemoryBytes"] >= before["peakMemoryBytes"]
    small_farm.start_worker("one")

    def has_gone_on() -> bool:
        usage = small_farm.execution(accepted)["usage"]
        return bool(usage["sampledAt"] > before["sampledAt"] and usage["cpuSeconds"] >= 1.5)

    wait_until(has_gone_on, 30, "samples come from the new worker")
    small_farm.http.post(f"{accepted['executionUrl']}/stop/", timeout=10)
    ended = small_farm.wait_for_end(accepted)
    assert ended["usage"]["peakMemoryBytes"] >= before["peakMemoryBytes"]
    assert ended["usage"]["cpuSeconds"] >= max(1.5, before["cpuSeconds"])
