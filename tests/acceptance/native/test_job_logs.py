"""The document's section "Job logs": GET /tasks/<task-id>/job/<job-id>/logs/."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import native_output
from tests.support.farm import Farm
from tests.support.native_api import (
    assert_wrong_jobs_are_refused,
    assert_wrong_methods_are_refused,
    call,
    example,
    job_path,
    text,
)

pytestmark = pytest.mark.services


def test_the_output_of_the_document_is_answered_to_the_byte(farm: Farm, printed_by_job: dict[str, Any]) -> None:
    path = job_path(printed_by_job, "logs/")
    native_output.assert_written(farm, path, example("job_logs.txt"), exit_code=3)


def test_both_streams_are_told_apart_by_what_is_between_them(farm: Farm) -> None:
    posted = farm.post_job("sh", "-c", "echo out; echo err >&2")
    farm.wait_for_end(posted)
    logs = text(call(farm, "GET", job_path(posted, "logs/")))
    assert logs.split(b"\n-=-\n") == [b"out\n", b"err\n"]


def test_what_is_between_is_there_where_nothing_was_written(farm: Farm, unstarted: dict[str, Any]) -> None:
    answer = call(farm, "GET", job_path(unstarted, "logs/"))
    assert text(answer) == b"\n-=-\n"
    assert "Fastlane-Exit-Code" not in answer.headers


def test_a_job_that_is_not_there_is_told(farm: Farm, printed_by_job: dict[str, Any], elsewhere: dict[str, Any]) -> None:
    assert_wrong_jobs_are_refused(farm, "GET", printed_by_job, elsewhere, "logs/")


def test_only_get_is_allowed(farm: Farm, printed_by_job: dict[str, Any]) -> None:
    assert_wrong_methods_are_refused(farm, job_path(printed_by_job, "logs/"), "GET")
