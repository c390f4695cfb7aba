"""What RQ calls, by dotted name (see jobrunner.queueing.names)."""

from __future__ import annotations

from jobrunner.engine.node import ThisNode
from jobrunner.engine.run import run_execution as run

_serving: list[ThisNode] = []


def serve(node: ThisNode) -> None:
    """Have the messages of this process run on `node`. Once, before the worker takes any."""
    assert not _serving, "a worker process speaks for one node"
    _serving.append(node)


def run_execution(execution_id: str) -> str:
    """Run an execution; the answer says how the run ended (jobrunner.engine.run_end)."""
    return run(_serving[0], execution_id).value
