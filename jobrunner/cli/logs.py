"""`jobrunner logs`: the output of an execution."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from queue import SimpleQueue

import click

from jobrunner.cli.answers import Execution, ExecutionRef
from jobrunner.cli.client import Client, StreamName
from jobrunner.cli.follow import Write, start_following, writer
from jobrunner.cli.options import with_client
from jobrunner.domain.outcomes import SIGNAL_BASE

INTERRUPTED = SIGNAL_BASE + 2  # SIGINT


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on until the execution has ended.")
@click.option("--stdout", "only", flag_value="stdout", help="Only what it wrote to stdout.")
@click.option("--stderr", "only", flag_value="stderr", help="Only what it wrote to stderr.")
@click.argument("execution")
@with_client()
def logs(client: Client, execution: str, follow: bool, only: StreamName | None) -> None:
    """Show what EXECUTION (an id) wrote: its stdout to stdout, its stderr to stderr.

    Without -f: what is there now, stdout first. Ctrl-C ends the following, not the execution.
    """
    writes: dict[StreamName, Write] = {"stdout": writer(sys.stdout), "stderr": writer(sys.stderr)}
    if only:
        writes = {only: writes[only]}
    ref = client.find(execution)
    if follow:
        _follow(client, ref, writes)
    else:
        _show(client, ref, writes)


def _show(client: Client, ref: ExecutionRef, writes: Mapping[StreamName, Write]) -> None:
    for stream, write in writes.items():
        for content in client.output(ref, stream):
            write(content)


def _follow(client: Client, ref: ExecutionRef, writes: Mapping[StreamName, Write]) -> None:
    ends: SimpleQueue[Execution | Exception] = SimpleQueue()
    start_following(client, ref, writes, ends.put)
    try:
        for _ in writes:
            end = ends.get()
            if isinstance(end, Exception):
                raise end
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
