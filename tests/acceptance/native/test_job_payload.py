"""The keys of a job's body that the document leaves to its "Job Payload" page, each to where its effect is seen.

(That what is scheduled starts at its time is in tests/acceptance/test_schedules.py.)
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.acceptance.native.conftest import HARD_LIMIT_SECONDS
from tests.support.farm import Farm, wait_until
from tests.support.mail_server import Inbox
from tests.support.native_api import assert_refused, call, document, job_path, text
from tests.support.receiver import Call, Receiver

pytestmark = pytest.mark.services

NO_HOOKS: dict[str, list[Any]] = {"fails": [], "finishes": [], "succeeds": []}


def run(farm: Farm, *command: str, **spec: Any) -> dict[str, Any]:
    """The execution of such a job, once it has ended."""
    return farm.wait_for_end(farm.post_job(*command, **spec))


def job_of(farm: Farm, posted: dict[str, Any]) -> dict[str, Any]:
    job: dict[str, Any] = document(call(farm, "GET", job_path(posted)))["job"]
    return job


def seconds_until(shown: str) -> float:
    """How long it is until an instant as the API shows it."""
    return (datetime.fromisoformat(shown).replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds()


# ------------------------------------------------------------------------------------------- what runs, and how


def test_command_is_a_line_or_a_list_of_words(farm: Farm) -> None:
    assert run(farm, command="echo 'two words'  $HOME")["log"] == "two words $HOME\n"
    assert run(farm, command=["echo", "two words ", "$HOME"])["log"] == "two words  $HOME\n"


def test_envs_are_the_container_s(farm: Farm) -> None:
    envs = {"SMTP_SERVER": "my-smtp-server", "WORDS": "a  b 'c' \"é\" $HOME", "NUMBER": 7, "EMPTY": ""}
    ended = run(farm, "sh", "-c", 'echo "$SMTP_SERVER|$WORDS|$NUMBER|${EMPTY-unset}|${OTHER-unset}"', envs=envs)
    assert ended["log"] == "my-smtp-server|a  b 'c' \"é\" $HOME|7||unset\n"


def test_additional_dns_entries_are_in_the_container_s_hosts_file(farm: Farm) -> None:
    entries = {"db.example.org": "192.0.2.7", "v6.example.org": "2001:db8::7"}
    hosts = run(farm, "cat", "/etc/hosts", additionalDNSEntries=entries)["log"]
    assert {f"{address}\t{name}" for name, address in entries.items()} <= set(hosts.splitlines())


@pytest.mark.parametrize(
    ("asked", "held"), [({"timeout": 77}, 77), ({"timeout": 10 * HARD_LIMIT_SECONDS}, HARD_LIMIT_SECONDS), ({}, 1800)]
)
def test_timeout_is_the_lower_of_the_job_s_and_the_farm_s(farm: Farm, asked: dict[str, int], held: int) -> None:
    posted = farm.post_job("true", startIn="1h", **asked)
    assert job_of(farm, posted)["metadata"]["timeout"] == held


def test_what_runs_longer_than_its_timeout_is_ended_and_keeps_its_output(farm: Farm) -> None:
    ended = run(farm, "sh", "-c", "echo begun; sleep 100", timeout=1, stopGrace=0)
    assert (ended["status"], ended["exitCode"], ended["log"]) == ("timedout", 137, "begun\n")


def test_retries_are_made_after_failures_until_one_succeeds(farm: Farm) -> None:
    posted = farm.post_job("false", retries=2)

    def all_failed() -> list[dict[str, Any]]:
        runs: list[dict[str, Any]] = job_of(farm, posted)["executions"]
        return runs if len(runs) == 3 and all(run["status"] == "failed" for run in runs) else []

    runs = wait_until(all_failed, 30, "all three attempts have failed")
    assert [run["attempt"] for run in runs] == [3, 2, 1]
    metadata = job_of(farm, posted)["metadata"]
    assert (metadata["retries"], metadata["retry_count"]) == (2, 2)


def test_without_retries_a_failure_is_final(farm: Farm) -> None:
    posted = farm.post_job("false")
    farm.wait_for_end(posted)
    time.sleep(1)  # longer than the pause before another attempt
    assert job_of(farm, posted)["executionCount"] == 1


# ------------------------------------------------------------------------------------------------ when it starts


@pytest.mark.parametrize(
    ("start_in", "seconds"),
    [
        *(("2h30m50s", 9050), ("5m", 300), ("10s", 10), ("2m30s", 150), ("4h30m25s", 16225), ("2h30m", 9000)),
        *(("240h", 864_000), ("48h", 172_800), ("1h5s", 3605), ("90m", 5400)),
    ],
)
def test_start_in_is_a_time_from_now(farm: Farm, start_in: str, seconds: int) -> None:
    job = job_of(farm, farm.post_job("true", startIn=start_in))
    assert job["scheduled"]
    (due,) = job["nextTimes"]
    assert seconds - 5 < seconds_until(due) <= seconds


@pytest.mark.parametrize("start_in", ["", "5", "m5", "5d", "1m1h", "-5m", "5 m", "soon", 300])
def test_start_in_of_another_form_is_refused(farm: Farm, start_in: Any) -> None:
    assert_refused(call(farm, "POST", "/tasks/test/", json={"image": "task1", "startIn": start_in}), 400, "startIn")


def test_start_at_is_an_instant_and_one_in_the_past_is_now(farm: Farm) -> None:
    at = int(time.time()) + 5000
    (due,) = job_of(farm, farm.post_job("true", startAt=at))["nextTimes"]
    assert due == datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000000")
    for past in (1_645_113_692, int(time.time()), 0):
        posted = farm.post_job("true", startAt=past)
        assert farm.wait_for_end({"executionId": posted["queueJobId"]})["status"] == "done"


def test_cron_names_the_times_to_come(farm: Farm) -> None:
    job = job_of(farm, farm.post_job("true", cron="* * * * *"))
    assert job["scheduled"]
    assert 0 < seconds_until(job["nextTimes"][0]) <= 60
    assert all(shown.endswith(":00.000000") for shown in job["nextTimes"])


@pytest.mark.parametrize(
    "starts",
    [
        {"startIn": "5m", "startAt": 1_645_113_692},
        {"startIn": "5m", "cron": "* * * * *"},
        {"startAt": 1_645_113_692, "cron": "* * * * *"},
        {"startIn": "5m", "startAt": 1_645_113_692, "cron": "* * * * *"},
    ],
)
def test_only_one_of_the_ways_to_start_later_may_be_given(farm: Farm, starts: dict[str, Any]) -> None:
    answer = call(farm, "POST", "/tasks/test/", json={"image": "task1"} | starts)
    reason = assert_refused(answer, 400, "body")
    assert all(name in reason for name in starts)


def test_expiration_in_the_past_starts_nothing_and_one_in_the_future_changes_nothing(farm: Farm) -> None:
    expired = run(farm, "true", expiration=1_645_113_692)
    assert (expired["status"], expired["exitCode"], expired["startedAt"]) == ("expired", None, None)
    assert "expiration" in expired["error"]
    assert run(farm, "true", expiration=int(time.time()) + 3600)["status"] == "done"


def test_keys_that_may_be_left_out_may_be_null(farm: Farm) -> None:
    names = ("command", "startIn", "startAt", "cron", "expiration", "timeout", "webhook")
    document(call(farm, "POST", "/tasks/test/", json={"image": "task1"} | dict.fromkeys(names)))


# ------------------------------------------------------------------------------------------------- who is told


def call_to(hooks: Receiver, path: str) -> Call:
    """The one call that comes to a path."""
    (received,) = wait_until(lambda: [call for call in hooks.calls if call.path == path], 30, f"{path} is called")
    return received


@pytest.mark.parametrize(
    ("command", "told", "status", "exit_code"),
    [("true", ["finishes", "succeeds"], "done", 0), ("false", ["fails", "finishes"], "failed", 1)],
)
def test_webhooks_are_called_with_the_execution_as_their_moment_comes(
    farm: Farm, hooks: Receiver, command: str, told: list[str], status: str, exit_code: int
) -> None:
    webhooks = {
        moment: [{"url": f"{hooks.url}/payload-{command}-{moment}", "headers": {"MY-TOKEN": "qweqwe"}, "retries": 3}]
        for moment in ("succeeds", "fails", "finishes")
    }
    metadata = {"username": "heynemann", "nested": {"list": [1, None, 2.5]}}
    posted = farm.post_job(command, webhooks=webhooks, metadata=metadata)
    for moment in told:
        received = call_to(hooks, f"/payload-{command}-{moment}")
        assert (received.method, received.headers["my-token"]) == ("POST", "qweqwe")
        execution = json.loads(received.body)["data"]
        assert (execution["status"], execution["exitCode"]) == (status, exit_code)
        assert (execution["executionId"], execution["metadata"]["custom"]) == (posted["executionId"], metadata)
    paths = {call.path.rpartition("-")[2] for call in hooks.calls if call.path.startswith(f"/payload-{command}-")}
    assert sorted(paths) == told


def test_webhook_is_called_at_the_end_by_the_method_it_names(farm: Farm, hooks: Receiver) -> None:
    hook = {"url": f"{hooks.url}/payload-put", "method": "PUT", "headers": {"X-Mine": "yes"}, "retries": 0}
    farm.post_job("true", webhook=hook)
    received = call_to(hooks, "/payload-put")
    assert (received.method, received.headers["x-mine"]) == ("PUT", "yes")


def test_notify_sends_an_email_to_each_who_wants_to_know(farm: Farm, inbox: Inbox) -> None:
    notify = {
        "succeeds": ["success@example.org"],
        "fails": ["failure@example.org", "other@example.org"],
        "finishes": ["whatever@example.org"],
    }
    posted = farm.post_job("false", notify=notify)

    def receivers() -> set[str]:
        return {str(mail["To"]) for mail in inbox.messages if posted["jobId"] in mail.as_string()}

    expected = {"failure@example.org", "other@example.org", "whatever@example.org"}
    wait_until(lambda: receivers() == expected, 30, "all three have their e-mail")


# ------------------------------------------------------------------------------------------------ all of it at once


def test_a_body_with_every_key_is_taken_and_shown_again(farm: Farm, hooks: Receiver) -> None:
    hook = {"url": f"{hooks.url}/all", "method": "POST", "headers": {"X-Mine": "yes"}, "retries": 3}
    hooks_of_all = {moment: [hook] for moment in NO_HOOKS}
    notify = {moment: [f"{moment}@example.org"] for moment in NO_HOOKS}
    body = {
        "image": "task1:latest",
        "command": "ls -lah",
        "envs": {"SMTP_SERVER": "my-smtp-server"},
        "startIn": "5m",
        "metadata": {"username": "heynemann", "email": "heynemann@example.org"},
        "notify": notify,
        "webhooks": hooks_of_all,
        "retries": 4,
        "expiration": 4_000_000_000,
        "timeout": 3600,
        "additionalDNSEntries": {"db.example.org": "192.0.2.7"},
    }
    posted = document(call(farm, "POST", "/tasks/test/", json=body))
    metadata = job_of(farm, posted)["metadata"]
    expected = {
        "custom": body["metadata"],
        "enqueued_id": posted["queueJobId"],
        "envs": body["envs"],
        "notify": notify,
        "retries": 4,
        "retry_count": 0,
        "timeout": 3600,
        "webhooks": hooks_of_all,
    }
    assert expected.items() <= metadata.items()


def test_the_smallest_body_runs_the_image_s_own_command(farm: Farm) -> None:
    posted = document(call(farm, "POST", "/tasks/test/", json={"image": "task1"}))
    assert farm.wait_for_end(posted)["status"] in ("done", "failed")
    assert job_of(farm, posted)["metadata"]["webhooks"] == NO_HOOKS
    assert text(call(farm, "GET", job_path(posted, "stderr/"))) == b""
