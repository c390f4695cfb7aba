"""When a node, or its Engine, was not there, and what an Engine that ends can do to a container."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tests.chaos.records import Absence, Run, SeenExecution

START_SECONDS = 10.0  # how long a process, or a container, may take to start on a busy machine
# What a container wrote so shortly before its Engine was killed, the Engine may not have read yet.
READ_SECONDS = 1.0
DEATHS_BY_SIGNAL = (137, 143)  # what an Engine that ends or starts has its containers end with: SIGTERM, then SIGKILL


def node_was_away(run: Run, execution: SeenExecution) -> bool:
    """Whether its worker or its Engine was away for as long as it takes to be given up.

    The last beat may be one beat older, and it begins to beat when it has started, which takes its time too.
    """
    silent = run.settings["node_silent_seconds"]
    earliest, at = silent - run.settings["node_beat_seconds"], execution.finished_at or 0.0
    of_worker = [away for away in run.absences if away.process == execution.node]
    return any(
        away.since + earliest <= at <= away.until + silent
        for away in _merged([*of_worker, *engine_absences(run, execution)])
    )


def engine_absences(run: Run, execution: SeenExecution) -> list[Absence]:
    """When the Engine of its node was away."""
    name = run.engine_of.get(execution.node or "")
    return [away for away in run.absences if away.process == name]


def absence_at_the_end(run: Run, execution: SeenExecution) -> Absence | None:
    """The absence of its Engine in which its container has ended: nobody read what it wrote then."""
    at = execution.finished_at or 0.0
    absences = engine_absences(run, execution)
    return next((away for away in absences if away.since - READ_SECONDS <= at <= away.until), None)


def absence_after_the_end(run: Run, execution: SeenExecution) -> Absence | None:
    """The first absence of its Engine between the end of its container and when that was noted."""
    at, noted_at = execution.finished_at or 0.0, execution.times.get(execution.status, 0.0)
    absences = engine_absences(run, execution)
    return next((away for away in absences if at <= away.until and away.since <= noted_at), None)


def ended_with_its_engine(run: Run, execution: SeenExecution) -> bool:
    """Whether its Engine has ended it, when it ended itself, or when it came back."""
    at = execution.finished_at or 0.0
    return (
        run.engine_of.get(execution.node or "") not in run.live_restore
        and execution.exit_code in DEATHS_BY_SIGNAL
        and any(away.since <= at <= away.until + START_SECONDS for away in engine_absences(run, execution))
    )


def start_was_cut_off(run: Run, execution: SeenExecution) -> bool:
    """Whether its Engine has ended while it was to start the container."""
    at = execution.times.get("running", 0.0)
    return any(away.since - START_SECONDS <= at <= away.until for away in engine_absences(run, execution))


def _merged(absences: Iterable[Absence]) -> Sequence[Absence]:
    """Those that follow each other so soon that the process may not have come to its work between them, as one."""
    merged: list[Absence] = []
    for away in sorted(absences, key=lambda away: away.since):
        if merged and away.since - merged[-1].until < START_SECONDS:
            merged[-1] = replace(merged[-1], until=max(merged[-1].until, away.until))
        else:
            merged.append(away)
    return merged
