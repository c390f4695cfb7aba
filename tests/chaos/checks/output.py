"""All output: every line once and in order."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.checks.absences import engine_was_away
from tests.chaos.checks.terms import Violation, ended_by_itself, kinds_of, named
from tests.chaos.jobs import FIRST_WORD, UUID_LENGTH, Kind
from tests.chaos.records import Run


def output_is_whole(run: Run) -> Iterator[Violation]:
    """Every line once and in order; where the end came from outside, from the first one on."""
    kinds = kinds_of(run)
    for execution in run.executions:
        kind = kinds[execution.job_id]
        must_be_whole = ended_by_itself(execution, kind) and not engine_was_away(run, execution)
        if fault := stream_fault(execution.stdout, kind, must_be_whole=must_be_whole, has_first_line=True):
            yield Violation("output", f"stdout of {named(execution)}: {fault}")
        if fault := stream_fault(execution.stderr, kind, must_be_whole=must_be_whole, has_first_line=False):
            yield Violation("output", f"stderr of {named(execution)}: {fault}")


def stream_fault(stored: bytes, kind: Kind, *, must_be_whole: bool, has_first_line: bool) -> str:
    """What is wrong with what is stored of a stream; empty: nothing is."""
    first = len(FIRST_WORD) + UUID_LENGTH + 1 if has_first_line else 0
    if not FIRST_WORD.startswith(stored[: min(first, len(FIRST_WORD))]):
        return f"it begins with {stored[:40]!r}"
    expected, lines = kind.numbered(), stored[first:]
    if must_be_whole and len(stored) < first + len(expected):
        return f"{first + len(expected) - len(stored)} bytes are missing" + _where(lines, expected)
    return "" if expected.startswith(lines) else "it is not what was written" + _where(lines, expected)


def _where(lines: bytes, expected: bytes) -> str:
    same = next((i for i, (a, b) in enumerate(zip(lines, expected, strict=False)) if a != b), None)
    if same is None:
        same = min(len(lines), len(expected))
    around = slice(max(0, same - 20), same + 20)
    return f", from byte {same} on: {lines[around]!r} in place of {expected[around]!r}"
