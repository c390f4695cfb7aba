"""What is waited for at the start of a process, and what is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from jobrunner import patience
from jobrunner.errors import Conflict, Ending, QueueUnavailable, ServiceUnavailable, SettingsError, StoreUnavailable
from jobrunner.patience import once_answered


def away(*errors: Exception) -> Callable[[], str]:
    """Something that meets these errors, one a try, and then comes off."""
    coming = list(errors)

    def action() -> str:
        if coming:
            raise coming.pop(0)
        return "done"

    return action


def test_a_service_that_is_away_is_waited_for_and_that_is_said_once_for_each() -> None:
    troubles: list[ServiceUnavailable] = [StoreUnavailable("away")] * 3 + [QueueUnavailable("away")] * 3
    with capture_logs() as lines:
        assert once_answered(away(*troubles), lambda seconds: None) == "done"
    assert [(line["event"], line["service"]) for line in lines] == [
        ("waiting_for_service", "mongo"),
        ("waiting_for_service", "redis"),
        ("service_answers", "redis"),
    ]


def test_a_long_wait_is_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "SAY_EVERY_SECONDS", 0)
    with capture_logs() as lines:
        once_answered(away(*[StoreUnavailable("away")] * 3), lambda seconds: None)
    assert [line["event"] for line in lines].count("waiting_for_service") == 3


def test_nothing_is_said_where_nothing_is_waited_for() -> None:
    with capture_logs() as lines:
        assert once_answered(away()) == "done"
    assert lines == []


def test_a_service_that_refuses_us_is_not_waited_for() -> None:
    with pytest.raises(SettingsError, match="no such user"):
        once_answered(away(StoreUnavailable("no such user", is_refusal=True)))


def test_what_is_no_trouble_of_a_service_is_not_waited_out() -> None:
    with pytest.raises(Conflict):
        once_answered(away(Conflict("node", "is taken")))


def test_a_pause_that_is_broken_off_ends_the_wait() -> None:
    def end(seconds: float) -> None:
        raise Ending("told to end")

    with pytest.raises(Ending):
        once_answered(away(StoreUnavailable("away")), end)
