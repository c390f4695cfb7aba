"""The documents of the native API, made from the engine's values."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobrunner.api.native import translate
from jobrunner.api.native.translate import JobView
from jobrunner.api.native.translate_nodes import node_list
from jobrunner.api.native.urls import Urls
from jobrunner.domain.executions import Execution, Job, Node, Page, Task
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.resources import Resources
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State
from jobrunner.domain.usage import ResourceUsage
from jobrunner.engine.queries import OutputTail

T0 = datetime(2019, 1, 17, 15, 13, 2, 614000, tzinfo=UTC)
JOB_ID = "5a023792-1445-44e9-8a8b-cfe5ad05d1c6"
EXECUTION_ID = "00735b1e-25c3-467d-a106-05701a786957"
URLS = Urls("http://localhost:10000")
NOTHING = OutputTail(b"", b"", is_whole=True)
ENQUEUED = Execution(
    EXECUTION_ID, JOB_ID, "t", JobSpec(image="task1", command="ls"), State.ENQUEUED, T0, times={State.ENQUEUED: T0}
)


def job(**spec: Any) -> Job:
    """A job with this specification."""
    return Job(JOB_ID, "t", JobSpec.model_validate({"image": "task1"} | spec), T0, T0, executions_count=1)


def shown(execution: Execution, tail: OutputTail = NOTHING) -> dict[str, Any]:
    """What the API shows of the execution."""
    document: dict[str, Any] = translate.execution_details(execution, tail, URLS)["execution"]
    return document


def shown_job(
    job: Job,
    newest: Execution | None = ENQUEUED,
    redacted_names: tuple[str, ...] = (),
    next_times: tuple[datetime, ...] = (),
) -> dict[str, Any]:
    """What the API shows of the job."""
    view = JobView(job, 1, [], newest, next_times)
    document: dict[str, Any] = translate.job_details(view, redacted_names, URLS)["job"]
    return document


def test_times_of_jobs_and_executions_are_iso_without_a_zone_in_microseconds() -> None:
    assert shown(ENQUEUED)["createdAt"] == "2019-01-17T15:13:02.614000"
    assert shown_job(job())["createdAt"] == "2019-01-17T15:13:02.614000"
    assert shown(replace(ENQUEUED, created_at=T0.replace(microsecond=0)))["createdAt"] == "2019-01-17T15:13:02.000000"


def test_each_execution_of_a_job_says_where_it_is() -> None:
    view = JobView(job(), 1, [(ENQUEUED, NOTHING)], ENQUEUED, ())
    (execution,) = translate.job_details(view, (), URLS)["job"]["executions"]
    assert execution["url"] == f"http://localhost:10000/tasks/t/jobs/{JOB_ID}/executions/{EXECUTION_ID}"
    assert shown(ENQUEUED)["url"] == execution["url"]


def test_times_of_tasks_are_unix_seconds() -> None:
    page = translate.task_page(Page((Task("t", T0, T0 + timedelta(seconds=1.5), 2),), 1, 10, 1), URLS)
    assert page["items"] == [
        {
            "taskId": "t",
            "createdAt": 1547737982.614,
            "lastModifiedAt": 1547737984.114,
            "jobsCount": 2,
            "url": "http://localhost:10000/tasks/t",
        }
    ]


@pytest.mark.parametrize(("number", "has_prev", "has_next"), [(1, False, True), (2, True, True), (3, True, False)])
def test_a_page_of_tasks_leads_to_its_neighbours(number: int, has_prev: bool, has_next: bool) -> None:
    page = translate.task_page(Page((), number, per_page=10, total=21), URLS)
    assert (page["hasPrev"], page["hasNext"], page["pages"]) == (has_prev, has_next, 3)
    assert page["prevUrl"] == (f"http://localhost:10000/tasks/?page={number - 1}" if has_prev else None)
    assert page["nextUrl"] == (f"http://localhost:10000/tasks/?page={number + 1}" if has_next else None)


def test_a_task_id_is_percent_encoded_in_urls() -> None:
    assert Urls("http://h").task("ä b?#%") == "http://h/tasks/%C3%A4%20b%3F%23%25"


@pytest.mark.parametrize(
    ("cause", "error"),
    [
        (None, "oops"),
        (Cause.SUCCESS, "oops"),
        (Cause.EXIT_CODE, "oops"),
        (Cause.STOPPED, "oops"),
        (Cause.IMAGE_NOT_FOUND, "in words\noops"),
        (Cause.COMMAND_NOT_FOUND, "in words\noops"),
        (Cause.OUT_OF_MEMORY, "in words\noops"),
        (Cause.KILLED, "in words\noops"),
        (Cause.TIMEOUT, "in words\noops"),
        (Cause.NODE_LOST, "in words\noops"),
    ],
)
def test_the_error_begins_with_the_reason_where_the_exit_code_does_not_tell_it(cause: Cause, error: str) -> None:
    ended = replace(ENQUEUED, cause=cause, reason="in words")
    assert shown(ended, OutputTail(b"", b"oops", is_whole=True))["error"] == error


def test_the_error_is_the_reason_alone_where_nothing_was_written() -> None:
    assert shown(replace(ENQUEUED, cause=Cause.IMAGE_NOT_FOUND, reason="no image"))["error"] == "no image"


def test_output_that_is_no_text_is_shown_with_replacement_characters() -> None:
    assert shown(ENQUEUED, OutputTail(b"a\xffb", b"", is_whole=True))["log"] == "a\ufffdb"


def test_a_tail_that_begins_inside_a_character_begins_with_the_next() -> None:
    cut = "😀é".encode()[1:]
    assert shown(ENQUEUED, OutputTail(cut, b"", is_whole=False))["log"] == "é"
    assert shown(ENQUEUED, OutputTail(cut, b"", is_whole=False))["logTruncated"] is True


def test_the_history_is_in_the_order_of_the_life_even_within_one_instant() -> None:
    later = T0 + timedelta(seconds=1)
    times = {State.DONE: later, State.RUNNING: T0, State.ENQUEUED: T0, State.PULLING: T0}
    history = shown(replace(ENQUEUED, times=times))["history"]
    assert [move["status"] for move in history] == ["enqueued", "pulling", "running", "done"]
    assert history[-1]["at"] == "2019-01-17T15:13:03.614000"


def test_secrets_in_the_environment_are_hidden_by_name() -> None:
    envs = {"DB_PASSWORD": "hunter2", "client_ID": "me", "PLAIN": "seen"}
    metadata = shown_job(job(envs=envs), redacted_names=("Password", "client_id"))["metadata"]
    assert metadata["envs"] == {"DB_PASSWORD": "***", "client_ID": "***", "PLAIN": "seen"}


def test_labels_of_the_container_are_shown_without_secrets() -> None:
    container = {"user": "1000", "labels": {"db.password": "hush", "team": "render"}}
    shown = shown_job(job(container=container), redacted_names=("Password",))["metadata"]["container"]
    assert shown == {"user": "1000", "labels": {"db.password": "***", "team": "render"}}


def test_a_job_was_last_modified_when_its_newest_execution_moved() -> None:
    ended = replace(ENQUEUED, times={State.ENQUEUED: T0, State.DONE: T0 + timedelta(seconds=14)})
    assert shown_job(job(), ended)["lastModifiedAt"] == "2019-01-17T15:13:16.614000"


def test_a_job_tells_its_timeout_and_how_often_it_was_tried_again() -> None:
    metadata = shown_job(job(retries=3), replace(ENQUEUED, attempt=3, timeout_seconds=1800.0))["metadata"]
    assert (metadata["retries"], metadata["retry_count"], metadata["timeout"]) == (3, 2, 1800)
    assert metadata["enqueued_id"] == EXECUTION_ID


def test_a_job_without_an_execution_can_be_shown() -> None:
    metadata = shown_job(job(timeout=5), newest=None)["metadata"]
    assert (metadata["enqueued_id"], metadata["retry_count"], metadata["timeout"]) == (None, 0, 5)


@pytest.mark.parametrize(
    ("job", "next_times", "scheduled"),
    [
        (job(), (), False),
        (job(startIn="1h"), (T0,), True),
        (job(startIn="1h"), (), False),
        (job(cron="* * * * *"), (T0,), True),
        (replace(job(cron="* * * * *"), stopped_at=T0), (), False),
    ],
)
def test_a_job_is_scheduled_while_it_is_still_to_start_by_itself(
    job: Job, next_times: tuple[datetime, ...], scheduled: bool
) -> None:
    shown = shown_job(job, next_times=next_times)
    assert shown["scheduled"] is scheduled
    assert shown["nextTimes"] == ["2019-01-17T15:13:02.614000"] * len(next_times)


NODE = Node("n1", "host", pid=1, slots=16, running=3, seen_at=T0, started_at=T0, engine_version="20.10")


@pytest.mark.parametrize(
    ("node", "seconds_later", "state"),
    [
        (NODE, 30, "up"),
        (NODE, 31, "silent"),
        (replace(NODE, stopped_at=T0), 1, "stopped"),
        (replace(NODE, stopped_at=T0), 99, "stopped"),
    ],
)
def test_a_node_is_up_silent_or_stopped(node: Node, seconds_later: int, state: str) -> None:
    (item,) = node_list([node], T0 + timedelta(seconds=seconds_later), silent_seconds=30.0)["items"]
    told = {
        "name": "n1",
        "machine": "host",
        "pid": 1,
        "slots": 16,
        "running": 3,
        "seenAt": "2019-01-17T15:13:02.614000",
        "state": state,
        "engineVersion": "20.10",
        "volumes": [],
    }
    assert item | told == item


def test_the_retry_policy_is_shown_as_the_job_gave_it() -> None:
    policy = {"firstDelaySeconds": 1.5, "on": ["exitCode", "lost"], "exitCodes": [75]}
    assert shown_job(job(retries=2, retryPolicy=policy))["metadata"]["retryPolicy"] == policy
    assert shown_job(job(retries=2, retryPolicy={}))["metadata"]["retryPolicy"] == {}
    assert shown_job(job(retries=2))["metadata"]["retryPolicy"] is None


def test_usage_is_shown_under_the_names_and_units_of_the_api() -> None:
    assert shown(ENQUEUED)["usage"] is None
    assert shown(replace(ENQUEUED, usage=ResourceUsage(T0, 1.5, 4096, 3, 4, None, 0)))["usage"] == {
        "cpuSeconds": 1.5,
        "peakMemoryBytes": 4096,
        "networkReceivedBytes": 3,
        "networkSentBytes": 4,
        "blockReadBytes": None,
        "blockWrittenBytes": 0,
        "sampledAt": "2019-01-17T15:13:02.614000",
    }


def test_a_node_shows_what_it_has_and_what_of_it_is_free() -> None:
    capacity = Resources(slots=4, cpu_millis=2500, memory_bytes=2**30, gpus=1)
    busy = replace(NODE, capacity=capacity, reserved=Resources(slots=1, cpu_millis=500), labels={"zone": "a"})
    (item,) = node_list([busy], T0, silent_seconds=30.0)["items"]
    assert item["capacity"] == {"slots": 4, "cpu": 2.5, "memory": 2**30, "gpu": 1, "storage": 0}
    assert item["free"] == {"slots": 3, "cpu": 2.0, "memory": 2**30, "gpu": 1, "storage": 0}
    assert (item["labels"], item["pools"]) == ({"zone": "a"}, ("default",))
