"""Whether a node speaks to its Engine, or leaves it alone."""

from __future__ import annotations

from enum import StrEnum


class Circuit(StrEnum):
    """Whether a node speaks to its Engine: yes; no, for a moment, as it did not answer; or it tries once."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"
