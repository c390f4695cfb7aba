"""`jobrunner scheduler`: the alarms and the janitors of the farm."""

from __future__ import annotations

import click

from jobrunner.cli.service import wire, with_settings
from jobrunner.patience import ended_by_signals
from jobrunner.settings import Settings
from jobrunner.worker.scheduling import SchedulerService


@click.command()
@with_settings
def scheduler(settings: Settings) -> None:
    """Run the scheduler and the janitors. Several can run, on several machines; one leads."""
    with ended_by_signals():
        wiring = wire(settings)
    SchedulerService(wiring).run()
