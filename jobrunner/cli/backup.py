"""`jobrunner backup` and `jobrunner restore`: the whole database as one file, and back."""

from __future__ import annotations

import contextlib
import gzip
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import click

from jobrunner.cli.service import with_settings
from jobrunner.settings import Settings
from jobrunner.store import connection
from jobrunner.store.backup import read_backup, write_backup
from jobrunner.store.contents import drop_unfinished
from jobrunner.store.schema import bring_up_to_date


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@with_settings
def backup(settings: Settings, file: Path) -> None:
    """Write a copy of the farm's database to FILE, while the farm works.

    FILE is there once it is whole. It holds the secrets of jobs: it can be read by you alone.
    """
    connection.connect(settings)
    # Beside its place, so that a rename completes it; mkstemp makes it for the owner only.
    descriptor, unfinished = tempfile.mkstemp(dir=file.absolute().parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "wb") as raw:
            with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=3) as packed:
                counts = write_backup(packed)
            raw.flush()
            os.fsync(raw.fileno())
        Path(unfinished).replace(file)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(unfinished).unlink()
        raise
    _say(f"Wrote {file}", counts)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@with_settings
def restore(settings: Settings, file: Path) -> None:
    """Put the copy in FILE into the farm's database, which must be empty. No part of the farm may be running.

    What had not ended at the moment of the copy goes on once the farm is started; Redis needs no copy.
    """
    connection.connect(settings)
    with gzip.open(file, "rb") as packed:
        counts = read_backup(packed)
    bring_up_to_date()
    connection.ensure_indexes()
    drop_unfinished()
    _say(f"Restored {file}", counts)


def _say(what: str, counts: Mapping[str, int]) -> None:
    click.echo(f"{what}: " + ", ".join(f"{count} {name}" for name, count in sorted(counts.items())))
