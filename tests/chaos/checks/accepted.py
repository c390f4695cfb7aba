"""Accepted is kept: what was answered with 2xx is there, and comes to its end."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.checks.terms import OVER, Violation, job_named, named, rank_of
from tests.chaos.records import Answer, Run


def accepted_is_kept(run: Run) -> Iterator[Violation]:
    """What was answered with 2xx is there, and so is all that MongoDB ever had."""
    jobs = {execution.job_id for execution in run.executions}
    there = {execution.id for execution in run.executions}
    for sent in run.sent:
        if sent.answer is Answer.ACCEPTED and (sent.id not in jobs or sent.execution_id not in there | {None}):
            yield Violation("lost", f"{job_named(sent)} was accepted, and has no execution")
        if sent.answer is Answer.WRONG:
            yield Violation("wrong answer", f"{job_named(sent)} was answered with {sent.said}")
    for execution_id in sorted({seen.execution_id for seen in run.states} - there):
        yield Violation("lost", f"execution {execution_id} was seen, and is not there any more")


def all_ends(run: Run) -> Iterator[Violation]:
    """Every execution is terminal within the bound."""
    if run.settled_at is None:
        yield Violation("stuck", "not everything was over within the bound after the last fault")
    for execution in run.executions:
        if rank_of(execution.status) != OVER:
            yield Violation("stuck", f"{named(execution)} is {execution.status}")
