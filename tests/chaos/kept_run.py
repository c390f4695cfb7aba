"""A run with faults in which every promise was kept, and how to break one in it: for the tests of the checker."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

from tests.chaos.checker import violations
from tests.chaos.checks.terms import CONTAINER_LETTERS
from tests.chaos.jobs import CRON_SECONDS, KINDS
from tests.chaos.records import (
    EVENTS,
    Absence,
    Answer,
    ContainerEvent,
    ContainerStart,
    FaultDone,
    HookCall,
    Run,
    SeenExecution,
    SeenState,
    SentJob,
)

T0 = 1_000_000 * CRON_SECONDS * 1.0  # an instant of the cron
LOST_AT = T0 + 60
SETTINGS = {"node_silent_seconds": 15.0, "node_beat_seconds": 2.0}
WORD = "0b6ad0a6-5d0a-4e5b-9a0e-1f1d35a1a8f3"
FIRST_LINE = f"start {WORD}\n".encode()


def container_id(execution_id: str) -> str:
    """The id of the container of an execution."""
    return sha256(execution_id.encode()).hexdigest()


def start(of: SeenExecution, **changes: Any) -> ContainerStart:
    """The start of its container, as that notes it."""
    return replace(ContainerStart(T0 + 2, of.job_id, (of.container_id or "")[:CONTAINER_LETTERS], WORD), **changes)


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
        container_id=container_id(f"{kind}-{attempt}"),
        tick_at=None,
        due_at=None,
        created_at=T0 + 1,
        started_at=T0 + 2,
        finished_at=LOST_AT,
        times={"enqueued": T0 + 1, "pulling": T0 + 1.5, "running": T0 + 2, "failed" if code else "done": LOST_AT},
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
    id_ = f"cron-{number}"
    return execution("cron", id=id_, container_id=container_id(id_), tick_at=T0 + number * CRON_SECONDS)


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
        states=[
            SeenState(T0, e.id, state, source)
            for e in executions
            for source in ("API", EVENTS)
            for state in ("running", "running", e.status)
        ],
        starts=[start(e) for e in executions],
        container_events=[
            ContainerEvent(T0, action, e.container_id or "", e.id, "one")
            for e in executions
            for action in ("create", "start")
        ],
        calls=hooked,
        faults=[FaultDone("worker: stays away", "one", LOST_AT - 16, LOST_AT)],
        absences=[Absence("one", LOST_AT - 16, LOST_AT)],
        used_at_first={"one: threads": 20, "one: open files": 30},
        used_at_last={"one: threads": 25, "one: open files": 22},
    )


def with_execution(run: Run, execution_id: str, **changes: Any) -> Run:
    """The run, one of its executions seen otherwise."""
    changed = [replace(e, **changes) if e.id == execution_id else e for e in run.executions]
    assert changed != run.executions
    states = [seen for seen in run.states if seen.execution_id != execution_id]
    states += [SeenState(T0, e.id, e.status, EVENTS) for e in changed if e.id == execution_id]
    return replace(run, executions=changed, states=states)


def without(run: Run, execution_id: str) -> Run:
    """The run, and an execution of which nothing is known."""
    return replace(
        run,
        executions=[e for e in run.executions if e.id != execution_id],
        states=[seen for seen in run.states if seen.execution_id != execution_id],
        container_events=[event for event in run.container_events if event.execution_id != execution_id],
        starts=[each for each in run.starts if not container_id(execution_id).startswith(each.container)],
    )


def promises_broken(run: Run) -> set[str]:
    """Which promises the checker finds broken."""
    return {violation.promise for violation in violations(run)}
