"""The names that callers give, and the ids that we give."""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Callable
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrunner.domain.identifiers import check_task_id, check_uuid, new_id, retry_id
from jobrunner.errors import InvalidRequest

SOME_UUID = "5a023792-1445-44e9-8a8b-cfe5ad05d1c6"


def fault_of(check: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        check()
    (fault,) = caught.value.faults
    return fault.field, fault.reason


@pytest.mark.parametrize("name", ["test-wrkng", "a", "a b", "Fluß", "日本", "a.b", "...", "a" * 255, "x\u0301", "50%"])
def test_a_usable_task_id_is_kept_as_it_is(name: str) -> None:
    assert check_task_id(name) == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("a" * 256, "at most 255 characters, not 256"),
        ("a" * 10_000, "at most 255 characters, not 10000"),
        ("a/b", "'/'"),
        ("a\\b", "'/'"),
        ("-rf", "must not start with '-'"),
        (".", "'.' or '..'"),
        ("..", "'.' or '..'"),
        (" a", "white space"),
        ("a\n", "white space"),
        ("a\0b", "control characters"),
        ("a\x1b[2J", "control characters"),
        ("a\u202eb", "control characters"),
        ("a\u2028b", "control characters"),
        ("a\ud800b", "control characters"),
        ("a\u200bb", "control characters"),
    ],
)
def test_an_unusable_task_id_is_refused_with_its_reason(name: str, reason: str) -> None:
    field, said = fault_of(lambda: check_task_id(name))
    assert field == "taskId"
    assert reason in said


@given(st.text())
def test_a_task_id_that_is_taken_stands_in_a_url_and_on_a_line(name: str) -> None:
    try:
        check_task_id(name)
    except InvalidRequest:
        return
    assert unquote(quote(name, safe="")) == name
    assert "/" not in name
    assert not name.startswith("-")
    assert all(unicodedata.category(char)[0] != "C" for char in name)


def test_a_uuid_is_given_back_in_its_canonical_form() -> None:
    assert check_uuid("jobId", SOME_UUID.upper()) == SOME_UUID


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        SOME_UUID[:-1],
        SOME_UUID.replace("-", ""),
        f"{{{SOME_UUID}}}",
        f"urn:uuid:{SOME_UUID}",
        f"{SOME_UUID}\n",
        "5" * 10_000,
    ],
)
def test_what_is_no_uuid_is_refused_by_the_name_of_its_field(text: str) -> None:
    field, reason = fault_of(lambda: check_uuid("executionId", text))
    assert field == "executionId"
    assert reason.startswith("must be a UUID")


def test_ids_are_uuids_and_differ() -> None:
    ids = {new_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(str(uuid.UUID(made)) == made for made in ids)


def test_the_id_of_a_retry_follows_from_the_attempt_before() -> None:
    assert retry_id(SOME_UUID) == retry_id(SOME_UUID)
    chain = [SOME_UUID]
    while len(chain) < 100:
        chain.append(retry_id(chain[-1]))
    assert len(set(chain)) == 100
    assert check_uuid("executionId", chain[-1]) == chain[-1]
