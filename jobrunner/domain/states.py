"""The states of an execution, and the one table of the moves between them.

    scheduled ─► enqueued ─► pulling ─► running ─► done | failed | timedout | stopped
        │           │           │          └─────► lost (the node or the container vanished)
        │           │           └────────────────► failed | timedout | stopped | lost
        │           └────────────────────────────► stopped | expired
        └────────────────────────────────────────► stopped | expired

Every move is made by `jobrunner.engine.move.move`, by compare-and-set. Nothing leaves a terminal state.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where an execution is in its life. The values are what the native API calls `status`."""

    SCHEDULED = "scheduled"
    ENQUEUED = "enqueued"
    PULLING = "pulling"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    TIMEDOUT = "timedout"
    STOPPED = "stopped"
    EXPIRED = "expired"
    LOST = "lost"

    @property
    def is_terminal(self) -> bool:
        """Whether an execution in this state has reached its end."""
        return not MOVES[self]


_ENDS_ON_A_NODE = {State.FAILED, State.TIMEDOUT, State.STOPPED, State.LOST}

MOVES: dict[State, frozenset[State]] = {
    State.SCHEDULED: frozenset({State.ENQUEUED, State.STOPPED, State.EXPIRED}),
    State.ENQUEUED: frozenset({State.PULLING, State.STOPPED, State.EXPIRED}),
    State.PULLING: frozenset({State.RUNNING} | _ENDS_ON_A_NODE),
    State.RUNNING: frozenset({State.DONE} | _ENDS_ON_A_NODE),
    State.DONE: frozenset(),
    State.FAILED: frozenset(),
    State.TIMEDOUT: frozenset(),
    State.STOPPED: frozenset(),
    State.EXPIRED: frozenset(),
    State.LOST: frozenset(),
}

TERMINAL = frozenset(state for state, following in MOVES.items() if not following)
ON_A_NODE = frozenset({State.PULLING, State.RUNNING})
WAITING = frozenset({State.SCHEDULED, State.ENQUEUED})


def may_move(origin: State, target: State) -> bool:
    """Whether the table has a move from `origin` to `target`."""
    return target in MOVES[origin]
