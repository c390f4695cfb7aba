"""jobrunner's own processes on one machine: API, scheduler and worker, as programs for the supervisor."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Mapping

from jobrunner.cli.local.programs import NotReady, Program
from jobrunner.settings import Settings

PROBE_TIMEOUT_SECONDS = 3.0
API_STOP_SECONDS = 10.0  # it lets requests end for 3 s; on a busy machine its end takes longer
HANDOVER_MARGIN_SECONDS = 1.5


def jobrunner_programs(settings: Settings, environment: Mapping[str, str]) -> tuple[Program, ...]:
    """API, scheduler and worker with these settings; `environment` holds those that differ from their own."""
    handover_seconds = settings.handover_seconds + HANDOVER_MARGIN_SECONDS
    return (
        Program(
            "API",
            _command("api"),
            environment,
            ready=lambda: _api_is_ready(settings),
            stop_within_seconds=API_STOP_SECONDS,
        ),
        Program("Scheduler", _command("scheduler"), environment, stop_within_seconds=handover_seconds),
        Program("Worker", _command("worker"), environment, stop_within_seconds=handover_seconds),
    )


def local_url(settings: Settings) -> str:
    """The API's address as seen from this machine."""
    host = _local_host(settings)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.api_port}"


def _command(name: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "jobrunner", name)


def _local_host(settings: Settings) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.api_host, settings.api_host)


def _api_is_ready(settings: Settings) -> str:
    # Not by urllib or requests: this must reach our own process, whatever proxy the environment names.
    connection = http.client.HTTPConnection(_local_host(settings), settings.api_port, timeout=PROBE_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/healthcheck/")
        response = connection.getresponse()
        answer = response.read(64 * 1024)
    except (OSError, http.client.HTTPException) as error:
        raise NotReady(f"{local_url(settings)} does not answer ({error})") from None
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        raise NotReady(_faults(answer))
    return f"API ready on {local_url(settings)}"


def _faults(answer: bytes) -> str:
    try:
        return "; ".join(map(str, json.loads(answer)["errors"]))
    except (ValueError, KeyError, TypeError):
        return "its healthcheck answers something that is not one"
