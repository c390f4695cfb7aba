"""End an execution: once, with its outcome and all that it leads to in one update."""

from __future__ import annotations

from typing import Any

from jobrunner.domain.aftermath import LEFT_OUT, deliveries_owed
from jobrunner.domain.executions import Execution
from jobrunner.domain.outcomes import Outcome
from jobrunner.domain.retry import wants_retry
from jobrunner.engine.farm import Farm
from jobrunner.engine.limits import free_limits
from jobrunner.engine.move import move
from jobrunner.engine.notify import and_owed, notify_if_possible


def end(farm: Farm, execution: Execution, outcome: Outcome) -> Execution | None:
    """Move the execution to its terminal state; None where it was ended, or claimed, by somebody else before.

    What it owes then stands in it: another attempt, or that others who wait for its job are looked at.
    """
    tried_again = wants_retry(execution, outcome)
    sampled = {"usage": outcome.usage} if outcome.usage is not None else {}
    finished_at = outcome.finished_at or farm.clock.now()
    look_at = execution.spec.retention.first_look_at(finished_at)
    ended = move(
        farm,
        execution,
        outcome.state,
        cause=outcome.cause,
        reason=outcome.reason,
        exit_code=outcome.exit_code,
        oom_killed=outcome.oom_killed,
        started_at=outcome.started_at or execution.started_at,
        finished_at=finished_at,
        owes_retry=tried_again,
        waits_for=None,
        owes_follow_up=(not tried_again and outcome.cause not in LEFT_OUT) or None,
        owed_deliveries=and_owed(
            execution, deliveries_owed(execution, outcome.state, tried_again=tried_again, cause=outcome.cause)
        ),
        **sampled,
        **_kept(outcome),
        **({"prune_at": look_at} if look_at else {}),
    )
    if ended is not None:
        free_limits(farm, ended)
        notify_if_possible(farm, ended)
    return ended


def _kept(outcome: Outcome) -> dict[str, Any]:
    """What came of the files of its container, where its job wanted some of them."""
    kept = outcome.kept
    changes = {"artifacts": kept.artifacts, "result": kept.result, "result_error": kept.result_error}
    return {name: value for name, value in changes.items() if value}
