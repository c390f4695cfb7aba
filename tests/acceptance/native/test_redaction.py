"""What is secret by its name is given to the container, and shown to nobody: no answer, no webhook, no log has it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.farm import Farm, free_port, wait_until
from tests.support.mail_server import Inbox
from tests.support.native_api import UNKNOWN_ID, call, document, execution_path, job_path, text
from tests.support.receiver import Receiver

pytestmark = pytest.mark.services

SECRET = "hunter2-geheim"
SECRET_NAMES = (
    *("PASSWORD", "password", "DB_PASSWORD_FILE", "API_KEY", "keys", "SSH_PRIVATE_KEY", "SECRET", "MySecretThing"),
    *("CLIENT_ID", "oauth_client_id_2", "TOKEN"),
)
PLAIN = {"SMTP_SERVER": "my-smtp-server", "USERNAME": "heynemann"}


@pytest.fixture(scope="module")
def posted(farm: Farm, hooks: Receiver, inbox: Inbox) -> dict[str, Any]:
    """A job full of secrets that has failed twice, and told of it."""
    hook = {
        "url": f"{hooks.url.replace('//', f'//ada:{SECRET}@')}/secrets?token={SECRET}",
        "headers": {"Authorization": f"Bearer {SECRET}", "X-Api-Key": SECRET, "Cookie": SECRET, "MY-TOKEN": SECRET},
    }
    unreachable = hook | {"url": f"http://ada:{SECRET}@127.0.0.1:{free_port()}/secrets?token={SECRET}", "retries": 0}
    accepted = farm.post_job(
        *("sh", "-c", "echo ${#PASSWORD}; test ${#API_KEY} = ${#CLIENT_ID}; exit 3"),
        task="secrets",
        envs=PLAIN | dict.fromkeys(SECRET_NAMES, SECRET),
        webhooks={"fails": [hook, unreachable], "finishes": [hook]},
        webhook=hook,
        webhookSecret=SECRET,
        notify={"fails": ["ada@example.org"]},
        retries=1,
    )
    farm.wait_for_end(accepted)
    told = wait_until(lambda: len(calls(hooks)) == 3 and calls(hooks), 30, "the receiver is told")
    assert told
    wait_until(lambda: inbox.messages, 30, "the e-mail is there")
    return accepted


def calls(hooks: Receiver) -> list[Any]:
    return [call for call in hooks.calls if call.path.startswith("/secrets")]


def runs(farm: Farm, posted: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document(call(farm, "GET", job_path(posted)))["job"]["executions"]
    return found


def all_answers(farm: Farm, posted: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every answer of the API that is about the job, by its path."""
    ids = [posted | {"executionId": run["executionId"]} for run in runs(farm, posted)]
    assert len(ids) == 2
    paths = ["/tasks/", "/tasks/secrets/", "/search/?query=secrets", "/executions/", "/nodes/", "/status/"]
    paths += [job_path(posted, suffix) for suffix in ("", "executions/", "stdout/", "stderr/", "logs/")]
    paths += [execution_path(one, suffix) for one in ids for suffix in ("", "stdout/", "stderr/", "deliveries/")]
    for path in paths:
        answer = call(farm, "GET", path)
        assert answer.status_code == 200, path
        yield path, answer.text + str(answer.headers)


def test_the_container_gets_what_is_shown_to_nobody(farm: Farm, posted: dict[str, Any]) -> None:
    assert text(call(farm, "GET", job_path(posted, "stdout/"))) == b"%d\n" % len(SECRET)


def test_envs_are_shown_by_their_names_and_without_secrets(farm: Farm, posted: dict[str, Any]) -> None:
    metadata = document(call(farm, "GET", job_path(posted)))["job"]["metadata"]
    assert metadata["envs"] == PLAIN | dict.fromkeys(SECRET_NAMES, "***")
    for moment in ("fails", "finishes"):
        for hook in metadata["webhooks"][moment]:
            assert set(hook["headers"].values()) == {"***"}
            assert hook["url"].endswith("/secrets?token=***")


def test_no_answer_has_a_secret(farm: Farm, posted: dict[str, Any]) -> None:
    for path, answer in all_answers(farm, posted):
        assert SECRET not in answer, path
    for path in (execution_path(posted, "stop/"), job_path(posted, "stop/"), job_path(posted, "retry/")):
        assert SECRET not in call(farm, "POST", path).text


def test_no_webhook_and_no_email_has_a_secret_in_what_it_says(
    posted: dict[str, Any], hooks: Receiver, inbox: Inbox
) -> None:
    for told in calls(hooks):
        assert SECRET.encode() not in told.body
        assert json.loads(told.body)["data"]["envs"] == PLAIN | dict.fromkeys(SECRET_NAMES, "***")
        assert told.headers["authorization"] == f"Bearer {SECRET}"  # what the job says is sent
    assert all(SECRET not in message.as_string() for message in inbox.messages)


@pytest.mark.parametrize(
    "fault",
    [
        {"image": f"No {SECRET}!"},
        {"envs": {"API_KEY": [SECRET]}},
        {"envs": {"API_KEY": f"{SECRET}\0"}},
        {"envs": SECRET},
        {"webhookSecret": f"whsec_{SECRET}"},
        {"webhook": {"url": f"ftp://ada:{SECRET}@example.org/"}},
        {"webhook": {"url": f"http://ada:{SECRET}@example.org:port/"}},
        {"webhook": {"url": "http://example.org/", "headers": {"Authorization": f"{SECRET}\n"}}},
        {"timeout": SECRET},
        {"cron": SECRET},
        {"startIn": SECRET},
        {"notify": {"fails": [SECRET]}},
        {"additionalDNSEntries": {"host": SECRET}},
    ],
)
def test_no_error_has_a_value_that_was_sent(farm: Farm, fault: dict[str, Any]) -> None:
    body = {"image": farm.image, "envs": {"PASSWORD": SECRET}} | fault
    for method, path in (("POST", "/tasks/secrets/"), ("PUT", f"/tasks/secrets/jobs/{UNKNOWN_ID}/")):
        answer = call(farm, method, path, json=body)
        assert answer.status_code == 400
        assert SECRET not in answer.text
    broken = json.dumps({"envs": {"PASSWORD": SECRET}}) + SECRET
    assert SECRET not in call(farm, "POST", "/tasks/secrets/", data=broken).text


def test_no_log_of_the_farm_has_a_secret(farm: Farm, posted: dict[str, Any]) -> None:
    for process in ("api", "scheduler", "one"):
        log = farm.log(process)
        assert log, process
        assert SECRET not in log, process
