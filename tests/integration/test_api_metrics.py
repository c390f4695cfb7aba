"""GET /metrics: figures as MongoDB and Redis have them, in Prometheus' forms, with labels that nobody can multiply."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from jobrunner.domain.api_keys import Role
from jobrunner.domain.engine_circuit import Circuit
from jobrunner.domain.executions import Drain, Node
from jobrunner.domain.key_wish import KeyWish
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.placement import Demand
from jobrunner.domain.resources import Resources
from jobrunner.domain.states import State
from jobrunner.engine import keys
from jobrunner.engine.keys import CACHE_SECONDS
from jobrunner.engine.measures import farm_measures
from tests.support.api_farm import ApiFarm, api_farm, faults_of, new_task
from tests.support.metrics import Scrape, read_metrics
from tests.support.mongodb_profile import profiled
from tests.support.own_mongod import OwnMongod

pytestmark = pytest.mark.services
ENDED = "jobrunner_executions_ended_total"
AWAY_SECONDS = 2.0


@pytest.fixture
def api(mongodb_url: str) -> Iterator[ApiFarm]:
    with api_farm(mongodb_url, api_rate_per_address="1000/minute") as farm:
        yield farm


def scrape(client: FlaskClient, **options: Any) -> Scrape:
    answer = client.get("/metrics", **options)
    assert answer.status_code == 200, answer.text
    return read_metrics(answer.text)


def run(api: ApiFarm, state: State, cause: Cause) -> None:
    posted = api.post()
    changes = {"cause": cause, "finished_at": api.farm.clock.now(), "started_at": api.farm.clock.now()}
    api.advance(posted["executionId"], State.PULLING, State.RUNNING, state, **changes)


def test_executions_are_told_as_they_are_and_as_they_ended(api: ApiFarm) -> None:
    for state, cause in ((State.DONE, Cause.SUCCESS), (State.DONE, Cause.SUCCESS), (State.LOST, Cause.NODE_LOST)):
        run(api, state, cause)
    api.post()
    api.advance(api.post()["executionId"], State.PULLING)
    api.post(startIn="1h")
    told = scrape(api.client)
    ends = {end: told.value(ENDED, state=end[0], cause=end[1]) for end in (("done", "success"), ("lost", "node_lost"))}
    assert ends == {("done", "success"): 2, ("lost", "node_lost"): 1}
    assert told.total(ENDED) == 3
    opened = {"scheduled": 1, "enqueued": 1, "pulling": 1, "running": 0}
    assert told.labelled("jobrunner_executions", "state") == opened
    assert told.value("jobrunner_execution_duration_seconds_count") == 3
    assert told.value("jobrunner_execution_start_delay_seconds_bucket", le="+Inf") == 3
    assert (told.value("jobrunner_schedules_waiting"), told.value("jobrunner_schedules_late")) == (1, 0)
    assert told.value("jobrunner_queue_length", pool="default", priority="normal") == len(api.queue.waiting)
    assert told.value("jobrunner_scheduler_leads") == 0
    assert (told.value("jobrunner_store_up"), told.value("jobrunner_queue_up")) == (1, 1)


def test_an_end_that_has_not_come_yet_is_told_as_none(api: ApiFarm) -> None:
    assert scrape(api.client).value(ENDED, state="failed", cause="image_not_found") == 0


def test_what_a_scrape_costs_does_not_grow_with_history(api: ApiFarm) -> None:
    for _ in range(30):
        run(api, State.DONE, Cause.SUCCESS)
    scrape(api.client)
    _, operations = profiled(lambda: farm_measures(api.farm))
    assert len(operations) <= 25
    assert sum(operation.documents + operation.keys for operation in operations) <= 25


def test_what_is_late_and_who_leads_is_told(api: ApiFarm) -> None:
    (late,) = api.farm.store.executions.page_of_job(api.post(startIn="1h")["jobId"], 1, 1)
    now = api.farm.clock.now()
    changes = {"due_at": now - timedelta(minutes=1)}
    api.farm.store.executions.compare_and_set(late.id, states=[State.SCHEDULED], claim=None, changes=changes)
    api.triggers.lead_age = 0.25
    api.queue.push("waiting", waiting_since=now - timedelta(seconds=90))
    told = scrape(api.client)
    assert told.value("jobrunner_schedules_late") == 1
    assert 60 <= (told.value("jobrunner_schedule_lateness_seconds") or 0) < 120
    assert 90 <= (told.value("jobrunner_queue_oldest_age_seconds", pool="default", priority="normal") or 0) < 150
    assert (told.value("jobrunner_scheduler_leads"), told.value("jobrunner_scheduler_lead_age_seconds")) == (1, 0.25)


def test_nodes_are_told_with_their_state_and_what_they_have(api: ApiFarm) -> None:
    now, capacity = api.farm.clock.now(), Resources(4, 8000, 2**30, 1, 0)
    beats = {"up": now, "silent": now - timedelta(hours=1), "stopped": now}
    for name, seen_at in beats.items():
        stopped_at = now if name == "stopped" else None
        reserved, circuit = Resources(1, 1500, 2**20), Circuit.OPEN if name == "silent" else Circuit.CLOSED
        node = Node(name, "m", 1, 4, 1, seen_at, now, stopped_at=stopped_at, capacity=capacity, reserved=reserved)
        api.farm.store.nodes.beat(Node(**{**vars(node), "circuit": circuit}))
    api.farm.store.nodes.set_drain("up", Drain(now, None))
    api.farm.store.blacklist.add("silent", now)
    told = scrape(api.client)
    assert told.labelled("jobrunner_nodes", "state") == {"up": 1, "silent": 1, "stopped": 1}
    for name in beats:
        states = {state: told.value("jobrunner_node_state", node=name, state=state) for state in beats}
        assert states == {state: float(state == name) for state in beats}
    of_up = {name: told.value(f"jobrunner_node_{name}", node="up") for name in ("slots", "running", "draining")}
    assert of_up == {"slots": 4, "running": 1, "draining": 1}
    assert told.value("jobrunner_node_capacity_cpus", node="up") == 8
    assert told.value("jobrunner_node_reserved_cpus", node="up") == 1.5
    assert told.value("jobrunner_node_reserved_memory_bytes", node="up") == 2**20
    assert told.labelled("jobrunner_node_blacklisted", "node") == {"up": 0, "silent": 1, "stopped": 0}
    assert told.value("jobrunner_node_engine_circuit", node="silent", circuit="open") == 1
    assert told.value("jobrunner_node_engine_circuit", node="up", circuit="open") == 0
    assert (told.value("jobrunner_node_beat_age_seconds", node="silent") or 0) >= 3600


def test_requests_are_counted_by_route_and_never_by_what_the_caller_made_up(api: ApiFarm) -> None:
    task = new_task()
    api.post(task)
    for path in (f"/tasks/{task}/", "/no/such/path", f"/tasks/{new_task()}/"):
        api.client.get(path)
    api.client.open("/tasks/", method="BREW")
    answer = api.client.get("/metrics")
    told = read_metrics(answer.text)
    count = "jobrunner_http_requests_total"
    assert told.value(count, method="GET", route="/tasks/<task_id>", status="200") == 1
    assert told.value(count, method="GET", route="/tasks/<task_id>", status="404") == 1
    assert told.value(count, method="GET", route="none", status="404") == 1
    assert told.total(count, method="other") == 1
    assert told.value("jobrunner_http_request_duration_seconds_count", method="GET", route="/tasks/<task_id>") == 2
    assert task not in answer.text
    assert "no/such" not in answer.text


def test_pools_that_callers_make_up_do_not_multiply_series(api: ApiFarm) -> None:
    for number in range(150):
        api.queue.push(f"execution-{number}", Demand(pool=f"pool-{number}"))
    told = scrape(api.client)
    lengths = told.labelled("jobrunner_queue_length", "pool")
    assert len(lengths) == 101
    assert (sum(lengths.values()), lengths["other"]) == (150, 50)


def test_what_a_rate_limit_refuses_is_counted(mongodb_url: str) -> None:
    with api_farm(mongodb_url, api_rate_per_address="1/hour") as api:
        limited = api.client.application

        class Limiter:
            def wait_seconds(self, rate: str, who: str) -> float:
                return 0.0 if calls.pop() else 10.0

        calls = [True, False]
        object.__setattr__(api.farm, "rate_limiter", Limiter())
        assert limited is not None
        assert api.client.get("/tasks/").status_code == 429
        assert scrape(api.client).value("jobrunner_http_rate_limited_total", by="address") == 1


def test_openmetrics_is_for_who_accepts_it(api: ApiFarm) -> None:
    plain = api.client.get("/metrics")
    assert plain.content_type.startswith("text/plain; version=0.0.4")
    accepting = {"Accept": "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"}
    answer = api.client.get("/metrics", headers=accepting)
    assert answer.content_type.startswith("application/openmetrics-text")
    names = {family.name for family in parse_openmetrics(answer.text)}
    assert {"jobrunner_executions_ended", "jobrunner_http_requests"} <= names
    for strange in ("text/plain;version=x", "image/png", "*/*;q=nonsense", ""):
        assert api.client.get("/metrics", headers={"Accept": strange}).status_code == 200


def test_metrics_are_not_for_a_key_that_is_held_to_some_tasks(api: ApiFarm) -> None:
    tokens = [
        keys.create_key(api.farm, KeyWish(name="one", role=Role.READ, **limits))[1]
        for limits in ({}, {"task_pattern": "^ci-"})
    ]
    api.client.application.extensions["jobrunner.gatekeeper"].forget()  # type: ignore[union-attr]
    answers = [api.client.get("/metrics", headers={"Authorization": f"Bearer {token}"}) for token in tokens]
    assert [answer.status_code for answer in answers] == [200, 403]
    assert list(faults_of(answers[1])) == ["taskPattern"]
    assert api.client.get("/metrics").status_code == 401


def test_while_redis_is_away_the_rest_is_told(api: ApiFarm) -> None:
    api.queue.is_down = api.triggers.is_down = True
    told = scrape(api.client)
    assert (told.value("jobrunner_queue_up"), told.value("jobrunner_store_up")) == (0, 1)
    assert told.total(ENDED) == 0
    assert told.labelled("jobrunner_queue_length", "pool") == {}


@pytest.mark.parametrize(("trouble", "relief"), [(OwnMongod.kill, OwnMongod.start), (OwnMongod.freeze, OwnMongod.thaw)])
def test_while_mongodb_is_away_the_rest_is_told_soon_to_whom_it_was_told_before(
    tmp_path: Path, trouble: Callable[[OwnMongod], None], relief: Callable[[OwnMongod], None]
) -> None:
    mongod = OwnMongod(tmp_path).start()
    try:
        with api_farm(mongod.url) as api:
            _, token = keys.create_key(api.farm, KeyWish(name="prometheus", role=Role.READ))
            headers = {"Authorization": f"Bearer {token}"}
            assert scrape(api.client, headers=headers).value("jobrunner_store_up") == 1
            with during(lambda: trouble(mongod), lambda: relief(mongod)):
                time.sleep(CACHE_SECONDS)  # what the gatekeeper knows for a moment is over
                began = time.monotonic()
                told = scrape(api.client, headers=headers)
                seconds = time.monotonic() - began
                assert (told.value("jobrunner_store_up"), told.value("jobrunner_queue_up")) == (0, 1)
                assert (told.value("process_resident_memory_bytes") or 0) > 0
                assert told.total(ENDED) == 0
                assert seconds < AWAY_SECONDS
                strangers = {"Authorization": "Bearer jr_0123456789ab_00"}
                assert api.client.get("/metrics", headers=strangers).status_code in (401, 503)
    finally:
        mongod.kill()


@contextmanager
def during(trouble: Callable[[], object], relief: Callable[[], object]) -> Iterator[None]:
    trouble()
    try:
        yield
    finally:
        relief()
