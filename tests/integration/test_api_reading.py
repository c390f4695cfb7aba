"""Search, status, filters, the executions of a job, its next times, and running it again; over a real MongoDB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from jobrunner import __version__
from jobrunner.domain.executions import Node
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.states import State
from jobrunner.domain.usage import ResourceUsage
from jobrunner.engine import status
from tests.support.api_farm import BASE, ApiFarm, api_farm, faults_of

USAGE = ResourceUsage(datetime(2026, 5, 1, 12, tzinfo=UTC), 1.5, 4096, 3, 4, None, 6)
USAGE_SHOWN = {
    "cpuSeconds": 1.5,
    "peakMemoryBytes": 4096,
    "networkReceivedBytes": 3,
    "networkSentBytes": 4,
    "blockReadBytes": None,
    "blockWrittenBytes": 6,
    "sampledAt": "2026-05-01T12:00:00.000000",
}
DONE = (State.PULLING, State.RUNNING, State.DONE)


@pytest.fixture
def api(mongodb_url: str) -> Iterator[ApiFarm]:
    with api_farm(mongodb_url, page_size=3) as farm:
        yield farm


def get(api: ApiFarm, url: str) -> dict[str, Any]:
    """What the API answers; it must be a success."""
    answer = api.client.get(url)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json
    return document


def iso(instant: datetime) -> str:
    """The instant as the API writes it."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


# ------------------------------------------------------------------------------------------------------ retry


@pytest.mark.parametrize("jobs", ["job", "jobs"])
def test_a_job_is_run_again_under_its_present_definition(api: ApiFarm, jobs: str) -> None:
    posted = api.post("t", image="old", retries=2)
    api.client.put(posted["jobUrl"], data='{"image": "new"}')
    last = get(api, posted["jobUrl"])["job"]["executions"][0]["executionId"]
    api.advance(last, *DONE, exit_code=0)
    answer = api.client.post(f"/tasks/t/{jobs}/{posted['jobId']}/retry/")
    assert answer.status_code == 200, answer.text
    again = answer.json
    assert again == {
        **{key: posted[key] for key in ("jobId", "jobUrl", "taskId", "taskUrl")},
        "queueJobId": again["executionId"],
        "executionId": again["executionId"],
        "executionUrl": f"{posted['jobUrl']}/executions/{again['executionId']}",
    }
    assert api.queue.pushed[-1] == again["executionId"]
    execution = get(api, again["executionUrl"])["execution"]
    assert (execution["image"], execution["attempt"], execution["status"]) == ("new", 1, "enqueued")
    assert execution["retriedFrom"] == last
    assert get(api, posted["jobUrl"])["job"]["executionCount"] == 3


@pytest.mark.parametrize("schedule", [{"startIn": "1h"}, {"startAt": 4_000_000_000}, {"cron": "0 0 1 1 *"}])
def test_a_scheduled_job_is_run_now_and_its_schedule_stays(api: ApiFarm, schedule: dict[str, Any]) -> None:
    posted = api.post("t", **schedule)
    again = api.client.post(posted["jobUrl"] + "/retry").json
    execution = api.execution(again["executionId"])
    assert (execution.state, execution.due_at, execution.retried_from) == (State.ENQUEUED, None, None)
    assert api.execution(posted["queueJobId"]).state is State.SCHEDULED
    assert list(api.triggers.alarms) == [posted["queueJobId"]]
    job = get(api, posted["jobUrl"])["job"]
    assert job["scheduled"] is True
    assert job["nextTimes"]


def test_a_stopped_job_is_run_by_hand_and_its_schedule_stays_ended(api: ApiFarm) -> None:
    posted = api.post("t", cron="* * * * *")
    api.client.post(posted["jobUrl"] + "/stop/")
    again = api.client.post(posted["jobUrl"] + "/retry/").json
    assert api.execution(again["executionId"]).state is State.ENQUEUED
    assert api.execution(again["executionId"]).retried_from == posted["queueJobId"]
    job = get(api, posted["jobUrl"])["job"]
    assert (job["scheduled"], job["nextTimes"]) == (False, [])
    assert job["stoppedAt"] is not None


def test_a_job_whose_expiration_has_passed_is_not_run_again(api: ApiFarm) -> None:
    posted = api.post("t", expiration=1_000_000_000)
    answer = api.client.post(posted["jobUrl"] + "/retry/")
    assert answer.status_code == 409
    assert "passed" in faults_of(answer)["expiration"]
    assert get(api, posted["jobUrl"])["job"]["executionCount"] == 1
    assert len(api.queue.pushed) == 1


def test_nothing_is_run_again_while_redis_is_away(api: ApiFarm) -> None:
    posted = api.post("t")
    api.queue.is_down = True
    assert api.client.post(posted["jobUrl"] + "/retry/").status_code == 503
    assert get(api, posted["jobUrl"])["job"]["executionCount"] == 1


def test_what_is_not_there_is_not_run_again(api: ApiFarm) -> None:
    posted = api.post("t")
    for url in (posted["jobUrl"].replace("/t/", "/other/"), posted["jobUrl"][:-4] + "0000"):
        assert set(faults_of(api.client.post(url + "/retry/"))) == {"jobId"}
    assert api.client.get(posted["jobUrl"] + "/retry/").status_code == 405


# ----------------------------------------------------------------------------------------------------- search


def test_tasks_are_found_by_whole_words_a_page_at_a_time(api: ApiFarm) -> None:
    for name in ("train-a", "Train-b", "my train", "train_c", "trainer", "render-a"):
        api.post(name)
    first = get(api, "/search/?query=TRAIN")
    second = get(api, first["nextUrl"])
    assert [item["taskId"] for item in first.pop("items")] == ["train-a", "Train-b", "my train"]
    assert [item["taskId"] for item in second["items"]] == ["train_c"]
    assert first == {
        "hasNext": True,
        "hasPrev": False,
        "nextUrl": f"{BASE}/search/?query=TRAIN&page=2",
        "page": 1,
        "pages": 2,
        "perPage": 3,
        "prevUrl": None,
        "total": 4,
    }
    assert [item["taskId"] for item in get(api, "/search?query=a+train")["items"]] == ["train-a"]
    assert set(second["items"][0]) == {"createdAt", "jobsCount", "lastModifiedAt", "taskId", "url"}


def test_a_search_that_finds_nothing_is_an_empty_page(api: ApiFarm) -> None:
    page = get(api, "/search/?query=nothing")
    assert (page["items"], page["total"], page["pages"]) == ([], 0, 1)
    assert set(faults_of(api.client.get("/search/?query=nothing&page=2"))) == {"page"}


@pytest.mark.parametrize("query", ["", "?query=", "?query=-_%20"])
def test_a_search_without_a_word_is_refused(api: ApiFarm, query: str) -> None:
    answer = api.client.get(f"/search/{query}")
    assert answer.status_code == 400
    assert set(faults_of(answer)) == {"query"}


# ------------------------------------------------------------------------------------------------- executions


def test_executions_are_listed_by_node_and_time(api: ApiFarm) -> None:
    posted = [api.post("t")["executionId"] for _ in range(5)]
    for execution_id in posted[:4]:
        api.advance(execution_id, State.PULLING, node="n 1")
    page = get(api, "/executions/?node=n+1")
    assert [item["executionId"] for item in page["items"]] == posted[3:0:-1]
    assert page["nextUrl"].startswith(f"{BASE}/executions/?node=n+1&after=")
    assert [item["executionId"] for item in get(api, page["nextUrl"])["items"]] == posted[:1]
    soon = api.farm.clock.now() + timedelta(minutes=1)
    for instant in (soon.isoformat(), iso(soon), str(soon.timestamp()), str(int(soon.timestamp()) + 1)):
        assert get(api, f"/executions/?since={quote(instant)}")["items"] == []
    long_ago = quote("2020-01-01T00:00:00+02:00")
    page = get(api, f"/executions/?since={long_ago}&status=enqueued")
    assert [item["executionId"] for item in page["items"]] == posted[4:]
    assert get(api, get(api, f"/executions/?since={long_ago}")["nextUrl"])["hasNext"] is False


def test_since_is_the_first_instant_that_counts(api: ApiFarm) -> None:
    made = api.execution(api.post("t")["executionId"])
    for instant, found in ((made.created_at, 1), (made.created_at + timedelta(milliseconds=1), 0)):
        assert len(get(api, f"/executions/?since={quote(instant.isoformat())}")["items"]) == found


@pytest.mark.parametrize("since", ["yesterday", "2026-13-01", "-5", "9999999999999999", "0001-01-01T00:00:00%2B10:00"])
def test_a_time_that_is_none_is_refused(api: ApiFarm, since: str) -> None:
    answer = api.client.get(f"/executions/?since={since}")
    assert answer.status_code == 400
    assert set(faults_of(answer)) == {"since"}


def test_all_executions_of_a_job_are_listed_newest_first(api: ApiFarm) -> None:
    posted = api.post("t")
    api.post("t")
    made = [
        posted["executionId"],
        *(api.client.post(posted["jobUrl"] + "/retry/").json["executionId"] for _ in range(3)),
    ]
    list_url = f"{posted['jobUrl']}/executions"
    first = get(api, list_url)
    assert [item["executionId"] for item in first["items"]] == made[:0:-1]
    assert first["items"][0] == get(api, "/executions/")["items"][0]
    assert first["nextUrl"].startswith(f"{list_url}/?after=")
    second = get(api, first["nextUrl"].replace("/jobs/", "/job/"))
    assert [item["executionId"] for item in second["items"]] == made[:1]
    assert second["hasNext"] is False
    assert api.client.get(list_url.replace("/t/", "/other/")).status_code == 404


# ------------------------------------------------------------------------------------------------- next times


def test_a_cron_job_shows_its_next_five_times(api: ApiFarm) -> None:
    posted = api.post("t", cron="0 12 1 1 *", timezone="Asia/Tokyo")
    times = get(api, posted["jobUrl"])["job"]["nextTimes"]
    this_year = int(times[0][:4])
    assert times == [f"{year}-01-01T03:00:00.000000" for year in range(this_year, this_year + 5)]
    assert times[0] == iso(api.triggers.alarms[posted["queueJobId"]])


def test_a_job_that_starts_later_shows_its_one_time_while_it_waits(api: ApiFarm) -> None:
    for later in ({"startIn": "1h"}, {"startAt": 4_000_000_000}):
        posted = api.post("t", **later)
        assert get(api, posted["jobUrl"])["job"]["nextTimes"] == [iso(api.triggers.alarms[posted["queueJobId"]])]
        api.advance(posted["queueJobId"], State.ENQUEUED)
        job = get(api, posted["jobUrl"])["job"]
        assert (job["nextTimes"], job["scheduled"]) == ([], False)
    assert get(api, api.post("t")["jobUrl"])["job"]["nextTimes"] == []


# ----------------------------------------------------------------------------------------------------- status


def test_the_status_of_an_idle_farm(api: ApiFarm) -> None:
    assert get(api, "/status/") == {
        "hosts": [],
        "containers": {"running": [], "hasMore": False},
        "queues": {"jobs": {"length": 0, "waiting": []}, "scheduled": {"length": 0, "nextScheduledAt": None}},
        "tasks": {"count": 0},
        "jobs": {"count": 0, "scheduled": [], "hasMore": False},
        "fastlane": {"version": __version__},
        "version": __version__,
        "errors": [],
    }
    assert get(api, "/status") == get(api, "/status/")


def test_the_status_shows_what_runs_and_what_waits(api: ApiFarm) -> None:
    api.post("waits")
    runs = api.post("runs", image="busybox:1", envs={"API_KEY": "hunter2"})
    api.queue.withdraw(runs["executionId"])
    started_at = api.farm.clock.now()
    api.advance(runs["executionId"], State.PULLING, node="n1")
    api.advance(runs["executionId"], State.RUNNING, container_id="c1", started_at=started_at, usage=USAGE)
    later, sooner = api.post("later", startIn="2h"), api.post("sooner", startIn="1h")
    answer = api.client.get("/status/")
    assert "hunter2" not in answer.text
    document = answer.json
    due = {one["taskId"]: iso(api.triggers.alarms[one["queueJobId"]]) for one in (later, sooner)}
    assert document["containers"]["running"] == [
        {
            "executionId": runs["executionId"],
            "taskId": "runs",
            "jobId": runs["jobId"],
            "image": "busybox:1",
            "node": "n1",
            "startedAt": iso(started_at),
            "containerId": "c1",
            "usage": USAGE_SHOWN,
            "url": runs["executionUrl"],
        }
    ]
    assert document["queues"] == {
        "jobs": {"length": 1, "waiting": [{"pool": "default", "priority": "normal", "length": 1}]},
        "scheduled": {"length": 2, "nextScheduledAt": due["sooner"]},
    }
    assert document["tasks"] == {"count": 4}
    assert document["jobs"]["count"] == 4
    assert document["jobs"]["scheduled"] == [
        {
            "id": one["jobId"],
            "task": one["taskId"],
            "url": one["jobUrl"],
            "nextScheduledAt": due[one["taskId"]],
            "stopUrl": one["jobUrl"] + "/stop/",
        }
        for one in (sooner, later)
    ]
    assert api.client.post(document["jobs"]["scheduled"][0]["stopUrl"]).status_code == 200
    assert [job["task"] for job in get(api, "/status/")["jobs"]["scheduled"]] == ["later"]


def test_a_job_that_waits_twice_is_shown_once_at_its_earlier_time(api: ApiFarm) -> None:
    posted = api.post("t", cron="0 0 1 1 *")
    tick = api.execution(posted["queueJobId"])
    assert tick.due_at is not None
    retry = replace(tick, id=new_id(), attempt=2, due_at=tick.due_at - timedelta(minutes=1))
    api.farm.store.executions.add(retry)
    (shown,) = get(api, "/status/")["jobs"]["scheduled"]
    assert shown["nextScheduledAt"] == iso(tick.due_at - timedelta(minutes=1))


def test_the_status_is_bounded_and_says_so(api: ApiFarm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "MOST_SHOWN", 2)
    for _ in range(3):
        api.post("t", startIn="1h")
        api.advance(api.post("t")["executionId"], State.PULLING, State.RUNNING, node="n1")
    document = get(api, "/status/")
    assert (len(document["containers"]["running"]), document["containers"]["hasMore"]) == (2, True)
    assert (len(document["jobs"]["scheduled"]), document["jobs"]["hasMore"]) == (2, True)
    assert document["queues"]["scheduled"]["length"] == 3


def test_the_status_shows_each_node_and_what_is_wrong_with_it(api: ApiFarm) -> None:
    now = api.farm.clock.now()
    long_ago = now - timedelta(hours=1)
    up = Node("a", "m", 1, 16, 2, now, now, "20.10")
    nodes = [
        up,
        replace(up, name="b", seen_at=long_ago),
        replace(up, name="c", seen_at=long_ago, stopped_at=long_ago),
        replace(up, name="d", engine_address="10.0.0.7:2376", circuit="open", engine_error="refused"),
    ]
    for node in nodes:
        api.farm.store.nodes.beat(node)
    hosts = get(api, "/status/")["hosts"]
    assert hosts[0] == {
        "host": "a",
        "available": True,
        "blacklisted": False,
        "draining": False,
        "circuit": "closed",
        "error": None,
        "node": "a",
        "state": "up",
        "slots": 16,
        "running": 2,
        "engineVersion": "20.10",
    }
    shown = [(one["host"], one["available"], one["circuit"], one["state"], one["error"]) for one in hosts[1:]]
    assert shown == [
        ("b", False, "closed", "silent", f"not heard of since {iso(long_ago)}"),
        ("c", False, "closed", "stopped", f"stopped at {iso(long_ago)}"),
        ("10.0.0.7:2376", False, "open", "up", "refused"),
    ]


def test_a_node_that_is_drained_is_not_available(api: ApiFarm) -> None:
    now = api.farm.clock.now()
    api.farm.store.nodes.beat(Node("a", "m", 1, 16, 2, now, now, "20.10"))
    for method, drains in (("post", True), ("delete", False)):
        answer = getattr(api.client, method)("/nodes/a/drain/")
        assert answer.status_code == 200, answer.json
        assert (answer.json["node"]["drain"] is not None) == drains
        (host,) = get(api, "/status/")["hosts"]
        assert (host["available"], host["draining"]) == (not drains, drains)


def test_what_waits_is_shown_by_pool_and_priority(api: ApiFarm) -> None:
    for spec in ({}, {}, {"priority": "low"}, {"priority": "high"}):
        api.post("t", **spec)
    assert get(api, "/status/")["queues"]["jobs"] == {
        "length": 4,
        "waiting": [
            {"pool": "default", "priority": "high", "length": 1},
            {"pool": "default", "priority": "normal", "length": 2},
            {"pool": "default", "priority": "low", "length": 1},
        ],
    }


def test_the_status_says_what_it_cannot_tell_without_redis(api: ApiFarm) -> None:
    api.post("later", startIn="1h")
    api.queue.is_down = True
    document = get(api, "/status/")
    assert [fault["field"] for fault in document["errors"]] == ["redis"]
    assert document["queues"]["jobs"] == {"length": None, "waiting": []}
    assert document["queues"]["scheduled"]["length"] == 1
    assert document["tasks"] == {"count": 1}


# -------------------------------------------------------------------------------------------------- blacklist


@pytest.mark.parametrize("host", ["a", "engine:2375"])
def test_a_host_is_blacklisted_and_admitted_again_by_either_of_its_names(api: ApiFarm, host: str) -> None:
    now = api.farm.clock.now()
    api.farm.store.nodes.beat(Node("a", "m", 1, 16, 2, now, now, "20.10", engine_address="engine:2375"))
    api.farm.store.nodes.beat(Node("b", "m", 1, 16, 2, now, now, "20.10"))
    url = "/docker-executor/blacklist"
    for slash in ("", "/"):  # twice: it is idempotent
        answer = api.client.post(url + slash, json={"host": host})
        assert (answer.status_code, answer.json) == (200, {"host": host, "blacklisted": True, "nodes": ["a"]})
        shown = [(one["blacklisted"], one["available"]) for one in get(api, "/status/")["hosts"]]
        assert shown == [(True, False), (False, True)]
    for _ in range(2):
        answer = api.client.delete(url, json={"host": host})
        assert (answer.status_code, answer.json) == (200, {"host": host, "blacklisted": False, "nodes": ["a"]})
    assert not any(one["blacklisted"] for one in get(api, "/status/")["hosts"])


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ("", 400, "body"),
        ("[]", 400, "body"),
        ("{}", 400, "host"),
        ('{"host": 1}', 400, "host"),
        ('{"host": ""}', 400, "host"),
        ('{"host": "a", "port": 1}', 400, "port"),
        ('{"host": "nobody:1"}', 404, "host"),
    ],
)
def test_a_host_that_cannot_be_blacklisted_is_refused(api: ApiFarm, body: str, status: int, field: str) -> None:
    for method in (api.client.post, api.client.delete):
        answer = method("/docker-executor/blacklist/", data=body)
        assert answer.status_code == status
        assert set(faults_of(answer)) == {field}
