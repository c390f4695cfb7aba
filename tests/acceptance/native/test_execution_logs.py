"""The document's section "Job Execution logs": GET .../executions/<execution-id>/logs/."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import native_output
from tests.support.farm import Farm
from tests.support.native_api import (
    assert_wrong_executions_are_refused,
    assert_wrong_methods_are_refused,
    call,
    example,
    execution_path,
    text,
)

pytestmark = pytest.mark.services


def test_the_output_of_the_document_is_answered_to_the_byte(farm: Farm, printed: dict[str, Any]) -> None:
    path = execution_path(printed, "logs/")
    native_output.assert_written(farm, path, example("execution_logs.txt"), exit_code=3)


def test_bytes_that_are_no_text_come_as_they_were_written(farm: Farm) -> None:
    posted = farm.post_job("sh", "-c", r"printf '\377\000\r\n'; printf '\200' >&2")
    farm.wait_for_end(posted)
    assert text(call(farm, "GET", execution_path(posted, "logs/"))) == b"\xff\0\r\n\n-=-\n\x80"


def test_an_execution_that_is_not_there_is_told(farm: Farm, printed: dict[str, Any], elsewhere: dict[str, Any]) -> None:
    assert_wrong_executions_are_refused(farm, "GET", printed, elsewhere, "logs/")


def test_only_get_is_allowed(farm: Farm, printed: dict[str, Any]) -> None:
    assert_wrong_methods_are_refused(farm, execution_path(printed, "logs/"), "GET")
