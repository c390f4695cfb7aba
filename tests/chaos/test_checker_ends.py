"""The checker knows which ends a fault explains, and what an Engine that ends can do to a container; and no more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.checker import violations
from tests.chaos.checks.terms import container_of
from tests.chaos.jobs import KINDS
from tests.chaos.kept_run import (
    FIRST_LINE,
    LOST_AT,
    T0,
    container_id,
    execution,
    kept,
    promises_broken,
    start,
    with_execution,
)
from tests.chaos.records import DISK_OF_ENGINE, ENGINE, EVENTS, IMAGE, Absence, FaultDone, Run, SeenState, WrittenLine

MARKED = b"\n[jobrunner: something is missing]\n"
KILLED = {"status": "failed", "cause": "killed", "exit_code": 137}
VANISHED = {"status": "lost", "cause": "container_vanished", "exit_code": None}


def and_tried_again(run: Run, **first: Any) -> Run:
    """The run, the first attempt of `fast` ended otherwise, and a second one after it."""
    run, second = with_execution(run, "fast-1", retried_by="fast-2", **first), execution("fast", 2)
    told = SeenState(T0, second.id, "done", EVENTS)
    executions, states, starts = [*run.executions, second], [*run.states, told], [*run.starts, start(second)]
    return replace(run, executions=executions, states=states, starts=starts)


def with_absence(run: Run, since: float, until: float, *, engine: str = "engine-1", live_restore: bool = False) -> Run:
    """The run, an Engine having been away in it. The node "one" is on engine-1."""
    fault = FaultDone(ENGINE + "kill -9", engine, since, until)
    return replace(
        run,
        faults=[*run.faults, fault],
        absences=[*run.absences, Absence(engine, since, until)],
        engine_of={"one": "engine-1"},
        live_restore=frozenset({engine} if live_restore else ()),
    )


@pytest.mark.parametrize("ended", [KILLED, VANISHED])
def test_a_container_that_was_removed_by_hand_may_be_lost_or_killed(ended: dict[str, Any]) -> None:
    run = and_tried_again(kept(), stdout=FIRST_LINE, stderr=b"", **ended)
    removed = FaultDone("container removed by hand", "engine", T0, T0, container_id=container_id("fast-1"))
    assert promises_broken(run) == {"ended wrong"}
    assert violations(replace(run, faults=[*run.faults, removed])) == []


@pytest.mark.parametrize("back_at", [LOST_AT - 1, LOST_AT + 1])
def test_an_engine_may_end_containers_when_it_ends_and_when_it_comes_back(back_at: float) -> None:
    run = and_tried_again(kept(), stdout=FIRST_LINE + b"1\n", stderr=b"", **KILLED)
    assert promises_broken(run) == {"ended wrong"}
    assert violations(with_absence(run, LOST_AT - 9, back_at)) == []


@pytest.mark.parametrize(
    "absence",
    [
        {"since": LOST_AT - 40, "until": LOST_AT - 30},
        {"since": LOST_AT + 5, "until": LOST_AT + 9},
        {"since": LOST_AT - 9, "until": LOST_AT - 1, "engine": "engine-2"},
        {"since": LOST_AT - 9, "until": LOST_AT - 1, "live_restore": True},
    ],
    ids=["long before", "later", "another Engine", "its containers go on"],
)
def test_an_engine_ends_no_other_containers(absence: dict[str, Any]) -> None:
    run = and_tried_again(kept(), stdout=FIRST_LINE + b"1\n", stderr=b"", **KILLED)
    assert promises_broken(with_absence(run, **absence)) == {"ended wrong"}


def test_an_engine_loses_only_containers_that_it_was_about_to_start() -> None:
    run = and_tried_again(kept(), stdout=b"", stderr=b"", **VANISHED)
    started_at = T0 + 2
    assert violations(with_absence(run, started_at + 0.2, started_at + 5)) == []
    assert promises_broken(with_absence(run, started_at + 30, started_at + 35)) == {"ended wrong"}


def test_of_what_ends_while_its_engine_is_away_the_end_may_be_missing_if_that_is_told() -> None:
    written = KINDS["fast"].numbered(7)
    run = with_execution(kept(), "fast-1", stdout=FIRST_LINE + written + MARKED, stderr=written + MARKED)
    assert promises_broken(run) == {"output"}
    away = with_absence(run, LOST_AT - 2, LOST_AT + 3)
    assert violations(away) == []
    silent = with_execution(away, "fast-1", stdout=FIRST_LINE + written, stderr=written)
    assert promises_broken(silent) == {"output"}


def test_what_starts_while_its_engine_ends_may_find_itself_without_its_files() -> None:
    ended = {"status": "failed", "cause": "exit_code", "exit_code": 2, "stdout": MARKED, "stderr": MARKED}
    times = {"pulling": T0 + 1.5, "running": T0 + 2, "failed": LOST_AT}
    run = and_tried_again(kept(), times=times, **ended)
    run = replace(run, starts=[each for each in run.starts if not container_id("fast-1").startswith(each.container)])
    assert promises_broken(run) == {"ended wrong", "output", "witness"}
    assert violations(with_absence(run, T0 + 2.2, LOST_AT)) == []


def test_what_an_engine_without_room_could_not_log_may_be_missing() -> None:
    run = replace(with_execution(kept(), "fast-1", stdout=FIRST_LINE, stderr=b""), engine_of={"one": "engine-1"})
    assert promises_broken(run) == {"output"}
    full = FaultDone(DISK_OF_ENGINE, "engine-1", LOST_AT - 3, LOST_AT + 1)
    assert violations(replace(run, faults=[*run.faults, full])) == []


def test_what_had_ended_before_its_engine_did_must_be_whole_whatever_is_told() -> None:
    noted_at = LOST_AT + 30
    times = {"enqueued": T0 + 1, "running": T0 + 2, "done": noted_at}
    run = with_absence(kept(), LOST_AT + 10, LOST_AT + 20)
    written = KINDS["fast"].numbered()
    told = with_execution(run, "fast-1", times=times, stdout=FIRST_LINE + written + MARKED, stderr=written + MARKED)
    assert violations(told) == []
    assert promises_broken(with_execution(told, "fast-1", stderr=written[:-1] + MARKED)) == {"output"}


def test_what_was_written_before_its_engine_ended_must_be_there() -> None:
    run = with_execution(kept(), "fast-1", stdout=FIRST_LINE + b"1\n2\n" + MARKED, stderr=b"1\n2\n" + MARKED)
    run = with_absence(run, LOST_AT - 2, LOST_AT + 3)
    of_fast = container_of(execution("fast"))
    written = [WrittenLine(LOST_AT - 8, 1), WrittenLine(LOST_AT - 7, 2), WrittenLine(LOST_AT - 1, 3)]
    assert violations(replace(run, written={of_fast: written})) == []
    assert promises_broken(replace(run, written={of_fast: [*written, WrittenLine(LOST_AT - 6, 3)]})) == {"output"}


def test_what_goes_on_after_its_engine_has_come_back_must_be_whole() -> None:
    run = with_execution(kept(), "fast-1", stdout=FIRST_LINE + KINDS["fast"].numbered(7))
    assert promises_broken(with_absence(run, LOST_AT - 20, LOST_AT - 10, live_restore=True)) == {"output"}


def test_a_node_whose_engine_stays_away_may_be_given_up() -> None:
    lost = {"status": "lost", "cause": "node_lost", "exit_code": None, "stdout": FIRST_LINE, "stderr": b""}
    run = replace(and_tried_again(kept(), **lost), absences=[])
    run = with_execution(run, "slow-1", node="two")
    assert promises_broken(run) == {"ended wrong"}
    for engine, broken in (("engine-1", 1), ("engine-2", 2)):
        away = with_absence(run, LOST_AT - 16, LOST_AT + 1, engine=engine)
        assert len(violations(away)) == broken  # that of node two is one of them


@pytest.mark.parametrize(("cause", "kind"), [("image_not_found", IMAGE), ("engine_disk_full", DISK_OF_ENGINE)])
def test_an_engine_without_an_image_or_room_fails_what_would_start_meanwhile_and_nothing_else(
    cause: str, kind: str
) -> None:
    ended = {"status": "failed", "cause": cause, "exit_code": None, "stdout": b"", "stderr": b""}
    run = replace(and_tried_again(kept(), **ended), engine_of={"one": "engine-1"})
    removed = FaultDone(kind, "engine-1", LOST_AT - 3, LOST_AT + 1)
    assert promises_broken(run) == {"ended wrong"}
    assert violations(replace(run, faults=[*run.faults, removed])) == []
    for began_at, ended_at in ((LOST_AT + 1, LOST_AT + 5), (T0 - 5, T0)):
        other = replace(removed, began_at=began_at, ended_at=ended_at)
        assert promises_broken(replace(run, faults=[*run.faults, other])) == {"ended wrong"}
    assert promises_broken(replace(run, faults=[*run.faults, replace(removed, target="engine-2")])) == {"ended wrong"}
