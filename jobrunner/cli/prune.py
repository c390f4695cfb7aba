"""`jobrunner prune`: delete now what was kept for long enough, or show how much that is."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from threading import Event as Flag

import click

from jobrunner.cli.service import with_settings
from jobrunner.domain.events import Event, Pruned
from jobrunner.domain.key_wish import parse_life
from jobrunner.engine.farm import Farm
from jobrunner.engine.janitors.prune import Prune
from jobrunner.engine.removal import Rehearsal, Removal
from jobrunner.settings import Settings
from jobrunner.wiring import Wiring

INTERRUPTED = 130  # as a shell tells of SIGINT


@click.command()
@click.option("--dry-run", is_flag=True, help="Delete nothing: say how much would go.")
@click.option(
    "--older-than",
    metavar="TIME",
    callback=lambda ctx, option, text: _age(text),
    help="What ended so long ago (30d, 12h), whatever the farm and its jobs say.  [by the farm's and the jobs' rules]",
)
@click.option("--output-only", is_flag=True, help="Of what is that old, delete only the output (with --older-than).")
@with_settings
def prune(settings: Settings, dry_run: bool, older_than: timedelta | None, output_only: bool) -> None:
    """Delete ended executions, or their output, that were kept for long enough.

    The scheduler does the same by itself. The last execution of a job stays, and so does what still owes something.
    Ctrl-C ends it after the execution in hand; what is left goes the next time.
    """
    if output_only and older_than is None:
        raise click.UsageError("--output-only goes with --older-than")
    gone: Counter[str] = Counter()
    wiring = Wiring(settings)
    farm = replace(wiring.farm, announce=lambda event: _count(gone, event))
    try:
        # In a thread of its own: a handler of signals must not set a flag that its own thread may be waiting for.
        with _stopped_by_signals(farm.stopping), ThreadPoolExecutor(1) as thread:
            thread.submit(_prune, farm, Rehearsal() if dry_run else Removal(), older_than, output_only).result()
    finally:
        click.echo(_told(gone, dry_run, is_whole=not farm.stopping.is_set()))
        wiring.close()
    if farm.stopping.is_set():
        raise click.exceptions.Exit(INTERRUPTED)


def _prune(farm: Farm, removal: Removal, older_than: timedelta | None, output_only: bool) -> None:
    duty = Prune(removal, most_batches=sys.maxsize)
    if older_than is None:
        duty.look(farm)
    elif output_only:
        duty.prune_outputs(farm, older_than)
    else:
        duty.prune_executions(farm, older_than)


def _count(gone: Counter[str], event: Event) -> None:
    if isinstance(event, Pruned):
        gone[event.what] += 1


def _told(gone: Counter[str], dry_run: bool, is_whole: bool) -> str:
    verb = "Would delete" if dry_run else "Deleted"
    ending = "" if is_whole else "; interrupted, there may be more"
    return f"{verb} {gone['execution']} executions and {gone['output']} outputs{ending}"


def _age(text: str | None) -> timedelta | None:
    try:
        return None if text is None else parse_life(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@contextmanager
def _stopped_by_signals(stopping: Flag) -> Iterator[None]:
    """SIGINT and SIGTERM end it after the execution in hand; a second one at once."""

    def stop(number: int, _frame: object) -> None:
        stopping.set()
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
