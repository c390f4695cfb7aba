"""A tick comes once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.chaos.checks.terms import Violation, job_named
from tests.chaos.jobs import CRON_SECONDS, KINDS
from tests.chaos.records import Answer, Run, SentJob

CATCH_UP_SECONDS = 2.0 * CRON_SECONDS  # a cron that is stopped may be so far behind


def ticks_come_once(run: Run) -> Iterator[Violation]:
    """Every instant of a cron, from its acceptance to its stop, has exactly one first attempt, and no other has one."""
    for sent in run.sent:
        if KINDS[sent.kind].is_cron and sent.answer is Answer.ACCEPTED:
            yield from _ticks_of(run, sent)


def _ticks_of(run: Run, sent: SentJob) -> Iterator[Violation]:
    ticks = Counter(
        execution.tick_at
        for execution in run.executions
        if execution.job_id == sent.id and execution.attempt == 1 and execution.tick_at is not None
    )
    for instant, count in ticks.items():
        if count > 1 or instant % CRON_SECONDS:
            yield Violation("doubled", f"{job_named(sent)} has {count} executions for {instant}")
    first = (sent.sent_at + sent.seconds) // CRON_SECONDS * CRON_SECONDS + CRON_SECONDS
    last = (sent.stopped_at or run.load_ended_at) - CATCH_UP_SECONDS
    instants = (first + step * CRON_SECONDS for step in range(int(max(0.0, last - first) // CRON_SECONDS) + 1))
    for missing in [instant for instant in instants if instant <= last and instant not in ticks]:
        yield Violation("lost", f"{job_named(sent)} has no execution for its tick {missing}")
