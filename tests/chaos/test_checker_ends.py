"""The checker knows which ends a fault explains, and which it does not."""

from __future__ import annotations

from dataclasses import replace

from tests.chaos.checker import violations
from tests.chaos.kept_run import FIRST_LINE, LOST_AT, T0, execution, kept, promises_broken, with_execution
from tests.chaos.records import ContainerEvent, FaultDone


def test_a_container_that_was_removed_by_hand_may_be_lost_or_killed() -> None:
    run = kept()
    ended = {"exit_code": None, "retried_by": "fast-2", "stdout": FIRST_LINE, "stderr": b""}
    removed = FaultDone("container removed by hand", "engine", T0, T0, container_id="container-fast-1")
    for status, cause in (("lost", "container_vanished"), ("failed", "killed")):
        broken = with_execution(run, "fast-1", status=status, cause=cause, **ended)
        second = execution("fast", 2)
        starts = [ContainerEvent(T0, "start", "c", second.id, "one")]
        broken = replace(
            broken, executions=[*broken.executions, second], container_events=[*broken.container_events, *starts]
        )
        assert promises_broken(broken) == {"ended wrong"}
        assert violations(replace(broken, faults=[*broken.faults, removed])) == []


def test_an_engine_that_was_killed_may_end_what_ran_on_it_and_nothing_else() -> None:
    ended = {"status": "failed", "cause": "exit_code", "exit_code": 143, "stdout": FIRST_LINE + b"1\n", "stderr": b""}
    run = with_execution(kept(), "failing-hooked-2", **ended)
    killed = FaultDone("Engine: kill -9", "engine", LOST_AT - 3, LOST_AT - 1)
    assert promises_broken(run) == {"ended wrong"}
    assert violations(replace(run, faults=[*run.faults, killed])) == []
    long_before = replace(killed, began_at=LOST_AT - 100, ended_at=LOST_AT - 90)
    assert promises_broken(replace(run, faults=[*run.faults, long_before])) == {"ended wrong"}
