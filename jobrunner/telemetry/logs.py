"""The logs of jobrunner itself: structured lines on stderr, for people or for machines, never with a secret."""

from __future__ import annotations

import logging
import re
import sys
from dataclasses import asdict

import structlog

from jobrunner.domain.events import DeliveryFailed, Event, OutputCut, OutputEndLost, Repaired, Trouble, Unaudited
from jobrunner.settings import LogFormat, Settings
from jobrunner.telemetry.redaction import redact_line

_log = structlog.get_logger("jobrunner")


def configure_logs(settings: Settings) -> None:
    """Have this process log as the settings say; also what libraries log."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    as_json = settings.log_format is LogFormat.JSON
    renderer = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, redact_line, renderer],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for noisy in ("rq.worker", "urllib3", "pymongo", "docker", "rq_scheduler.scheduler"):
        logging.getLogger(noisy).setLevel(max(level, logging.WARNING))
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def log_event(event: Event) -> None:
    """One line for what the engine announced."""
    fields = {name: value for name, value in asdict(event).items() if value not in (None, "")}
    severity = (
        logging.WARNING
        if isinstance(event, DeliveryFailed | OutputCut | OutputEndLost | Repaired | Trouble | Unaudited)
        else logging.INFO
    )
    _log.log(severity, _line_name(type(event)), **fields)


def _line_name(event_class: type[Event]) -> str:
    """`HandedBack` -> `handed_back`: what to search the logs for."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", event_class.__name__).lower()
