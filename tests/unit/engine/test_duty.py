"""Duties, at the end of their process."""

from __future__ import annotations

import threading
import time

from jobrunner.engine.duty import Duty, wait_for_end


def duty(action: object, stopping: threading.Event) -> Duty:
    made = Duty("a duty", 0.01, action, stopping=stopping, announce=lambda event: None)  # type: ignore[arg-type]
    made.start()
    return made


def test_duties_that_hang_are_waited_for_together_and_not_one_after_the_other() -> None:
    stopping, service_is_back = threading.Event(), threading.Event()
    duties = [duty(service_is_back.wait, stopping) for _ in range(20)]
    stopping.set()
    began = time.monotonic()
    assert not wait_for_end(duties, 0.5)
    assert time.monotonic() - began < 5
    service_is_back.set()
    assert wait_for_end(duties, 30)
