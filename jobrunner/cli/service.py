"""What the commands that run a part of the farm have in common: settings, logs, and waiting for the services."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import structlog

from jobrunner.errors import ServiceUnavailable
from jobrunner.settings import Settings, load_settings
from jobrunner.telemetry.logs import configure_logs
from jobrunner.wiring import Wiring

RETRY_SECONDS = 2.0

log = structlog.get_logger(__name__)


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
    """Put the process together, waiting for MongoDB and Redis where they do not answer yet. SIGTERM ends the wait."""
    while True:
        try:
            wiring = Wiring(settings, operation_seconds)
            wiring.farm.queue.check()
            return wiring
        except ServiceUnavailable as error:
            log.warning("waiting_for_service", service=error.service, error=str(error))
            time.sleep(RETRY_SECONDS)
