"""The checker can fail: a run in which all was kept has no violation, and each promise broken in it is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.checker import violations
from tests.chaos.jobs import CRON_SECONDS, KINDS
from tests.chaos.records import (
    Absence,
    Answer,
    ContainerEvent,
    FaultDone,
    HookCall,
    Run,
    SeenExecution,
    SeenState,
    SentJob,
)
from tests.chaos.table import table

T0 = 1_000_000 * CRON_SECONDS * 1.0  # an instant of the cron
LOST_AT = T0 + 60
SETTINGS = {"node_silent_seconds": 15.0, "node_beat_seconds": 2.0}
FIRST_LINE = b"start 0b6ad0a6-5d0a-4e5b-9a0e-1f1d35a1a8f3\n"


def sent(kind: str, **changes: Any) -> SentJob:
    """An accepted job, named after its kind."""
    execution_id = None if KINDS[kind].is_cron else f"{kind}-1"
    return replace(SentJob(kind, kind, T0 + 1, 0.1, Answer.ACCEPTED, execution_id=execution_id), **changes)


def execution(kind: str, attempt: int = 1, **changes: Any) -> SeenExecution:
    """An execution that has run to its own end."""
    code, retries = KINDS[kind].exit_code, KINDS[kind].retries
    seen = SeenExecution(
        id=f"{kind}-{attempt}",
        job_id=kind,
        attempt=attempt,
        status="failed" if code else "done",
        cause="exit_code" if code else "success",
        reason="",
        exit_code=code,
        node="one",
        container_id=f"container-{kind}-{attempt}",
        tick_at=None,
        due_at=None,
        created_at=T0 + 1,
        finished_at=LOST_AT,
        retried_by=f"{kind}-{attempt + 1}" if code and attempt <= retries else None,
        stdout=FIRST_LINE + KINDS[kind].numbered(),
        stderr=KINDS[kind].numbered(),
    )
    return replace(seen, **changes)


def lost(kind: str, **changes: Any) -> SeenExecution:
    """A first attempt that was lost with its node, after some of its output."""
    ended = {"status": "lost", "cause": "node_lost", "exit_code": None, "retried_by": f"{kind}-2"}
    return execution(kind, **{**ended, "stdout": FIRST_LINE + b"1\n2\n", "stderr": b"1\n"}, **changes)


def tick(number: int) -> SeenExecution:
    """A tick of the cron."""
    return execution("cron", id=f"cron-{number}", tick_at=T0 + number * CRON_SECONDS)


def call(of: str, event: str, **changes: Any) -> HookCall:
    """A webhook that was taken."""
    return replace(HookCall(T0, f"{of} {event}", of, f"execution.{event}", taken=True), **changes)


def kept() -> Run:
    """A run with faults in which every promise was kept."""
    executions = [
        execution("fast"),
        *(execution("failing-hooked", attempt) for attempt in (1, 2)),
        lost("slow"),
        execution("slow", 2),
        *(tick(number) for number in range(1, 6)),
    ]
    hooked = [call(f"failing-hooked-{attempt}", "started") for attempt in (1, 2)]
    hooked += [call("failing-hooked-2", event) for event in ("failed", "finished")]
    hooked += [call("failing-hooked-2", "failed", taken=False)]
    return Run(
        seed=1,
        began_at=T0,
        load_ended_at=T0 + 22,
        faults_ended_at=LOST_AT,
        settled_at=LOST_AT + 1,
        settings=SETTINGS,
        sent=[sent("fast"), sent("failing-hooked"), sent("slow"), sent("cron", stopped_at=T0 + 30)],
        executions=executions,
        states=[SeenState(T0, e.id, state, "API") for e in executions for state in ("running", "running", e.status)],
        container_events=[
            ContainerEvent(T0, action, e.container_id or "", e.id, "one")
            for e in executions
            for action in ("create", "start")
        ],
        calls=hooked,
        faults=[FaultDone("worker: stays away", "one", LOST_AT - 16, LOST_AT)],
        absences=[Absence("one", LOST_AT - 16, LOST_AT)],
    )


def with_execution(run: Run, execution_id: str, **changes: Any) -> Run:
    """The run, one of its executions seen otherwise."""
    changed = [replace(e, **changes) if e.id == execution_id else e for e in run.executions]
    assert changed != run.executions
    states = [seen for seen in run.states if seen.execution_id != execution_id]
    return replace(run, executions=changed, states=states)


def without(run: Run, execution_id: str) -> Run:
    """The run, and an execution of which nothing is known."""
    return replace(
        run,
        executions=[e for e in run.executions if e.id != execution_id],
        states=[seen for seen in run.states if seen.execution_id != execution_id],
        container_events=[event for event in run.container_events if event.execution_id != execution_id],
    )


def promises_broken(run: Run) -> set[str]:
    """Which promises the checker finds broken."""
    return {violation.promise for violation in violations(run)}


def test_a_run_in_which_all_was_kept_has_no_violation() -> None:
    assert violations(kept()) == []


LINES = KINDS["fast"].numbered()
BROKEN: dict[str, tuple[str, Callable[[Run], Run]]] = {
    "an accepted job without an execution": ("lost", lambda run: without(run, "fast-1")),
    "an execution that vanished": (
        "lost",
        lambda run: replace(run, states=[*run.states, SeenState(T0, "gone", "running", "change stream")]),
    ),
    "a container of nobody": (
        "lost",
        lambda run: replace(
            run, container_events=[*run.container_events, ContainerEvent(T0, "start", "c", "gone", "one")]
        ),
    ),
    "a retry that was not made": ("lost", lambda run: without(run, "slow-2")),
    "a failure that was not tried again": ("lost", lambda run: without(run, "failing-hooked-2")),
    "an attempt that is missing between two": ("lost", lambda run: without(run, "slow-1")),
    "a tick that did not come": ("lost", lambda run: without(run, "cron-3")),
    "a tick that came twice": (
        "doubled",
        lambda run: replace(run, executions=[*run.executions, replace(tick(3), id="cron-again")]),
    ),
    "two executions for one attempt": (
        "doubled",
        lambda run: replace(run, executions=[*run.executions, execution("fast", id="fast-again")]),
    ),
    "an attempt after a success": (
        "doubled",
        lambda run: replace(run, executions=[*run.executions, execution("fast", 2)]),
    ),
    "a second container": (
        "doubled",
        lambda run: replace(
            run, container_events=[*run.container_events, ContainerEvent(T0, "create", "c", "fast-1", "two")]
        ),
    ),
    "a second start": (
        "doubled",
        lambda run: replace(
            run, container_events=[*run.container_events, ContainerEvent(T0, "start", "c", "fast-1", "one")]
        ),
    ),
    "an end without a start": (
        "witness",
        lambda run: replace(run, container_events=[e for e in run.container_events if e.execution_id != "fast-1"]),
    ),
    "an execution that is not over": ("stuck", lambda run: with_execution(run, "fast-1", status="running")),
    "a run that did not settle": ("stuck", lambda run: replace(run, settled_at=None)),
    "a success that should have failed": (
        "ended wrong",
        lambda run: with_execution(run, "failing-hooked-2", status="done", cause="success", exit_code=0),
    ),
    "a failure without a fault": (
        "ended wrong",
        lambda run: with_execution(run, "fast-1", status="failed", cause="killed", exit_code=137, retried_by="x"),
    ),
    "a node that was given up too soon": (
        "ended wrong",
        lambda run: replace(run, absences=[Absence("one", LOST_AT - 5, LOST_AT)]),
    ),
    "a node that was never away": (
        "ended wrong",
        lambda run: replace(run, absences=[Absence("two", LOST_AT - 16, LOST_AT)]),
    ),
    "a node that was given up long after it was back": (
        "ended wrong",
        lambda run: replace(run, absences=[Absence("one", LOST_AT - 50, LOST_AT - 30)]),
    ),
    "a stop that nobody wished": (
        "ended wrong",
        lambda run: with_execution(run, "fast-1", status="stopped", cause="stopped"),
    ),
    "a stop that was wished long after the end": (
        "ended wrong",
        lambda run: with_execution(run, "cron-1", status="stopped", cause="stopped", finished_at=T0 + 15),
    ),
    "an output whose end is missing": (
        "output",
        lambda run: with_execution(run, "fast-1", stdout=FIRST_LINE + LINES[:-3]),
    ),
    "an output without its first line": ("output", lambda run: with_execution(run, "fast-1", stdout=LINES)),
    "an output that begins again": (
        "output",
        lambda run: with_execution(run, "fast-1", stdout=FIRST_LINE + FIRST_LINE + LINES),
    ),
    "a line that is missing": (
        "output",
        lambda run: with_execution(run, "fast-1", stderr=LINES.replace(b"7\n", b"", 1)),
    ),
    "a line that came twice": (
        "output",
        lambda run: with_execution(run, "fast-1", stderr=LINES.replace(b"7\n", b"7\n7\n", 1)),
    ),
    "a hole in what is left of a lost attempt": (
        "output",
        lambda run: with_execution(run, "slow-1", stdout=FIRST_LINE + b"1\n3\n"),
    ),
    "a state after the end": (
        "reopened",
        lambda run: replace(run, states=[*run.states, SeenState(T0, "fast-1", "running", "API")]),
    ),
    "another end": (
        "reopened",
        lambda run: replace(run, states=[*run.states, SeenState(T0, "fast-1", "lost", "API")]),
    ),
    "an end that is told otherwise later": (
        "reopened",
        lambda run: replace(run, states=[*run.states, SeenState(T0, "fast-1", "failed", "change stream")]),
    ),
    "a delivery that nobody got": (
        "delivery",
        lambda run: replace(run, calls=[c for c in run.calls if c.event != "execution.finished"]),
    ),
    "a delivery that the receiver refused": (
        "delivery",
        lambda run: replace(run, calls=[replace(c, taken=False) for c in run.calls]),
    ),
    "a delivery under two ids": (
        "delivery",
        lambda run: replace(run, calls=[*run.calls, call("failing-hooked-2", "finished", delivery_id="other")]),
    ),
    "a delivery of a failure that is tried again": (
        "delivery",
        lambda run: replace(run, calls=[*run.calls, call("failing-hooked-1", "failed")]),
    ),
    "a container that is left": ("left over", lambda run: replace(run, left_over=["container x"])),
    "a process that ended by itself": ("process", lambda run: replace(run, oddities=["api-1 ended by itself"])),
    "an answer that no client should see": (
        "wrong answer",
        lambda run: replace(run, sent=[*run.sent, sent("later", id="x", answer=Answer.WRONG, said="500")]),
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_promise_is_found(what: str) -> None:
    promise, break_it = BROKEN[what]
    assert promise in promises_broken(break_it(kept()))


def test_what_a_client_does_not_know_of_may_exist_or_not() -> None:
    run = kept()
    unknown = [sent("hooked", answer=answer, execution_id=None) for answer in (Answer.BROKEN, Answer.REFUSED)]
    assert violations(replace(run, sent=[*run.sent, unknown[0]])) == []
    assert violations(replace(run, sent=[*run.sent, unknown[1]])) == []


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


@pytest.mark.parametrize(
    ("cause", "kind"),
    [("image_not_found", "image removed by hand"), ("container_rejected", "disk of the Engine: full")],
)
def test_an_engine_without_an_image_or_room_fails_what_would_start_meanwhile_and_nothing_else(
    cause: str, kind: str
) -> None:
    ended = {"status": "failed", "cause": cause, "exit_code": None, "stdout": b"", "stderr": b""}
    run = with_execution(kept(), "fast-1", retried_by="fast-2", **ended)
    run = replace(run, executions=[*run.executions, execution("fast", 2)])
    run = replace(run, container_events=[*run.container_events, ContainerEvent(T0, "start", "c", "fast-2", "one")])
    removed = FaultDone(kind, "engine", LOST_AT - 3, LOST_AT + 1)
    assert promises_broken(run) == {"ended wrong"}
    assert violations(replace(run, faults=[*run.faults, removed])) == []
    for began_at, ended_at in ((LOST_AT + 1, LOST_AT + 5), (T0 - 5, T0)):
        other = replace(removed, began_at=began_at, ended_at=ended_at)
        assert promises_broken(replace(run, faults=[*run.faults, other])) == {"ended wrong"}


def test_the_table_counts_what_was_found() -> None:
    run = replace(kept(), left_over=["container x"], settled_at=None)
    shown = table(run, violations(run))
    assert "| worker: stays away | 1 |" in shown
    assert "| stuck | 1 |" in shown
    assert "| lost | 0 |" in shown
    assert "| other violations | 1 left over |" in shown
