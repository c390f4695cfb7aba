"""Judges a run: what was promised against what came. Pure: from a record to the list of what is wrong."""

from __future__ import annotations

from collections.abc import Sequence

from tests.chaos.checks import (
    accepted,
    attempts,
    deliveries,
    ends,
    leftovers,
    limits,
    metrics,
    output,
    resources,
    states,
    ticks,
)
from tests.chaos.checks.terms import Rule, Violation
from tests.chaos.records import Run

__all__ = ["RULES", "Violation", "violations"]

RULES: Sequence[Rule] = (
    accepted.accepted_is_kept,
    accepted.all_ends,
    ends.ends_as_it_should,
    attempts.attempts_follow_each_other,
    attempts.one_container_an_attempt,
    attempts.containers_start_once,
    output.output_is_whole,
    output.output_is_of_the_start,
    states.terminal_states_stay,
    states.ends_are_told,
    states.times_are_in_order,
    states.what_has_started_was_running,
    limits.no_more_run_than_may,
    deliveries.owed_deliveries_arrive,
    ticks.ticks_come_once,
    leftovers.nothing_is_left,
    metrics.metrics_agree,
    leftovers.processes_behave,
    resources.nothing_grows,
)


def violations(run: Run) -> list[Violation]:
    """All of them."""
    return [found for rule in RULES for found in rule(run)]
