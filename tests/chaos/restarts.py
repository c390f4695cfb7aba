"""When a worker that was started again came to its work: on a busy machine that takes far longer than its start."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from tests.chaos.farm import NODES, ChaosFarm
from tests.chaos.records import Absence

READY = '"worker_ready"'
READY_SECONDS = 120.0  # what was said later was said by another process of its name


def until_ready(farm: ChaosFarm) -> Iterator[Absence]:
    """The absences of processes that were restarted; those of workers until they said that they were ready."""
    ready = {node: list(_ready(farm.farm.log(node))) for node in NODES}
    for away in farm.restarts:
        later = [at for at in ready.get(away.process, ()) if away.until <= at <= away.until + READY_SECONDS]
        yield replace(away, until=min(later, default=away.until))


def _ready(log: str) -> Iterator[float]:
    for line in log.splitlines():
        if READY in line:
            yield datetime.fromisoformat(json.loads(line)["timestamp"]).timestamp()
