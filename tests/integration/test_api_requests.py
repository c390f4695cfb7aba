"""What holds for every request: foreign pages, rates, ids, addresses, compression."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import structlog
from redis import Redis
from werkzeug.test import TestResponse

from jobrunner.api.app import create_app
from jobrunner.domain.api_keys import new_token
from jobrunner.domain.key_wish import KeyWish
from jobrunner.engine import keys
from jobrunner.queueing import connection as redis_connection
from jobrunner.queueing.rate_limits import RedisRateLimiter
from jobrunner.settings import Settings
from tests.support.api_farm import ApiFarm, api_farm, faults_of

FOREIGN = "https://evil.example"
OWN = "http://localhost"


@pytest.fixture
def api(mongodb_url: str) -> Iterator[ApiFarm]:
    with api_farm(mongodb_url) as farm:
        yield farm


def bearer(api: ApiFarm, role: str = "admin") -> dict[str, str]:
    _, token = keys.create_key(api.farm, KeyWish(name=role, role=role))
    return {"Authorization": f"Bearer {token}"}


def post(api: ApiFarm, headers: dict[str, str], **options: Any) -> TestResponse:
    return api.client.post("/tasks/t/", data=json.dumps({"image": "a"}), headers=headers, **options)


# ------------------------------------------------------------------------------------------------ foreign pages


@pytest.mark.parametrize(
    "headers",
    [{"Origin": FOREIGN}, {"Origin": "null"}, {"Origin": ""}, {"Origin": "file://"}, {"Sec-Fetch-Site": "cross-site"}],
)
@pytest.mark.parametrize("has_key", [False, True])
def test_a_foreign_page_cannot_write(api: ApiFarm, headers: dict[str, str], has_key: bool) -> None:
    credentials = bearer(api) if has_key else {}
    refused = post(api, {**credentials, **headers})
    assert refused.status_code == 403
    assert api.queue.pushed == []
    assert "Access-Control-Allow-Origin" not in refused.headers


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
@pytest.mark.parametrize(
    "mark", [{"Origin": OWN}, {"Referer": FOREIGN}, {"User-Agent": "Mozilla/5.0"}, {"Sec-Fetch-Mode": "cors"}]
)
def test_a_form_of_a_browser_cannot_write(api: ApiFarm, kind: str, mark: dict[str, str]) -> None:
    assert post(api, mark, content_type=kind).status_code == 415
    assert api.queue.pushed == []


def test_our_own_pages_and_programs_write(api: ApiFarm) -> None:
    for headers in ({}, {"Origin": OWN}, {"Origin": "https://localhost"}, {"User-Agent": "Mozilla/5.0"}):
        assert post(api, headers, content_type="application/json").status_code == 200
    assert post(api, {"User-Agent": "curl/8"}, content_type="application/x-www-form-urlencoded").status_code == 200


def test_a_foreign_page_cannot_open_a_websocket(api: ApiFarm) -> None:
    headers = {"Origin": FOREIGN, "Upgrade": "websocket", "Connection": "Upgrade"}
    assert api.client.get("/tasks/", headers=headers).status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:10000", "127.0.0.1.evil.example", "evil.example."])
def test_a_name_that_a_page_can_have_made_up_is_refused_while_no_key_is_asked_for(api: ApiFarm, host: str) -> None:
    refused = api.client.get("/tasks/", headers={"Host": host})
    assert (refused.status_code, list(faults_of(refused))) == (403, ["Host"])
    assert api.client.get("/tasks/", headers={"Host": host, **bearer(api)}).status_code in (200, 403)


@pytest.mark.parametrize("host", ["127.0.0.1:10000", "[::1]:10000", "localhost", "api", "a.localhost", "LOCALHOST:1"])
def test_addresses_and_names_of_this_network_are_taken(api: ApiFarm, host: str) -> None:
    assert api.client.get("/tasks/", headers={"Host": host}).status_code == 200


def test_configured_hosts_are_taken(mongodb_url: str) -> None:
    settings = {"api_allowed_hosts": "Jobs.example.org", "public_url": "https://farm.example.org/x"}
    with api_farm(mongodb_url, **settings) as api:
        for host in ("jobs.example.org:80", "farm.example.org"):
            assert api.client.get("/tasks/", headers={"Host": host}).status_code == 200
        assert post(api, {"Origin": "https://farm.example.org"}).status_code == 200
        assert api.client.get("/tasks/", headers={"Host": "evil.example"}).status_code == 403
    with api_farm(mongodb_url, api_allowed_hosts="*") as api:
        assert api.client.get("/tasks/", headers={"Host": "any.example"}).status_code == 200


def test_the_pages_of_allowed_origins_use_the_api(mongodb_url: str) -> None:
    with api_farm(mongodb_url, api_cors_origins="https://ours.example") as api:
        credentials = bearer(api)
        ours = {"Origin": "https://ours.example"}
        asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        preflight = api.client.options("/tasks/t/", headers={**ours, **asks})
        assert preflight.status_code == 200
        assert preflight.headers["Access-Control-Allow-Origin"] == "https://ours.example"
        assert "authorization" in preflight.headers["Access-Control-Allow-Headers"].lower()
        allowed = post(api, {**credentials, **ours})
        assert (allowed.status_code, allowed.headers["Access-Control-Allow-Origin"]) == (200, "https://ours.example")
        assert post(api, ours).status_code == 401
        foreign = {"Origin": FOREIGN, **asks}
        assert api.client.options("/tasks/t/", headers=foreign).status_code == 401
        assert "Access-Control-Allow-Origin" not in api.client.get("/tasks/", headers=foreign | credentials).headers


# -------------------------------------------------------------------------------------------------------- rates


def counting(api: ApiFarm) -> ApiFarm:
    """The same API, with a counter in Redis."""
    redis = redis_connection.connect(api.farm.settings)
    limiter = RedisRateLimiter(redis, f"test-{new_token().id}")
    farm = replace(api.farm, rate_limiter=limiter)
    return ApiFarm(farm, api.queue, api.triggers, create_app(farm).test_client())


def test_a_key_that_asks_too_often_has_to_wait(mongodb_url: str, redis_url: str) -> None:
    with api_farm(mongodb_url, redis_url=redis_url, api_rate_per_key="3/hour") as plain:
        api = counting(plain)
        often, other = bearer(api), bearer(api)
        answers = [api.client.get("/tasks/", headers=often) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert 0 < int(answers[-1].headers["Retry-After"]) <= 3601
        assert faults_of(answers[-1]) == {"key": "has sent more than 3/hour: wait"}
        assert api.client.get("/tasks/", headers=other).status_code == 200


def test_an_address_that_asks_too_often_has_to_wait_whatever_key_it_guesses(mongodb_url: str, redis_url: str) -> None:
    settings = {"api_rate_per_address": "3/hour", "api_trusted_proxies": "127.0.0.0/8"}
    with api_farm(mongodb_url, redis_url=redis_url, **settings) as plain:
        api = counting(plain)
        bearer(api)
        guesses = [
            api.client.get(
                "/tasks/", headers={"Authorization": f"Bearer {new_token()}", "X-Forwarded-For": f"1.2.3.{n}, 9.9.9.9"}
            )
            for n in range(5)
        ]
        assert [answer.status_code for answer in guesses] == [401, 401, 401, 429, 429]
        assert api.client.get("/tasks/", headers={"X-Forwarded-For": "9.9.9.8"}).status_code == 401
        assert api.client.get("/healthcheck/", headers={"X-Forwarded-For": "9.9.9.9"}).status_code == 200


def test_without_redis_nothing_is_counted_and_nobody_waits_for_it(mongodb_url: str) -> None:
    settings = {"redis_url": "redis://127.0.0.1:1/0", "api_rate_per_address": "1/hour"}
    with api_farm(mongodb_url, **settings) as plain:
        api = counting(plain)
        for _ in range(3):
            assert api.client.get("/tasks/").status_code == 200


def test_counts_in_redis_do_not_stay(redis_url: str) -> None:
    farm_id = f"test-{new_token().id}"
    limiter = RedisRateLimiter(redis_connection.connect(Settings(redis_url=redis_url)), farm_id)
    assert limiter.wait_seconds("1/minute", "key:a") == 0
    assert 0 < limiter.wait_seconds("1/minute", "key:a") <= 60
    assert limiter.wait_seconds("1/minute", "key:b") == 0
    with Redis.from_url(redis_url) as redis:
        left = [redis.ttl(key) for key in redis.scan_iter(match=f"*{farm_id}*")]
    assert left
    assert all(0 < seconds <= 121 for seconds in left)


# ---------------------------------------------------------------------------------------------- ids, compression


def test_the_id_of_a_request_is_in_its_answer_its_errors_and_its_log_lines(
    api: ApiFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    bearer(api)
    answer = api.client.get("/tasks/", headers={"X-Request-Id": "from-me/7", "api-key": "wrong"})
    assert answer.headers["X-Request-Id"] == "from-me/7"
    assert answer.json["requestId"] == "from-me/7"
    assert structlog.contextvars.get_contextvars()["request_id"] == "from-me/7"
    made = api.client.get("/tasks/").headers["X-Request-Id"]
    assert len(made) == 32
    assert structlog.contextvars.get_contextvars() == {"request_id": made}


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "<script>", "é", "-", str(new_token())])
def test_an_id_that_is_not_sane_is_replaced(api: ApiFarm, given: str) -> None:
    assert len(api.client.get("/tasks/", headers={"X-Request-Id": given}).headers["X-Request-Id"]) == 32


def test_large_answers_are_compressed_for_who_takes_it(api: ApiFarm) -> None:
    for number in range(8):
        api.post(f"task-{number}")
    plain = api.client.get("/tasks/")
    packed = api.client.get("/tasks/", headers={"Accept-Encoding": "gzip, br, zstd"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(packed.data)) == plain.json
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Vary"] == "Accept-Encoding"


def test_output_is_never_compressed_so_that_it_comes_as_it_is_written(api: ApiFarm) -> None:
    posted = api.post("t")
    api.write(posted["executionId"], b"x" * 100_000)
    url = f"{posted['executionUrl']}/stdout/"
    answer = api.client.get(url, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in answer.headers
    assert answer.data == b"x" * 100_000
