"""What follows from the events that an Engine remembers: whether it was there when a container ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from jobrunner.domain.outcomes import ContainerExit
from jobrunner.domain.ports.executor import Container, ContainerStatus
from jobrunner.executors.docker.engine_absence import MOST_EVENTS, missed_the_end

ENDED_AT = 1_800_000_000.0
EXIT = ContainerExit(0, oom_killed=False, started_at=None, finished_at=datetime.fromtimestamp(ENDED_AT, UTC))
CONTAINER = Container("mine", "e1", ContainerStatus.EXITED, ended=EXIT)


def event(action: str, at: float, container_id: str = "mine") -> Mapping[str, Any]:
    return {"Action": action, "Actor": {"ID": container_id}, "timeNano": int(at * 1e9)}


OTHERS = [event("start", ENDED_AT - 50, "other"), event("die", ENDED_AT, "other")]
START, DIE = event("start", ENDED_AT - 60), event("die", ENDED_AT + 0.02)
LATE = event("die", ENDED_AT + 4)


@pytest.mark.parametrize(
    ("events", "was_away"),
    [
        ([*OTHERS, START, DIE], False),
        ([*OTHERS, START, LATE], False),  # it was busy: it has run all the while
        ([*OTHERS, DIE], False),  # it came back before the end
        ([*OTHERS, LATE], True),
        (OTHERS, True),
        ([], True),  # or it was away later: it has forgotten whether it saw the end
        ([*OTHERS, *[OTHERS[0]] * MOST_EVENTS], False),  # it cannot be known any more
    ],
)
def test_an_engine_that_knows_neither_start_nor_end_may_have_been_away(
    events: list[Mapping[str, Any]], was_away: bool
) -> None:
    assert missed_the_end(events, CONTAINER) is was_away
