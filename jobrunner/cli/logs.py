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
@click.option("-n", "--tail", type=click.IntRange(0), metavar="N", help="Only the last N lines of each.")
@click.option("--since", metavar="TIME", help="Only what it wrote since then: 2026-05-01T12:00:00Z, or UNIX seconds.")
@click.argument("execution")
@with_client()
def logs(
    client: Client, execution: str, follow: bool, only: StreamName | None, tail: int | None, since: str | None
) -> None:
    """Show what EXECUTION (an id) wrote: its stdout to stdout, its stderr to stderr.

    Without -f: what is there now, stdout first. Ctrl-C ends the following, not the execution.
    """
    writes: dict[StreamName, Write] = {"stdout": writer(sys.stdout), "stderr": writer(sys.stderr)}
    if only:
        writes = {only: writes[only]}
    ref = client.find(execution)
    offsets = dict.fromkeys(writes, 0)
    if tail is not None or since is not None:
        offsets = {stream: client.output_offset(ref, stream, tail, since) for stream in writes}
    if follow:
        _follow(client, ref, writes, offsets)
    else:
        _show(client, ref, writes, offsets)


def _show(
    client: Client, ref: ExecutionRef, writes: Mapping[StreamName, Write], offsets: Mapping[StreamName, int]
) -> None:
    for stream, write in writes.items():
        for content in client.output(ref, stream, offsets[stream]):
            write(content)


def _follow(
    client: Client, ref: ExecutionRef, writes: Mapping[StreamName, Write], offsets: Mapping[StreamName, int]
) -> None:
    ends: SimpleQueue[Execution | Exception] = SimpleQueue()
    start_following(client, ref, writes, ends.put, offsets)
    try:
        for _ in writes:
            end = ends.get()
            if isinstance(end, Exception):
                raise end
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
