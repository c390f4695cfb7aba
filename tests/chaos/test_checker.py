"""The checker can fail: a run in which all was kept has no violation, and each promise broken in it is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.chaos.checker import violations
from tests.chaos.jobs import KINDS
from tests.chaos.kept_run import (
    FIRST_LINE,
    LOST_AT,
    T0,
    call,
    container_id,
    execution,
    kept,
    promises_broken,
    sent,
    start,
    tick,
    with_execution,
    without,
)
from tests.chaos.records import EVENTS, Absence, Answer, ContainerEvent, Run, SeenState
from tests.chaos.table import table


def test_a_run_in_which_all_was_kept_has_no_violation() -> None:
    assert violations(kept()) == []


LINES = KINDS["fast"].numbered()


def crowded(run: Run) -> Run:
    """The run, and three of a group of which two may run at once."""
    ids = ("grouped-1", "grouped-2", "grouped-3")
    more = [execution("grouped", id=id_, tick_at=float(number)) for number, id_ in enumerate(ids)]
    more = [replace(each, container_id=container_id(each.id)) for each in more]
    starts = [*run.starts, *map(start, more)]
    return replace(run, sent=[*run.sent, sent("grouped")], executions=[*run.executions, *more], starts=starts)


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
        lambda run: replace(run, starts=[s for s in run.starts if s.job_id != "fast"]),
    ),
    "a container that was started twice": (
        "doubled",
        lambda run: replace(run, starts=[*run.starts, start(execution("fast"), word="another")]),
    ),
    "a start of a container that no execution has": (
        "doubled",
        lambda run: replace(run, starts=[*run.starts, start(execution("fast"), container="0123456789ab")]),
    ),
    "a container that was never said to run": (
        "times",
        lambda run: with_execution(run, "fast-1", times={"pulling": T0, "done": LOST_AT}),
    ),
    "a start before the claim": ("times", lambda run: with_execution(run, "fast-1", started_at=T0)),
    "a claim before the acceptance": (
        "times",
        lambda run: with_execution(run, "fast-1", times={"enqueued": T0 - 1, "running": T0 + 2, "done": LOST_AT}),
    ),
    "more than may run at once": ("limit", crowded),
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
    "an output of another start": (
        "output",
        lambda run: replace(run, starts=[replace(s, word="x" * len(s.word)) for s in run.starts]),
    ),
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
    "an end that the events do not tell": (
        "events",
        lambda run: replace(run, states=[s for s in run.states if (s.execution_id, s.source) != ("fast-1", EVENTS)]),
    ),
    "an end that the events tell otherwise": (
        "reopened",
        lambda run: replace(run, states=[*run.states, SeenState(T0, "fast-1", "lost", EVENTS)]),
    ),
    "a start that was told, of what never ran": (
        "delivery",
        lambda run: with_execution(run, "failing-hooked-1", times={"pulling": T0 + 1, "failed": LOST_AT}),
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
    "threads that stay": ("grown", lambda run: replace(run, used_at_last={"one: threads": 40, "one: open files": 30})),
    "files that stay open": (
        "grown",
        lambda run: replace(run, used_at_last={"one: threads": 20, "one: open files": 90}),
    ),
    "a process of which nobody knows how it ended": (
        "grown",
        lambda run: replace(run, used_at_last={"one: open files": 30}),
    ),
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


def test_the_table_counts_what_was_found() -> None:
    run = replace(kept(), left_over=["container x"], settled_at=None)
    shown = table(run, violations(run))
    assert "| worker: stays away | 1 |" in shown
    assert "| stuck | 1 |" in shown
    assert "| lost | 0 |" in shown
    assert "| other violations | 1 left over |" in shown
