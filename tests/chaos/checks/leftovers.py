"""Nothing is left, and the processes behave."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.checks.terms import Violation
from tests.chaos.records import Run


def nothing_is_left(run: Run) -> Iterator[Violation]:
    """No container, no message, no alarm."""
    for what in run.left_over:
        yield Violation("left over", what)


def processes_behave(run: Run) -> Iterator[Violation]:
    """None ends by itself, and each ends when it is told to."""
    for what in run.oddities:
        yield Violation("process", what)
