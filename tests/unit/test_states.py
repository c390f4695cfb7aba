"""The table of states: what it allows, and that the drawing above it says the same."""

from __future__ import annotations

import itertools
import re

import pytest

from jobrunner.domain import states
from jobrunner.domain.states import MOVES, ON_A_NODE, TERMINAL, WAITING, State, may_move


def drawn_moves() -> set[tuple[str, str]]:
    """The moves that the drawing shows: along its first line, and down from a state to what its arrow points at."""
    lines = [line for line in (states.__doc__ or "").splitlines() if "►" in line]
    spine = list(re.finditer(r"\w+", lines[0].split("done")[0]))
    ends = re.findall(r"\w+", lines[0][lines[0].index("done") :])
    moves = {(a[0], b[0]) for a, b in itertools.pairwise(spine)} | {(spine[-1][0], end) for end in ends}
    for line in lines[1:]:
        corner = line.index("└")
        origin = next(state[0] for state in spine if state.start() <= corner < state.end())
        targets = re.findall(r"\w+", re.sub(r"\(.*\)", "", line[line.index("►") :]))
        moves |= {(origin, target) for target in targets}
    return moves


def test_the_drawing_shows_the_table() -> None:
    assert drawn_moves() == {(origin, target) for origin, targets in MOVES.items() for target in targets}


def test_every_state_has_a_row() -> None:
    assert set(MOVES) == set(State)


@pytest.mark.parametrize("origin", sorted(TERMINAL))
@pytest.mark.parametrize("target", State)
def test_nothing_leaves_a_terminal_state(origin: State, target: State) -> None:
    assert origin.is_terminal
    assert not may_move(origin, target)


def test_every_state_is_reached_from_scheduled() -> None:
    reached, new = set(), {State.SCHEDULED}
    while new:
        reached |= new
        new = {target for origin in new for target in MOVES[origin]} - reached
    assert reached == set(State)


def test_a_state_is_waiting_or_on_a_node_or_terminal() -> None:
    assert sorted([*WAITING, *ON_A_NODE, *TERMINAL]) == sorted(State)


def test_only_what_was_on_a_node_is_done_failed_timedout_or_lost() -> None:
    for target in (State.DONE, State.FAILED, State.TIMEDOUT, State.LOST):
        assert {origin for origin in State if may_move(origin, target)} <= ON_A_NODE


def test_nothing_expires_once_a_node_has_it() -> None:
    assert {origin for origin in State if may_move(origin, State.EXPIRED)} == WAITING


@pytest.mark.parametrize("origin", sorted(set(State) - TERMINAL))
def test_whatever_is_not_over_can_be_stopped(origin: State) -> None:
    assert may_move(origin, State.STOPPED)
