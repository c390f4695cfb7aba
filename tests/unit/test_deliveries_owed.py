"""Who is told of what: decided from the specification and the move alone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from jobrunner.domain.aftermath import deliveries_owed
from jobrunner.domain.deliveries import DeliveryKind
from jobrunner.domain.executions import Execution
from jobrunner.domain.hooks import Moment
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import TERMINAL, State

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
HOOKS = {moment.value: [{"url": f"https://example.org/{moment}"}] for moment in Moment}
ADDRESSES = {moment.value: [f"{moment}@example.org"] for moment in Moment}


def execution(**spec: object) -> Execution:
    checked = JobSpec.model_validate({"image": "busybox", **spec})
    return Execution(new_id(), new_id(), "task", checked, State.RUNNING, NOW)


def moments_owed(target: State, *, tried_again: bool = False) -> set[str]:
    owed = deliveries_owed(execution(webhooks=HOOKS, notify=ADDRESSES), target, tried_again=tried_again)
    by_kind = {kind: {one.moment.value for one in owed if one.kind is kind} for kind in DeliveryKind}
    assert by_kind[DeliveryKind.WEBHOOK] == by_kind[DeliveryKind.EMAIL]
    return by_kind[DeliveryKind.WEBHOOK]


def test_a_move_to_running_fires_the_hooks_of_the_start() -> None:
    assert moments_owed(State.RUNNING) == {"starts"}


def test_a_success_fires_its_hooks_and_those_of_every_end() -> None:
    assert moments_owed(State.DONE) == {"succeeds", "finishes"}


@pytest.mark.parametrize("state", [State.FAILED, State.TIMEDOUT, State.LOST, State.EXPIRED])
def test_whatever_went_wrong_fires_the_hooks_of_a_failure(state: State) -> None:
    assert moments_owed(state) == {"fails", "finishes"}


def test_a_stopped_execution_never_fires_its_success_hook() -> None:
    assert "succeeds" not in moments_owed(State.STOPPED)


def test_a_stopped_execution_has_finished_and_has_not_failed() -> None:
    assert moments_owed(State.STOPPED) == {"finishes"}


@pytest.mark.parametrize("state", [State.FAILED, State.TIMEDOUT, State.LOST])
def test_while_another_attempt_follows_no_end_is_told(state: State) -> None:
    assert moments_owed(state, tried_again=True) == set()


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_every_end_is_told_to_those_who_want_every_end(state: State) -> None:
    assert "finishes" in moments_owed(state)


@pytest.mark.parametrize("state", [State.ENQUEUED, State.PULLING])
def test_a_move_that_nobody_can_ask_for_owes_nothing(state: State) -> None:
    assert moments_owed(state) == set()


def test_the_short_form_is_one_more_hook_of_every_end() -> None:
    with_both = execution(webhook={"url": "https://example.org/short"}, webhooks=HOOKS)
    owed = deliveries_owed(with_both, State.STOPPED)
    assert [with_both.spec.webhooks_for(one.moment)[one.index].url for one in owed] == [
        "https://example.org/finishes",
        "https://example.org/short",
    ]


def test_each_receiver_has_an_id_of_its_own_that_never_changes() -> None:
    two = execution(webhooks={"fails": [{"url": "https://example.org/"}] * 2}, notify={"fails": ["a@b.org", "a@b.org"]})
    owed = deliveries_owed(two, State.FAILED)
    assert len({one.id for one in owed}) == 4
    assert owed == deliveries_owed(two, State.FAILED)


def test_two_executions_never_share_an_id() -> None:
    first, second = execution(webhooks=HOOKS), execution(webhooks=HOOKS)
    ids = [one.id for found in (first, second) for one in deliveries_owed(found, State.DONE)]
    assert len(set(ids)) == 4


def test_a_job_without_receivers_owes_nothing() -> None:
    assert deliveries_owed(execution(), State.DONE) == ()
