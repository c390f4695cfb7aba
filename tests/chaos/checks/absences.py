"""When a node, or its Engine, was not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tests.chaos.records import ENGINE, Absence, Run, SeenExecution

START_SECONDS = 10.0  # how long a process may take to start on a busy machine


def engine_was_away(run: Run, execution: SeenExecution) -> bool:
    """Whether the Engine was ended in its time: that may end containers, and what they write meanwhile nobody keeps."""
    at = execution.finished_at or 0.0
    return any(
        fault.kind.startswith(ENGINE) and fault.began_at <= at and execution.created_at <= fault.ended_at
        for fault in run.faults
    )


def node_was_away(run: Run, execution: SeenExecution) -> bool:
    """Whether the worker was away for as long as it takes to be given up: its last beat may be one beat older.

    It begins to beat when it has started, which takes its time too.
    """
    silent = run.settings["node_silent_seconds"]
    earliest, at = silent - run.settings["node_beat_seconds"], execution.finished_at or 0.0
    absences = _merged(sorted((a for a in run.absences if a.process == execution.node), key=lambda away: away.since))
    return any(away.since + earliest <= at <= away.until + silent for away in absences)


def _merged(absences: Sequence[Absence]) -> list[Absence]:
    """Those that follow each other so soon that the process may not have come to its work between them, as one."""
    merged: list[Absence] = []
    for away in absences:
        if merged and away.since - merged[-1].until < START_SECONDS:
            merged[-1] = replace(merged[-1], until=max(merged[-1].until, away.until))
        else:
            merged.append(away)
    return merged
