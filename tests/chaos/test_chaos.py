"""Faults are done to a farm under load, by plans that are always the same ones: nothing is lost, doubled or stuck.

The short form. `scripts/chaos` does more of it, for longer, and with other seeds.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.checker import violations
from tests.chaos.faults import patterns
from tests.chaos.plan import make_plan, shortened
from tests.chaos.run import Course, run_chaos
from tests.chaos.table import table

pytestmark = pytest.mark.services

LOAD_SECONDS = 29.5
LONGEST_FAULT_SECONDS = 4.0
JOBS_PER_SECOND = 1.0
SEED = 5


@pytest.mark.timeout(400)  # on a machine that does other things too; 90 s on a quiet one
def test_nothing_is_lost_doubled_or_stuck_under_faults(tmp_path: Path) -> None:
    plan = make_plan(SEED, LOAD_SECONDS, shortened(patterns(own_engines=False), LONGEST_FAULT_SECONDS))
    run = run_chaos(tmp_path, Course(SEED, LOAD_SECONDS, plan, JOBS_PER_SECOND))
    found = violations(run)
    print(table(run, found))
    assert [f"{violation.promise}: {violation.text}" for violation in found] == []
    assert len(run.faults) >= 10
    assert sum(execution.status == "done" for execution in run.executions) >= 10
