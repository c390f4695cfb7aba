"""The farm's clock goes by the server, however long its answers take, and never by the clock of the machine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jobrunner.engine.farm_clock import FarmClock
from jobrunner.errors import StoreUnavailable

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Server:
    """A server with a clock, a way to it that takes time, and the monotonic clock of who asks."""

    def __init__(self) -> None:
        self.elapsed_seconds, self.ahead_seconds = 1000.0, 0.0
        self.there_seconds, self.back_seconds = 0.01, 0.01
        self.answers = True

    def time(self) -> datetime:
        self.elapsed_seconds += self.there_seconds
        if not self.answers:
            raise StoreUnavailable("away")
        told = self.true_time()
        self.elapsed_seconds += self.back_seconds
        return told

    def true_time(self) -> datetime:
        return NOON + timedelta(seconds=self.elapsed_seconds + self.ahead_seconds)

    def monotonic(self) -> float:
        return self.elapsed_seconds


def off_by_seconds(clock: FarmClock, server: Server) -> float:
    return abs((clock.now() - server.true_time()).total_seconds())


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def clock(server: Server) -> FarmClock:
    return FarmClock(server.time, server.monotonic)


def test_it_tells_the_time_of_the_server_and_goes_on_by_itself(server: Server, clock: FarmClock) -> None:
    assert off_by_seconds(clock, server) <= 0.011
    server.elapsed_seconds += 3600
    assert off_by_seconds(clock, server) <= 0.011


def test_it_follows_a_server_whose_clock_is_set(server: Server, clock: FarmClock) -> None:
    for ahead_seconds in (90.0, -90.0):
        server.ahead_seconds = ahead_seconds
        clock.compare()
        assert off_by_seconds(clock, server) <= 0.011


def test_an_answer_that_took_long_does_not_put_a_clock_wrong_that_is_right(server: Server, clock: FarmClock) -> None:
    server.there_seconds, server.back_seconds = 0.0, 20.0
    clock.compare()
    assert off_by_seconds(clock, server) <= 0.011


def test_a_first_answer_that_took_long_is_made_good_by_the_next_one(server: Server) -> None:
    server.there_seconds, server.back_seconds = 0.0, 8.0
    clock = FarmClock(server.time, server.monotonic)
    server.back_seconds = 0.01
    clock.compare()
    assert off_by_seconds(clock, server) <= 0.011


def test_it_goes_on_while_the_server_does_not_answer(server: Server, clock: FarmClock) -> None:
    server.answers = False
    with pytest.raises(StoreUnavailable):
        clock.compare()
    server.elapsed_seconds += 600
    assert off_by_seconds(clock, server) <= 0.011
