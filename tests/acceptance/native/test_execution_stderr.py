"""The document's section "Job Execution stderr": GET .../executions/<execution-id>/stderr/."""

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
    path = execution_path(printed, "stderr/")
    native_output.assert_written(farm, path, example("execution_stderr.txt"), exit_code=3)


def test_what_has_been_written_so_far_is_there_while_the_container_runs(farm: Farm) -> None:
    native_output.assert_written_while_running(farm, lambda posted: execution_path(posted, "stderr/"), ">&2")


def test_an_execution_that_has_written_no_error_has_an_empty_one(farm: Farm, documented: dict[str, Any]) -> None:
    assert text(call(farm, "GET", execution_path(documented, "stderr/"))) == b""


def test_an_execution_that_is_not_there_is_told(farm: Farm, printed: dict[str, Any], elsewhere: dict[str, Any]) -> None:
    assert_wrong_executions_are_refused(farm, "GET", printed, elsewhere, "stderr/")


def test_only_get_is_allowed(farm: Farm, printed: dict[str, Any]) -> None:
    assert_wrong_methods_are_refused(farm, execution_path(printed, "stderr/"), "GET")
