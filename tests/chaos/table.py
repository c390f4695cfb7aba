"""What a run looks like to people: faults by kind, jobs, and what was lost, doubled or stuck."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from tests.chaos.checker import Violation
from tests.chaos.jobs import KINDS
from tests.chaos.records import Answer, FaultDone, Run


def table(run: Run, found: Iterable[Violation]) -> str:
    """In Markdown."""
    return "\n".join([*_faults(run), "", *_jobs(run, list(found))])


def _faults(run: Run) -> Iterator[str]:
    yield "| fault | times | longest until the next job was accepted, s | ... until the next one ended, s |"
    yield "| --- | --- | --- | --- |"
    by_kind: dict[str, list[FaultDone]] = defaultdict(list)
    for fault in run.faults:
        by_kind[fault.kind].append(fault)
    for kind, faults in sorted(by_kind.items()):
        accepted = max((_accepted_after(run, fault.ended_at) for fault in faults), default=0)
        ended = max((_ended_after(run, fault.ended_at) for fault in faults), default=0)
        yield f"| {kind} | {len(faults)} | {accepted:.1f} | {ended:.1f} |"


def _accepted_after(run: Run, instant: float) -> float:
    """Seconds from an instant to the next acceptance; 0 where no job was sent any more."""
    answered = [sent.sent_at + sent.seconds for sent in run.sent if sent.answer is Answer.ACCEPTED]
    return min((at - instant for at in answered if at >= instant), default=0)


def _ended_after(run: Run, instant: float) -> float:
    ends = [execution.finished_at for execution in run.executions if execution.finished_at is not None]
    return min((at - instant for at in ends if at >= instant), default=0)


def longest_delay(run: Run) -> float:
    """The longest time, in seconds, from when an execution was due to its end, over what it takes to run."""
    kinds = {sent.id: KINDS[sent.kind] for sent in run.sent}
    return max(
        (
            (execution.finished_at or run.faults_ended_at)
            - max(execution.due_at or 0.0, execution.created_at)
            - kinds[execution.job_id].seconds
            for execution in run.executions
        ),
        default=0.0,
    )


def _jobs(run: Run, found: list[Violation]) -> Iterator[str]:
    answers = Counter(sent.answer for sent in run.sent)
    promises = Counter(violation.promise for violation in found)
    started = sum(event.action == "start" for event in run.container_events)
    settled = f"{run.settled_at - run.faults_ended_at:.1f}" if run.settled_at else "never"
    yield "| jobs | |"
    yield "| --- | --- |"
    yield f"| sent: accepted, refused (503), not known | {', '.join(str(answers[a]) for a in list(Answer)[:3])} |"
    yield f"| executions, container starts, webhooks | {len(run.executions)}, {started}, {len(run.calls)} |"
    yield f"| ends | {_counted(Counter(execution.status for execution in run.executions))} |"
    for promise in ("lost", "doubled", "stuck"):
        yield f"| {promise} | {promises.pop(promise, 0)} |"
    yield f"| other violations | {_counted(promises) or 0} |"
    yield f"| longest delay of an execution by the faults, s | {longest_delay(run):.1f} |"
    yield f"| all was over after the last fault, s | {settled} |"


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counter.items()))
