"""What the commands that run a part of the farm have in common: settings, logs, and waiting for the services."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from jobrunner.patience import once_answered
from jobrunner.settings import Settings, load_settings
from jobrunner.telemetry.logs import configure_logs
from jobrunner.wiring import Wiring


def with_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option --config, and the settings as its first argument; logs are set up by them."""

    @click.option(
        "--config", type=click.Path(path_type=Path), help="The configuration file (else $JOBRUNNER_CONFIG, ...)."
    )
    @functools.wraps(command)
    def configured(config: Path | None, **arguments: Any) -> Any:
        settings = load_settings(config)
        configure_logs(settings)
        return command(settings, **arguments)

    return configured


def wire(settings: Settings, operation_seconds: float | None = None) -> Wiring:
    """Put the process together, once MongoDB and Redis answer. Raises SettingsError."""
    wiring = once_answered(lambda: Wiring(settings, operation_seconds))
    once_answered(wiring.farm.queue.check)
    return wiring
