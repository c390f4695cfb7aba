"""Webhooks, e-mail addresses and deliveries as the API takes and shows them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from jobrunner.domain.deliveries import DeliveryAttempt, DeliveryState
from jobrunner.engine.cancel import stop_execution
from tests.support.api_farm import BASE, ApiFarm, api_farm, faults_of

pytestmark = pytest.mark.services

URL = "https://ada:geheim@example.org/hook?token=geheim"
SHOWN_URL = "https://***@example.org/hook?token=***"


@pytest.fixture(scope="module")
def api(mongodb_url: str) -> Iterator[ApiFarm]:
    with api_farm(mongodb_url, smtp_host="mail.example.org", smtp_from="jobrunner@example.org") as made:
        yield made


def stopped(api: ApiFarm, **spec: Any) -> str:
    """The path of an execution that has ended."""
    accepted = api.post(**spec)
    stop_execution(api.farm, api.execution(accepted["executionId"]))
    path: str = accepted["executionUrl"].removeprefix(BASE)
    return path


def test_a_job_shows_its_hooks_and_addresses_without_secrets(api: ApiFarm) -> None:
    headers = {"Authorization": "Bearer geheim", "X-Mine": "yes"}
    accepted = api.post(
        webhooks={"fails": [{"url": URL, "headers": headers, "retries": 3}], "succeeds": []},
        webhook={"url": "http://example.org/", "method": "PUT"},
        webhookSecret="geheim",
        notify={"succeeds": ["ada@example.org"]},
    )
    answer = api.client.get(accepted["jobUrl"])
    assert "geheim" not in answer.text
    metadata = answer.json["job"]["metadata"]
    assert metadata["notify"] == {"fails": [], "finishes": [], "succeeds": ["ada@example.org"]}
    shown = {"Authorization": "***", "X-Mine": "yes"}
    assert metadata["webhooks"] == {
        "fails": [{"url": SHOWN_URL, "method": "POST", "headers": shown, "retries": 3}],
        "finishes": [{"url": "http://example.org/", "method": "PUT", "headers": {}, "retries": None}],
        "succeeds": [],
    }


def test_a_fault_names_the_field_of_the_hook_and_shows_no_secret(api: ApiFarm) -> None:
    body = {"image": "busybox", "webhooks": {"fails": [{"url": "ftp://ada:geheim@example.org/"}]}}
    answer = api.client.post("/tasks/faults/", data=json.dumps(body))
    assert answer.status_code == 400
    assert set(faults_of(answer)) == {"webhooks.fails.0.url"}
    assert "geheim" not in answer.text


def test_an_execution_lists_its_deliveries_with_their_attempts(api: ApiFarm) -> None:
    path = stopped(api, webhook={"url": URL, "retries": 2}, notify={"finishes": ["ada@example.org"]})
    answer = api.client.get(f"{path}/deliveries/")
    assert answer.status_code == 200
    assert "geheim" not in answer.text
    by_kind = {item["kind"]: item for item in answer.json["items"]}
    hook, mail = by_kind["webhook"], by_kind["email"]
    assert (hook["event"], hook["state"], hook["target"]) == ("execution.finished", "owed", SHOWN_URL)
    assert (hook["maxAttempts"], hook["attemptCount"], hook["attempts"]) == (3, 0, [])
    assert hook["redeliverUrl"] == f"{BASE}{path}/deliveries/{hook['deliveryId']}/redeliver"
    assert (mail["target"], mail["maxAttempts"]) == ("ada@example.org", 6)


def test_a_delivery_that_was_given_up_shows_why_and_is_made_again_by_hand(api: ApiFarm) -> None:
    path = stopped(api, webhook={"url": URL, "retries": 0})
    store, now = api.farm.store.deliveries, api.farm.clock.now()
    (item,) = api.client.get(f"{path}/deliveries").json["items"]
    claimed = store.claim(item["deliveryId"], now, now + timedelta(seconds=30))
    assert claimed is not None
    assert api.client.post(item["redeliverUrl"]).status_code == 409  # it is being delivered
    store.record(claimed, DeliveryAttempt(now, 0.25, 500, "answered with status 500"), DeliveryState.GIVEN_UP, now)

    (given_up,) = api.client.get(f"{path}/deliveries/").json["items"]
    assert (given_up["state"], given_up["nextAttemptAt"]) == ("given_up", None)
    (attempt,) = given_up["attempts"]
    assert attempt | {"at": ""} == {
        "at": "",
        "statusCode": 500,
        "error": "answered with status 500",
        "durationSeconds": 0.25,
    }
    answer = api.client.post(f"{item['redeliverUrl']}/")
    assert answer.status_code == 200
    assert (answer.json["deliveryId"], answer.json["state"]) == (item["deliveryId"], "owed")
    assert [one.id for one in store.due(api.farm.clock.now(), 100) if one.id == item["deliveryId"]]


def test_an_execution_without_hooks_has_no_deliveries(api: ApiFarm) -> None:
    assert api.client.get(f"{stopped(api)}/deliveries/").json == {"items": []}


@pytest.mark.parametrize(("delivery_id", "status"), [(str(uuid4()), 404), ("nonsense", 400)])
def test_a_delivery_that_is_not_there_is_named(api: ApiFarm, delivery_id: str, status: int) -> None:
    answer = api.client.post(f"{stopped(api)}/deliveries/{delivery_id}/redeliver/")
    assert answer.status_code == status
    assert set(faults_of(answer)) == {"deliveryId"}


def test_the_older_form_of_the_path_works_too(api: ApiFarm) -> None:
    path = stopped(api).replace("/jobs/", "/job/")
    assert api.client.get(f"{path}/deliveries/").status_code == 200
