"""How a run ended, as far as the queue is concerned."""

from __future__ import annotations

from enum import StrEnum


class RunEnd(StrEnum):
    """The answer of a run to the message that caused it."""

    CLOSED = "closed"
    NOTHING_TO_DO = "nothing to do"
    ALREADY_HERE = "already running here"
    HANDED_BACK = "handed back"
    HAS_TO_WAIT = "has to wait: as many of its kind run as may"
    SUPERSEDED = "superseded"
