"""All output: every line once and in order, from the start that the container itself tells of."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.checks.absences import READ_SECONDS, absence_after_the_end, absence_at_the_end
from tests.chaos.checks.ends import ended_while, was_removed
from tests.chaos.checks.terms import Violation, container_of, ended_by_itself, kinds_of, named
from tests.chaos.jobs import FIRST_WORD, UUID_LENGTH, Kind
from tests.chaos.records import DISK_OF_ENGINE, Run, SeenExecution

FIRST_LINE_BYTES = len(FIRST_WORD) + UUID_LENGTH + 1
MARKER = b"\n[jobrunner: "  # what a line begins with that stands in the place of what is not there


def output_is_whole(run: Run) -> Iterator[Violation]:
    """Every line once and in order; where the end came from outside, from the first one on to the last one read."""
    kinds = kinds_of(run)
    for execution in run.executions:
        kind, least = kinds[execution.job_id], _lines_to_be_there(run, execution, kinds[execution.job_id])
        by_itself = ended_by_itself(execution, kind)
        may_lack = execution.exit_code is not None and absence_after_the_end(run, execution) is not None
        for name, stored, first in (
            ("stdout", execution.stdout, FIRST_LINE_BYTES),
            ("stderr", execution.stderr, 0),
        ):
            content, is_marked = _without_marker(stored) if may_lack else (stored, False)
            if fault := stream_fault(content, kind, least, first):
                yield Violation("output", f"{name} of {named(execution)}: {fault}")
            elif may_lack and by_itself and not is_marked and len(content) < first + len(kind.numbered()):
                yield Violation("output", f"{name} of {named(execution)} lacks its end, and does not say so")


def _lines_to_be_there(run: Run, execution: SeenExecution, kind: Kind) -> int:
    """So many lines, at least, must be stored: all; or those of which the container says that it had written them.

    Of what has no exit code nobody has seen the end. Of what ended while its Engine was away, the end is lost.
    """
    away = absence_at_the_end(run, execution)
    has_no_log = ended_while(run, execution, DISK_OF_ENGINE)  # a worker that was away then finds nothing in it
    if execution.exit_code is None or was_removed(run, execution) or has_no_log:
        return 0
    if ended_by_itself(execution, kind) and away is None:
        return kind.lines + 1
    until = away.since - READ_SECONDS if away else execution.finished_at or 0.0
    noted = run.written.get(container_of(execution), ())
    return max((line.number for line in noted if line.at <= until), default=0)


def _without_marker(stored: bytes) -> tuple[bytes, bool]:
    """What is stored without the line that says that something is missing, and whether there was one."""
    content, marker, _ = stored.partition(MARKER)
    return content, bool(marker)


def stream_fault(stored: bytes, kind: Kind, least: int, first: int) -> str:
    """What is wrong with what is stored of a stream; empty: nothing is.

    `least`: so many lines must be there. `first`: the length of the line before the first one, if there is anything.
    """
    if not FIRST_WORD.startswith(stored[: min(first, len(FIRST_WORD))]):
        return f"it begins with {stored[:40]!r}"
    expected, lines = kind.numbered(), stored[first:]
    missing = (first if least else 0) + len(kind.numbered(least)) - len(stored)
    if missing > 0:
        return f"{missing} bytes are missing" + _where(lines, expected)
    return "" if expected.startswith(lines) else "it is not what was written" + _where(lines, expected)


def _where(lines: bytes, expected: bytes) -> str:
    same = next((i for i, (a, b) in enumerate(zip(lines, expected, strict=False)) if a != b), None)
    if same is None:
        same = min(len(lines), len(expected))
    around = slice(max(0, same - 20), same + 20)
    return f", from byte {same} on: {lines[around]!r} in place of {expected[around]!r}"


def output_is_of_the_start(run: Run) -> Iterator[Violation]:
    """The first line that is stored has the word that the container itself noted when it started."""
    words = {start.container: start.word.encode() for start in run.starts}
    for execution in run.executions:
        content, _ = _without_marker(execution.stdout)
        stored, word = content[:FIRST_LINE_BYTES], words.get(container_of(execution), b"")
        if stored and not (FIRST_WORD + word + b"\n").startswith(stored):
            yield Violation("output", f"stdout of {named(execution)} begins with {stored!r}, not with {word!r}")
