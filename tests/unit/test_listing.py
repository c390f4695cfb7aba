"""Labels, places in lists, and what events say, as pure values."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from jobrunner.domain.farm_events import Change, EventFilter, FarmEvent, Subject, state_before
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.labels import check_label_term, label_terms
from jobrunner.domain.listing import Position, scheduled_until
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import MOVES, State

NOW = datetime(2026, 5, 1, 12, 0, 0, 123_000, tzinfo=UTC)


def test_a_cursor_names_the_place_that_it_was_made_from() -> None:
    place = Position(NOW, new_id())
    assert Position.parse(str(place)) == place


@pytest.mark.parametrize("cursor", ["", "1", "1_x", f"x_{new_id()}", f"-1_{new_id()}", "1_" + "-" * 36])
def test_what_no_list_has_given_is_no_cursor(cursor: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Position.parse(cursor)


def test_a_label_is_found_by_its_name_and_by_its_value() -> None:
    assert label_terms({"a": "1", "b": ""}) == ["a", "a=1", "b", "b="]
    for term in ("a", "a=1", "a=x=y", "team/owner=Zoë"):
        assert check_label_term(term) == term
    for term in ("", "=1", "a b", "-a=1"):
        with pytest.raises(ValueError, match="name of a label"):
            check_label_term(term)


def test_a_job_is_scheduled_until_its_last_time() -> None:
    spec = JobSpec(image="a")
    assert scheduled_until(spec, NOW) is None
    assert scheduled_until(spec.model_copy(update={"start_in": "1m"}), NOW) == NOW.replace(minute=1)
    cron = spec.model_copy(update={"cron": "@daily"})
    assert (scheduled_until(cron, NOW) or NOW).year == 2200
    ends = cron.model_copy(update={"expiration": NOW.timestamp()})
    assert scheduled_until(ends, NOW) == NOW


def test_the_state_before_another_is_told_from_all_that_were_reached() -> None:
    for origin, targets in MOVES.items():
        for target in targets:
            earlier = [state for state in State if not state.is_terminal]
            reached = [*earlier[: earlier.index(origin) + 1], target]
            assert state_before(target, reached) is origin
    # What came later is no matter: the document may be newer than the event.
    assert state_before(State.PULLING, [State.ENQUEUED, State.PULLING, State.RUNNING, State.DONE]) is State.ENQUEUED
    assert state_before(State.ENQUEUED, [State.ENQUEUED]) is None


def test_a_filter_wants_what_all_of_it_applies_to() -> None:
    event = FarmEvent("1", Subject.EXECUTION, Change.MOVED, NOW, "t", "j", "e", target=State.DONE)
    wanted = (EventFilter(), EventFilter("t"), EventFilter("t", "j", "e", [State.DONE, State.LOST]))
    unwanted = (EventFilter("other"), EventFilter("t", "other"), EventFilter(states=[State.LOST]))
    assert [chosen.wants(event) for chosen in (*wanted, *unwanted)] == [True] * 3 + [False] * 3
    node = FarmEvent("2", Subject.NODE, Change.SILENT, NOW, node="n")
    assert [chosen.wants(node) for chosen in wanted] == [True, False, False]
