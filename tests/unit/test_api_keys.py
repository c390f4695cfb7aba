"""API keys: their form, their roles, their limits, and what may be said about a new one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from jobrunner.api.native.job_spec import parse_as
from jobrunner.domain.api_keys import ApiKey, KeyState, Limits, Role, Token, check_pattern, new_token, parse_token
from jobrunner.domain.key_wish import KeyWish
from jobrunner.errors import InvalidRequest

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def key_of(token: Token, **fields: object) -> ApiKey:
    return ApiKey(token.id, "ci", Role.READ, NOW, token.secret_hash, **fields)  # type: ignore[arg-type]


def test_each_role_includes_those_before_it() -> None:
    includes = {(mine, other): mine.includes(other) for mine in Role for other in Role}
    assert [pair for pair, yes in includes.items() if yes] == [
        (Role.READ, Role.READ),
        (Role.SUBMIT, Role.READ),
        (Role.SUBMIT, Role.SUBMIT),
        (Role.ADMIN, Role.READ),
        (Role.ADMIN, Role.SUBMIT),
        (Role.ADMIN, Role.ADMIN),
    ]


def test_a_key_is_known_again_by_its_secret_alone() -> None:
    token, other = new_token(), new_token()
    assert parse_token(str(token)) == token
    assert token.is_of(key_of(token))
    assert not Token(token.id, other.secret).is_of(key_of(token))
    assert not token.is_of(None)


@pytest.mark.parametrize("text", ["", "jr_", "jr_0123456789ab_", "x" * 65, "jr_0123456789ab_" + "0" * 47, "jr_é"])
def test_what_has_not_the_form_of_a_key_is_none(text: str) -> None:
    assert parse_token(text) is None


def test_no_secret_is_in_what_python_shows_of_a_key() -> None:
    token = new_token()
    key = key_of(token)
    assert token.secret not in repr(token)
    assert token.secret_hash not in repr(key)


def test_a_key_is_active_until_it_expires_or_is_revoked() -> None:
    key = key_of(new_token(), expires_at=NOW)
    assert key.state(NOW - timedelta(seconds=1)) is KeyState.ACTIVE
    assert key.state(NOW) is KeyState.EXPIRED
    assert key_of(new_token(), revoked_at=NOW).state(NOW) is KeyState.REVOKED


@pytest.mark.parametrize(
    ("pattern", "task_id", "allowed"),
    [("^ci-", "ci-1", True), ("^ci-", "a-ci-1", False), ("ci", "a-ci-1", True), (r"^\w+$", "tâche", False)],
)
def test_a_task_pattern_is_searched_for(pattern: str, task_id: str, allowed: bool) -> None:
    assert Limits(task_pattern=pattern).allows_task(task_id) is allowed
    assert Limits().allows_task(task_id)


@pytest.mark.parametrize(
    "pattern", ["", "(", "(?i)ci", "(?P<a>b)", r"(a)\1", r"\p{L}", "[[:alpha:]]", "a" * 201, "a**"]
)
def test_a_pattern_that_mongodb_could_read_differently_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="regular expression"):
        check_pattern(pattern)


@pytest.mark.parametrize("pattern", ["^ci-", r"^registry\.example:5000/team/", r"^(a|b)-\d{3}$", r"[^/]+\-x"])
def test_a_plain_pattern_is_taken(pattern: str) -> None:
    assert check_pattern(pattern) == pattern


def wish(**keys: object) -> KeyWish:
    return parse_as(KeyWish, json.dumps({"name": "ci", "role": "submit"} | keys).encode())


def test_a_wish_says_when_the_key_ends() -> None:
    assert wish().end(NOW) is None
    assert wish(expiresIn="90d").end(NOW) == NOW + timedelta(days=90)
    assert wish(expiresIn="1h30m").end(NOW) == NOW + timedelta(minutes=90)
    assert wish(expiresAt=NOW.timestamp()).end(NOW) == NOW


@pytest.mark.parametrize(
    ("keys", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "a\n"}, "name"),
        ({"role": "root"}, "role"),
        ({"role": "admin", "taskPattern": "^ci-"}, "body"),
        ({"expiresIn": "soon"}, "expiresIn"),
        ({"expiresIn": "0d"}, "expiresIn"),
        ({"expiresIn": "1d", "expiresAt": 1e9}, "body"),
        ({"expiresAt": -1}, "expiresAt"),
        ({"taskPattern": "("}, "taskPattern"),
        ({"imagePattern": ""}, "imagePattern"),
        ({"mostRunning": 0}, "mostRunning"),
        ({"mostCpus": True}, "mostCpus"),
        ({"mostMemoryBytes": 1.5}, "mostMemoryBytes"),
        ({"color": "red"}, "color"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_by_its_field(keys: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        wish(**keys)
    assert [fault.field for fault in raised.value.faults] == [field]
