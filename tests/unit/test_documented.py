"""The comparison of answers with the examples of a document notices what a client would stumble over."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.documented import differences, more_keys

HERE = "http://127.0.0.1:4711"
ID, OTHER_ID = "5a023792-1445-44e9-8a8b-cfe5ad05d1c6", "00735b1e-25c3-467d-a106-05701a786957"
TIME, OTHER_TIME = "2019-01-17T15:13:02.614000", "2026-11-22T19:00:00.000000"


@pytest.mark.parametrize(
    ("example", "answer"),
    [
        ({"a": 1}, {"a": 1, "b": 2}),
        (ID, OTHER_ID),
        (TIME, OTHER_TIME),
        ("c" * 64, "0" * 64),
        (f"http://localhost:10000/tasks/t/jobs/{ID}/", f"{HERE}/tasks/t/jobs/{OTHER_ID}/"),
        ([{"id": ID}], [{"id": ID}, {"id": OTHER_ID}]),
        ([], []),
        (None, None),
    ],
)
def test_what_is_like_the_example_is_accepted(example: Any, answer: Any) -> None:
    assert differences(example, answer, HERE) == []


@pytest.mark.parametrize(
    ("example", "answer"),
    [
        ({"a": 1}, {}),
        ({"a": {"b": 1}}, {"a": {"c": 1}}),
        (0, None),
        (0, False),
        (0, 0.0),
        (0, "0"),
        ("", None),
        (1547737982.644, TIME),
        (1547737982.644, 1547737982.644),  # it is to be an instant of today
        (ID, "5a023792"),
        (ID, OTHER_ID.upper()),
        (TIME, f"{TIME}Z"),
        (TIME, f"{TIME}+00:00"),
        (TIME, TIME.replace("T", " ")),
        (TIME, TIME.partition(".")[0]),
        ("http://localhost:10000/tasks/t", f"{HERE}/tasks/t/"),
        ("http://localhost:10000/tasks/t", "http://localhost:10000/tasks/t"),
        ([{"id": ID}], []),
        ([{"id": ID}], [{"id": ID}, {}]),
        ([], [1]),
        ("done", "failed"),
    ],
)
def test_what_is_not_like_the_example_is_told(example: Any, answer: Any) -> None:
    assert differences(example, answer, HERE)


def test_at_some_paths_something_else_may_be_expected() -> None:
    example = {"runs": [{"exitCode": 0, "log": "a"}]}
    answer = {"runs": [{"exitCode": 3, "log": "a"}]}
    assert differences(example, answer, HERE) == ["runs.*.exitCode: 3 is not like 0"]
    assert differences(example, answer, HERE, {"runs.*.exitCode": 3}) == []
    assert differences(example, answer, HERE, {"runs.*.exitCode": 4}) == ["runs.*.exitCode: is 3 and not 4"]


def test_keys_that_the_example_has_not_are_found_at_every_level() -> None:
    example = {"a": 1, "runs": [{"b": 1}], "empty": []}
    answer = {"a": 1, "runs": [{"b": 1, "c": 2}], "empty": [], "d": {"e": 1}}
    assert more_keys(example, answer) == {"runs.*.c", "d"}
