"""The document's section "Healthcheck", which it leaves open: GET /healthcheck/. (When a service is away, it is told in
tests/integration/test_api_outages.py.)
"""

from __future__ import annotations

import pytest

from tests.support.farm import Farm
from tests.support.native_api import assert_wrong_methods_are_refused, call, document, spellings

pytestmark = pytest.mark.services


def test_a_farm_whose_services_answer_is_healthy(farm: Farm) -> None:
    for path in spellings("/healthcheck/"):
        expected = {"mongo": True, "redis": True, "errors": []}
        assert expected.items() <= document(call(farm, "GET", path)).items()


def test_only_get_is_allowed(farm: Farm) -> None:
    assert_wrong_methods_are_refused(farm, "/healthcheck/", "GET")
