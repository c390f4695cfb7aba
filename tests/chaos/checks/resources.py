"""No process keeps more threads, files or connections than it had under load, before the first fault."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.chaos.checks.terms import Violation
from tests.chaos.records import Run

# What is sampled -> by how much it may have grown: a process opens connections, and threads, when it first needs them.
MAY_GROW = {"threads": 12, "open files": 30, "connections": 48, "clients": 16}


def grown(before: Mapping[str, float], after: Mapping[str, float]) -> Iterator[str]:
    """What has grown by more than it may; in words."""
    for what, had in before.items():
        bound = MAY_GROW.get(what.rsplit(": ", 1)[-1])
        if bound is not None and after.get(what, 0) > had + bound:
            yield f"{what}: {had:g} under load at first, {after[what]:g} when all was over"


def nothing_grows(run: Run) -> Iterator[Violation]:
    """However many faults there were."""
    for what in grown(run.used_at_first, run.used_at_last):
        yield Violation("grown", what)
    for missing in run.used_at_first.keys() - run.used_at_last.keys():
        yield Violation("grown", f"nobody knows how it ended with {missing}")
