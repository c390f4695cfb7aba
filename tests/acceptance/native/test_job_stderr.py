"""The document's section "Job stderr": GET /tasks/<task-id>/job/<job-id>/stderr/."""

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
    path = job_path(printed_by_job, "stderr/")
    native_output.assert_written(farm, path, example("job_stderr.txt"), exit_code=3)


def test_what_has_been_written_so_far_is_there_while_the_container_runs(farm: Farm) -> None:
    native_output.assert_written_while_running(farm, lambda posted: job_path(posted, "stderr/"), ">&2")


def test_a_job_that_has_written_no_error_has_an_empty_one(farm: Farm, documented: dict[str, Any]) -> None:
    assert text(call(farm, "GET", job_path(documented, "stderr/"))) == b""


def test_a_job_that_has_not_started_has_written_nothing(farm: Farm, unstarted: dict[str, Any]) -> None:
    native_output.assert_written(farm, job_path(unstarted, "stderr/"), "", exit_code=None)


def test_a_job_that_is_not_there_is_told(farm: Farm, printed_by_job: dict[str, Any], elsewhere: dict[str, Any]) -> None:
    assert_wrong_jobs_are_refused(farm, "GET", printed_by_job, elsewhere, "stderr/")


def test_only_get_is_allowed(farm: Farm, printed_by_job: dict[str, Any]) -> None:
    assert_wrong_methods_are_refused(farm, job_path(printed_by_job, "stderr/"), "GET")
