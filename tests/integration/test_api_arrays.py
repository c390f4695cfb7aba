"""An array: each index runs once, never more at once than it says, and all together have one state."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from jobrunner.domain.arrays import LARGEST
from jobrunner.domain.executions import Execution
from jobrunner.domain.outcomes import Cause, Outcome
from jobrunner.domain.states import State
from jobrunner.engine.farm import Farm
from jobrunner.engine.finish import close
from jobrunner.engine.fire import fire
from jobrunner.engine.janitors.follow_up import follow_up_owed
from jobrunner.errors import ServiceUnavailable
from jobrunner.store.documents.executions import ExecutionDocument
from tests.support.api_farm import ApiFarm, api_farm, faults_of
from tests.support.port_faults import Crash, Kind, Trouble

pytestmark = pytest.mark.services

SUCCESS = Outcome(State.DONE, Cause.SUCCESS)
FAILURE = Outcome(State.FAILED, Cause.EXIT_CODE, exit_code=1)


@pytest.fixture
def api(mongodb_url: str) -> Iterator[ApiFarm]:
    with api_farm(mongodb_url, retry_first_delay_seconds=0.001) as farm:
        yield farm


def post(api: ApiFarm, array: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return api.post("t", array=array, **spec)


def executions(api: ApiFarm, accepted: dict[str, Any], *states: State) -> list[Execution]:
    """Those of an array in some states, by index."""
    found = api.farm.store.executions.page_of_job(accepted["jobId"], 1, 20_000, states)
    return sorted(found, key=lambda one: (one.array_index, one.attempt))


def indexes(api: ApiFarm, accepted: dict[str, Any], *states: State) -> list[int | None]:
    return [one.array_index for one in executions(api, accepted, *states)]


def finish(api: ApiFarm, execution: Execution, outcome: Outcome, farm: Farm | None = None) -> None:
    close(farm or api.farm, api.advance(execution.id, State.PULLING, State.RUNNING), outcome)


def summary(api: ApiFarm, accepted: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = api.client.get(f"/tasks/t/jobs/{accepted['jobId']}/").json["job"]["array"]
    return found


def test_each_index_is_an_execution_with_its_envs(api: ApiFarm) -> None:
    accepted = post(api, {"count": 3}, envs={"A": "b"})
    found = executions(api, accepted)
    assert [dict(one.envs) for one in found] == [{"A": "b", "JOBRUNNER_ARRAY_INDEX": str(n)} for n in range(3)]
    assert sorted(api.queue.pushed) == sorted(one.id for one in found)
    assert accepted["executionId"] == found[0].id
    page = api.client.get(f"/tasks/t/jobs/{accepted['jobId']}/executions/").json
    assert sorted(item["arrayIndex"] for item in page["items"]) == [0, 1, 2]


def test_a_matrix_has_all_combinations(api: ApiFarm) -> None:
    found = executions(api, post(api, {"matrix": {"A": ["x", "y"], "B": [1, 2, 3]}}))
    combinations = [(one.envs["A"], one.envs["B"]) for one in found]
    assert combinations == [(a, b) for a in "xy" for b in "123"]


def test_no_more_than_most_at_once_have_a_turn(api: ApiFarm) -> None:
    accepted = post(api, {"count": 5, "mostAtOnce": 2})
    assert indexes(api, accepted, State.ENQUEUED) == [0, 1]
    for _ in range(5):
        begun = executions(api, accepted, State.ENQUEUED)
        assert len(begun) <= 2
        finish(api, begun[0], SUCCESS)
    assert indexes(api, accepted, State.DONE) == [0, 1, 2, 3, 4]


def test_a_turn_is_kept_through_retries_and_each_index_has_its_own(api: ApiFarm) -> None:
    accepted = post(api, {"count": 3, "mostAtOnce": 1}, retries=1)
    finish(api, executions(api, accepted)[0], FAILURE)
    retry = executions(api, accepted)[1]
    assert (retry.array_index, retry.attempt, indexes(api, accepted, State.ENQUEUED)) == (0, 2, [])
    fire(api.farm, retry.id)
    finish(api, retry, FAILURE)
    assert indexes(api, accepted, State.ENQUEUED) == [1]
    assert summary(api, accepted)["failed"] == 1


def test_all_together_have_one_state(api: ApiFarm) -> None:
    accepted = post(api, {"count": 3, "mostAtOnce": 2})
    counts = {"count": 3, "mostAtOnce": 2, "running": 0, "done": 0, "failed": 0, "stopped": 0}
    assert summary(api, accepted) == counts | {"state": "waiting", "waiting": 3}
    first, second = executions(api, accepted, State.ENQUEUED)
    finish(api, first, FAILURE)
    finish(api, second, SUCCESS)
    assert summary(api, accepted) == counts | {"state": "running", "waiting": 1, "done": 1, "failed": 1}
    finish(api, executions(api, accepted, State.ENQUEUED)[0], SUCCESS)
    assert summary(api, accepted) == counts | {"state": "failed", "waiting": 0, "done": 2, "failed": 1}


def test_a_stop_of_the_job_stops_all(api: ApiFarm) -> None:
    accepted = post(api, {"count": 5, "mostAtOnce": 2})
    finish(api, executions(api, accepted)[0], SUCCESS)
    assert api.client.post(f"/tasks/t/jobs/{accepted['jobId']}/stop/").status_code == 200
    assert summary(api, accepted)["state"] == "stopped"
    assert indexes(api, accepted, State.STOPPED) == [1, 2, 3, 4]


def test_a_stop_of_one_lets_the_next_start(api: ApiFarm) -> None:
    accepted = post(api, {"count": 3, "mostAtOnce": 1})
    api.client.post(f"/tasks/t/jobs/{accepted['jobId']}/executions/{executions(api, accepted)[0].id}/stop/")
    assert indexes(api, accepted, State.ENQUEUED) == [1]


def test_another_job_can_wait_for_the_whole_array_and_the_array_for_another_job(api: ApiFarm) -> None:
    first = api.post("t")
    array = post(api, {"count": 3, "mostAtOnce": 2}, after=[{"job": first["jobId"]}])
    last = api.post("t", after=[{"job": array["jobId"]}])
    assert indexes(api, array, State.ENQUEUED) == []
    finish(api, api.execution(first["executionId"]), SUCCESS)
    for _ in range(3):
        assert api.execution(last["queueJobId"]).state is State.SCHEDULED
        finish(api, executions(api, array, State.ENQUEUED)[0], SUCCESS)
    assert api.execution(last["queueJobId"]).state is State.ENQUEUED


def test_an_array_whose_dependency_fails_never_starts(api: ApiFarm) -> None:
    first = api.post("t")
    array = post(api, {"count": 250, "mostAtOnce": 2}, after=[{"job": first["jobId"]}])
    clean_up = api.post("t", after=[{"job": array["jobId"], "when": "finishes"}])
    finish(api, api.execution(first["executionId"]), FAILURE)
    follow_up_owed(api.farm)
    assert {one.cause for one in executions(api, array)} == {Cause.DEPENDENCY_FAILED}
    assert api.execution(clean_up["queueJobId"]).state is State.ENQUEUED


@pytest.mark.parametrize("kind", list(Kind))
def test_whoever_dies_a_turn_is_passed_on_once(api: ApiFarm, kind: Kind) -> None:
    for at in range(1, 60):
        accepted = post(api, {"count": 4, "mostAtOnce": 1})
        trouble = Trouble(at=at, kind=kind)
        first = executions(api, accepted)[0]
        try:
            finish(api, first, SUCCESS, trouble.around_farm(api.farm))
        except (Crash, ServiceUnavailable):
            pass
        if len(trouble.calls) < at:
            return
        follow_up_owed(api.farm)
        if api.execution(first.id).state.is_terminal:
            ExecutionDocument.objects(id=first.id).update_one(set__owes_follow_up=True)
            follow_up_owed(api.farm)  # done twice
            assert indexes(api, accepted, State.ENQUEUED) == [1], (at, trouble.calls)
    raise AssertionError("it ends before")


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"array": {}}, "array"),
        ({"array": {"count": 2, "matrix": {"A": ["b"]}}}, "array"),
        ({"array": {"count": 0}}, "array.count"),
        ({"array": {"count": LARGEST + 1}}, "array.count"),
        ({"array": {"matrix": {"A": list(range(200)), "B": list(range(200))}}}, "array"),
        ({"array": {"matrix": {"A": []}}}, "array.matrix.A"),
        ({"array": {"count": 2, "mostAtOnce": 0}}, "array.mostAtOnce"),
        ({"array": {"count": 2}, "cron": "@hourly"}, "body"),
        ({"array": {"cuont": 2}}, "array.cuont"),
    ],
)
def test_what_is_no_array_is_an_error(api: ApiFarm, spec: dict[str, Any], field: str) -> None:
    answer = api.client.post("/tasks/t/", data=json.dumps({"image": "busybox"} | spec))
    assert answer.status_code == 400
    assert field in faults_of(answer)


def test_an_array_is_not_changed_nor_run_again(api: ApiFarm) -> None:
    job_url = f"/tasks/t/jobs/{post(api, {'count': 2})['jobId']}/"
    assert "array" in faults_of(api.client.put(job_url, data=json.dumps({"image": "busybox"})))
    assert api.client.post(f"{job_url}retry/").status_code == 409


def test_the_largest_is_taken_in_whole(api: ApiFarm) -> None:
    accepted = post(api, {"count": LARGEST, "mostAtOnce": 3})
    assert ExecutionDocument.objects(job_id=accepted["jobId"]).count() == LARGEST
    assert summary(api, accepted)["waiting"] == LARGEST


def test_arrays_in_one_call_with_other_jobs(api: ApiFarm) -> None:
    jobs = [
        {"name": "all", "array": {"count": 3}},
        {"after": [{"name": "all"}]},
    ]
    body = json.dumps({"jobs": [{"task": "t", "image": "busybox"} | job for job in jobs]})
    array, then = api.client.post("/jobs/bulk/", data=body).json["jobs"]
    for one in executions(api, array):
        assert api.execution(then["queueJobId"]).state is State.SCHEDULED
        finish(api, one, SUCCESS)
    assert api.execution(then["queueJobId"]).state is State.ENQUEUED
