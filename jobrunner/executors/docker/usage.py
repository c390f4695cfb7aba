"""What containers use up, from the Engine's statistics (GET /containers/{id}/stats), on cgroup v1 and v2.

The Engine reads the counters once a second, so a single answer takes up to a second (0.9 s measured on Engine 20.10,
with one-shot too). All streams are opened first, which takes no time, and then one answer is read from each: a round
takes a second however many containers there are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import requests
from docker import APIClient
from docker.errors import APIError

from jobrunner.domain.ports.executor import Container
from jobrunner.domain.usage import ResourceUsage
from jobrunner.executors.docker.client import CONNECT_SECONDS, EngineClient, open_stream
from jobrunner.executors.docker.containers import instant

PATIENCE_SECONDS = 10.0  # of a thread that nobody waits for
MOST_AT_ONCE = 64  # open streams
LINE_BYTES = 64 * 1024
NANOSECONDS = 1e9


def sample(client: EngineClient, containers: Sequence[Container]) -> dict[str, ResourceUsage]:
    """A sample of each container that runs, by its id; only of some, if the Engine is too slow for the others."""
    samples: dict[str, ResourceUsage] = {}
    for first in range(0, len(containers), MOST_AT_ONCE):
        with client.aside() as api, ExitStack() as streams:
            opened = {c.id: _open(api, c.id, streams) for c in containers[first : first + MOST_AT_ONCE]}
            try:
                for container_id, stream in opened.items():
                    if (usage := _first(stream)) is not None:
                        samples[container_id] = usage
            except OSError:  # requests' errors are OSErrors
                if not samples:
                    raise
                return samples
    return samples


def _open(api: APIClient, container_id: str, streams: ExitStack) -> requests.Response | None:
    """The statistics of a container from now on; None where it is gone. Closed with `streams`."""
    path = f"/containers/{container_id}/stats?stream=1"
    try:
        stream = open_stream(api, "GET", path, timeout=(CONNECT_SECONDS, PATIENCE_SECONDS))
    except APIError:
        return None
    streams.callback(stream.close)
    return stream


def _first(stream: requests.Response | None) -> ResourceUsage | None:
    line = next(stream.iter_lines(LINE_BYTES), None) if stream is not None else None
    return from_statistics(json.loads(line)) if line else None


def from_statistics(statistics: Mapping[str, Any]) -> ResourceUsage | None:
    """A sample from one answer; None for the empty one that the Engine gives of what does not run."""
    sampled_at = instant(statistics["read"])
    if sampled_at is None:
        return None
    networks = statistics.get("networks")
    return ResourceUsage(
        sampled_at=sampled_at,
        cpu_seconds=round(statistics["cpu_stats"]["cpu_usage"]["total_usage"] / NANOSECONDS, 3),
        peak_memory_bytes=_peak_memory(statistics.get("memory_stats") or {}),
        network_received_bytes=_sum(networks, "rx_bytes"),
        network_sent_bytes=_sum(networks, "tx_bytes"),
        block_read_bytes=_transferred(statistics, "read"),
        block_written_bytes=_transferred(statistics, "write"),
    )


def _peak_memory(memory: Mapping[str, Any]) -> int | None:
    """cgroup v1 keeps the peak; v2, as the Engine passes it on, tells only what is held now."""
    return memory.get("max_usage", memory.get("usage"))


def _sum(networks: Mapping[str, Mapping[str, int]] | None, counter: str) -> int | None:
    """Over all interfaces but the loopback, which the Engine leaves out; None without a network of its own."""
    return None if networks is None else sum(interface[counter] for interface in networks.values())


def _transferred(statistics: Mapping[str, Any], operation: str) -> int | None:
    """Bytes to and from block devices: the list has an entry a device and operation.

    It is empty where nothing was read or written, and also where the kernel does not count it: so None, not 0.
    """
    entries: Iterable[Mapping[str, Any]] = statistics.get("blkio_stats", {}).get("io_service_bytes_recursive") or ()
    return sum(entry["value"] for entry in entries if entry["op"].lower() == operation) if entries else None
