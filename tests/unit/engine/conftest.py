"""A world for the engine: no services, no waiting."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.engine_world import World, mongomock_store


@pytest.fixture
def world() -> Iterator[World]:
    with mongomock_store() as store:
        made = World(store)
        yield made
        made.close()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine waits out an outage; here it is over at once."""
    monkeypatch.setattr("jobrunner.engine.run.FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr("jobrunner.engine.capture.RETRY_SECONDS", 0.001)
    monkeypatch.setattr("jobrunner.engine.watch.GLANCE_SECONDS", 0.05)
