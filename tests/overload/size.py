"""How much of it: a short form for every run of the tests, and the long one, which scripts/overload runs."""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T")

IS_LONG = os.environ.get("JOBRUNNER_TEST_OVERLOAD") == "long"


def size(short: T, long: T) -> T:
    """The one of the two that this run is to take."""
    return long if IS_LONG else short
