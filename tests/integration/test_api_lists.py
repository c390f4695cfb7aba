"""Lists of executions and of jobs: filters, labels, and paging that stays right while items come; on a real MongoDB."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from jobrunner.domain.states import State
from jobrunner.store import newest_first
from tests.support.api_farm import BASE, ApiFarm, api_farm, faults_of


@pytest.fixture
def api(mongodb_url: str) -> Iterator[ApiFarm]:
    with api_farm(mongodb_url, page_size=3) as farm:
        yield farm


def pages(api: ApiFarm, url: str) -> Iterator[list[dict[str, Any]]]:
    """The items of each page, following nextUrl."""
    next_url: str | None = url
    while next_url is not None:
        answer = api.client.get(next_url)
        assert answer.status_code == 200, answer.text
        next_url = answer.json["nextUrl"]
        assert answer.json["hasNext"] is (next_url is not None)
        yield answer.json["items"]


def tasks_of(api: ApiFarm, url: str) -> list[str]:
    """The tasks of all items of a list."""
    return [item["taskId"] for items in pages(api, url) for item in items]


@pytest.fixture
def labelled(api: ApiFarm) -> ApiFarm:
    """Jobs with labels, each of a task that is named for them."""
    api.post("plain")
    api.post("red", labels={"color": "red", "team/owner": "a=b"})
    api.post("blue", labels={"color": "blue"})
    api.post("red-old", labels={"color": "red", "age": ""})
    return api


@pytest.mark.parametrize("path", ["/executions/", "/jobs/"])
@pytest.mark.parametrize(
    ("query", "tasks"),
    [
        ("label=color", ["red-old", "blue", "red"]),
        ("label=color=red", ["red-old", "red"]),
        ("label=color%3Dred&label=age", ["red-old"]),
        ("label=age=", ["red-old"]),
        ("label=team/owner=a=b", ["red"]),
        ("label=color=red&label=color=blue", []),
        ("label=colo", []),
        ("task=red&label=color", ["red"]),
        ("task=red&label=color=blue", []),
    ],
)
def test_jobs_and_executions_are_found_by_all_of_the_labels(
    labelled: ApiFarm, path: str, query: str, tasks: list[str]
) -> None:
    assert tasks_of(labelled, f"{path}?{query}") == tasks


def test_labels_are_shown_on_job_and_execution_and_replaced_with_the_job(api: ApiFarm) -> None:
    posted = api.post("t", labels={"a": "1"})
    api.client.put(posted["jobUrl"], data='{"image": "busybox", "labels": {"b": "2"}}')
    job = api.client.get(posted["jobUrl"]).json["job"]
    assert job["labels"] == {"b": "2"}
    first = api.client.get(posted["executionUrl"]).json["execution"]
    assert first["labels"] == {"a": "1"}
    assert tasks_of(api, "/jobs/?label=a") == []
    assert tasks_of(api, "/jobs/?label=b=2") == ["t"]
    assert tasks_of(api, "/executions/?label=a") == ["t"]
    api.client.put(posted["jobUrl"], data='{"image": "busybox"}')
    assert tasks_of(api, "/jobs/?label=b") == []


@pytest.mark.parametrize(
    ("labels", "field"),
    [
        ({"": "x"}, "labels."),
        ({"a b": "x"}, "labels.a b"),
        ({"-a": "x"}, "labels.-a"),
        ({"a=b": "x"}, "labels.a=b"),
        ({"a" * 64: "x"}, "labels." + "a" * 64),
        ({"a": "x" * 256}, "labels.a"),
        ({"a": 1}, "labels.a"),
        ({str(number): "" for number in range(33)}, "labels"),
        (["a"], "labels"),
    ],
)
def test_labels_that_cannot_be_are_refused(api: ApiFarm, labels: Any, field: str) -> None:
    answer = api.client.post("/tasks/t/", json={"image": "busybox", "labels": labels})
    assert answer.status_code == 400
    assert set(faults_of(answer)) == {field}


@pytest.mark.parametrize("list_url", ["/executions/?task=t", "/jobs/?task=t", "job"])
def test_what_is_made_meanwhile_neither_repeats_nor_hides_an_item(api: ApiFarm, list_url: str) -> None:
    posted = api.post("t")
    job_list = list_url == "job"
    url = f"{posted['jobUrl']}/executions/" if job_list else list_url

    def make_one() -> None:
        _ = api.client.post(f"{posted['jobUrl']}/retry/") if job_list else api.post("t")

    for _ in range(6):
        make_one()
    seen = []
    for items in pages(api, url):
        seen += [item["url"] for item in items]
        make_one()
        make_one()
    assert len(seen) == len(set(seen)) == 7


def test_a_page_goes_on_where_its_last_item_was_though_that_is_there_no_more(api: ApiFarm) -> None:
    made = [api.post("t")["executionId"] for _ in range(5)]
    first = api.client.get("/executions/").json
    milliseconds, _ = first["nextUrl"].split("after=")[1].split("_")
    gone = f"{milliseconds}_{made[0][:-1]}{'0' if made[0][-1] != '0' else '1'}"
    found = [item["executionId"] for item in api.client.get(f"/executions/?after={gone}").json["items"]]
    assert set(made[:2]) <= set(found)


def test_executions_are_listed_until_an_instant_that_counts_no_more(api: ApiFarm) -> None:
    api.post("t")
    for path in ("/executions/", "/jobs/"):
        (item,) = api.client.get(path).json["items"]
        made = datetime.fromisoformat(item["createdAt"])
        for until, found in ((made, []), (made + timedelta(milliseconds=1), ["t"])):
            query = f"since={made.isoformat()}&until={until.isoformat()}"
            assert tasks_of(api, f"{path}?{query}") == found


def test_what_a_combination_of_filters_costs_is_bounded_and_nothing_is_left_out(
    api: ApiFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newest_first, "FEW_LOOKED_AT", 1)
    monkeypatch.setattr(newest_first, "MOST_LOOKED_AT", 4)
    oldest = api.post("t", labels={"rare": "", "usual": ""})
    for _ in range(10):
        api.post("t", labels={"usual": ""})
    for path in ("/executions/", "/jobs/"):
        found = list(pages(api, f"{path}?label=usual&label=rare&task=t"))
        assert [len(items) for items in found] == [0, 0, 1]
        assert found[-1][0]["jobId"] == oldest["jobId"]


def test_every_combination_of_filters_gives_what_all_of_them_allow(api: ApiFarm) -> None:
    for number in range(8):
        labels = {"even": ""} if number % 2 == 0 else {}
        posted = api.post(f"task-{number % 4 // 2}", labels=labels)
        node = "one" if number < 4 else "two"
        api.advance(
            posted["executionId"], *([State.PULLING, State.FAILED] if number % 3 else [State.PULLING]), node=node
        )
    everything = [item for items in pages(api, "/executions/") for item in items]
    tests = {
        "status=failed": lambda item: item["status"] == "failed",
        "task=task-1": lambda item: item["taskId"] == "task-1",
        "label=even": lambda item: "even" in item["labels"],
        "node=one": lambda item: item["node"] == "one",
    }
    for mask in range(16):
        names = [name for bit, name in enumerate(tests) if mask >> bit & 1]
        wanted = [item for item in everything if all(tests[name](item) for name in names)]
        assert [item for items in pages(api, f"/executions/?{'&'.join(names)}") for item in items] == wanted


def test_jobs_are_listed_by_what_they_are_to_their_schedule(api: ApiFarm) -> None:
    once = api.post("once")
    cron = api.post("cron", cron="0 0 1 1 *")
    api.post("later", startIn="1h")
    api.post("past", startAt=1_000_000_000)
    stopped = api.post("stopped", cron="0 0 1 1 *")
    api.client.post(stopped["jobUrl"] + "/stop/")
    assert tasks_of(api, "/jobs/?state=scheduled") == ["later", "cron"]
    assert tasks_of(api, "/jobs/?state=stopped") == ["stopped"]
    assert tasks_of(api, "/jobs/?state=scheduled&task=cron") == ["cron"]
    assert tasks_of(api, "/jobs") == ["stopped", "past", "later", "cron", "once"]
    api.client.put(stopped["jobUrl"], data='{"image": "busybox", "cron": "@daily"}')
    assert tasks_of(api, "/jobs/?state=stopped") == []
    api.client.put(cron["jobUrl"], data='{"image": "busybox"}')
    assert tasks_of(api, "/jobs/?state=scheduled") == ["stopped", "later"]
    (item,) = [item for items in pages(api, "/jobs/?task=once") for item in items]
    assert item == {
        "jobId": once["jobId"],
        "taskId": "once",
        "url": f"{BASE}/tasks/once/jobs/{once['jobId']}",
        "image": "busybox",
        "command": None,
        "createdAt": item["createdAt"],
        "lastModifiedAt": item["createdAt"],
        "executionCount": 1,
        "scheduled": False,
        "stoppedAt": None,
        "pausedAt": None,
        "labels": {},
    }


@pytest.mark.parametrize(
    ("url", "field"),
    [
        ("/executions/?page=2", "page"),
        ("/executions/?state=done", "state"),
        ("/executions/?after=nonsense", "after"),
        ("/executions/?after=99999999999999_" + "a" * 36, "after"),
        ("/executions/?label=", "label"),
        ("/executions/?label=a%20b", "label"),
        ("/executions/?" + "&".join(f"label=a{n}" for n in range(33)), "label"),
        ("/executions/?until=soon", "until"),
        ("/jobs/?status=done", "status"),
        ("/jobs/?state=running", "state"),
        ("/jobs/?task=a/b", "taskId"),
    ],
)
def test_filters_that_cannot_be_are_refused(api: ApiFarm, url: str, field: str) -> None:
    answer = api.client.get(url)
    assert answer.status_code == 400
    assert set(faults_of(answer)) == {field}
