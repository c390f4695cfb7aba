"""The start of a process: services that do not answer yet are waited for, and until then a signal ends it at once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import structlog

from jobrunner.errors import ServiceUnavailable, SettingsError

RETRY_SECONDS = 1.0
SAY_EVERY_SECONDS = 30.0

T = TypeVar("T")
log = structlog.get_logger(__name__)


def once_answered(action: Callable[[], T], pause: Callable[[float], object] = time.sleep) -> T:
    """Do it, again and again until no service that it needs is away; what it returned.

    What is waited for is said at once, and then every SAY_EVERY_SECONDS. `pause` waits between the tries (seconds);
    what it raises ends all. Raises SettingsError where a service refuses us: that does not pass by itself.
    """
    began_at = time.monotonic()
    said_at, service = 0.0, ""
    while True:
        try:
            result = action()
            break
        except ServiceUnavailable as error:
            if error.is_refusal:
                raise SettingsError(str(error)) from None
            if error.service != service or time.monotonic() - said_at >= SAY_EVERY_SECONDS:
                said_at, service = time.monotonic(), error.service
                log.warning("waiting_for_service", service=service, error=str(error), seconds=_seconds_since(began_at))
        pause(RETRY_SECONDS)
    if service:
        log.info("service_answers", service=service, seconds=_seconds_since(began_at))
    return result


def _seconds_since(began_at: float) -> int:
    return round(time.monotonic() - began_at)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Have SIGTERM and SIGINT end the process at once, with exit code 0, whatever it waits for.

    Only for as long as it has begun nothing, and nobody knows of it: nothing is cleared up.
    """
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda _number, _frame: os._exit(0)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
