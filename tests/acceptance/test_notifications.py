"""Who posts a job can have others told of it: by webhook and by e-mail, whatever dies in between."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import pytest

from jobrunner.notifiers.signature import sign
from tests.support.farm import Farm, wait_until
from tests.support.farm_maker import FarmMaker
from tests.support.mail_server import Inbox, mail_server
from tests.support.receiver import Call, Receiver, receiver

pytestmark = pytest.mark.services

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PUBLIC_URL = "https://jobs.example.org"


@pytest.fixture(scope="module")
def inbox() -> Iterator[Inbox]:
    with mail_server() as found:
        yield found


@pytest.fixture(scope="module")
def notifying(make_farm: FarmMaker, inbox: Inbox) -> Farm:
    """A farm that may call this machine, and tries again soon."""
    farm = make_farm(
        webhook_allow_loopback=True,
        webhook_secret=SECRET,
        delivery_first_delay_seconds=0.2,
        public_url=PUBLIC_URL,
        smtp_host="127.0.0.1",
        smtp_port=inbox.port,
        smtp_security="none",
        smtp_from="jobrunner@example.org",
    )
    farm.start_all("one")
    return farm


@pytest.fixture
def hooks() -> Iterator[Receiver]:
    with receiver() as server:
        yield server


def path_of(execution: Mapping[str, Any]) -> str:
    return f"/tasks/test/jobs/{execution['jobId']}/executions/{execution['executionId']}/deliveries"


def shown(farm: Farm, accepted: Mapping[str, Any]) -> dict[str, Any]:
    """The execution, asked for at the farm's own address: its public one is made up."""
    answer = farm.http.get(f"{farm.url}{path_of(accepted).removesuffix('/deliveries')}/", timeout=10)
    assert answer.status_code == 200, answer.text
    execution: dict[str, Any] = answer.json()["execution"]
    return execution


def deliveries(farm: Farm, accepted: Mapping[str, Any]) -> list[dict[str, Any]]:
    answer = farm.http.get(f"{farm.url}{path_of(accepted)}/", timeout=10)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def settled(farm: Farm, accepted: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """The deliveries of an execution, once there are so many and none is owed any more."""

    def are_settled() -> list[dict[str, Any]] | None:
        found = deliveries(farm, accepted)
        return found if len(found) == count and all(one["state"] != "owed" for one in found) else None

    return wait_until(are_settled, 30, f"{count} deliveries are settled")


def calls_to(hooks: Receiver, path: str) -> list[Call]:
    return [call for call in hooks.calls if call.path == path]


def all_moments(hooks: Receiver) -> dict[str, list[dict[str, str]]]:
    return {moment: [{"url": f"{hooks.url}/{moment}"}] for moment in ("starts", "succeeds", "fails", "finishes")}


def test_a_success_is_told_once_to_those_who_asked_for_it(notifying: Farm, hooks: Receiver) -> None:
    metadata = {"order": 7, "who": "Ada \u00e9"}
    job = notifying.post_job("sh", "-c", "exit 0", webhooks=all_moments(hooks), metadata=metadata)

    found = settled(notifying, job, 3)

    assert sorted(call.path for call in hooks.calls) == ["/finishes", "/starts", "/succeeds"]
    assert {one["state"] for one in found} == {"delivered"}
    call = calls_to(hooks, "/succeeds")[0]
    document = json.loads(call.body)
    assert document["type"] == "execution.succeeded"
    assert document["data"]["exitCode"] == 0
    assert document["data"]["status"] == "done"
    assert document["data"]["metadata"]["custom"] == metadata
    assert document["data"]["url"].startswith(f"{PUBLIC_URL}/tasks/test/jobs/{job['jobId']}/executions/")
    assert call.headers["webhook-id"] == document["deliveryId"]


def test_a_failure_is_told_with_its_exit_code(notifying: Farm, hooks: Receiver) -> None:
    job = notifying.post_job("sh", "-c", "exit 7", webhooks=all_moments(hooks))

    settled(notifying, job, 3)

    assert sorted(call.path for call in hooks.calls) == ["/fails", "/finishes", "/starts"]
    for path, status, exit_code in (("/fails", "failed", 7), ("/finishes", "failed", 7), ("/starts", "running", None)):
        told = json.loads(calls_to(hooks, path)[0].body)["data"]
        assert (told["status"], told["exitCode"]) == (status, exit_code)


def test_every_call_is_signed_with_the_secret_of_the_job_or_else_of_the_farm(notifying: Farm, hooks: Receiver) -> None:
    for secret in (None, "a secret of my own"):
        own = {"webhookSecret": secret} if secret else {}
        job = notifying.post_job("true", webhook={"url": f"{hooks.url}/signed"}, **own)
        settled(notifying, job, 1)
        headers, body = hooks.calls[-1].headers, hooks.calls[-1].body
        expected = sign(headers["webhook-id"], headers["webhook-timestamp"], body, secret or SECRET)
        assert headers["webhook-signature"] == expected


def test_a_job_that_is_tried_again_tells_its_failure_once_at_the_end(notifying: Farm, hooks: Receiver) -> None:
    job = notifying.post_job("sh", "-c", "exit 3", retries=1, webhooks=all_moments(hooks))

    told = wait_until(lambda: calls_to(hooks, "/finishes"), 30, "the end is told")

    assert json.loads(told[0].body)["data"]["attempt"] == 2
    assert len(calls_to(hooks, "/starts")) == 2
    assert [one["event"] for one in settled(notifying, job, 1)] == ["execution.started"]
    wait_until(lambda: calls_to(hooks, "/fails"), 30, "the failure is told")
    assert len(hooks.calls) == 4


def test_a_stopped_job_tells_that_it_has_finished_and_nothing_else(notifying: Farm, hooks: Receiver) -> None:
    job = notifying.post_job("sleep", "60", webhooks=all_moments(hooks), stopGrace=0)
    wait_until(lambda: shown(notifying, job)["status"] == "running", 30, "it runs")
    notifying.http.post(f"{notifying.url}{path_of(job).removesuffix('/deliveries')}/stop/", timeout=10)

    settled(notifying, job, 2)

    assert sorted(call.path for call in hooks.calls) == ["/finishes", "/starts"]
    assert json.loads(calls_to(hooks, "/finishes")[0].body)["data"]["status"] == "stopped"


def test_a_receiver_that_fails_twice_is_told_the_third_time(notifying: Farm, hooks: Receiver) -> None:
    hooks.statuses = [500, 503]
    job = notifying.post_job("true", webhooks={"finishes": [{"url": f"{hooks.url}/flaky"}]})

    (found,) = settled(notifying, job, 1)

    assert found["state"] == "delivered"
    assert [attempt["statusCode"] for attempt in found["attempts"]] == [500, 503, 200]
    assert len({call.headers["webhook-id"] for call in hooks.calls}) == 1
    assert len({call.body for call in hooks.calls}) == 1


def test_a_delivery_can_be_made_again_by_hand_under_its_id(notifying: Farm, hooks: Receiver) -> None:
    hooks.statuses = [500]
    job = notifying.post_job("true", webhooks={"finishes": [{"url": f"{hooks.url}/flaky", "retries": 0}]})
    (given_up,) = settled(notifying, job, 1)
    assert given_up["state"] == "given_up"

    answer = notifying.http.post(f"{notifying.url}{path_of(job)}/{given_up['deliveryId']}/redeliver/", timeout=10)

    assert answer.status_code == 200, answer.text
    (found,) = wait_until(
        lambda: [one for one in deliveries(notifying, job) if one["state"] == "delivered"], 30, "it is delivered"
    )
    assert found["attemptCount"] == 2
    assert len({call.headers["webhook-id"] for call in hooks.calls}) == 1


def test_a_hook_is_called_within_a_moment_of_the_end(notifying: Farm, hooks: Receiver) -> None:
    delays = []
    for _ in range(5):
        job = notifying.post_job("true", webhook={"url": f"{hooks.url}/soon"})
        (found,) = settled(notifying, job, 1)
        closed_at = datetime.fromisoformat(shown(notifying, job)["history"][-1]["at"])
        delays.append((datetime.fromisoformat(found["attempts"][0]["at"]) - closed_at).total_seconds())
    assert sorted(delays)[2] < 0.5, delays  # without the bell it would be the poll's: half a second on average
    print("from the end to the call, in seconds:", delays)


def test_a_hook_to_this_machine_is_given_up_where_the_farm_does_not_allow_it(
    make_farm: FarmMaker, hooks: Receiver
) -> None:
    farm = make_farm()
    farm.start_all("careful")
    job = farm.post_job("true", webhook={"url": f"{hooks.url}/never"})

    (found,) = settled(farm, job, 1)

    assert found["state"] == "given_up"
    assert "loopback" in found["attempts"][0]["error"]
    assert not hooks.calls


def test_what_is_owed_survives_a_scheduler_that_is_killed(make_farm: FarmMaker, hooks: Receiver) -> None:
    farm = make_farm(webhook_allow_loopback=True, webhook_timeout_seconds=1, smtp_timeout_seconds=1)
    farm.start_all("one")
    farm.end("scheduler", signal.SIGKILL)
    job = farm.post_job("true", webhook={"url": f"{hooks.url}/late"})
    farm.wait_for_end(job)
    (owed,) = wait_until(lambda: deliveries(farm, job), 30, "it is owed")
    assert owed["state"] == "owed"
    assert not hooks.calls

    farm.start("scheduler", "scheduler")

    (found,) = settled(farm, job, 1)
    assert found["state"] == "delivered"
    assert [call.headers["webhook-id"] for call in hooks.calls] == [owed["deliveryId"]]


def test_what_was_being_sent_by_a_scheduler_that_is_killed_is_sent_again_under_its_id(
    make_farm: FarmMaker, hooks: Receiver
) -> None:
    farm = make_farm(webhook_allow_loopback=True, webhook_timeout_seconds=2, smtp_timeout_seconds=2)
    farm.start_all("one")
    job = farm.post_job("true", webhook={"url": f"{hooks.url}/hang"})
    wait_until(lambda: hooks.calls, 30, "it is being sent")
    farm.end("scheduler", signal.SIGKILL)

    farm.start("scheduler", "scheduler")

    wait_until(lambda: len(hooks.calls) > 1, 60, "it is sent again")
    ids = {call.headers["webhook-id"] for call in hooks.calls}
    assert ids == {one["deliveryId"] for one in deliveries(farm, job)}


def test_an_email_says_what_happened_with_the_end_of_the_output(notifying: Farm, inbox: Inbox) -> None:
    job = notifying.post_job("sh", "-c", "echo all is lost >&2; exit 9", notify={"fails": ["ada@example.org"]})

    (found,) = settled(notifying, job, 1)

    assert (found["kind"], found["state"], found["target"]) == ("email", "delivered", "ada@example.org")
    message = inbox.messages[-1]
    assert message["To"] == "ada@example.org"
    assert message["Message-ID"].startswith(f"<{found['deliveryId']}@")
    assert "exit code 9" in message["Subject"]
    for kind in ("plain", "html"):
        part = message.get_body((kind,))
        assert part is not None
        assert "all is lost" in part.get_content()
        assert f"{PUBLIC_URL}/tasks/test/jobs/{job['jobId']}" in part.get_content()


def test_a_job_that_wants_email_is_refused_where_there_is_no_mail_server(farm: Farm) -> None:
    body = {"image": farm.image, "notify": {"fails": ["ada@example.org"]}}

    answer = farm.http.post(f"{farm.url}/tasks/test/", json=body, timeout=10)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "notify"
    assert "mail server" in answer.json()["errors"][0]["reason"]
