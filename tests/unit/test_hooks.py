"""What a job may give as webhooks and e-mail addresses, and what it is told where it may not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobrunner.api.native.job_spec import parse_spec
from jobrunner.domain.hooks import MOST_HOOKS, Moment, signing_key
from jobrunner.domain.specs import JobSpec
from jobrunner.errors import InvalidRequest

URL = "https://example.org/hook"


def parsed(**spec: Any) -> JobSpec:
    return parse_spec(json.dumps({"image": "busybox", **spec}).encode())


def faults(**spec: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        parsed(**spec)
    return {fault.field: fault.reason for fault in caught.value.faults}


def test_a_hook_is_a_post_that_is_tried_as_often_as_the_farm_says() -> None:
    (hook,) = parsed(webhooks={"fails": [{"url": URL}]}).webhooks_for(Moment.FAILS)
    assert (hook.method, dict(hook.headers), hook.retries) == ("POST", {}, None)


def test_a_method_may_be_written_in_small_letters() -> None:
    assert parsed(webhook={"url": URL, "method": "put"}).webhooks_for(Moment.FINISHES)[0].method == "PUT"


@pytest.mark.parametrize(
    "url",
    ["ftp://example.org/", "example.org", "https://", "http:///path", "https://example.org:0/", "https://a:99999/"]
    + [
        "https://example.org/a b",
        "https://example.org/\r\nX: y",
        "https://ex\u00e4mple.org/",
        "file:///etc/passwd",
        "",
    ],
)
def test_a_url_that_cannot_be_called_is_refused_by_its_name(url: str) -> None:
    assert "webhooks.fails.0.url" in faults(webhooks={"fails": [{"url": url}]})


@pytest.mark.parametrize(
    "name", ["Host", "content-length", "Transfer-Encoding", "webhook-signature", "a b", "", "x:", "X\r\nY"]
)
def test_a_header_that_is_ours_or_is_none_is_refused_by_its_name(name: str) -> None:
    assert set(faults(webhook={"url": URL, "headers": {name: "x"}})) == {f"webhook.headers.{name}"}


@pytest.mark.parametrize("value", ["a\r\nX-Evil: b", "\0", "\u00e9", "x" * 5000])
def test_a_header_value_cannot_smuggle_in_another_header(value: str) -> None:
    assert set(faults(webhook={"url": URL, "headers": {"X-Mine": value}})) == {"webhook.headers.X-Mine"}


@pytest.mark.parametrize(
    "address",
    ["", "ada", "ada@", "@example.org", "a@b@c", "Ada <ada@example.org>", "a@b.org, c@d.org", "a@b.org\r\nBcc: x@y.org"]
    + ["\u00e4@b.org", "a b@c.org", "a@b.org\n", "a" * 250 + "@b.org"],
)
def test_what_is_no_address_is_refused_by_its_name(address: str) -> None:
    assert set(faults(notify={"succeeds": ["ada@example.org", address]})) == {"notify.succeeds.1"}


@pytest.mark.parametrize("address", ["ada@example.org", "ada+jobs@mail.example.org", "o'hara@localhost", "a.b@x-y.org"])
def test_a_plain_address_is_taken(address: str) -> None:
    assert parsed(notify={"fails": [address]}).addresses_for(Moment.FAILS) == (address,)


def test_there_is_a_bound_on_receivers() -> None:
    most = [{"url": URL}] * MOST_HOOKS
    assert len(parsed(webhooks={"fails": most}).webhooks_for(Moment.FAILS)) == MOST_HOOKS
    assert set(faults(webhooks={"fails": [*most, {"url": URL}]})) == {"webhooks.fails"}
    assert set(faults(notify={"fails": ["a@b.org"] * (MOST_HOOKS + 1)})) == {"notify.fails"}


def test_an_unknown_key_is_told_the_keys_that_are_known_there() -> None:
    assert faults(webhooks={"fail": []}) == {
        "webhooks.fail": "is not a known key; known keys are fails, finishes, starts, succeeds"
    }
    assert faults(webhook={"url": URL, "verb": "POST"}) == {
        "webhook.verb": "is not a known key; known keys are headers, method, retries, url"
    }


@pytest.mark.parametrize(
    ("spec", "field", "reason"),
    [
        ({"webhooks": []}, "webhooks", "must be an object"),
        ({"webhooks": {"fails": {}}}, "webhooks.fails", "must be a list"),
        ({"webhooks": {"fails": ["x"]}}, "webhooks.fails.0", "must be an object"),
        ({"webhook": {}}, "webhook.url", "is required"),
        ({"webhook": {"url": URL, "retries": 21}}, "webhook.retries", "must be at most 20"),
        ({"webhook": {"url": URL, "retries": True}}, "webhook.retries", "must be a number"),
        ({"notify": {"fails": "a@b.org"}}, "notify.fails", "must be a list"),
        ({"webhookSecret": ""}, "webhookSecret", "must not be empty"),
        ({"webhookSecret": "whsec_?"}, "webhookSecret", "must be base64 after 'whsec_'"),
    ],
)
def test_what_is_wrong_is_told_in_words_of_json(spec: dict[str, Any], field: str, reason: str) -> None:
    assert faults(**spec) == {field: reason}


def test_nothing_of_a_job_is_lost_on_its_way_through_the_store() -> None:
    spec = parsed(
        webhooks={"starts": [{"url": URL, "headers": {"X-A": "b"}, "retries": 3}]},
        webhook={"url": "http://u:p@example.org/", "method": "GET"},
        webhookSecret="plain",
        notify={"finishes": ["ada@example.org"]},
    )
    assert JobSpec.model_validate_json(spec.to_json()) == spec


def test_secrets_are_in_no_repr() -> None:
    spec = parsed(webhook={"url": "http://u:geheim@a.org/", "headers": {"X": "geheim"}}, webhookSecret="geheim")
    assert "geheim" not in repr(spec)


def test_a_secret_is_base64_after_its_prefix_or_else_any_text() -> None:
    assert signing_key("whsec_c2VjcmV0") == b"secret"
    assert signing_key("secret") == b"secret"
