"""The rule about metrics can fail: what agrees has no violation, and each figure that does not is found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from tests.chaos.checker import violations
from tests.chaos.kept_run import kept
from tests.chaos.records import Run, SeenMetrics

OPEN = dict.fromkeys(("scheduled", "enqueued", "pulling", "running"), 0.0)
ENDED = {"done success": 7.0, "failed exit_code": 2.0, "lost node_lost": 1.0}  # as in the run of the checker's tests


def told(api: str, ended: Mapping[str, float], **changes: object) -> SeenMetrics:
    counters = {f"ended {what}": count for what, count in ended.items()}
    return replace(SeenMetrics(0, api, counters, ended, OPEN, 0.0), **changes)  # type: ignore[arg-type]


def agreeing() -> Run:
    """A run in which both APIs told the truth, and MongoDB was away for a time."""
    half = {what: count // 2 for what, count in ENDED.items()}
    away = SeenMetrics(0, "one", {}, {}, {}, None)
    seen = [told("one", half), away, told("two", half), told("one", ENDED)]
    return replace(kept(), metrics=seen, last_metrics=[told("one", ENDED), told("two", ENDED)])


def with_last(run: Run, **changes: object) -> Run:
    return replace(run, last_metrics=[run.last_metrics[0], replace(run.last_metrics[1], **changes)])  # type: ignore[arg-type]


BROKEN: dict[str, Callable[[Run], Run]] = {
    "a counter that went down": lambda run: replace(
        run, metrics=[*run.metrics, told("one", {**ENDED, "x": 1}), told("two", ENDED)]
    ),
    "a counter that went down at another API": lambda run: replace(run, metrics=list(reversed(run.metrics))),
    "an end that is not counted": lambda run: with_last(run, ended={**ENDED, "done success": 6.0}),
    "an end that is counted twice": lambda run: with_last(run, ended={**ENDED, "done success": 8.0}),
    "an end of a kind that there was not": lambda run: with_last(run, ended={**ENDED, "stopped stopped": 1.0}),
    "an execution that is told to be open": lambda run: with_last(run, open={**OPEN, "running": 1.0}),
    "an API that tells nothing of the farm": lambda run: with_last(run, open={}, owed=None),
    "a delivery that is told to be owed": lambda run: with_last(run, owed=1.0),
}


def test_metrics_that_agree_have_no_violation() -> None:
    assert violations(agreeing()) == []


@pytest.mark.parametrize("what", BROKEN)
def test_metrics_that_do_not_agree_are_found(what: str) -> None:
    assert {violation.promise for violation in violations(BROKEN[what](agreeing()))} == {"metrics"}
