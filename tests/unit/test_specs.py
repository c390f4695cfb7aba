"""The specification of a job: what is taken, what is refused and under which name, and that it comes back as it was."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from jobrunner.domain.commands import LONGEST_COMMAND_BYTES
from jobrunner.domain.specs import JobSpec

printable = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
words = st.lists(printable, min_size=1, max_size=4).map(tuple)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | printable,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(printable, inner, max_size=3),
    max_leaves=8,
)
env_names = printable.filter(lambda name: name and "=" not in name)
starts = st.one_of(
    st.just({}),
    st.builds(lambda hours: {"startIn": f"{hours}h"}, st.integers(0, 9999)),
    st.builds(lambda seconds: {"startAt": seconds}, st.floats(0, 7e9) | st.integers(0, 7 * 10**9)),
    st.builds(lambda zone: {"cron": "*/5 * * * *", "timezone": zone}, st.sampled_from(["UTC", "Europe/Berlin"])),
)
bodies = st.builds(
    lambda body, start: body | start,
    st.fixed_dictionaries(
        {"image": st.sampled_from(["busybox", "registry:5000/a/b:1", "busybox@sha256:" + "0" * 64])},
        optional={
            "command": words | st.sampled_from(["ls -la", "sh -c 'echo \"a b\"'"]),
            "envs": st.dictionaries(env_names, printable | st.integers() | st.floats(), max_size=3),
            "metadata": st.dictionaries(printable, json_values, max_size=3),
            "timeout": st.integers(1, 10**9),
            "stopGrace": st.integers(0, 3600),
            "pullPolicy": st.sampled_from(["missing", "always", "never"]),
            "retries": st.integers(0, 100),
            "expiration": st.floats(0, 7e9),
            "additionalDNSEntries": st.just({"db.local": "10.0.0.1", "v6": "::1"}),
        },
    ),
    starts,
)


def fault_fields(body: dict[str, Any]) -> list[str]:
    """The fields that are named as the faulty ones, by the names that callers use."""
    with pytest.raises(ValidationError) as caught:
        JobSpec.model_validate({"image": "busybox", **body})
    return [str(error["loc"][0]) if error["loc"] else "" for error in caught.value.errors()]


@given(bodies)
def test_a_specification_comes_back_from_json_as_it_was(body: dict[str, Any]) -> None:
    spec = JobSpec.model_validate(body)
    assert JobSpec.model_validate_json(spec.to_json()) == spec


def test_a_specification_is_immutable() -> None:
    with pytest.raises(ValidationError):
        JobSpec(image="busybox").image = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("image", ["", " ", "No Image", 5, None, ["busybox"], "a" * 2000, "busybox\0"]),
        (
            "command",
            ["", "   ", [], [1], 5, {"a": 1}, "echo 'open", "a\0b", ["a\0"], [None], "x" * LONGEST_COMMAND_BYTES],
        ),
        ("command", [["x" * 1000] * 1000, "\ud800"]),
        (
            "envs",
            [[], "A=b", {"": "x"}, {"A=B": "x"}, {"A": True}, {"A": None}, {"A": ["x"]}, {"A": "\0"}, {"A\0": "x"}],
        ),
        ("envs", [{f"N{n}": "x" for n in range(1001)}, {"A": "\ud800"}, {"x" * 1025: "y"}, {"\ud800": "x"}]),
        ("metadata", [[], "x", 5, {"a": float("nan")}, {"a": float("inf")}, {"a": "\ud800"}, {"a": object()}]),
        ("timeout", [0, -1, 1.5, "30", True, 10**10, float("nan"), float("inf"), [], 10**400]),
        ("stopGrace", [-1, 3601, "1", True]),
        ("pullPolicy", ["", "sometimes", 1, None]),
        ("retries", [-1, 101, "3", 0.5, True, None]),
        ("retryPolicy", [{}, [], "fast", {"on": ["lost"]}]),  # without retries
        ("expiration", [-1, "tomorrow", True, 1e15, float("nan")]),
        ("startIn", ["", "soon", 5, "-1s", "5"]),
        ("startAt", [-1, "now", True, 1e15]),
        ("cron", ["", "every day", 5, "* * * *", "0 0 30 2 *", "\0"]),
        ("timezone", ["", "Nowhere/City", 5, "../../etc/passwd"]),
        ("additionalDNSEntries", [[], {"": "10.0.0.1"}, {"a b": "10.0.0.1"}, {"db": "not an address"}, {"db": 5}]),
        ("additionalDNSEntries", [{f"h{n}": "10.0.0.1" for n in range(101)}]),
        ("no_such_key", [1]),
        ("start_Inn", ["5s"]),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_field(field: str, values: list[Any]) -> None:
    for value in values:
        assert set(fault_fields({field: value})) == {field}, value


def test_all_faults_are_told_at_once() -> None:
    assert set(fault_fields({"image": "", "retries": -1, "cron": "x", "nonsense": 1})) == {
        "image",
        "retries",
        "cron",
        "nonsense",
    }


def test_an_image_must_be_given() -> None:
    with pytest.raises(ValidationError) as caught:
        JobSpec.model_validate({})
    assert [error["loc"] for error in caught.value.errors()] == [("image",)]


@pytest.mark.parametrize(
    "body",
    [
        {"startIn": "5s", "startAt": 1_800_000_000},
        {"startIn": "5s", "cron": "* * * * *"},
        {"startAt": 1_800_000_000, "cron": "* * * * *"},
    ],
)
def test_only_one_start_may_be_given_and_the_two_are_named(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=f"not {' and '.join(body)}"):
        JobSpec.model_validate({"image": "busybox", **body})


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (None, None),
        ("ls -lah", ("ls", "-lah")),
        ('sh -c "echo $HOME; exit 1"', ("sh", "-c", "echo $HOME; exit 1")),
        (["echo", "a b", ""], ("echo", "a b", "")),
        (["echo", "'"], ("echo", "'")),
    ],
)
def test_a_command_is_split_as_a_shell_would(command: Any, expected: tuple[str, ...] | None) -> None:
    assert JobSpec(image="busybox", command=command).words == expected


def test_numbers_in_envs_are_taken_as_text() -> None:
    assert JobSpec(image="busybox", envs={"PORT": 25, "RATIO": 0.5}).envs == {"PORT": "25", "RATIO": "0.5"}


def test_whole_numbers_may_be_written_as_floats() -> None:
    assert JobSpec(image="busybox", timeout=30.0).timeout == 30


def test_what_may_be_secret_is_not_in_the_repr() -> None:
    spec = JobSpec(image="busybox", envs={"PASSWORD": "hunter2"}, metadata={"token": "sesame"})
    assert "hunter2" not in repr(spec)
    assert "sesame" not in repr(spec)


def test_the_caller_s_metadata_is_kept_as_it_is() -> None:
    given_metadata = {"a.b": {"$set": [1, None, "x"]}, "": 2.5}
    spec = JobSpec(image="busybox", metadata=given_metadata)
    assert JobSpec.model_validate_json(spec.to_json()).caller_metadata == given_metadata
