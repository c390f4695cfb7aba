"""Plans of faults: the same seed gives the same one, and each kind has its turn."""

from __future__ import annotations

from tests.chaos.faults import FAULTS, patterns
from tests.chaos.plan import make_plan

PATTERNS = patterns(own_engines=True)


def test_the_same_seed_gives_the_same_plan_and_another_one_another() -> None:
    assert make_plan(7, 300, PATTERNS) == make_plan(7, 300, PATTERNS)
    assert make_plan(7, 300, PATTERNS) != make_plan(8, 300, PATTERNS)


def test_every_kind_comes_in_a_plan_that_is_long_enough() -> None:
    assert {planned.kind for planned in make_plan(7, 600, PATTERNS)} == set(FAULTS)


def test_a_fault_lasts_as_long_as_its_kind_may() -> None:
    for planned in make_plan(7, 600, PATTERNS):
        pattern = FAULTS[planned.kind].pattern
        assert pattern.shortest <= planned.seconds <= pattern.longest
