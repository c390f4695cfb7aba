"""What a container has used up so far, as the kernel counts it, and how often that is looked at. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

FIRST_SAMPLE = timedelta(seconds=1)  # what ends before it costs nothing, and has no figures
SHORTEST_PAUSE = timedelta(seconds=1)
PAUSE_OF_AGE = 0.2  # a sample is not older than about this part of the run


@dataclass(frozen=True)
class ResourceUsage:
    """One sample. All but the peak are sums since the start of the container. None: the Engine does not count it.

    The peak of memory includes the file cache that the container's limit would include.
    """

    sampled_at: datetime
    cpu_seconds: float
    peak_memory_bytes: int | None = None
    network_received_bytes: int | None = None
    network_sent_bytes: int | None = None
    block_read_bytes: int | None = None
    block_written_bytes: int | None = None

    def after(self, earlier: ResourceUsage | None) -> ResourceUsage:
        """This sample, with the peak of an earlier one: some kernels tell only what is held at the moment."""
        peaks = [sample.peak_memory_bytes for sample in (self, earlier) if sample and sample.peak_memory_bytes]
        return replace(self, peak_memory_bytes=max(peaks, default=self.peak_memory_bytes))

    def figures(self) -> dict[str, float | int | None]:
        """The figures under the names that the API and webhooks give them."""
        return {
            "cpuSeconds": self.cpu_seconds,
            "peakMemoryBytes": self.peak_memory_bytes,
            "networkReceivedBytes": self.network_received_bytes,
            "networkSentBytes": self.network_sent_bytes,
            "blockReadBytes": self.block_read_bytes,
            "blockWrittenBytes": self.block_written_bytes,
        }


def next_sample_at(now: datetime, started_at: datetime, longest_pause: timedelta) -> datetime:
    """When a container that is sampled now, or started only now, is to be sampled next."""
    age = now - started_at
    if age < FIRST_SAMPLE:
        return started_at + FIRST_SAMPLE
    return now + min(max(SHORTEST_PAUSE, age * PAUSE_OF_AGE), longest_pause)
