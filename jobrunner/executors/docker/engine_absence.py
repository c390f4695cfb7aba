"""Whether the Engine may have been away when a container ended: what that wrote last is lost then (Engine 20.10).

A container that runs on while the Engine is away writes into pipes, which the Engine reads when it is back. Where the
container ends before that, the pipes are gone with it. The exit code is known nevertheless: containerd has it.

The Engine has its events in memory only. So one that has run all the while since a container started knows of that
start; and one that was restarted since, and came back in time, knows of the end. One that knows of neither has ended
before the container did; or after it, and has forgotten that: where nobody has read the output then, nobody can tell.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from docker import APIClient

from jobrunner.domain.ports.executor import Container
from jobrunner.executors.docker.client import open_stream
from jobrunner.executors.docker.containers import instant

# The Engine keeps 256 (moby daemon/events/events.go: eventsLimit); once there were more, it has forgotten the first.
# Those that come while it is asked are not told, and push others out: so it is taken for full far below that.
MOST_EVENTS = 128
NOTED_WITHIN = timedelta(seconds=0.5)  # after the end of a container; later it is noted when the Engine comes back


def was_away_at_end(api: APIClient, container: Container) -> bool:
    """See the port. Call it in a guard."""
    return missed_the_end(list(_events(api)), container)


def missed_the_end(events: Sequence[Mapping[str, Any]], container: Container) -> bool:
    """Whether an Engine that remembers these events has not seen the container end, or has forgotten it at its own end.

    False where its memory may be full: it may have forgotten for want of room.
    """
    assert container.ended is not None
    if len(events) >= MOST_EVENTS:
        return False
    times = {event["Action"]: _at(event) for event in events if event["Actor"]["ID"] == container.id}
    ended_at = container.ended.finished_at
    return "start" not in times and ("die" not in times or times["die"] > ended_at + NOTED_WITHIN)


def _events(api: APIClient) -> Iterator[dict[str, Any]]:
    """All that the Engine remembers. It is asked by its own clock: the answer is to end."""
    now = instant(api.info()["SystemTime"])
    assert now is not None
    with open_stream(api, "GET", f"/events?since=1&until={ceil(now.timestamp())}") as response:
        for line in response.iter_lines():
            yield json.loads(line)


def _at(event: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(event["timeNano"] / 1e9, UTC)
