"""Usage: sampled while a container runs, stored as it goes and with its end, and never in the way of a run."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jobrunner.domain.executions import Execution
from jobrunner.domain.outcomes import node_lost
from jobrunner.domain.usage import ResourceUsage, next_sample_at
from jobrunner.engine.finish import close
from jobrunner.engine.meter import sample_usage
from jobrunner.engine.node import ThisNode
from jobrunner.engine.run import run_execution
from jobrunner.engine.run_end import RunEnd
from jobrunner.errors import EngineUnavailable, StoreUnavailable
from tests.support.engine_world import World
from tests.support.farm import wait_until
from tests.support.port_faults import Kind, Trouble

AT = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def uses(world: World, execution: Execution, cpu_seconds: float, peak_memory_bytes: int = 1000) -> ResourceUsage:
    """Say what a container has used up now."""
    usage = ResourceUsage(world.clock.now(), cpu_seconds, peak_memory_bytes, 30, 40, None, 60)
    world.engine.usages[execution.id] = usage
    return usage


def asked_at(world: World, node: ThisNode, seconds: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """At which of the next seconds the Engine is asked."""
    began, asked = world.clock.now(), []
    usage = node.executor.usage

    def note(containers: list[object]) -> object:
        asked.append(round((world.clock.now() - began).total_seconds()))
        return usage(containers)  # type: ignore[arg-type]

    monkeypatch.setattr(node.executor, "usage", note)
    for _ in range(seconds):
        world.clock.move(1)
        sample_usage(node)
    return asked


# ------------------------------------------------------------------------------------------------------- figures


def test_the_peak_is_the_highest_of_all_samples() -> None:
    earlier, later = ResourceUsage(AT, 1.0, 900), ResourceUsage(AT + MINUTE, 2.0, 300)
    assert later.after(earlier) == replace(later, peak_memory_bytes=900)
    assert earlier.after(later).peak_memory_bytes == 900
    assert later.after(None) == later
    assert replace(later, peak_memory_bytes=None).after(None).peak_memory_bytes is None


@pytest.mark.parametrize(
    ("age_seconds", "expected_seconds"), [(0, 1), (0.5, 1), (1, 2), (4, 5), (10, 12), (50, 60), (3600, 3610)]
)
def test_a_container_is_sampled_less_often_the_longer_it_runs(age_seconds: float, expected_seconds: float) -> None:
    now = AT + timedelta(seconds=age_seconds)
    assert next_sample_at(now, AT, timedelta(seconds=10)) == AT + timedelta(seconds=expected_seconds)


# ------------------------------------------------------------------------------------------------------ sampling


def test_a_running_container_is_sampled_and_that_is_stored_while_it_runs(world: World) -> None:
    execution, node, _ = world.running()
    usage = uses(world, execution, 0.5)
    sample_usage(node)
    assert world.get(execution).usage is None  # it has only just started
    world.clock.move(1)
    sample_usage(node)
    assert world.get(execution).usage == usage


def test_the_engine_is_asked_when_a_sample_is_due_and_not_in_between(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.settings = {"usage_interval_seconds": 4}
    _, node, _ = world.running()
    assert asked_at(world, node, 30, monkeypatch) == [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 26, 30]


def test_the_end_has_the_last_sample(world: World) -> None:
    execution, node, run = world.running()
    for cpu_seconds, peak in ((0.5, 900), (1.5, 300)):
        world.clock.move(1)
        last = uses(world, execution, cpu_seconds, peak)
        sample_usage(node)
    world.engine.exit(execution.id, 0)
    assert run.result(5) is RunEnd.CLOSED
    assert world.get(execution).usage == replace(last, peak_memory_bytes=900)


def test_what_ends_before_the_first_sample_has_none(world: World) -> None:
    execution = world.submit()
    run_execution(world.node(), execution.id)
    assert world.get(execution).usage is None


def test_the_peak_is_kept_when_the_worker_dies_and_another_adopts_the_container(world: World) -> None:
    execution, node, run = world.running()
    world.clock.move(1)
    uses(world, execution, 0.5, 5000)
    sample_usage(node)
    node.detach()
    run.result(5)
    second = world.node()
    adopted = world.run_in_background(second, execution.id)
    wait_until(lambda: second.runs() and second.runs()[0].started_at, 30, "it is adopted")
    world.clock.move(1)
    last = uses(world, execution, 2.5, 1000)
    sample_usage(second)
    world.engine.exit(execution.id, 0)
    adopted.result(5)
    assert world.get(execution).usage == replace(last, peak_memory_bytes=5000)


def test_what_is_lost_with_its_node_keeps_its_last_sample(world: World) -> None:
    execution, node, _ = world.running()
    world.clock.move(1)
    usage = uses(world, execution, 0.5)
    sample_usage(node)
    assert close(world.farm(), world.get(execution), node_lost("one", 30)) is not None
    assert world.get(execution).usage == usage


# ------------------------------------------------------------------------------------------------------- trouble


def test_an_engine_that_does_not_tell_leaves_the_run_alone_and_is_asked_again_later(world: World) -> None:
    execution, node, run = world.running()
    world.clock.move(1)
    world.engine.is_down = True
    with pytest.raises(EngineUnavailable):
        sample_usage(node)
    sample_usage(node)  # not due any more: no call, no error
    world.engine.is_down = False
    world.clock.move(1)
    usage = uses(world, execution, 0.5)
    sample_usage(node)
    world.engine.exit(execution.id, 0)
    run.result(5)
    assert world.get(execution).usage == usage


def test_a_sample_that_could_not_be_stored_is_in_the_end(world: World) -> None:
    execution = world.submit("run-on")
    trouble = Trouble(at=10**9)
    node = world.troubled_node(trouble)
    run = world.run_in_background(node, execution.id)
    wait_until(lambda: node.runs() and node.runs()[0].started_at, 30, "it runs")
    world.clock.move(1)
    usage = uses(world, execution, 0.5)
    trouble.at, trouble.kind = len(trouble.calls) + 2, Kind.REFUSED  # after the call of the Engine
    with pytest.raises(StoreUnavailable, match="note_usage"):
        sample_usage(node)
    assert world.get(execution).usage is None
    world.engine.exit(execution.id, 0)
    run.result(5)
    assert world.get(execution).usage == usage


def test_a_superseded_run_stores_no_sample(world: World) -> None:
    execution, node, _ = world.running()
    world.store.executions.compare_and_set(
        execution.id, states=[execution.state], claim=execution.claim, changes={"claim": execution.claim + 1}
    )
    world.clock.move(1)
    sample_usage(node)
    assert world.get(execution).usage is None
