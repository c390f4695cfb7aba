"""Every fault of a specification is named by the caller's own key, in plain words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobrunner.api.native.job_spec import parse_spec
from jobrunner.errors import InvalidRequest


def faults_of(**document: Any) -> dict[str, str]:
    """The reasons by field for which this document is refused."""
    with pytest.raises(InvalidRequest) as refused:
        parse_spec(json.dumps(document).encode())
    return {fault.field: fault.reason for fault in refused.value.faults}


def test_a_whole_payload_is_taken() -> None:
    spec = parse_spec(
        json.dumps(
            {
                "image": "task1:latest",
                "command": ["ls", "-lah"],
                "envs": {"SMTP_SERVER": "my-smtp-server", "PORT": 25},
                "metadata": {"username": "heynemann"},
                "retries": 3,
                "timeout": 60,
                "startIn": "2h30m50s",
                "additionalDNSEntries": {"db": "10.0.0.1"},
            }
        ).encode()
    )
    assert spec.command == ("ls", "-lah")
    assert spec.envs == {"SMTP_SERVER": "my-smtp-server", "PORT": "25"}
    assert spec.caller_metadata == {"username": "heynemann"}


@pytest.mark.parametrize(
    ("document", "field", "reason"),
    [
        ({}, "image", "is required"),
        ({"image": None}, "image", "must be a string"),
        ({"image": 7}, "image", "must be a string"),
        ({"image": ""}, "image", "must not be empty"),
        ({"image": "UPPER"}, "image", "must be an image reference"),
        ({"image": "a" * 2000}, "image", "must have a length of at most 1024"),
        ({"image": "a\u0000"}, "image", "NUL"),
        (
            {"image": "a", "imgae": 1},
            "imgae",
            "is not a known key; known keys are additionalDNSEntries, after, array, command,",
        ),
        ({"image": "a", "start_in": "5s"}, "start_in", "is not a known key"),
        ({"image": "a", "caller_metadata": {}}, "caller_metadata", "is not a known key"),
        (
            {"image": "a", "cron": "@daily", "misfire": {"policy": "x"}},
            "misfire.policy",
            "must be 'skip', 'runOnce'",
        ),
        ({"image": "a", "cron": "@daily", "misfire": {"most": 1001}}, "misfire.most", "must be at most 1000"),
        ({"image": "a", "cron": "@daily", "misfire": {"windowSeconds": -1}}, "misfire.windowSeconds", "at least 0"),
        ({"image": "a", "cron": "@daily", "misfire": {"window": 1}}, "misfire.window", "is not a known key"),
        ({"image": "a", "cron": "@daily", "overlap": "x"}, "overlap", "must be 'allow', 'skip' or 'replace'"),
        ({"image": "a", "cron": "@daily", "jitterSeconds": 3601}, "jitterSeconds", "must be at most 3600"),
        ({"image": "a", "misfire": {}}, "misfire", "can be given only with cron"),
        ({"image": "a", "startIn": "1h", "overlap": "skip"}, "overlap", "can be given only with cron"),
        ({"image": "a", "jitterSeconds": 5}, "jitterSeconds", "can be given only with cron"),
        ({"image": "a", "command": 1}, "command", "must be a string, or a list of strings"),
        ({"image": "a", "command": [1]}, "command", "must be a string, or a list of strings"),
        ({"image": "a", "command": "echo 'x"}, "command", "cannot be split"),
        ({"image": "a", "command": ""}, "command", "must not be empty"),
        ({"image": "a", "retryPolicy": {}}, "retryPolicy", "is of no use without retries"),
        ({"image": "a", "retries": 0, "retryPolicy": {}}, "retryPolicy", "is of no use without retries"),
        ({"image": "a", "envs": []}, "envs", "must be an object"),
        ({"image": "a", "envs": {"A": None}}, "envs.A", "must be a string"),
        ({"image": "a", "envs": {"A": {}}}, "envs.A", "must be a string"),
        ({"image": "a", "envs": {"A": True}}, "envs.A", "must be a string or a number"),
        ({"image": "a", "envs": {"A=B": "x"}}, "envs.A=B", "'='"),
        ({"image": "a", "envs": {str(n): "" for n in range(1001)}}, "envs", "must have a length of at most 1000"),
        ({"image": "a", "metadata": "x"}, "metadata", "must be an object"),
        ({"image": "a", "timeout": 0}, "timeout", "must be at least 1"),
        ({"image": "a", "timeout": 10**10}, "timeout", "must be at most 1000000000"),
        ({"image": "a", "timeout": 10**300}, "timeout", "must be at most 1000000000"),
        ({"image": "a", "timeout": "60"}, "timeout", "must be a number"),
        ({"image": "a", "timeout": 1.5}, "timeout", "must be a whole number"),
        ({"image": "a", "timeout": True}, "timeout", "must be a number"),
        ({"image": "a", "retries": -1}, "retries", "must be at least 0"),
        ({"image": "a", "retries": None}, "retries", "must be a number"),
        ({"image": "a", "pullPolicy": "often"}, "pullPolicy", "must be 'missing', 'always' or 'never'"),
        ({"image": "a", "startIn": "soon"}, "startIn", "must be a duration"),
        ({"image": "a", "startAt": -1}, "startAt", "must be a UNIX time"),
        ({"image": "a", "startAt": "now"}, "startAt", "must be a number"),
        ({"image": "a", "expiration": 1e30}, "expiration", "must be a UNIX time"),
        ({"image": "a", "cron": "* * *"}, "cron", "must be a cron expression"),
        ({"image": "a", "timezone": "Mars/Olympus"}, "timezone", "must be an IANA time zone"),
        ({"image": "a", "cron": "* * * * *", "startIn": "5s"}, "body", "only one of startIn, startAt and cron"),
        ({"image": "a", "additionalDNSEntries": {"h": "x"}}, "additionalDNSEntries.h", "IP"),
        ({"image": "a", "additionalDNSEntries": {"-": "::1"}}, "additionalDNSEntries.-", "must be a host name"),
    ],
)
def test_a_fault_is_named_by_its_key(document: dict[str, Any], field: str, reason: str) -> None:
    faults = faults_of(**document)
    assert list(faults) == [field]
    assert reason in faults[field]
    assert not any(word in faults[field] for word in ("Input", "Value error", "pydantic"))


def test_all_faults_are_named_at_once() -> None:
    assert set(faults_of(command=[], retries="x", foo=1)) == {"image", "command", "retries", "foo"}


def test_a_reason_never_shows_the_value_of_an_environment_variable() -> None:
    faults = faults_of(image="a", envs={"TOKEN": ["hunter2"], "OTHER": "hunter2\0"})
    assert set(faults) == {"envs.TOKEN", "envs.OTHER"}
    assert "hunter2" not in str(faults)


@pytest.mark.parametrize(
    ("policy", "field", "reason"),
    [
        ([], "", "must be an object"),
        (
            {"delay": 1},
            ".delay",
            "keys are exitCodes, factor, firstDelaySeconds, jitter, longestDelaySeconds, on",
        ),
        ({"firstDelaySeconds": -1}, ".firstDelaySeconds", "must be at least 0"),
        ({"firstDelaySeconds": "1"}, ".firstDelaySeconds", "must be a number"),
        ({"firstDelaySeconds": 10**8}, ".firstDelaySeconds", "must be at most 2592000"),
        ({"firstDelaySeconds": 9, "longestDelaySeconds": 8}, "", "must not be above longestDelaySeconds"),
        ({"factor": 0.5}, ".factor", "must be at least 1"),
        ({"factor": 10**400}, ".factor", ""),
        ({"jitter": 1.5}, ".jitter", "must be at most 1"),
        ({"jitter": True}, ".jitter", "must be a number"),
        ({"on": "lost"}, ".on", "must be a list"),
        ({"on": []}, ".on", "must not be empty"),
        ({"on": ["lost", "success"]}, ".on.1", "must be 'exitCode', 'outOfMemory', 'killed', 'timeout', 'lost', "),
        ({"exitCodes": []}, ".exitCodes", "must not be empty"),
        ({"exitCodes": 1}, ".exitCodes", "must be a list"),
        ({"exitCodes": [1, 0]}, ".exitCodes.1", "must be at least 1"),
        ({"exitCodes": [256]}, ".exitCodes.0", "must be at most 255"),
        ({"exitCodes": [1.5]}, ".exitCodes.0", "must be a whole number"),
        ({"exitCodes": [137]}, ".exitCodes.0", "137 is a death by SIGKILL, which `on` names: killed, outOfMemory"),
        ({"on": ["lost"], "exitCodes": [1]}, "", "exitCodes narrows 'exitCode', which `on` does not have"),
    ],
)
def test_a_fault_of_a_retry_policy_is_named_by_its_own_key_and_is_the_only_one(
    policy: Any, field: str, reason: str
) -> None:
    faults = faults_of(image="a", retries=3, retryPolicy=policy)
    assert set(faults) == {f"retryPolicy{field}"}
    assert reason in faults[f"retryPolicy{field}"]


def test_a_whole_retry_policy_is_taken_and_kept() -> None:
    policy = {
        "firstDelaySeconds": 1.5,
        "factor": 3,
        "longestDelaySeconds": 60,
        "jitter": 0.2,
        "on": ["exitCode", "lost"],
        "exitCodes": [1, 75],
    }
    spec = parse_spec(json.dumps({"image": "a", "retries": 2, "retryPolicy": policy}).encode())
    stored = type(spec).model_validate_json(spec.to_json())
    assert stored == spec
    assert stored.retry_policy is not None
    assert stored.retry_policy.model_dump(mode="json", by_alias=True, exclude_unset=True) == policy
