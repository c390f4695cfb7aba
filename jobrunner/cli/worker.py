"""`jobrunner worker`: the worker of a node."""

from __future__ import annotations

from jobrunner.cli.service import wire
from jobrunner.patience import ended_by_signals
from jobrunner.settings import Settings
from jobrunner.telemetry.logs import configure_logs
from jobrunner.worker.service import NodeService, sole_worker


def run_worker(settings: Settings, drain: bool) -> None:
    """Run the worker until a signal ends it. Raises SettingsError, Conflict."""
    configure_logs(settings)
    with sole_worker(settings):
        with ended_by_signals():
            wiring = wire(settings)
        NodeService(wiring, drain).run()
